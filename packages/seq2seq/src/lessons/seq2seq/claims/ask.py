"""``python -m lessons.seq2seq translate TEXT``: translate with the model that ships."""

import argparse
from pathlib import Path

from rich.console import Console
from rich.text import Text

from . import shipped


def main(argv: list[str], console: Console | None = None) -> int:
    """Translate with the model that ships; return 1 if that cannot be."""
    parser = argparse.ArgumentParser(
        prog="python -m lessons.seq2seq translate",
        description="Translate the English of software manuals into French, through one vector. "
        "Short sentences go best.",
    )
    parser.add_argument("text", nargs="+", help='such as "Click the button." (quoted)')
    parser.add_argument("--beam", type=int, default=12, help="beginnings kept (default: 12)")
    parser.add_argument("--best", type=int, default=3, help="translations shown (default: 3)")
    parser.add_argument("--model", type=Path, default=None, help="file of the trained model")
    args = parser.parse_args(argv)
    console, text = console or Console(highlight=False), " ".join(args.text)
    try:
        net, pieces = shipped.recall(args.model or shipped.model_path())
        found = shipped.translate(net, pieces, text, args.beam, args.best)
    except (OSError, ValueError) as error:
        console.print(Text(str(error), "red"), soft_wrap=True)
        return 1
    for k, (line, probability) in enumerate(found):
        shown = Text(line, "bold green" if k == 0 else "")
        console.print(shown.append(f"  p = {probability:.2g}", "dim"), soft_wrap=True)
    numbers = net.config.vector_size
    console.print(
        Text(f"Between the two languages: a vector of {numbers} numbers.", "dim"), soft_wrap=True
    )
    return 0
