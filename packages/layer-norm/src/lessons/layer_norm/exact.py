"""The claims that need no training: invariances, dynamics, geometry."""

import math

import torch

from .claims import HOLDS, NOT_SEEN, REFUTED, Finding, claim
from .figures import BLUE, MUTED, RED
from .invariance import CHANGES, TABLE_1, normalized_linear, table_1
from .recurrent import LayerNormLSTM, LayerNormRNN


def gaussian(seed, *shape):
    """Return standard normal numbers in double precision."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def draw_table(figure, numbers):
    """Draw Table 1 with what each change moved the output by."""
    figure.set_size_inches(6.4, 2.6)
    axes = figure.subplots()
    kinds = [kind for kind in TABLE_1 if kind != "rms"] + ["rms"]
    for row, kind in enumerate(kinds):
        for column, name in enumerate(CHANGES):
            moved = numbers[kind][name]
            same = moved < 1e-12
            axes.plot(column, row - 0.12, "o" if same else "X", ms=8, color=BLUE if same else RED)
            text = "same" if same else f"{moved:.2g}"
            axes.text(column, row + 0.36, text, ha="center", size=8, color=MUTED)
    names = {"batch": "batch norm", "weight": "weight norm", "layer": "layer norm"}
    axes.set_yticks(range(4), [names.get(kind, "RMSNorm (later)") for kind in kinds])
    axes.set_xticks(range(6), [name.replace(" re-", "\nre-") for name in CHANGES], size=7.5)
    axes.set(ylim=(3.7, -0.5), xlim=(-0.6, 5.6))
    axes.grid(visible=False)
    axes.tick_params(bottom=False, left=False)
    axes.spines["bottom"].set_visible(False)


@claim(
    "C1a",
    "§5.1, Table 1, eqs 6–7",
    "Table 1: which of six changes of weights and data batch, weight and layer norm do not see.",
    draw_table,
)
def invariances(run):
    """Compute all cells; a cell agrees if it moved by rounding, or by something visible."""
    x_BI, weight_OI, shift_I = gaussian(run.seed, 50, 7), gaussian(1, 11, 7), gaussian(2, 7)
    moved = table_1(x_BI, weight_OI, 2.7, shift_I)
    papers = [kind for kind in TABLE_1 if kind != "rms"]
    same = [m for k in papers for m, yes in zip(moved[k].values(), TABLE_1[k]) if yes]
    other = [m for k in papers for m, yes in zip(moved[k].values(), TABLE_1[k]) if not yes]
    holds = max(same) < 1e-12 and min(other) > 1e-2
    return Finding(
        HOLDS if holds else REFUTED,
        ran="50 cases, 7 inputs, 11 units, in double precision, ε = 0; scaling by 2.7, shifts from "
        "a normal distribution.",
        measured=f"All {len(same) + len(other)} cells: where the table says invariant the output "
        f"moves by at most {max(same):.1g}, where it says no by at least {min(other):.2g}. "
        "RMSNorm, which came later, is layer norm without the invariance to re-centred weights.",
        numbers=moved,
    )


@claim(
    "C1b",
    "§7",
    "Layer normalization is invariant to shifting the features of a single training case.",
)
def feature_shift(run):
    """Add the same number to all features of the inputs, and to all summed inputs."""
    x_BI, weight_OI = gaussian(run.seed, 50, 7), gaussian(1, 11, 7)
    before = normalized_linear(x_BI, weight_OI, "layer")
    features = (normalized_linear(x_BI + 2.7, weight_OI, "layer") - before).abs().max().item()
    eye = torch.eye(11, dtype=torch.float64)
    summed_BO = x_BI @ weight_OI.T
    summed = (normalized_linear(summed_BO + 2.7, eye, "layer") - before).abs().max().item()
    return Finding(
        REFUTED if features > 1e-2 else HOLDS,
        ran="The inputs of C1a, 2.7 added to every feature; then to every summed input.",
        measured=f"A shift of a case's features moves the output by {features:.2g}, as Table 1 has "
        f"it; a shift of its summed inputs by {summed:.1g}. The conclusion is true of the latter.",
        numbers={"features": features, "summed inputs": summed},
    )


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
    "A layer-normalized RNN is invariant to the scale of its weights, which makes its hidden "
    "dynamics far more stable.",
    draw_dynamics,
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


@claim(
    "C5a",
    "§5.2.2",
    "Under normalization larger weights have smaller gradients, which acts as a lower learning "
    "rate: the norm of the weights controls it.",
)
def smaller_gradients(run):
    """Double and quadruple the weights; and check that plain SGD can only lengthen them."""
    x_BI, weight_OI, target_BO = gaussian(run.seed, 50, 7), gaussian(1, 11, 7), gaussian(2, 50, 11)
    found: dict[str, tuple[list[float], list[float]]] = {}
    for kind in ("batch", "weight", "layer"):
        norms, products = [], []
        for scale in (1.0, 2.0, 4.0):
            weight = (scale * weight_OI).requires_grad_()
            error = normalized_linear(x_BI, weight, kind).tanh() - target_BO
            (gradient,) = torch.autograd.grad(error.square().sum(), weight)
            norms.append(gradient.norm().item())
            products.append(abs((gradient * weight).sum().item()) / weight.norm().item())
        found[kind] = (norms, products)
    ratios = [norms[0] / norms[i] for norms, _ in found.values() for i in (1, 2)]
    error = max(abs(ratio / want - 1) for ratio, want in zip(ratios, 3 * [2, 4]))
    along = max(product for _, products in found.values() for product in products)
    listed = ", ".join(f"{norm:.3f}" for norm in found["layer"][0])
    numbers = {
        kind: {"norms": norms, "along the weights": max(products)}
        for kind, (norms, products) in found.items()
    }
    return Finding(
        HOLDS if error < 1e-9 and along < 1e-9 else REFUTED,
        ran="50 cases, 7 inputs, 11 units, ε = 0, a squared error behind tanh; W times 1, 2 and 4.",
        measured=f"Layer norm: gradient norms {listed}; for all three methods they are as 1 to ½ "
        f"to ¼ within {error:.0e}. The gradient along the weights is {along:.0e}, so that a step "
        "of plain SGD always lengthens them.",
        numbers=numbers,
    )


def fisher(x_BI, weight_OI, kind):
    """Return the Fisher information (O, I, O, I) of the weights under a normalized softmax layer.

    Source: eq. 13 with the covariance of a softmax; the derivatives are exact, also of shared σ.
    """

    def outputs(weight):
        return normalized_linear(x_BI, weight, kind)

    p_BO = outputs(weight_OI).softmax(1)
    covariance_BOP = torch.diag_embed(p_BO) - p_BO[:, :, None] * p_BO[:, None, :]
    jacobian_BOQI = torch.func.jacrev(outputs)(weight_OI)
    return torch.einsum("boqi,bop,bprj->qirj", jacobian_BOQI, covariance_BOP, jacobian_BOQI) / len(
        x_BI
    )


@claim(
    "C5b",
    "§5.2.2",
    "If the norm of a weight vector doubles, the curvature along it changes by a factor of ½.",
)
def curvature(run):
    """Compare the diagonal block of the Fisher information before and after doubling."""
    x_BI, weight_OI = gaussian(run.seed, 30, 4), gaussian(1, 5, 4)
    numbers = {}
    for kind in ("batch", "weight", "layer"):
        doubled = weight_OI.clone()
        doubled[0] *= 2
        before = fisher(x_BI, weight_OI, kind)
        one, all_rows = fisher(x_BI, doubled, kind), fisher(x_BI, 2 * weight_OI, kind)
        direction = weight_OI[0] / weight_OI[0].norm()
        numbers[kind] = {
            "one vector, its block": (one[0, :, 0].norm() / before[0, :, 0].norm()).item(),
            "one vector, off-diagonal": (one[0, :, 1].norm() / before[0, :, 1].norm()).item(),
            "whole matrix": (all_rows[0, :, 0].norm() / before[0, :, 0].norm()).item(),
            "along the vector itself": (direction @ before[0, :, 0] @ direction).item(),
        }
    blocks = [numbers[kind]["one vector, its block"] for kind in ("batch", "weight")]
    off = [numbers[kind]["one vector, off-diagonal"] for kind in ("batch", "weight")]
    quarter = all(math.isclose(block, 0.25, rel_tol=1e-9) for block in blocks)
    return Finding(
        REFUTED if quarter else HOLDS,
        ran="The Fisher information (eq. 13) of a softmax layer of 5 units, 4 inputs, 30 cases, by "
        "automatic differentiation; one weight vector doubled, then all.",
        measured=f"The vector's own block changes by {blocks[0]:.4f} under batch norm and "
        f"{blocks[1]:.4f} under weight norm, since 1/σ enters twice; {off[0]:.4f} and {off[1]:.4f} "
        "is what the blocks beside it do. Under layer norm one vector gives "
        f"{numbers['layer']['one vector, its block']:.3f} (σ is shared, and the output changes), "
        f"the whole matrix {numbers['layer']['whole matrix']:.4f}.",
        numbers=numbers,
    )


EXACT = [invariances, feature_shift, dynamics, smaller_gradients, curvature]
