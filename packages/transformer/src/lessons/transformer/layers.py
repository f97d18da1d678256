"""Claims C2 and C3: what layers cost, how far gradients reach, and the scale of dot products."""

import math

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from .attention import scaled_dot_product_attention
from .claims import HOLDS, NOT_SEEN, REFUTED, Finding, claim
from .figures import BLUE, GREEN, RED


@claim("C2a", "Table 1", "Self-attention costs n²d a layer, recurrence nd²: cheaper while n < d.")
def layer_costs(run):
    """Count the operations of both."""
    d, ratios, shares = 64, {}, {}
    for n in (16, 32, 64, 128, 256):
        x = torch.randn(1, 1, n, d, device=run.device)
        with FlopCounterMode(display=False) as attention:
            scaled_dot_product_attention(x, x, x, need_weights=True)
        w_x, w_h = torch.randn(2, d, d, device=run.device)
        with FlopCounterMode(display=False) as recurrence:
            h = torch.zeros(1, d, device=run.device)
            for t in range(n):
                h = (x[0, 0, t : t + 1] @ w_x + h @ w_h).tanh()
        ratios[n] = attention.get_total_flops() / recurrence.get_total_flops()
        shares[n] = 8 * n * d * d / (attention.get_total_flops() + 8 * n * d * d)
    exact = all(abs(ratio / (n / d) - 1) < 0.01 for n, ratio in ratios.items())
    text = ", ".join(f"{ratio:g} at n = {n}" for n, ratio in ratios.items())
    return Finding(
        verdict=HOLDS if exact else REFUTED,
        ran="Operations counted, not timed: softmax(QKᵀ)V and a tanh recurrence, d = 64.",
        measured=f"Ratio {text}: n/d exactly. Sequential products: 2 against n. The table leaves "
        f"out the four projections of attention, 8nd² operations: {shares[64]:.0%} of the layer at "
        "n = d.",
        numbers={"ratio": ratios, "projections": shares},
    )


def draw_paths(figure, numbers):
    """Draw the gradient between the ends of a sequence against its length."""
    axes = figure.subplots()
    styles = {"self-attention": BLUE, "recurrent": RED, "convolutional": GREEN}
    for kind, color in styles.items():
        norms = numbers["norms"][kind]
        lengths = [n for n, norm in zip(numbers["lengths"], norms) if norm]
        axes.loglog(lengths, [norm for norm in norms if norm], "o-", color=color, label=kind)
    axes.set(xlabel="sequence length n", ylabel="gradient, last output to first input",
             ylim=(1e-12, 10))  # fmt: skip
    _ticks(axes, numbers["lengths"])
    axes.legend()


def _ticks(axes, values):
    axes.set_xticks(values, [str(value) for value in values])
    axes.minorticks_off()


@claim("C2b", "§4, Table 1", "Self-attention joins any two positions by a path of one step.",
       draw_paths)  # fmt: skip
def path_lengths(run):
    """Measure the gradient between the ends at random weights, for three kinds of layers."""
    lengths, d = (16, 32, 64, 128, 256), 64
    norms: dict[str, list[float]] = {"self-attention": [], "recurrent": [], "convolutional": []}
    seeds = run.seeds(run.pick(test=2, default=8))
    for n in lengths:
        for kind, found in norms.items():
            squares = []
            for seed in seeds:
                torch.manual_seed(seed)
                x = torch.randn(1, n, d, requires_grad=True, device=run.device)
                if kind == "self-attention":
                    net = nn.MultiheadAttention(d, 4, batch_first=True, device=run.device)
                    y = net(x, x, x, need_weights=False)[0]
                elif kind == "recurrent":
                    y = nn.RNN(d, d, batch_first=True, device=run.device)(x)[0]
                else:  # as many layers of width 3 as it takes to reach from end to end
                    y = x.transpose(1, 2)
                    for _ in range(n - 1):
                        convolution = nn.Conv1d(d, d, 3, padding=1, device=run.device)
                        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
                        y = convolution(y).relu()
                    y = y.transpose(1, 2)
                (gradient,) = torch.autograd.grad(y[0, -1].sum(), x)
                squares.append(gradient[0, 0].square().sum().item())
            found.append(math.sqrt(sum(squares) / len(squares)))
    # A power of n has a constant slope in logarithms; 1/n has -1. "Exponential": the logarithm
    # falls in proportion to n, so that each doubling multiplies the fall by two.
    attention = norms["self-attention"]
    slope = math.log(attention[-1] / attention[0]) / math.log(lengths[-1] / lengths[0])
    recurrent_falls = norms["recurrent"][1] < 1e-2 * norms["recurrent"][0]
    holds = -1.3 < slope < -0.7 and recurrent_falls and norms["recurrent"][2] < 1e-9
    return Finding(
        verdict=HOLDS if holds else NOT_SEEN,
        ran=f"One layer each at its initial weights (convolutions: the n-1 of width "
        "3 that it takes), d = 64, n from "
        f"16 to 256, root mean square over {len(seeds)} seeds.",
        measured=f"Attention's gradient goes as n to the power {slope:.2f} ({attention[0]:.1e} to "
        f"{attention[-1]:.1e}); the recurrent layer's falls from {norms['recurrent'][0]:.1e} at "
        f"n = 16 to {norms['recurrent'][1]:.1e} at 32 and {norms['recurrent'][2]:.1e} at 64, the "
        f"convolutions' from {norms['convolutional'][0]:.1e} to {norms['convolutional'][1]:.1e}.",
        numbers={"lengths": lengths, "norms": norms, "slope": slope},
        between="Initial weights of another scale.",
    )


# C3: the scale of the dot products


def draw_scale(figure, numbers):
    """Draw what is left of the softmax's gradient against d_k."""
    axes = figure.subplots()
    axes.semilogx(numbers["d_k"], numbers["scaled"], "o-", color=BLUE, label="divided by √d_k")
    axes.semilogx(numbers["d_k"], numbers["plain"], "o-", color=RED, label="not divided")
    axes.set(xlabel="width of queries and keys, d_k", ylabel="trace of the softmax's Jacobian")
    axes.set(ylim=(0, 1))
    _ticks(axes, numbers["d_k"])
    axes.legend()


@claim("C3", "§3.2.1, footnote 4", "Without 1/√d_k, long dot products leave softmax no gradient.",
       draw_scale)  # fmt: skip
def scale(run):
    """Measure the variance of q·k and the softmax's Jacobian for random q and k."""
    generator = torch.Generator().manual_seed(run.seed)
    queries = run.pick(test=200, default=2000)
    widths = (4, 16, 64, 256, 1024)
    numbers: dict[str, list] = {"d_k": [*widths], "variance": [], "plain": [], "scaled": []}
    for d_k in widths:
        q, k = (
            torch.randn(queries, d_k, generator=generator),
            torch.randn(64, d_k, generator=generator),
        )
        scores = q @ k.T
        numbers["variance"].append(scores.var().item() / d_k)
        for name, factor in (("plain", 1.0), ("scaled", d_k**-0.5)):
            p = (scores * factor).softmax(-1)
            numbers[name].append((p * (1 - p)).sum(-1).mean().item())  # tr(diag(p) - p pᵀ)
    plain, scaled = numbers["plain"], numbers["scaled"]
    # 64 keys are shared by all queries: their lengths vary by sqrt(2 / (64 d_k)), 4% at 16.
    variance = all(0.9 <= v <= 1.1 for v in numbers["variance"][1:])
    holds = variance and plain[1] / plain[-1] >= 5 and max(scaled[1:]) / min(scaled[1:]) < 1.05
    return Finding(
        verdict=HOLDS if holds else NOT_SEEN,
        ran=f"{queries} queries, 64 keys, entries of mean 0 and variance 1.",
        measured=f"Var(q·k)/d_k between {min(numbers['variance']):.2f} and "
        f"{max(numbers['variance']):.2f}. The trace of the Jacobian falls from {plain[0]:.2f} at "
        f"d_k = 4 to {plain[1]:.2f} at 16 and {plain[-1]:.3f} at 1024; divided by √d_k it stays "
        f"at {min(scaled):.2f} to {max(scaled):.2f}.",
        numbers=numbers,
        between="A sample too small.",
    )
