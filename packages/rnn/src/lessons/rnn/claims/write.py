"""``python -m lessons.rnn write PROMPT``: let the net that ships with this package go on."""

import argparse
from pathlib import Path

import torch
from rich.console import Console
from rich.text import Text

from . import writing


def main(argv: list[str], console: Console | None = None) -> int:
    """Write on from a prompt; return 1 if that cannot be."""
    parser = argparse.ArgumentParser(
        prog="python -m lessons.rnn write",
        description="Go on from a prompt, character by character, in the words of King James.",
    )
    parser.add_argument("text", nargs="+", help='such as "And God said"')
    parser.add_argument("--length", type=int, default=400, help="characters to write")
    parser.add_argument("--temperature", type=float, default=0.7, help="0: always the likeliest")
    parser.add_argument("--top-k", type=int, default=None, help="draw among so many likeliest")
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    parser.add_argument("--model", type=Path, default=None, help="file of the trained net")
    args = parser.parse_args(argv)
    console, prompt = console or Console(highlight=False), " ".join(args.text)
    generator = torch.Generator().manual_seed(args.seed)
    try:
        net = writing.recall(args.model or writing.model_path())
        words = net.generate(prompt, args.length, args.temperature, args.top_k, generator)
    except (OSError, ValueError) as error:
        console.print(Text(str(error), "red"))
        return 1
    console.print(Text.assemble((prompt, "bold"), words))
    return 0
