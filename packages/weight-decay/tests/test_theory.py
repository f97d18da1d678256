"""Krogh and Hertz's equations, exact figures, and bad input."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lessons.weight_decay import (
    LinearTeacherStudent,
    eigenvalue_errors,
    gauss_newton,
    generalization_error,
    jacobian_gram,
    optimal_lambda,
    posterior_mean,
    resolvent,
    ridge,
)
from lessons.weight_decay.claims.hidden_units import outputs_only
from lessons.weight_decay.nonlinear import n_weights, outputs_and_jacobian


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


@pytest.mark.parametrize(
    ("alpha", "with_decay", "without"),
    [
        (0.25, 0.800000, 0.816667), (0.5, 0.621699, 0.7), (0.75, 0.472912, 0.85),
        (1, 0.358258, math.inf), (1.25, 0.275625, 0.8), (1.5, 0.217891, 0.4),
        (2, 0.148331, 0.2),
    ],
)  # fmt: skip
def test_figure_1(alpha, with_decay, without):
    assert generalization_error(alpha, 0.2, 0.2) == pytest.approx(with_decay, abs=5e-7)
    assert generalization_error(alpha, 0, 0.2) == pytest.approx(without, abs=5e-7)
    assert generalization_error(alpha, 0, 0.0) == max(0, 1 - alpha)  # the dotted line


@pytest.mark.parametrize(
    ("lam", "error"), [(0.05, 0.46667), (0.1, 0.38414), (0.2, 0.35826), (0.3, 0.36664)]
)
def test_the_curve_over_the_decay_at_p_equal_to_n(lam, error):
    assert generalization_error(1, lam, 0.2) == pytest.approx(error, abs=5e-6)


@given(st.floats(0.05, 4), st.floats(0.01, 3), st.floats(0.1, 3))
@settings(max_examples=50, deadline=None)
def test_the_curves_lowest_point_is_at_eq_17(alpha, sigma2, u2):
    best = optimal_lambda(sigma2, u2)
    lowest = generalization_error(alpha, best, sigma2, u2)
    assert lowest == pytest.approx(sigma2 * resolvent(alpha, best)[0], rel=1e-9)  # F = σ²G
    for factor in (0.5, 0.9, 1.1, 2):
        assert lowest <= generalization_error(alpha, factor * best, sigma2, u2)


@pytest.mark.parametrize("alpha", [0.3, 0.8, 1.3, 3])
def test_no_decay_is_the_limit_of_a_small_one(alpha):
    near = generalization_error(alpha, 1e-9, 0.2)
    assert near == pytest.approx(generalization_error(alpha, 0, 0.2), rel=1e-6)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_the_resolvent_is_that_of_measured_eigenvalues(alpha):
    values = LinearTeacherStudent(400, alpha, 0, generator=seeded()).eigenvalues
    for lam in (0.1, 0.5):
        assert (1 / (lam + values)).mean().item() == pytest.approx(resolvent(alpha, lam)[0], 0.01)


@given(st.floats(0, 5), st.floats(0.01, 3), st.floats(0.01, 3))
@settings(max_examples=50, deadline=None)
def test_each_eigenvector_has_its_own_best_decay(eigenvalue, sigma2, u2):
    # Eq. 16: σ²/u_r², for any eigenvalue.
    a = torch.tensor(eigenvalue, dtype=torch.float64)
    lowest = eigenvalue_errors(a, sigma2 / u2, sigma2, u2).item()
    for factor in (0.7, 1.5):
        assert lowest <= eigenvalue_errors(a, factor * sigma2 / u2, sigma2, u2).item() + 1e-12


def test_the_optimum_depends_on_the_eigenvalues_if_the_teacher_is_aligned_with_them():
    # §4 averages over u. Where u² is large along large eigenvalues, σ²/u² is not the best.
    eigenvalues = torch.tensor([0.1, 10.0], dtype=torch.float64)
    grid = torch.logspace(-3, 2, 2000, dtype=torch.float64)
    best = {}
    for name, u2 in (("aligned", [0.1, 1.9]), ("against", [1.9, 0.1]), ("even", [1.0, 1.0])):
        u2 = torch.tensor(u2, dtype=torch.float64)
        errors = [eigenvalue_errors(eigenvalues, lam.item(), 0.2, u2).mean() for lam in grid]
        best[name] = grid[torch.stack(errors).argmin()].item()
    assert best["even"] == pytest.approx(0.2, rel=0.01)
    assert best["aligned"] > 2 * 0.2 * 0.9
    assert best["against"] < 0.2


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("alpha", [0.5, 2.0])
def test_the_flow_goes_where_the_solution_is(alpha, binary):
    one = LinearTeacherStudent(30, alpha, 0.1, binary=binary, generator=seeded(1))
    start = noise(30, seed=2)
    assert torch.allclose(one.gradient_flow(0.0, 0.3, start), start)
    assert torch.allclose(one.gradient_flow(200.0, 0.3, start), one.solution(0.3), atol=1e-10)


def test_the_flow_solves_the_learning_equation():
    # Eq. 6 with noise, eq. 13: compare its derivative with the force, by central differences.
    one = LinearTeacherStudent(20, 0.6, 0.3, generator=seeded(3))
    start, t, h = noise(20, seed=4), 0.7, 1e-5
    speed = (one.gradient_flow(t + h, 0.2, start) - one.gradient_flow(t - h, 0.2, start)) / (2 * h)
    w, x = one.gradient_flow(t, 0.2, start), one.x_PN / math.sqrt(20)
    assert torch.allclose(speed, x.T @ (one.y_P - x @ w) - 0.2 * w, atol=1e-8)


def test_outside_the_patterns_weights_stay_without_decay_and_fall_as_exp_with_it():
    one = LinearTeacherStudent(40, 0.5, 0.0, generator=seeded())
    outside, start = one.vectors_NN[:, one.eigenvalues == 0], noise(40, seed=1)
    assert outside.shape == (40, 20)
    before = outside.T @ start
    assert torch.allclose(outside.T @ one.gradient_flow(1e6, 0.0, start), before, atol=1e-12)
    after = outside.T @ one.gradient_flow(5.0, 0.3, start)
    assert torch.allclose(after, math.exp(-1.5) * before, rtol=1e-10)


@pytest.mark.parametrize("alpha", [0.5, 1.5])
def test_an_infinitesimal_decay_gives_the_pseudo_inverse(alpha):
    one = LinearTeacherStudent(40, alpha, 0.1, generator=seeded())
    w = torch.linalg.pinv(one.x_PN / math.sqrt(40)) @ one.y_P
    assert torch.allclose(one.solution(1e-9), w, atol=1e-6)
    assert torch.allclose(one.solution(0.0), w, atol=1e-12)


def test_the_expected_error_is_the_mean_over_teachers_and_noise():
    # Of the same patterns: eq. 16, for inputs that are not white as well.
    one = LinearTeacherStudent(20, 0.8, 0.3, torch.linspace(0.1, 3, 20), u2=0.5, generator=seeded())
    generator, errors = seeded(1), []
    for _ in range(4000):
        u = math.sqrt(0.5) * torch.randn(20, generator=generator, dtype=torch.float64)
        eta = math.sqrt(0.3) * torch.randn(16, generator=generator, dtype=torch.float64)
        w = ridge(one.x_PN, one.x_PN @ u / math.sqrt(20) + eta, 0.4)
        errors.append((((u - w) ** 2) * one.variances).mean())
    errors = torch.stack(errors)
    error = (errors.std() / math.sqrt(len(errors))).item()
    assert abs(errors.mean().item() - one.expected_error(0.4)) < 3.5 * error


def test_the_posterior_mean_is_the_solution_with_the_optimal_decay():
    one = LinearTeacherStudent(30, 0.7, 0.2, u2=0.5, generator=seeded())
    mean = posterior_mean(one.x_PN, one.y_P, 0.5, 0.2)
    assert torch.allclose(mean, one.solution(optimal_lambda(0.2, 0.5)), atol=1e-12)
    # The same from the conditional normal distribution: Cov(w, y) Cov(y)⁻¹ y.
    x = one.x_PN / math.sqrt(30)
    covariance = 0.5 * x @ x.T + 0.2 * torch.eye(len(x), dtype=torch.float64)
    assert torch.allclose(mean, 0.5 * x.T @ torch.linalg.solve(covariance, one.y_P), atol=1e-10)


def test_effective_parameters_fall_from_the_rank_to_none():
    one = LinearTeacherStudent(30, 0.5, 0.2, generator=seeded())
    assert one.effective_dof(0.0) == 15
    assert one.effective_dof(1e9) < 1e-6
    assert one.effective_dof(0.1) > one.effective_dof(0.2)


# Hidden units


def test_the_gram_matrix_of_a_linear_net_is_a():
    net = nn.Linear(6, 1, bias=False).double()
    x = noise(4, 6)
    assert torch.allclose(jacobian_gram(net, x), x.T @ x)


@pytest.mark.parametrize("p", [3, 40])
def test_the_rank_is_at_most_p_and_at_most_w(p):
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    gram = jacobian_gram(net, noise(p, 3))
    assert gram.shape == (21, 21)
    assert torch.linalg.matrix_rank(gram, hermitian=True).item() == min(p, 21)


def test_the_jacobian_by_hand_is_autograds():
    w, x = noise(2, n_weights(3, 4)), noise(2, 5, 3)
    f, jacobian = outputs_and_jacobian(w, x, 4)
    assert torch.allclose(f, outputs_only(w, x, 4))
    found = torch.func.vmap(torch.func.jacrev(lambda w, x: outputs_only(w[None], x[None], 4)[0]))
    assert torch.allclose(jacobian, found(w, x), atol=1e-12)


def test_gauss_newton_ends_at_a_minimum():
    start, x = 0.5 * noise(3, n_weights(2, 2)), noise(3, 40, 2)
    y = outputs_only(noise(3, n_weights(2, 2), seed=5), x, 2)
    w, gradient = gauss_newton(start, x, y, torch.full((3,), 0.1, dtype=torch.float64), 2, 600)
    assert gradient.max() < 1e-6
    w = w.requires_grad_()
    cost = 0.5 * ((y - outputs_only(w, x, 2)) ** 2).sum() + 0.05 * (w**2).sum()
    assert torch.autograd.grad(cost, w)[0].abs().max() < 1e-6


def test_the_nets_of_the_paper_and_of_the_experiments_have_these_sizes():
    def count(inputs, hidden, outputs):
        return sum(p.numel() for p in nn.Sequential(
            nn.Linear(inputs, hidden), nn.Linear(hidden, outputs)).parameters())  # fmt: skip

    assert count(7 * 26, 40, 26) == 8386
    assert count(196, 40, 10) == 8290
    assert n_weights(20, 5) == 111


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="alpha=0"):
        LinearTeacherStudent(10, 0, 0.1)
    with pytest.raises(ValueError, match="sigma2=-1"):
        LinearTeacherStudent(10, 1, -1)
    with pytest.raises(ValueError, match=r"N=10 values, got shape \(3,\)"):
        LinearTeacherStudent(10, 1, 0.1, [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="alpha must be positive"):
        generalization_error(0, 0.1, 0.1)
    with pytest.raises(ValueError, match="lam must be >= 0"):
        generalization_error(1, -0.1, 0.1)
    with pytest.raises(ValueError, match="u2 must be positive"):
        optimal_lambda(0.2, 0)
    with pytest.raises(ValueError, match=r"X \(4, 3\) and y \(3,\)"):
        ridge(noise(4, 3), noise(3), 0.1)
    with pytest.raises(ValueError, match="one output"):
        jacobian_gram(nn.Linear(3, 2), torch.zeros(4, 3))
