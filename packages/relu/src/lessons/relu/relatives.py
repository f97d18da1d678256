"""The rectifier's relatives in the paper: its smooth version, tanh made one-sided, the neuron.

Softplus (§3.1) is the rectifier with a rounded corner. The paper asks whether the corner hurts, and
rescales softplus to make it as sharp as one likes (§4.1).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.fx import Proxy

from .rectifier import relu
from .tracing import node

METHODS = ("kernel", "readable")


class Smooth(Function):
    """log(1 + exp(αx)) / α, and its derivative, the logistic sigmoid of αx."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, alpha: float) -> Tensor:
        """Return max(x, 0) + log(1 + exp(−α|x|)) / α, whose exponential cannot overflow."""
        return x.clamp(min=0) + torch.log1p(torch.exp(-alpha * x.abs())) / alpha

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        """Keep x, through which the derivative can be differentiated again."""
        x, ctx.alpha = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx, grad: Tensor):  # ty: ignore[incompatible-method-override]
        """Weigh the gradient with the sigmoid of αx."""
        (x,) = ctx.saved_tensors
        return grad * torch.sigmoid(ctx.alpha * x), None


class SmoothJvp(Smooth):
    """The same with forward derivatives; a class of its own, as torch.compile refuses a jvp."""

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        """Keep x for both ways."""
        Smooth.setup_context(ctx, inputs, output)
        ctx.save_for_forward(inputs[0])

    @staticmethod
    def jvp(ctx, tangent: Tensor, _):  # ty: ignore[incompatible-method-override]
        """Weigh a change of the input with the sigmoid of αx."""
        return Smooth.backward(ctx, tangent)[0]


def softplus(x: Tensor, alpha: float = 1.0, method: str = "kernel") -> Tensor:
    """Return log(1 + exp(αx)) / α, which is at most ln 2 / α above the rectifier (at x = 0).

    Args:
        x: floating point, any shape.
        alpha: sharpness of the corner; the rectifier is its limit.
        method: "kernel" (torch's, the default) or "readable" (`Smooth`, the specification).

    Raises:
        TypeError: x is not floating point. ValueError: alpha ≤ 0, or an unknown method.

    Source: §3.1 (α = 1), §4.1.
    """
    if isinstance(x, Proxy):  # torch.fx traces: one node, as of torch's own functions
        return node(softplus, x, alpha, method)
    if not x.is_floating_point():
        raise TypeError(f"x must be floating point, got {x.dtype}")
    if not alpha > 0:
        raise ValueError(f"alpha must be positive, got {alpha}")
    if method == "kernel":
        # torch answers x itself above αx = threshold; at its 20 that is 2e-9 off, too much in
        # double precision.
        return F.softplus(x, alpha, 50.0 if x.dtype == torch.float64 else 20.0)
    if method == "readable":
        function = Smooth if torch.compiler.is_compiling() else SmoothJvp
        return function.apply(x, float(alpha))
    raise ValueError(f"method must be kernel or readable, got {method!r}")


class RescaledSoftplus(nn.Module):
    """A layer of softplus units, in place of ``nn.Softplus(beta=alpha)``; see `softplus`."""

    def __init__(self, alpha: float = 1.0, method: str = "kernel") -> None:
        super().__init__()
        if not alpha > 0:
            raise ValueError(f"alpha must be positive, got {alpha}")
        if method not in METHODS:
            raise ValueError(f"method must be kernel or readable, got {method!r}")
        self.alpha, self.method = alpha, method

    def forward(self, input: Tensor) -> Tensor:
        """Return log(1 + exp(αx)) / α, of the input's shape."""
        return softplus(input, self.alpha, self.method)

    def extra_repr(self) -> str:
        """Return the sharpness."""
        return f"alpha={self.alpha:g}"


def abs_tanh(x: Tensor) -> Tensor:
    """Return |tanh x|, symmetric (footnote 1; Jarrett et al. 2009)."""
    return torch.tanh(x).abs()


def relu_tanh(x: Tensor) -> Tensor:
    """Return max(tanh x, 0), one-sided and bounded (footnote 3: worse than Table 1's)."""
    return relu(torch.tanh(x))


def lif(
    current: Tensor,
    tau: float = 0.02,
    t_ref: float = 0.002,
    resistance: float = 1.0,
    potential: float = 0.0,
    threshold: float = 1.0,
    reset: float = 0.0,
) -> Tensor:
    """Return the firing rate of a leaky integrate-and-fire neuron, in spikes per unit of time.

    The membrane charges from the resting potential V_r towards E + RI with time constant τ, and
    takes τ log((E + RI − V_r) / (E + RI − V_th)) to the threshold; then it rests for t_ref.

    Args:
        current: input current I, any shape.
        tau: the membrane's time constant τ.
        t_ref: the refractory period, in the same unit.
        resistance: R.
        potential: E.
        threshold: V_th.
        reset: V_r, the resting potential.

    Raises:
        ValueError: threshold ≤ reset, tau ≤ 0 or t_ref < 0.

    Source: §2.1, Fig. 1 left.
    """
    if not threshold > reset:
        raise ValueError(f"threshold ({threshold}) must be above reset ({reset})")
    if not (tau > 0 and t_ref >= 0):
        raise ValueError(f"tau must be positive and t_ref not negative, got {tau} and {t_ref}")
    drive = potential + resistance * current
    fires = drive > threshold
    safe = torch.where(fires, drive, threshold + 1.0)  # no logarithm of what does not fire
    period = tau * torch.log((safe - reset) / (safe - threshold)) + t_ref
    return torch.where(fires, 1 / period, 0)
