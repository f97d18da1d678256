"""``python -m lessons.attention translate TEXT``: translate, and show where the model looked."""

import argparse
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ..lab.figures import save_figure
from . import shipped
from .alignment import draw_example

SHADES = " ░▒▓█"


def main(argv: list[str], console: Console | None = None) -> int:
    """Translate with the model that ships; return 1 if that cannot be."""
    parser = argparse.ArgumentParser(
        prog="python -m lessons.attention translate",
        description="Translate the English of software manuals into French; draw the alignment.",
    )
    parser.add_argument("text", nargs="+", help='such as "Click the button." (quoted)')
    parser.add_argument("--beam", type=int, default=12, help="beginnings kept (default: 12)")
    parser.add_argument("--model", type=Path, default=None, help="file of the trained model")
    parser.add_argument("--svg", type=Path, default=None, help="also draw the alignment here")
    args = parser.parse_args(argv)
    console, text = console or Console(highlight=False), " ".join(args.text)
    try:
        net, pieces = shipped.recall(args.model or shipped.model_path())
        found = shipped.translate(net, pieces, text, args.beam)
    except (OSError, ValueError) as error:
        console.print(Text(str(error), "red"), soft_wrap=True)
        return 1
    console.print(Text(found.text, "bold green"))
    console.print(shades(found), soft_wrap=True)
    if args.svg:
        numbers = {"example": [found.source, found.target, found.weights.tolist()]}
        title = f"Where the model looked while it translated “{text}” as “{found.text}”"
        save_figure(args.svg, draw_example, numbers, title)
        console.print(f"{args.svg} has the alignment as a picture.", soft_wrap=True)
    return 0


def shades(found: shipped.Translation) -> Text:
    """Return the alignment as text: a row for each word written, shaded where it looked."""
    picture, wide = Text(no_wrap=True), max(map(len, found.target), default=1)
    numbers = " ".join(str((j + 1) % 10) for j in range(len(found.source)))
    picture.append(f"{'':{wide}}  {numbers}\n", "dim")
    for word, row in zip(found.target, found.weights.tolist()):
        picture.append(f"{word:>{wide}}  ", "bold")
        picture.append(" ".join(SHADES[min(int(5 * weight), 4)] for weight in row) + "\n", "blue")
    words = " ".join(f"{j + 1}:{word}" for j, word in enumerate(found.source))
    picture.append(f"Rows: what it wrote. Columns: what it read, {words}.", "dim")
    return picture
