"""C4: the gradient through a recurrent net at its start (§3.1)."""

import torch

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, RED
from ..lab.statistics import HOLDS, NOT_SEEN
from ..recurrent import LayerNormLSTM, LayerNormRNN
from .data import gaussian

SCALES, TIMES = (0.5, 1.0, 1.5, 3.0), (1, 2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
SCALES, TIMES = (0.5, 1.0, 1.5, 3.0), (1, 2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)


def sensitivity(network, inputs_TBI, first_BH):
    """Return the norm of the gradient of |h_t|² with respect to h_0, at each of `TIMES`."""
    first = first_BH[None].requires_grad_()
    h_TBH, _ = network(inputs_TBI, first)
    return [
        torch.autograd.grad(h_TBH[t - 1].square().sum(), first, retain_graph=True)[0].norm().item()
        for t in TIMES
    ]


def plain(scale_weights, inputs_TBI, first_BH):
    """Return `sensitivity` of h = tanh(W h + W x), without norms."""
    hh_HH, ih_HI = scale_weights

    def network(inputs_TBI, first):
        h, outputs = first[0], []
        for x_BI in inputs_TBI:
            h = (h @ hh_HH.T + x_BI @ ih_HI.T).tanh()
            outputs.append(h)
        return torch.stack(outputs), h

    return sensitivity(network, inputs_TBI, first_BH)


def blank_steps(seed, steps):
    """Return the gradient, with respect to a zero first state, of an LSTM's output after blanks.

    One input follows ``steps`` blank ones: with and without norms, at the usual ε.
    """
    found = {}
    for name, variant in (("LSTM", "none"), ("layer-normalized", "full")):
        torch.manual_seed(seed)
        lstm = LayerNormLSTM(4, 64, variant=variant, dtype=torch.float64)
        x_TBI = torch.cat([torch.zeros(steps, 1, 4), torch.rand(1, 1, 4)]).double()
        state = tuple(torch.zeros(1, 1, 64, dtype=torch.float64).requires_grad_() for _ in "hc")
        gradients = torch.autograd.grad(lstm(x_TBI, state)[0][-1].square().sum(), state)
        found[name] = max(gradient.norm().item() for gradient in gradients)
    return found


def draw_dynamics(figure, numbers):
    """Draw the gradient against time, a line for each scale of the weights."""
    figure.set_size_inches(6.4, 2.8)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (name, lines) in zip(panels, numbers["geometric means"].items()):
        for (scale, line), style in zip(lines.items(), ("-", "--", "-.", ":")):
            color = BLUE if name == "plain" else RED
            axes.plot(TIMES, line, style, color=color, label=f"weights × {scale}")
        axes.set(yscale="log", xlabel="steps t", title=f"{name} RNN")
        axes.legend()
    panels[0].set_ylabel("∂|h(t)|² / ∂h(0)")


@claim(
    "C4",
    "§3.1",
    "A layer-normalized RNN is invariant to its weights' scale, hence far more stable.",
    draw_dynamics,
    asks="A layer-normalized RNN is invariant to the scale of its weights, which makes its hidden "
    "dynamics far more stable.",
)
def dynamics(run):
    """Judge the spread over the weights' scale after 100 steps."""
    seeds, units = run.pick(test=1, default=5), 64
    found = {name: {f"{s:g}": [] for s in SCALES} for name in ("plain", "layer-normalized")}
    for seed in run.seeds(seeds):
        x_TBI, first_BH = gaussian(seed, TIMES[-1], 1, units), gaussian(seed + 100, 1, units)
        weights = [gaussian(seed + offset, units, units) / 8 for offset in (200, 300)]
        for scale in SCALES:
            scaled = [scale * weight for weight in weights]
            found["plain"][f"{scale:g}"].append(plain(scaled, x_TBI, first_BH))
            network = LayerNormRNN(units, units, eps=0.0, dtype=torch.float64)
            network.weight_hh_l0.data, network.weight_ih_l0.data = scaled
            line = sensitivity(network, x_TBI, first_BH)
            found["layer-normalized"][f"{scale:g}"].append(line)
    tables = {
        name: torch.tensor(list(by.values()), dtype=torch.float64) for name, by in found.items()
    }  # (scales, seeds, times)
    means = {
        name: dict(zip(found[name], table.log().mean(1).exp().tolist()))
        for name, table in tables.items()
    }
    spread = {
        name: (table[..., -1].amax(0) / table[..., -1].amin(0)).tolist()
        for name, table in tables.items()
    }
    normalized = max(spread["layer-normalized"]) - 1
    holds = normalized < 1e-6 and min(spread["plain"]) > 1e6
    at, blank = TIMES.index(50), blank_steps(run.seed, 16)
    listed = ", ".join(f"{line[-1]:.0e}" for line in means["plain"].values())
    ln = means["layer-normalized"]["1"]
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"tanh RNNs of {units} units, ε = 0, weights from N(0, s²/{units}) for s of "
        f".5, 1, 1.5, 3, normal inputs, 100 steps, {seeds} seed(s), double precision; the gradient "
        "of |h(t)|² with respect to h(0).",
        measured=f"After 100 steps the plain RNN's gradient is {listed} for the four scales; the "
        f"layer-normalized one's differs by {normalized:.0e} in relative terms. It does not "
        f"explode, but it vanishes: {ln[at]:.0e} after 50 steps, {ln[-1]:.0e} after 100. Where "
        f"inputs and state are zero it does explode: in an LSTM 16 blank steps, ε = 1e-5, give "
        f"{blank['layer-normalized']:.0e} with norms, {blank['LSTM']:.0e} without.",
        numbers={"geometric means": means, "largest over smallest": spread, "blank": blank},
        between="Random weights, before any training.",
    )
