"""The essays' figures, drawn from essays/data: ``python -m lessons.essays.figures``.

Static SVG, text as text, the same bytes for the same data. What teaches when it is touched carries
``data-tip="what it is, its value, its source"``, and the same words as a ``<title>``.
"""

import io
import math
import os
import re
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from lessons.papers import bibliography

from . import facts

INK, MUTED, GRID = "#1b1d21", "#5f6670", "#c9cdd3"
BLUE, RED, GREEN, AMBER, PURPLE, TEAL = (
    "#3b6fa5", "#d8576b", "#2a7f3e", "#a3820f", "#a23b79", "#1f8fb0",
)  # fmt: skip
# The packages' figures have the same hues, on light paper and on dark.
DARK = {
    INK: "#e9e7e2", MUTED: "#a7adb6", GRID: "#454a52", BLUE: "#7fb0e3", RED: "#f08a99",
    GREEN: "#6fc583", AMBER: "#d9b94a", PURPLE: "#dc86ba", TEAL: "#62c4e0",
}  # fmt: skip
STYLE: dict[Any, Any] = {
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.family": "sans-serif",
    "font.size": 7.5,
    "savefig.transparent": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "lessons",
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.left": False,
}
Tips = dict[str, str]  # from an element's id to what it says when it is touched


def save(path: Path, draw: Callable[[Figure], Tips], title: str) -> None:
    """Draw a figure and write it as SVG, atomically; ``title`` is for readers who cannot see it."""
    with matplotlib.rc_context(STYLE):
        figure = Figure()
        tips = draw(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = re.sub(
        r"'?DejaVu Sans'?[^;\"]*", "Helvetica, Arial, 'DejaVu Sans', sans-serif", buffer.getvalue()
    )
    for name, tip in tips.items():
        mark, words = f'<g id="{name}">', escape(tip)
        if svg.count(mark) != 1:
            raise ValueError(f"{path.name}: {svg.count(mark)} elements are called {name}")
        svg = svg.replace(
            mark,  # hollow shapes are touched inside, too
            f'<g id="{path.stem}-{name}" data-tip="{words}" pointer-events="all">'
            f"<title>{words}</title>",
        )
    rules = "".join(
        f'[style*="{paint}: {light}"]{{{paint}:{dark}!important}}'
        for light, dark in DARK.items()
        for paint in ("fill", "stroke")
    )
    style = f"<style>@media (prefers-color-scheme:dark){{{rules}}}</style>"
    head = f"<title>{escape(title)}</title>\n {style}"
    svg = re.sub(r"(<svg [^>]*>)", lambda found: f"{found[1]}\n {head}", svg, count=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(svg, encoding="utf-8")
    os.replace(temporary, path)


CONSTRAINTS = {  # colour and mark, so that neither is needed alone; where the legend has it
    "optimization & regularization": (BLUE, "o", "optimization", 0.015),
    "data": (RED, "s", "data", 0.2),
    "architecture": (GREEN, "^", "architecture", 0.305),
    "compute": (AMBER, "D", "compute", 0.475),
    "compute efficiency": (TEAL, "v", "compute efficiency", 0.61),
    "size": (PURPLE, "P", "size", 0.838),
}


def queue(figure: Figure) -> Tips:
    """Draw each paper's reach: from the oldest work it names as having had its idea, to itself."""
    figure.set_size_inches(5.6, 8.1)
    legend = figure.add_axes((0.02, 0.93, 0.96, 0.06), xlim=(0, 1), ylim=(0, 1))
    axes = figure.add_axes((0.02, 0.045, 0.96, 0.875))
    tips, found = {}, facts.papers()
    records = bibliography.load(facts.REPOSITORY)

    legend.set_axis_off()
    legend.text(0, 0.9, "What the papers push against, and how many of the 36:")
    for name, (colour, mark, short, x) in CONSTRAINTS.items():
        count = sum(paper.constraint == name for paper in found)
        legend.plot(x - 0.012, 0.49, mark, ms=5.5, color=colour, mec="none", clip_on=False)
        legend.text(x + 0.005, 0.49, f"{short} {count}", va="center_baseline")
    legend.text(0.91, 0.49, "energy 0", va="center_baseline")
    legend.plot(0.008, 0.08, "o", ms=4, mfc="none", mec=MUTED, color=MUTED, clip_on=False)
    legend.text(
        0.025, 0.08, "the oldest work that the paper names as having had its idea",
        va="center_baseline", color=MUTED, fontsize=7,
    )  # fmt: skip

    axes.axvspan(2000, 2010, color=GRID, alpha=0.35, lw=0)
    axes.text(2005, -1.25, "2000–2009", ha="center", va="center", color=MUTED, fontsize=6.5)
    for i, paper in enumerate(found):
        colour, mark, *_ = CONSTRAINTS[paper.constraint]
        entry = facts.row("queue", paper.slug)
        years = (paper.forerunner_year, paper.year)
        (line,) = axes.plot(years, (i, i), color=colour, lw=1.6, solid_capstyle="butt")
        (old,) = axes.plot(years[0], i, "o", ms=4, mfc="none", mec=colour, mew=1.1, color=colour)
        (new,) = axes.plot(years[1], i, mark, ms=5.5, color=colour, mec="none")
        label = f"{paper.forerunner}, {years[0]}"
        near: dict[str, Any] = {"textcoords": "offset points", "va": "center_baseline"}
        axes.annotate(label, (years[0], i), (-5, 0), ha="right", color=MUTED, fontsize=6.5, **near)
        axes.annotate(paper.title, (years[1], i), (6, 0), **near)
        coding = paper.constraint
        if paper.catalogue != paper.constraint:  # the other coding's colour, at the margin
            other, shape, *_ = CONSTRAINTS[paper.catalogue]
            axes.plot(2061, i, shape, ms=4, color=other, mec="none")
            coding += f" (the package's own coding: {paper.catalogue})"
        tip = (
            f"{paper.title}, {paper.year}: {paper.lag} year{'s' if paper.lag > 1 else ''} after "
            f"{label}. Pushes against {coding}: saves {entry['saved']}, spends {entry['spent']}. "
            f"Source: {records[entry['named_by']].cite}, {entry['where']}"
        )
        for part, name in ((line, "reach"), (old, "from"), (new, "to")):
            part.set_gid(f"{name}-{paper.slug}")
            tips[f"{name}-{paper.slug}"] = tip
    axes.text(2061, -1.25, "coded\notherwise", ha="center", va="center", color=MUTED, fontsize=6.5)
    axes.set_xlim(1931, 2065)
    axes.set_ylim(len(found) - 0.3, -1.9)
    axes.set_xticks(range(1950, 2021, 10))
    axes.set_yticks([])
    axes.set_xlabel("year of publication", x=0.14, ha="left")
    axes.spines.bottom.set_bounds(1950, 2023)
    return tips


PARTS = {
    "chips": ("more chips", BLUE),
    "rate": ("faster chips", RED),
    "days": ("longer runs", AMBER),
    "utilization": ("better use of them", GREEN),
    "price": ("dearer chips", PURPLE),
    "per dollar": ("more for a dollar", RED),
    "transistors": ("transistors", PURPLE),
    "per transistor": ("each doing more", TEAL),
    "matrix units": ("16 bits, matrix units", RED),
}


def times(factor: float) -> str:
    """Write a factor to two or three digits."""
    if factor >= 1e5:
        power = math.floor(math.log10(factor))
        digits = str(power).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return f"× {factor / 10**power:.1f} · 10{digits}"
    return f"× {factor:,.0f}" if factor >= 10 else f"× {factor:.2g}"


def bar(axes: Any, y: float, label: str, factors: dict[str, float], source: str, **more) -> Tips:
    """Draw a growth cut into its parts; parts below 1 stand left of the line.

    ``assumed`` parts are hollow; ``named`` parts have their names above them, not in the legend.
    """
    tips, right, left = {}, 0.0, 0.0
    total = math.prod(factors.values())
    for part, factor in factors.items():
        name, colour = PARTS[part]
        width, hollow = math.log10(factor), part in more.get("assumed", ())
        start = right if width > 0 else left
        (patch,) = axes.barh(
            y, width, 0.42, start,
            facecolor="none" if hollow else colour, edgecolor=colour, linewidth=0.9,
        )  # fmt: skip
        gid = re.sub(r"[^a-z0-9]+", "-", f"{label} {part}".lower())
        patch.set_gid(gid)
        tips[gid] = (
            f"{label}: {name}, {times(factor)}, {facts.share(factor, total):.0%} of the growth "
            f"since AlexNet{', by assumption' if hollow else ''}. Source: {source}"
        )
        words, at, align, above = times(factor), start + width / 2, "center", -0.28
        if part in more.get("named", ()):
            words = f"{name} {words}"
            if width < 1.3:
                at, align = start, "left"
            if width < 0.3:  # no room above: its neighbours' names are there
                above = 0.46
        elif abs(width) < 0.4:
            words = ""
        axes.text(at, y + above, words, ha=align, fontsize=6.5)
        right, left = max(right, start + width), min(left, start + width)
    return tips


def compute(figure: Figure) -> Tips:
    """Draw the growth of training compute since AlexNet, in factors of ten, cut into its parts."""
    figure.set_size_inches(5.6, 4.6)
    axes = figure.add_axes((0.175, 0.1, 0.805, 0.8))
    tips: Tips = {}
    rows = [system for system in facts.SYSTEMS if system.label != "AlexNet"]
    for y, system in enumerate(rows):
        factors, run = facts.growth(system.label), facts.row("models", system.name)
        chip = f"{system.chip}: {facts.row('hardware', system.chip)['source_title']}"
        parts = {part: factors[part] for part in facts.PARTS}
        source = f"{run['source_title']}; {chip}"
        tips |= bar(axes, y, system.label, parts, source, assumed=system.assumed)
        axes.text(-0.95, y, f"{system.label}, {run['year']}", ha="right", va="center_baseline")
        end = sum(max(0.0, math.log10(factor)) for factor in parts.values())
        total = times(factors["flop"])
        axes.text(end + 0.12, y, total, va="center_baseline", fontweight="bold")
    base, source = len(rows) + 0.45, "prices and transistors as Epoch AI lists them"
    axes.text(-0.95, base - 0.55, "Llama 3.1 again", ha="right", va="center", color=MUTED)
    axes.axhline(base - 0.55, 0.1, 1, color=GRID, lw=0.6)
    for y, label, parts in (
        (base + 0.3, "by money", facts.by_money()),
        (base + 1.3, "by silicon", facts.by_silicon()),
    ):
        tips |= bar(
            axes, y, f"Llama 3.1 {label}", parts, source, named=set(parts) - set(facts.PARTS)
        )
        axes.text(-0.95, y, label, ha="right", va="center_baseline")
    axes.axvline(0, color=MUTED, lw=0.8)
    axes.set_xlim(-0.9, 9.35)
    axes.set_ylim(base + 2, -0.6)
    axes.set_xticks(range(0, 9, 2), ["1", "10²", "10⁴", "10⁶", "10⁸"])
    axes.set_yticks([])
    axes.spines.bottom.set_bounds(-0.9, 8.4)
    axes.set_xlabel("operations of the training run; AlexNet's are 1", loc="left")
    legend = figure.add_axes((0.175, 0.91, 0.805, 0.08), xlim=(0, 1), ylim=(0, 1))
    legend.set_axis_off()
    for part, x in zip(facts.PARTS, (0.0, 0.21, 0.43, 0.64)):
        legend.plot(x + 0.012, 0.7, "s", ms=6, color=PARTS[part][1], mec="none")
        legend.text(x + 0.03, 0.7, PARTS[part][0], va="center_baseline")
    legend.plot(0.012, 0.2, "s", ms=5.5, mfc="none", mec=MUTED, color=MUTED)
    legend.text(
        0.03, 0.2, "hollow: assumed by those who drew up the account", va="center_baseline",
        color=MUTED, fontsize=7,
    )  # fmt: skip
    return tips


FIGURES: dict[str, tuple[Callable[[Figure], Tips], str]] = {
    "queue": (
        queue,
        "36 papers by year, each with a line back to the oldest work that it names as having had "
        "its idea, coloured by the constraint that it pushes against. The lines are short or long, "
        "and hardly any begins between 2000 and 2009.",
    ),
    "compute": (
        compute,
        "Growth of training compute from AlexNet to six later systems, each bar cut into more "
        "chips, faster chips, longer runs and better use; below, the last bar cut by money and by "
        "silicon.",
    ),
}


def main(folder: Path = facts.ESSAYS / "figures") -> None:
    """Write every figure."""
    for name, (draw, title) in FIGURES.items():
        save(folder / f"{name}.svg", draw, title)
        print(folder / f"{name}.svg")


if __name__ == "__main__":
    main()
