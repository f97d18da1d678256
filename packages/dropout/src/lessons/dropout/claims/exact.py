"""Statements that need no training: enumerated over all thinned nets, in double precision."""

import torch

from ..averaging import thinned_masks
from ..lab.claim import Finding, claim, demonstration, erratum
from ..lab.figures import GREEN, MUTED, RED
from ..lab.run import Run
from ..lab.statistics import exact
from ..marginal import marginal_linear, marginal_loss


@claim(
    "C9",
    "§9.1",
    "Linear regression with dropout on its inputs is, in expectation, ridge regression.",
    quotes="Therefore, dropout with linear regression is equivalent, in expectation, to ridge "
    "regression with a particular form for Γ.",
    asks="30 cases of 10 features of different sizes: the squared error averaged over all 1,024 "
    "masks of each case against ‖y − pXw‖² + p(1 − p)‖Γw‖², and the gradient of it at the ridge "
    "solution; dropping .1, .5 and .8.",
    holds_if="both are equal to rounding: relative differences below 10⁻¹⁰",
    fails_if="one of them is not",
)
def ridge(run: Run) -> Finding:
    """Average the loss over all masks of ten features, and look at the minimum."""
    generator = torch.Generator().manual_seed(run.seed)
    X, w = (torch.randn(*s, generator=generator, dtype=torch.float64) for s in ((30, 10), (10,)))
    X *= torch.linspace(0.2, 3, 10, dtype=torch.float64)
    y = X @ w + torch.randn(30, generator=generator, dtype=torch.float64)
    numbers = {}
    for p in (0.1, 0.5, 0.8):
        masks, weight = thinned_masks(10, p)
        # Each case has its own mask; the sum over cases of the mean is the mean of the sum.
        losses = (y - torch.einsum("cf,mf,f->mc", X, masks, w)).square()
        mean = (weight @ losses).sum()
        formula = marginal_loss(X, y, w, p)
        best = marginal_linear(X, y, p).requires_grad_()
        (slope,) = torch.autograd.grad(marginal_loss(X, y, best, p), best)
        numbers[str(p)] = {
            "loss": (abs(mean - formula) / mean).item(),
            "slope": (slope.norm() / (X.T @ y).norm()).item(),
        }
    worst = max(max(n.values()) for n in numbers.values())
    return Finding(
        exact(worst < 1e-10),
        ours=f"equal to {text(worst)}",
        ran="30 normal cases of 10 features, scaled by .2 to 3, seed 0; float64.",
        measured="The formula is off the average by at most "
        f"{text(max(n['loss'] for n in numbers.values()))} of it; at the ridge solution the "
        f"gradient is at most {text(max(n['slope'] for n in numbers.values()))} of Xᵀy.",
        numbers=numbers,
    )


def draw_exact(figure, numbers) -> None:
    """Draw what weight scaling gives against the two means over all thinned nets."""
    figure.set_size_inches(6.4, 2.9)
    for axes, depth in zip(figure.subplots(1, 2), ("one layer", "two hidden layers")):
        found = numbers[depth]
        axes.plot([0, 1], [0, 1], color=MUTED, lw=0.6)
        axes.plot(found["geometric"], found["scaled"], "o", color=GREEN, label="geometric mean")
        axes.plot(found["mean"], found["scaled"], "s", color=RED, fillstyle="none", label="mean")
        axes.set(title=depth, xlabel="average of all thinned nets", ylabel="scaled weights")
    axes.legend()


@demonstration(
    "D1",
    "For a softmax over one layer, scaled weights are the geometric mean exactly.",
    draw_exact,
    source="§1, §4",
    asks="The paper speaks of approximating an equally weighted geometric mean of the predictions "
    "of all thinned nets. How near is weight scaling to it, for one layer of ten dropped inputs "
    "and for two hidden layers of five units, over all 1,024 thinned nets?",
)
def geometric_mean(run: Run) -> Finding:
    """Enumerate all thinned nets of ten units: one layer, and two hidden layers of five."""
    generator = torch.Generator().manual_seed(run.seed)
    masks, weight = thinned_masks(10, 0.5)
    x, W1, W2, W3 = (
        torch.randn(*shape, generator=generator, dtype=torch.float64)
        for shape in ((8, 10), (10, 5), (5, 5), (5, 4))
    )
    V = torch.randn(10, 4, generator=generator, dtype=torch.float64)

    def deep(r):
        h = (x[:, None] @ W1).relu() * r[..., :5]
        return ((h @ W2).relu() * r[..., 5:]) @ W3

    nets = {"one layer": lambda r: (x[:, None] * r) @ V, "two hidden layers": deep}
    numbers, gaps = {}, {}
    for depth, net in nets.items():
        logs = net(masks).log_softmax(-1)  # (8, 1024, 4)
        means = {
            "geometric": torch.einsum("bmk,m->bk", logs, weight).softmax(-1),
            "mean": torch.einsum("bmk,m->bk", logs.exp(), weight),
        }
        scaled = net(torch.full((1, 10), 0.5, dtype=torch.float64))[:, 0].softmax(-1)
        gaps[depth] = {k: (scaled - m).abs().max().item() for k, m in means.items()}
        numbers[depth] = {k: m.flatten().tolist() for k, m in means.items()}
        numbers[depth]["scaled"] = scaled.flatten().tolist()
    one, two = gaps["one layer"], gaps["two hidden layers"]
    return Finding(
        None,
        ours=f"one layer: off by {text(one['geometric'])}; two: by {two['geometric']:.2f}",
        ran="All 1,024 thinned nets of ten units, normal weights and inputs, eight cases, float64.",
        measured=f"One layer: scaled weights are off the renormalized geometric mean by at most "
        f"{text(one['geometric'])}, off the arithmetic mean by {one['mean']:.3f}. Two hidden "
        f"layers of random weights: off by {two['geometric']:.3f} and {two['mean']:.3f}; there it "
        "is an approximation, and nothing but training makes it a good one.",
        numbers=numbers | {"gaps": gaps},
    )


@erratum(
    "E1",
    "§8.1",
    "The biases belong the other way round: P(h, v) ∝ exp(vᵀWh + bᵀh + aᵀv).",
    quotes="P(h, v; θ) = 1/Z(θ) exp(vᵀWh + aᵀh + bᵀv)",
    asks="The conditional distributions that the section goes on to give, σ(bⱼ + …) for hidden "
    "and σ(aᵢ + …) for visible units, against those of the joint distribution as printed.",
)
def biases(run: Run) -> Finding:
    """Enumerate a machine of three hidden and four visible units."""
    generator = torch.Generator().manual_seed(run.seed)
    W, h_bias, v_bias = (
        torch.randn(*shape, generator=generator, dtype=torch.float64)
        for shape in ((4, 3), (3,), (4,))
    )
    hidden, visible = thinned_masks(3, 0.5)[0], thinned_masks(4, 0.5)[0]
    energy = torch.einsum("nv,vh,mh->nm", visible, W, hidden)
    energy = energy + hidden @ h_bias + (visible @ v_bias)[:, None]
    conditional = energy.softmax(1) @ hidden  # P(hⱼ = 1 | v) by summing the joint distribution
    printed, right = (torch.sigmoid(bias + visible @ W) for bias in (v_bias[:3], h_bias))
    gap = (conditional - right).abs().max().item()
    wrong = (conditional - printed).abs().max().item()
    return Finding(
        None,
        ours=f"b with h, a with v: equal to {text(gap)}",
        ran="A machine of 4 visible and 3 hidden units, all 128 states, float64.",
        measured=f"With b on the hidden units the conditional σ(bⱼ + Σᵢ Wᵢⱼvᵢ) is that of the "
        f"joint distribution to {text(gap)}; with the printed order it is off by {wrong:.2f}.",
        numbers={"right": gap, "printed": wrong},
    )


@erratum(
    "E2",
    "§7.3",
    "At p = .1, 2.7 and 1.7% are training errors; test errors fell less.",
    quotes="the magnitude of errors for small values of p has reduced by a lot compared to Figure "
    "9a (for p = 0.1 it fell from 2.7% to 1.7%)",
    asks="The leftmost points of Figs. 9a and 9b, read from the figures' vectors, in points of "
    "the page; the axes' zero and one per cent likewise.",
)
def training_errors(run: Run) -> Finding:
    """Convert the ends of the leftmost error bars of Figs. 9a and 9b to per cents."""
    zero, percent = 45.18, {"a": 109.569, "b": 127.847}
    bars = {  # lower and upper end of the bar at p = .1, in the figure's units
        ("a", "training"): (333.334, 356.147), ("a", "test"): (384.962, 404.446),
        ("b", "training"): (203.147, 323.681), ("b", "test"): (314.936, 385.251),
    }  # fmt: skip
    read = {
        f"{figure}, {kind}": (sum(ends) / 2 - zero) / percent[figure]
        for (figure, kind), ends in bars.items()
    }
    return Finding(
        None,
        ours=f"test {read['a, test']:.1f} → {read['b, test']:.1f}%",
        ran="The content streams of the two figures on page 1945 of the published PDF.",
        measured=f"Test error {read['a, test']:.2f} → {read['b, test']:.2f}%, training error "
        f"{read['a, training']:.2f} → {read['b, training']:.2f}%.",
        numbers=read,
    )


# Fig. 8's histograms of the units' mean activations, a hexadecimal digit a bar from 0 to the end.
BARS = {
    "without": (4.51, "730100020210102000220111111213352436135699a265562723"
                      "667255552335752034243322132100230122011220110001"),
    "with": (4.57, "2054574596a6a4b8bd693284a7a3237452521231032331211022"
                   "111110211000030000000101000100010000000000000001"),
}  # fmt: skip


@erratum(
    "E3",
    "§7.2",
    "With dropout the mean activation in Fig. 8 is 1.1; 0.7 is near its peak.",
    quotes="The overall mean activation of hidden units is close to 2.0 for the autoencoder "
    "without dropout but drops to around 0.7 when dropout is used.",
    asks="The bars of Fig. 8's two histograms of mean activations, read from the pixels of the "
    "figure: their heights are whole numbers of units and add up to 256 in both.",
)
def mean_activation(run: Run) -> Finding:
    """Take the means of two histograms."""
    counts = {kind: [int(bar, 16) for bar in bars] for kind, (_, bars) in BARS.items()}
    means = {
        kind: sum(n * (i + 0.5) * BARS[kind][0] / len(bars) for i, n in enumerate(bars)) / sum(bars)
        for kind, bars in counts.items()
    }
    return Finding(
        None,
        ours=f"{means['without']:.2f} without, {means['with']:.2f} with dropout",
        ran="The images of Fig. 8 on page 1944 of the published PDF.",
        measured=f"Mean over {sum(counts['without'])} units without dropout "
        f"{means['without']:.2f}, over {sum(counts['with'])} with dropout {means['with']:.2f}; the "
        f"highest bar with dropout, of {max(counts['with'])} units, is at "
        f"{(counts['with'].index(max(counts['with'])) + 0.5) * BARS['with'][0] / 100:.2f}.",
        numbers={"counts": counts, "means": means},
    )


def text(value: float) -> str:
    """Return a small number as a power of ten."""
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.0e}".split("e")
    raised = str(abs(int(exponent))).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa} · 10⁻{raised}"


@erratum(
    "E4",
    "§9.1",
    "Γ is N^½ times the standard deviation, and that only of centred data.",
    quotes="by the standard deviation of the ith dimension of the data",
    asks="Γ = (diag(XᵀX))^½ of a feature over its standard deviation, for 100 cases, centred and "
    "moved by three standard deviations.",
)
def centred(run: Run) -> Finding:
    """Compare the root of a feature's sum of squares with its standard deviation."""
    generator = torch.Generator().manual_seed(run.seed)
    x = torch.randn(100, generator=generator, dtype=torch.float64)
    x = (x - x.mean()) / x.std(correction=0)
    ratios = {"centred": x.norm().item(), "moved": (x + 3).norm().item()}
    return Finding(
        None,
        ours="Γᵢ² = N (σᵢ² + x̄ᵢ²)",
        ran="100 normal cases of one feature, centred and divided by its standard deviation; "
        "float64.",
        measured=f"Γ over the standard deviation: {ratios['centred']:.1f} = 100^½ where the mean "
        f"is 0, {ratios['moved']:.1f} where it is three standard deviations.",
        numbers=ratios,
    )
