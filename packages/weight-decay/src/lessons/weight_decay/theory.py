r"""The linear perceptron and its teacher (Krogh and Hertz 1991, §§3 and 4).

Shapes: P patterns (p in the paper), N inputs. The output is $N^{-1/2}\sum_i w_i\xi_i$ (eq. 5), and
$A = N^{-1}\sum_\mu \xi^\mu\xi^{\mu T}$ (eq. 8): the sum over patterns is not divided by p.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .decay import check_lam


def optimal_lambda(sigma2: float, u2: float) -> float:
    """Return the decay with the lowest mean generalization error, σ²/u² (eq. 17).

    Args:
        sigma2: variance σ² of the noise on the targets.
        u2: mean square u² = |u|²/N of the teacher's weights.

    Raises:
        ValueError: σ² is negative or u² not positive.
    """
    check_lam(sigma2, "sigma2")
    if not u2 > 0:
        raise ValueError(f"u2 must be positive, got {u2}")
    return sigma2 / u2


def eigenvalue_errors(
    eigenvalues: Tensor, lam: float, sigma2: float, u2: float | Tensor = 1.0
) -> Tensor:
    r"""Return $F_r = (\lambda^2u_r^2 + A_r\sigma^2)/(\lambda+A_r)^2$ of each eigenvector (eq. 16).

    Its mean over all N eigenvectors is F. Where λ + A_r = 0 it is u_r², the error of starting at 0.

    Args:
        eigenvalues: A_r ≥ 0, any shape.
        lam: λ ≥ 0.
        sigma2: σ².
        u2: u_r² of each, or its mean.
    """
    check_lam(lam)
    errors = (lam**2 * u2 + eigenvalues * sigma2) / (lam + eigenvalues) ** 2
    return torch.where(lam + eigenvalues > 0, errors, torch.as_tensor(u2, dtype=errors.dtype))


def resolvent(alpha: float, lam: float) -> tuple[float, float]:
    r"""Return $G = \langle 1/(\lambda+A)\rangle$ and dG/dλ for white inputs and N → ∞.

    G solves λG² + (λ+α−1)G − 1 = 0, the law of Marchenko and Pastur; λ > 0.
    """
    b = lam + alpha - 1
    root = math.sqrt(b * b + 4 * lam)
    g = 2 / (b + root) if b > 0 else (root - b) / (2 * lam)  # neither loses digits
    return g, -(g * g + g) / (2 * lam * g + b)


def generalization_error(alpha: float, lam: float, sigma2: float, u2: float = 1.0) -> float:
    r"""Return the generalization error for white inputs and N → ∞, the curves of Fig. 1.

    $$ F = -\lambda^2u^2G' + \sigma^2(G+\lambda G'), \quad
       F|_{\lambda=0} = (1-\alpha)u^2 + \tfrac{\alpha}{1-\alpha}\sigma^2 \;(\alpha<1), \quad
       \tfrac{1}{\alpha-1}\sigma^2 \;(\alpha>1) $$

    Args:
        alpha: α = p/N > 0.
        lam: λ ≥ 0; 0 is the limit λ → 0, the smallest of the weight vectors that fit.
        sigma2: σ² ≥ 0.
        u2: u².

    Returns:
        F, without the noise of the targets that it is compared with; inf at α = 1, λ = 0, σ² > 0.

    Raises:
        ValueError: α ≤ 0, or λ or σ² negative.
    """
    if not alpha > 0:
        raise ValueError(f"alpha must be positive, got {alpha}")
    check_lam(lam)
    check_lam(sigma2, "sigma2")
    if lam:
        g, slope = resolvent(alpha, lam)
        return -(lam**2) * u2 * slope + sigma2 * (g + lam * slope)
    if alpha == 1:
        return math.inf if sigma2 else 0.0
    if alpha < 1:
        return (1 - alpha) * u2 + alpha * sigma2 / (1 - alpha)
    return sigma2 / (alpha - 1)


def ridge(x_PN: Tensor, y_P: Tensor, lam: float) -> Tensor:
    r"""Return $w = (A+\lambda)^{-1} N^{-1/2}\sum_\mu y^\mu\xi^\mu$, where learning ends.

    λ = 0 is the limit λ → 0, through the pseudo-inverse.

    Args:
        x_PN: patterns.
        y_P: targets.
        lam: λ ≥ 0.

    Returns:
        The weights (N,).

    Raises:
        ValueError: the shapes do not fit, or λ is negative.
    """
    check_lam(lam)
    if x_PN.ndim != 2 or y_P.shape != x_PN.shape[:1]:
        got = f"X {tuple(x_PN.shape)} and y {tuple(y_P.shape)}"
        raise ValueError(f"X must be (p, N) and y (p,), got {got}")
    p, n = x_PN.shape
    x_PN = x_PN / math.sqrt(n)
    if lam == 0:
        return torch.linalg.pinv(x_PN) @ y_P
    if p < n:  # the same through the p × p matrix
        gram = x_PN @ x_PN.T
        gram.diagonal().add_(lam)
        return x_PN.T @ torch.cholesky_solve(y_P[:, None], torch.linalg.cholesky(gram))[:, 0]
    a_NN = x_PN.T @ x_PN
    a_NN.diagonal().add_(lam)
    return torch.cholesky_solve((x_PN.T @ y_P)[:, None], torch.linalg.cholesky(a_NN))[:, 0]


def posterior_mean(x_PN: Tensor, y_P: Tensor, prior_var: float, noise_var: float) -> Tensor:
    """Return E[w | data], (N,), if weights are N(0, prior_var) and targets have Gaussian noise.

    It is `ridge` at λ = noise_var/prior_var, which is eq. 17: no estimate has a lower expected
    error v'Cv, whatever C, so the optimum holds for inputs of any covariance.
    """
    return ridge(x_PN, y_P, optimal_lambda(noise_var, prior_var))


class LinearTeacherStudent:
    r"""A linear student, its noisy teacher and p = αN patterns, in float64 (eqs 5 to 17).

    Args:
        N: inputs. alpha: p/N. sigma2: σ² of the noise on the targets.
        spectrum: variances of the N independent inputs; None: all 1 (white).
        u2: mean square of the teacher's weights, which are normal.
        binary: inputs of ±√variance in place of normal ones.
        generator: where chance comes from.

    Attributes:
        x_PN, y_P: patterns and noisy targets. u_N: the teacher. eigenvalues, vectors_NN: of A.

    Raises:
        ValueError: α ≤ 0, σ² < 0, or a spectrum that has not N values.
    """

    def __init__(
        self, N: int, alpha: float, sigma2: float, spectrum: Tensor | Sequence[float] | None = None,
        *, u2: float = 1.0, binary: bool = False, generator: torch.Generator | None = None,
    ) -> None:  # fmt: skip
        if not alpha > 0 or not sigma2 >= 0:
            raise ValueError(
                f"alpha must be > 0 and sigma2 >= 0, got alpha={alpha}, sigma2={sigma2}"
            )
        variances = torch.as_tensor([1.0] * N if spectrum is None else spectrum).double()
        if variances.shape != (N,):
            raise ValueError(f"spectrum must have N={N} values, got shape {tuple(variances.shape)}")
        draw: dict[str, Any] = {"generator": generator, "dtype": torch.float64}
        p = max(1, round(alpha * N))
        x_PN = torch.randn(p, N, **draw)
        self.x_PN = (x_PN.sign() if binary else x_PN) * variances.sqrt()
        self.u_N = math.sqrt(u2) * torch.randn(N, **draw)
        noise_P = math.sqrt(sigma2) * torch.randn(p, **draw)
        self.variances, self.sigma2, self.u2 = variances, sigma2, u2
        self.y_P = self.x_PN @ self.u_N / math.sqrt(N) + noise_P  # eq. 12
        eigenvalues, self.vectors_NN = torch.linalg.eigh(self.x_PN.T @ self.x_PN / N)
        none = N * torch.finfo(torch.float64).eps * eigenvalues[-1]
        self.eigenvalues = torch.where(eigenvalues > none, eigenvalues, 0.0)

    def gradient_flow(self, t: float, lam: float, start: Tensor | None = None) -> Tensor:
        r"""Return the weights (N,) at time t of $\dot w = -\partial E_0/\partial w - \lambda w$.

        Along an eigenvector $w_r(t) = e^{-(A_r+\lambda)t}w_r(0) + \frac{1-e^{-(A_r+\lambda)t}}
        {A_r+\lambda}b_r$; where A_r = 0 there is no force b_r. Source: eqs 6, 10, 13.
        """
        check_lam(lam)
        n = len(self.u_N)
        start = torch.zeros_like(self.u_N) if start is None else start
        force = self.vectors_NN.T @ (self.x_PN.T @ self.y_P) / math.sqrt(n)
        force = torch.where(self.eigenvalues > 0, force, 0.0)
        rate = self.eigenvalues + lam
        reach = torch.where(rate > 0, -torch.expm1(-rate * t) / rate, t)
        w_r = torch.exp(-rate * t) * (self.vectors_NN.T @ start) + reach * force
        return self.vectors_NN @ w_r

    def solution(self, lam: float) -> Tensor:
        """Return the weights (N,) at t → ∞; λ = 0 is the limit λ → 0, not that of the flow."""
        return ridge(self.x_PN, self.y_P, lam)

    def gen_error(self, w_N: Tensor) -> float:
        """Return F = v'Cv/N with v = u − w: |v|²/N for white inputs (eq. 11)."""
        return ((self.u_N - w_N) ** 2 * self.variances).mean().item()

    def expected_error(self, lam: float) -> float:
        r"""Return F, averaged over the noise and over teachers, for these patterns.

        The mean of `eigenvalue_errors` weighted with $C_{rr}$, the inputs' variance along each
        eigenvector; for white inputs just their mean.
        """
        weights = self.vectors_NN.T**2 @ self.variances
        errors = eigenvalue_errors(self.eigenvalues, lam, self.sigma2, self.u2)
        return (weights * errors).mean().item()

    def effective_dof(self, lam: float) -> float:
        """Return ΣA/(A + λ): how many parameters the data, not the decay, decide."""
        check_lam(lam)
        kept = self.eigenvalues[self.eigenvalues > 0]
        return (kept / (kept + lam)).sum().item()
