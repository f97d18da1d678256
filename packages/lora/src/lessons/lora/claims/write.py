"""``python -m lessons.lora write TEXT --adapter kjv``: let the model of D3 go on from a text."""

import argparse
from pathlib import Path

import torch
from rich.console import Console
from rich.text import Text

from ..injection import merge_and_unload
from .domains import NAMES, recall


def main(argv: list[str], console: Console | None = None) -> int:
    """Go on from a text; return 1 if that cannot be."""
    parser = argparse.ArgumentParser(
        prog="python -m lessons.lora write",
        description="Let a small model of a manual go on from a text, with an adapter or without.",
    )
    parser.add_argument("text", nargs="+", help='such as "The king"')
    parser.add_argument("--adapter", choices=NAMES, help="12 kB that change how it speaks")
    parser.add_argument("--length", type=int, default=60, help="pieces to write")
    parser.add_argument("--temperature", type=float, default=0.7, help="0: always the likeliest")
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    parser.add_argument("--model", type=Path, help="the base's file; adapters lie beside it")
    args = parser.parse_args(argv)
    console, prompt = console or Console(highlight=False), " ".join(args.text)
    try:
        model, pieces = recall(args.adapter, args.model)
        if args.adapter:
            merge_and_unload(model)
        ids = torch.tensor([pieces.encode(prompt)], dtype=torch.long)
        generator = torch.Generator().manual_seed(args.seed)
        written = model.generate(ids, args.length, args.temperature, generator)
    except (OSError, ValueError) as error:
        console.print(Text(str(error), "red"), soft_wrap=True)
        return 1
    words = pieces.decode(written[0, ids.shape[1] :].tolist())
    console.print(Text.assemble((prompt, "bold"), words), soft_wrap=True)
    return 0
