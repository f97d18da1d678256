"""``python -m lessons.t5 "simplify: …"``: a text with a prefix in, a text out."""

import argparse
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.text import Text

from . import shipped


def main(argv: list[str], console: Console | None = None) -> int:
    """Write answers with the model that ships; return 1 if that cannot be."""
    parser = argparse.ArgumentParser(
        prog="python -m lessons.t5 say",
        description="Text to text, by a small model that ships with this package. It knows the "
        "prefixes “simplify:” and “translate English to German:”, and fills <extra_id_0>.",
    )
    parser.add_argument("texts", nargs="+", help='such as "simplify: And the earth was …"')
    parser.add_argument("--beam", type=int, default=4, help="beginnings kept (default: 4)")
    parser.add_argument("--model", type=Path, default=None, help="file of the trained model")
    args = parser.parse_args(argv)
    console = console or Console(highlight=False)
    try:
        net, pieces = shipped.recall(args.model or shipped.model_path())
        for text in args.texts:
            answer = shipped.write(net, pieces, text, args.beam)
            console.print(Text(answer, "bold green"), soft_wrap=True)
    except (OSError, ValueError) as error:
        console.print(Text(str(error), "red"), soft_wrap=True)
        return 1
    return 0


class Commands(dict[str, Callable[[list[str]], int]]):
    """The commands; a text that begins with a prefix, or has a gap to fill, is one by itself."""

    def __contains__(self, argument: object) -> bool:
        """Say whether this is the name of a command, or a text for the model."""
        is_text = isinstance(argument, str) and argument[:1] != "-" and " " in argument
        return super().__contains__(argument) or is_text

    def __missing__(self, text: str) -> Callable[[list[str]], int]:
        """Return what answers a text."""
        return lambda rest: main([text, *rest])


COMMANDS = Commands(say=main)
