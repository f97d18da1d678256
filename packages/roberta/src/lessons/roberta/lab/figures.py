"""One look for every figure: SVG, text as text, for light and dark paper, colour-blind safe.

The same in every package: copied from the template under papers/, never edited in the package.
"""

import io
import os
import re
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

INK, MUTED, GRID = "#1b1d21", "#5f6670", "#c9cdd3"
# Tol's "bright" scheme, its yellow and cyan darkened until they reach 3:1 on white.
COLORS = BLUE, RED, GREEN, AMBER, PURPLE, TEAL = (
    "#3b6fa5", "#d8576b", "#2a7f3e", "#a3820f", "#a23b79", "#1f8fb0",
)  # fmt: skip
# The same hues on dark paper. A viewer that knows no media queries keeps the light ones.
DARK = {
    INK: "#e9e7e2", MUTED: "#a7adb6", GRID: "#454a52", BLUE: "#7fb0e3", RED: "#f08a99",
    GREEN: "#6fc583", AMBER: "#d9b94a", PURPLE: "#dc86ba", TEAL: "#62c4e0",
}  # fmt: skip

STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": INK,
    "axes.prop_cycle": "cycler('color', ['{}'])".format("', '".join(COLORS)),
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.constrained_layout.use": True,
    "figure.figsize": (6.4, 3.2),
    "font.family": "sans-serif",
    "font.size": 9,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "savefig.transparent": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "lessons",
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.left": False,
    "ytick.minor.left": False,
}


def save_figure(
    path: Path, draw: Callable[[Any, Any], None], numbers: Any = None, title: str = ""
) -> None:
    """Draw a figure and write it as SVG, the same bytes for the same numbers.

    Args:
        path: where to; written atomically.
        draw: called with an empty matplotlib figure (6.4 by 3.2 inches; it may resize it) and
            ``numbers``. Colours from this module (``BLUE`` …, ``INK``, ``MUTED``) have a dark twin.
        numbers: what the figure shows.
        title: text for readers who cannot see it.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure()
        draw(figure, numbers)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = re.sub(
        r"'?DejaVu Sans'?[^;\"]*", "Helvetica, Arial, 'DejaVu Sans', sans-serif", buffer.getvalue()
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
    try:
        temporary.write_text(svg, encoding="utf-8")
        os.replace(temporary, path)
    finally:  # a full disk leaves nothing behind
        temporary.unlink(missing_ok=True)
