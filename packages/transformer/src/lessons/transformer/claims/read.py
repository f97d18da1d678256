"""``python -m lessons.transformer read TEXT``: read a date, show where the model looked; and D1."""

import argparse
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ..lab.figures import BLUE, save_figure
from . import dates


def main(argv: list[str], console: Console | None = None) -> int:
    """Read dates with the trained model; return 1 if one of them cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m lessons.transformer read",
        description="Read a date as people write it in eight languages; draw the attention.",
    )
    parser.add_argument("text", nargs="+", help='such as "mardi 3 juin 2014" (quoted)')
    parser.add_argument("--model", type=Path, default=None, help="file of the trained model")
    parser.add_argument(
        "--svg", type=Path, default=None, help="also draw the attention as SVG here"
    )
    args = parser.parse_args(argv)
    console, text = console or Console(), " ".join(args.text)
    try:
        reading = dates.read(dates.recall(args.model or dates.model_path()), text)
    except (OSError, ValueError) as error:
        console.print(Text(str(error), "red"))
        return 1
    console.print(Text.assemble(reading.text, " → ", (reading.answer, "bold green")))
    console.print(heat(reading))
    if args.svg:
        title = f"Where the model looked while it read “{reading.text}” as {reading.answer}"
        save_figure(args.svg, draw, reading, title)
        console.print(f"{args.svg} has the attention as a picture.")
    return 0


def heat(reading: dates.Reading) -> Text:
    """Return the attention as text: a row for each character written, shaded where it looked."""
    picture = Text(no_wrap=True)
    picture.append("    " + " ".join(reading.text) + "\n")
    for character, row in zip(reading.answer, reading.weights.tolist()):
        picture.append(f"  {character} ", "bold")
        for weight in row:
            shade = " ░▒▓█"[min(int(5 * weight), 4)]
            picture.append(f"{shade} ", "blue")
        picture.append("\n")
    picture.append("Rows: what it wrote. Columns: what it read. Darker: more attention.", "dim")
    return picture


def draw(figure, reading: dates.Reading) -> None:
    """Draw the attention as squares whose area is the weight."""
    figure.set_size_inches(0.28 * len(reading.text) + 0.8, 0.28 * len(reading.answer) + 0.9)
    axes = figure.subplots()
    squares(axes, reading.weights.tolist(), len(reading.text))
    axes.set_xticks(range(len(reading.text)), [c if c != " " else "·" for c in reading.text])
    axes.set_yticks(range(len(reading.answer)), list(reading.answer))
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.spines["bottom"].set_visible(False)
    axes.set(xlabel="read", ylabel="written")


def squares(axes, weights: list[list[float]], keys: int) -> None:
    """Draw a map of attention, a row for each query: squares whose area is the weight."""
    from matplotlib.patches import Rectangle

    for i, row in enumerate(weights):
        for j, weight in enumerate(row):
            if weight > 0.005:
                side = 0.92 * weight**0.5
                corner = (j - side / 2, i - side / 2)
                axes.add_patch(Rectangle(corner, side, side, color=BLUE, linewidth=0))
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.set(xlim=(-0.6, keys - 0.4), ylim=(len(weights) - 0.4, -0.6))
    axes.set_aspect("equal")
