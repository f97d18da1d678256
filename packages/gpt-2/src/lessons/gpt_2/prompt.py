"""``python -m lessons.gpt_2 "In the beginning"``: stream text, with each token's probability."""

import argparse
import codecs
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import torch

from .bpe import ByteLevelBPE
from .generation import stream
from .model import GPT2
from .pretrained import from_folder

COLORS = (196, 208, 220, 148, 40)  # of a terminal: unlikely to likely
BOUNDS = (0.02, 0.1, 0.3, 0.6)


def main(
    argv: list[str],
    shipped: Callable[[], tuple[GPT2, ByteLevelBPE]],
    out: TextIO | None = None,
) -> int:
    """Go on with a text; return 1 where that cannot be, and say why.

    Args:
        argv: the text and options.
        shipped: returns the model to take where none is named.
        out: where to; default: standard output.
    """
    parser = argparse.ArgumentParser(
        prog="python -m lessons.gpt_2",
        description="Go on with a text; each token is coloured by how likely it was.",
    )
    flag = parser.add_argument
    flag("text", nargs="+", help='such as "In the beginning"')
    flag("--model", type=Path, help="folder of a model (train's, or a released GPT-2)")
    flag("--length", type=int, default=100, help="tokens to write (default: 100)")
    flag("--temperature", type=float, default=0.8, help="0: always the likeliest")
    flag("--top-k", type=int, default=40, help="draw among so many likeliest (default: 40, §8.2)")
    flag("--seed", type=int, default=0, help="of the draws")
    flag("--numbers", action="store_true", help="a line a token, with its probability")
    args = parser.parse_args(argv)
    out = out or sys.stdout
    try:
        model, tokens = from_folder(args.model) if args.model else shipped()
        prompt = " ".join(args.text)
        ids = torch.tensor([tokens.encode(prompt, disallowed_special=())])
        steps = stream(
            model, ids, args.length, temperature=args.temperature, top_k=args.top_k, crop=True,
            generator=torch.Generator().manual_seed(args.seed),
        )  # fmt: skip
        colored = out.isatty() and "NO_COLOR" not in os.environ
        # A token may end within a character, which is then written with the next.
        whole = codecs.getincrementaldecoder("utf-8")("replace")
        out.write(prompt + ("\n" if args.numbers else ""))
        logs: list[float] = []
        for step in steps:
            raw, share = tokens.token_bytes(int(step.ids)), step.log_probability.exp().item()
            logs.append(step.log_probability.item())
            text = whole.decode(raw)
            if args.numbers:
                out.write(f"{share:8.4f}  {raw.decode('utf-8', 'replace')!r}\n")
            else:
                out.write(paint(text, share) if colored else text)
            out.flush()
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    mean = math.exp(sum(logs) / len(logs))
    out.write(f"\n\nEach token had a probability of {mean:.3f} (geometric mean of {len(logs)}).\n")
    if colored and not args.numbers:
        names = ("below .02", "below .1", "below .3", "below .6", "above")
        shares = (0, *BOUNDS)
        out.write("  ".join(paint(name, share) for name, share in zip(names, shares)) + "\n")
    return 0


def paint(text: str, share: float) -> str:
    """Return text in the colour of its probability."""
    color = COLORS[sum(share >= bound for bound in BOUNDS)]
    return f"\x1b[38;5;{color}m{text}\x1b[0m"
