"""How far heads look (§4.5, D.7, Fig. 7 right), and how shifts hurt (§3.1)."""

from typing import Any

from ..inspection import patch_distances
from ..lab.claim import Finding, claim, demonstration
from ..lab.figures import BLUE, INK, MUTED, RED
from ..lab.run import Run
from ..lab.statistics import interval, judge, paired, slope
from .contest import KINDS, TITLES, decide
from .data import name, sizes
from .nets import config, widths
from .train import SHIFTS, cohort


def distances(run: Run) -> dict[str, Any]:
    """Return each net's mean attention distances (layers, heads), over those of even attention."""
    c = config(run, widths(run)[1])
    even = patch_distances(c.grid, c.patch_size).mean().item()
    seeds = run.pick(test=2, default=3, full=5)
    rows = cohort(run, "vit", sizes(run)[2], seeds)
    return {
        "even": even,
        "distances": [net["distance"] for net in rows],
        "shares": [[[x / even for x in layer] for layer in net["distance"]] for net in rows],
    }


def draw_distances(figure, numbers) -> None:
    """Draw the mean distance of each head against depth, of one net."""
    axes = figure.subplots()
    for layer, heads in enumerate(numbers["distances"][0], 1):
        axes.plot([layer] * len(heads), heads, "o", color=BLUE, ms=4)
    axes.axhline(numbers["even"], color=MUTED, lw=0.8)
    axes.text(0.6, numbers["even"], "even attention", va="bottom", color=MUTED)
    layers = len(numbers["distances"][0])
    axes.set_xticks(range(1, layers + 1))
    axes.set(xlabel="layer", ylabel="mean attention distance (pixels)", xlim=(0.5, layers + 0.5))
    axes.set_ylim(bottom=0)


def finding(run: Run, judged, ours: str, found: dict[str, Any], line: float = 0.0) -> Finding:
    """Return the finding of a claim about distances."""
    layers = [
        sum(sum(net[i]) / len(net[i]) for net in found["shares"]) / len(found["shares"])
        for i in range(len(found["shares"][0]))
    ]
    told = ", ".join(f"{x:.2f}" for x in layers)
    return Finding(
        judged, ours=ours, numbers=found,
        ran=f"{name(run)}; C2a's Vision Transformers that saw all real pictures, "
        f"{len(found['shares'])} nets, 256 test pictures. A new net looks evenly: 1 everywhere.",
        measured=f"Mean distance over that of even attention, by layer: {told}.",
        between="The paper's ViT-L/16 has 24 layers of 16 heads on 14 × 14 patches.",
        would_decide=decide(judged, line) if judged else "",
    )  # fmt: skip


@demonstration(
    "D5",
    "How far the first layer's widest head looks.",
    draw_distances,
    source="§4.5, Fig. 7",
    quotes="We find that some heads attend to most of the image already in the lowest layers, "
    "showing that the ability to integrate information globally is indeed used by the model.",
    asks="The widest head of the first layer: its mean distance over that of even attention, which "
    "looks at all of the picture. This was a claim, C5a, that held above .8; a net that has "
    "learned nothing passes that, so before any result was known it lost its rule.",
)
def global_heads(run: Run) -> Finding:
    """Measure the widest head of the first layer."""
    found = distances(run)
    mean = interval([max(net[0]) for net in found["shares"]])
    return finding(run, None, f"{mean.text(2)} of even attention", found)


@claim(
    "C5b",
    "§4.5",
    "Other heads look nearby in the low layers.",
    None,
    quotes="Other attention heads have consistently small attention distances in the low layers.",
    asks="The narrowest head of the first layer: its mean distance over that of even attention.",
    holds_if="the interval over nets lies below .5",
    fails_if="it lies above",
    paper="Fig. 7, right: a picture",
)
def local_heads(run: Run) -> Finding:
    """Judge the narrowest head of the first layer."""
    found = distances(run)
    mean = interval([min(net[0]) for net in found["shares"]])
    judged = judge(mean, below=0.5, paper_regime=False)
    return finding(run, judged, f"{mean.text(2)} of even attention", found, 0.5)


@claim(
    "C5c",
    "§4.5",
    "Attention reaches farther with depth.",
    None,
    quotes="Further, the attention distance increases with network depth.",
    asks="The slope of the layers' mean distance, over that of even attention, against depth, by "
    "net.",
    holds_if="the interval of the slopes over nets lies above 0",
    fails_if="it lies below",
    paper="Fig. 7, right: a picture",
)
def farther(run: Run) -> Finding:
    """Judge the slopes."""
    found = distances(run)
    slopes = []
    for net in found["shares"]:
        means = [sum(layer) / len(layer) for layer in net]
        n = range(len(means))
        slopes.append(slope(n, means).mean if len(means) > 2 else means[-1] - means[0])
    mean = interval(slopes)
    judged = judge(mean, above=0.0, paper_regime=False)
    return finding(run, judged, f"{mean.text(3)} a layer", found)


def draw_shifts(figure, numbers) -> None:
    """Draw accuracy against the shift."""
    axes = figure.subplots()
    for net, color in zip(KINDS, (BLUE, RED)):
        for i, row in enumerate(numbers[net]):
            axes.plot((0, *SHIFTS), row, "o-", color=color, ms=3, lw=1,
                      label=TITLES[net] if not i else None)  # fmt: skip
    axes.set_xticks((0, *SHIFTS))
    axes.set(xlabel="shift (pixels)", ylabel="accuracy (%)")
    axes.tick_params(colors=INK)
    axes.legend()


@claim(
    "C8",
    "§3.1",
    "A Vision Transformer is less equivariant: shifts hurt it more.",
    draw_shifts,
    quotes="We note that Vision Transformer has much less image-specific inductive bias than CNNs.",
    asks="Of that bias, translation: points of accuracy lost when test pictures are shifted by one "
    "to three pixels in four directions, with nets that saw all real pictures, none of them "
    "shifted; the Vision Transformer's loss less the ResNet's.",
    holds_if="the interval lies above 0 points",
    fails_if="it lies below",
    paper="no number",
)
def shifts(run: Run) -> Finding:
    """Compare what shifts cost."""
    seeds = run.pick(test=2, default=3, full=5)
    rows = {n: [r["shifted"] for r in cohort(run, n, sizes(run)[2], seeds)] for n in KINDS}
    lost = {n: [row[0] - sum(row[1:]) / len(SHIFTS) for row in rows[n]] for n in KINDS}
    more = paired(lost["vit"], lost["resnet"])
    judged = judge(more, above=0.0, paper_regime=False)
    each = ", ".join(f"{TITLES[n]} {interval(lost[n]).text(1)}" for n in KINDS)
    return Finding(
        judged, ours=f"loses {more.text(1)} points more",
        ran=f"{name(run)}; C2a's nets that saw all real pictures, {seeds} of each, the first 2,000 "
        f"test pictures.",
        measured=f"Points lost by shifts of one to three pixels: {each}.", numbers=rows,
        between="The paper gives no measurement.", would_decide=decide(judged),
    )  # fmt: skip
