"""``python -m lessons.encoder_decoder say WORD``: from letters to phones."""

import argparse
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ..spelling import say
from ..weights import from_g2p, load
from . import shipped


def main(argv: list[str], console: Console | None = None) -> int:
    """Say words with the model that ships; return 1 if that cannot be."""
    parser = argparse.ArgumentParser(
        prog="python -m lessons.encoder_decoder say",
        description="Say words: letters in, phones (ARPAbet, with stress) out.",
    )
    parser.add_argument("words", nargs="+", help="of the letters a to z")
    parser.add_argument("--beam", type=int, default=5, help="beginnings kept (default: 5)")
    parser.add_argument("--model", type=Path, default=None, help="file of the trained model")
    parser.add_argument("--g2p", type=Path, default=None, help="g2p_en's checkpoint20.npz instead")
    args = parser.parse_args(argv)
    console = console or Console(highlight=False)
    try:
        if args.g2p:
            net = from_g2p(load(args.g2p))
        else:
            net = shipped.recall(args.model or shipped.model_path())
        for word in args.words:
            phones = " ".join(say(net, word, args.beam))
            console.print(Text(f"{word}  ").append(phones, "bold green"), soft_wrap=True)
    except (OSError, ValueError) as error:
        console.print(Text(str(error), "red"), soft_wrap=True)
        return 1
    return 0
