"""``python -m lessons.word2vec paris - france + italy``: ask the vectors that the package ships."""

import argparse
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ..vectors import KeyedVectors
from ..weights import SHIPPED, load_vectors, load_word2vec_format


class Words(dict):
    """The commands of the package: any word is one, and asks for what is near it."""

    def __contains__(self, name: object) -> bool:
        """Return whether an argument is a word: all that is no option."""
        return isinstance(name, str) and not name.startswith("-")

    def __missing__(self, name: str):
        """Return the command that a word is."""
        return lambda rest: main([name, *rest])


def main(argv: list[str], console: Console | None = None) -> int:
    """Print the words nearest to a sum; return 1 if a word is not known."""
    argv = list(argv)
    for name in ("--vectors", "--top"):  # with a space, else the value would be taken for a word
        if name in argv[:-1]:
            at = argv.index(name)
            argv[at : at + 2] = [f"{name}={argv[at + 1]}"]
    words = [argument for argument in argv if not argument.startswith("--")]
    options = argparse.ArgumentParser(
        prog="python -m lessons.word2vec WORD [+|- WORD …]",
        description="What is nearest to a word, or to a sum of words: paris - france + italy",
    )
    options.add_argument("--vectors", type=Path, help="--vectors=FILE (default: the package's)")
    options.add_argument("--top", type=int, default=5, help="--top=N answers")
    args = options.parse_args([argument for argument in argv if argument.startswith("--")])
    console = console or Console(highlight=False)
    try:
        positive, negative = terms(words)
        vectors = opened(args.vectors)
        known = [[one(vectors, word) for word in side] for side in (positive, negative)]
        found = vectors.most_similar(*known, topn=args.top)
    except (OSError, ValueError, KeyError) as error:
        console.print(Text(str(error.args[0] if error.args else error), "red"))
        return 1
    width = max(len(word) for word, _ in found)
    for word, cosine in found:
        bar = "█" * max(0, round(40 * cosine))
        console.print(
            Text.assemble((f"{word:{width}}", "bold"), f"  {cosine:.2f}  ", (bar, "blue"))
        )
    return 0


def terms(words: list[str]) -> tuple[list[str], list[str]]:
    """Return the words that are added and those that are subtracted.

    Raises:
        ValueError: a sign without a word.
    """
    sides: tuple[list[str], list[str]] = ([], [])
    sign = 0
    for part in " ".join(words).replace("−", "-").replace("+", " + ").split():
        if part in "+-":
            sign = "+-".index(part)
            continue
        sides[sign].append(part)
        sign = 0
    if not any(sides) or words[-1] in ("+", "-", "−"):
        raise ValueError(f"expected words with + or − between them, got {' '.join(words)!r}")
    return sides


def one(vectors: KeyedVectors, word: str) -> str:
    """Return a word as the vectors have it, in small letters if they lack capitals."""
    return word if word in vectors or word.lower() not in vectors else word.lower()


def opened(path: Path | None) -> KeyedVectors:
    """Return the vectors of a file; None is the package's.

    Raises:
        OSError: there is none.
    """
    if path is None:
        if not SHIPPED.is_file():
            raise FileNotFoundError(f"{SHIPPED.name} is not there: a full run makes it, claim D3")
        return load_vectors()
    return load_vectors(path) if path.suffix == ".safetensors" else load_word2vec_format(path)
