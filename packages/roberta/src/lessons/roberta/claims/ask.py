"""``python -m lessons.roberta --fill TEXT``: fill in hidden tokens with the model that ships."""

import argparse
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ..inference import fill_mask
from ..vocabulary import MASK
from . import shipped


def main(argv: list[str], console: Console | None = None) -> int:
    """Show a text's tokens and fill in the hidden ones; return 1 if that cannot be."""
    parser = argparse.ArgumentParser(
        prog="python -m lessons.roberta --fill",
        description=f"Say which tokens may stand in the place of {MASK}, with their probabilities. "
        "The model has read the King James Bible, Shakespeare and a manual.",
    )
    parser.add_argument("text", nargs="+", help=f'such as "{shipped.TEXT}" (quoted)')
    parser.add_argument("--best", type=int, default=5, help="tokens shown (default: 5)")
    parser.add_argument("--model", type=Path, default=None, help="file of a trained model")
    args = parser.parse_args(argv)
    console, text = console or Console(highlight=False), " ".join(args.text)
    try:
        if MASK not in text:
            raise ValueError(f"the text has no {MASK}: {text!r}")
        model, tokenizer = shipped.recall(args.model or shipped.model_path())
        found = fill_mask(model, tokenizer, text, args.best)
    except (OSError, ValueError) as error:
        console.print(Text(str(error), "red"), soft_wrap=True)
        return 1
    pieces = [tokenizer.decode([i]) for i in tokenizer.ids_of(text)]
    console.print(Text(f"{len(pieces)} tokens: {'|'.join(pieces)}", "dim"), soft_wrap=True)
    for i, tokens in enumerate(found):
        if len(found) > 1:
            console.print(Text(f"{MASK} {i + 1}", "dim"))
        wide = max(len(repr(token)) for token, _ in tokens)
        for k, (token, probability) in enumerate(tokens):
            line = Text(f"{token!r:{wide}}  ", "bold green" if k == 0 else "")
            line.append(f"{'█' * round(30 * probability)} {probability:.3f}", "dim")
            console.print(line, soft_wrap=True)
    return 0
