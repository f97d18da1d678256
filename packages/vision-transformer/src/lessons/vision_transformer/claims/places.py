"""Position embeddings: whether they are needed, which, and what they learn (D.4, §4.5)."""

import math
from typing import Any

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE
from ..lab.run import Run
from ..lab.statistics import every, interval, judge, paired
from .contest import decide, field
from .data import name, seen, sizes
from .nets import widths
from .train import cohort, learned, tuned

WAYS = ("none", "1d", "2d", "relative")
TITLES = {"none": "none", "1d": "1-D", "2d": "2-D", "relative": "relative"}


def ways(run: Run) -> dict[str, Any]:
    """Return accuracies of four ways to tell positions, at the second size."""
    seeds, width = run.pick(test=2, default=3), widths(run)[1]
    size = sizes(run)[1]
    found: dict[str, Any] = {"size": size}
    for way in WAYS:
        # All have the rate of the default, 1-D: what differs is that alone, as in Table 8.
        how = {} if way == "1d" else {"positions": way}
        lr, _ = tuned(run, "vit", width)
        settings = {"net": "vit", "size": size, "lr": lr, "width": width, **how}
        found[way] = field([run.trial(learned, seed=s, **settings) for s in run.seeds(seeds)])
    return found


def draw_ways(figure, numbers) -> None:
    """Draw what each way costs against 1-D."""
    axes = figure.subplots()
    for i, way in enumerate(w for w in WAYS if w != "1d"):
        mean = paired(numbers[way], numbers["1d"])
        axes.errorbar([mean.mean], [i], xerr=[[mean.mean - mean.low], [mean.high - mean.mean]],
                      fmt="o", color=BLUE)  # fmt: skip
    axes.set_yticks(range(3), [TITLES[w] for w in WAYS if w != "1d"])
    axes.axvline(0, color="#5f6670", lw=0.6)
    axes.grid(visible=True, axis="x")
    axes.set(xlabel="test accuracy less that of 1-D positions (points)", ylim=(2.5, -0.5))


def finding(run: Run, judged, ours: str, found: dict[str, Any], line: float = 0.0) -> Finding:
    """Return the finding of a claim about the ways."""
    each = ", ".join(f"{TITLES[w]} {interval(found[w]).text(2)}" for w in WAYS)
    return Finding(
        judged, ours=ours, numbers=found,
        ran=f"{name(run)}, {found['size']:,} pictures, {seen(run, found['size']):,} seen, the net "
        f"and recipe of C2a; all four at the rate that is best for 1-D.",
        measured=f"Test accuracy (%): {each}.",
        between="The paper's ViT-B/16 has 196 patches and is judged on ImageNet by five examples a "
        "class; here there are 16 patches.",
        would_decide=decide(judged, line),
    )  # fmt: skip


@claim(
    "C4a",
    "D.4, Table 8",
    "Without positions a model is much worse.",
    draw_ways,
    quotes="there is a large gap between the performances of the model with no positional "
    "embedding and models with positional embedding",
    asks="Test accuracy without positions less that with 1-D ones, the paper's default.",
    holds_if="the interval lies below −1 point (a third of the paper's gap)",
    fails_if="it lies above −1",
    paper="61.38 against 64.21: −2.8 points",
)
def none(run: Run) -> Finding:
    """Judge what the lack costs."""
    found = ways(run)
    difference = paired(found["none"], found["1d"])
    judged = judge(difference, below=-1.0, paper_regime=False)
    return finding(run, judged, f"{difference.text(2)} points", found, -1.0)


@claim(
    "C4b",
    "D.4, Table 8",
    "Which way positions are told hardly matters.",
    None,
    quotes="there is little to no difference between different ways of encoding positional "
    "information",
    asks="Test accuracy with 2-D and with relative positions, less that with 1-D ones.",
    holds_if="both intervals lie within ±.5 points, less than a fifth of what having none costs in "
    "the paper",
    fails_if="one of them lies outside",
    paper="64.21, 64.00, 64.03: within .21 points",
)
def alike(run: Run) -> Finding:
    """Judge both differences."""
    found = ways(run)
    differences = [paired(found[w], found["1d"]) for w in ("2d", "relative")]
    judged = every([judge(d, within=(-0.5, 0.5), paper_regime=False) for d in differences])
    ours = "2-D {}, relative {} points".format(*(d.text(2) for d in differences))
    return finding(run, judged, ours, found, 0.5)


def tables(run: Run) -> list[list]:
    """Return the similarity tiles of the nets that saw all real pictures."""
    size = sizes(run)[2]
    seeds = run.pick(test=2, default=3, full=5)
    return [net["similarity"] for net in cohort(run, "vit", size, seeds)]


def cells(tiles: list) -> list[tuple[int, int, int, int, float]]:
    """Return (row, column, other row, other column, cosine) of all pairs of different patches."""
    return [
        (r, c, s, d, cosine)
        for r, row in enumerate(tiles)
        for c, tile in enumerate(row)
        for s, line in enumerate(tile)
        for d, cosine in enumerate(line)
        if (r, c) != (s, d)
    ]


def correlation(x: list[float], y: list[float]) -> float:
    """Return Pearson's correlation."""
    mx, my = sum(x) / len(x), sum(y) / len(y)
    cross = sum((a - mx) * (b - my) for a, b in zip(x, y))
    norm = math.sqrt(sum((a - mx) ** 2 for a in x) * sum((b - my) ** 2 for b in y))
    return cross / norm if norm else 0.0


def draw_tiles(figure, numbers) -> None:
    """Draw Figure 7's tiles: the similarity of each patch's embedding to all."""
    tiles = numbers["tiles"][0]
    n = len(tiles)
    figure.set_size_inches(3.6, 3.4)
    grid = figure.subplots(n, n)
    for r in range(n):
        for c in range(n):
            axes = grid[r][c]
            image = axes.imshow(tiles[r][c], vmin=-1, vmax=1, cmap="viridis")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.grid(visible=False)
            if r == n - 1:
                axes.set_xlabel(str(c + 1))
            if c == 0:
                axes.set_ylabel(str(r + 1))
    figure.colorbar(image, ax=grid, shrink=0.6, label="cosine")


def tiles_finding(run: Run, judged, ours: str, measured: str, found: list) -> Finding:
    """Return the finding of a claim about the tiles."""
    return Finding(
        judged, ours=ours, measured=measured, numbers={"tiles": found},
        ran=f"{name(run)}; the 1-D position embeddings of C2a's Vision Transformers that saw all "
        f"real pictures, {len(found)} nets, 4 × 4 patches.",
        between="The paper's ViT-L/32 has 7 × 7 patches.",
        would_decide=decide(judged),
    )  # fmt: skip


@claim(
    "C4c",
    "§4.5, Fig. 7",
    "Closer patches have more similar position embeddings.",
    draw_tiles,
    quotes="the model learns to encode distance within the image in the similarity of position "
    "embeddings, i.e. closer patches tend to have more similar position embeddings",
    asks="Over all pairs of patches, the correlation of the cosine of their embeddings with the "
    "distance between them, by net. New embeddings have none: nothing tells who is a neighbour.",
    holds_if="the interval over nets lies below −.3",
    fails_if="it lies above −.3",
    paper="Fig. 7, centre: a picture",
)
def closer(run: Run) -> Finding:
    """Correlate cosines with distances."""
    found = tables(run)
    values = []
    for tiles in found:
        pairs = cells(tiles)
        distances = [math.hypot(r - s, c - d) for r, c, s, d, _ in pairs]
        values.append(correlation(distances, [p[-1] for p in pairs]))
    mean = interval(values)
    judged = judge(mean, below=-0.3, paper_regime=False)
    text = f"correlation {mean.text(2)}"
    return tiles_finding(run, judged, text, f"Cosine against distance: {text}.", found)


@claim(
    "C4d",
    "§4.5, Fig. 7",
    "Patches in a row or a column have similar embeddings.",
    None,
    quotes="Further, the row-column structure appears; patches in the same row/column have similar "
    "embeddings.",
    asks="The mean cosine of pairs two patches apart in one row or column, less that of pairs as "
    "far apart on a slant, interpolated between the slants of length √2 and √5: that neighbours "
    "are alike is C4c, and would not show here.",
    holds_if="the interval over nets lies above 0",
    fails_if="it lies below",
    paper="Fig. 7, centre: a picture",
)
def rows_and_columns(run: Run) -> Finding:
    """Compare pairs in line with pairs on a slant, whose distances lie on both sides."""
    found = tables(run)
    values = []
    for tiles in found:
        means: dict[tuple[int, ...], list[float]] = {}
        for r, c, s, d, cosine in cells(tiles):
            means.setdefault(tuple(sorted((abs(r - s), abs(c - d)))), []).append(cosine)
        at = {key: sum(v) / len(v) for key, v in means.items()}
        # (0, 2) lies at 2: between the slants (1, 1) at 1.41 and (1, 2) at 2.24, interpolated.
        share = (2 - math.sqrt(2)) / (math.sqrt(5) - math.sqrt(2))
        slant = (1 - share) * at[1, 1] + share * at[1, 2]
        values.append(at[0, 2] - slant)
    mean = interval(values)
    judged = judge(mean, above=0.0, paper_regime=False)
    text = f"cosine higher by {mean.text(2)}"
    measured = f"Two patches in line against a slant of the same length: {text}."
    return tiles_finding(run, judged, text, measured, found)
