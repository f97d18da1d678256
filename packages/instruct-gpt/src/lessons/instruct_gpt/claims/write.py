"""``python -m lessons.instruct_gpt write TEXT``: base, SFT and PPO side by side."""

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from . import shipped


def main(argv: list[str], console: Console | None = None) -> int:
    """Go on from a text with each policy; return 1 if that cannot be."""
    parser = argparse.ArgumentParser(
        prog="python -m lessons.instruct_gpt write",
        description="Go on from a text: the base model, after demonstrations, after preferences.",
    )
    parser.add_argument("text", nargs="+", help='such as "And he said unto"')
    parser.add_argument("--count", type=int, default=2, help="continuations of each (2)")
    parser.add_argument("--seed", type=int, default=0, help="of the draws (0)")
    parser.add_argument("--model", type=Path, default=None, help="file of the trained models")
    args = parser.parse_args(argv)
    console = console or Console(highlight=False)
    if args.count < 1:
        parser.error(f"--count must be at least 1, got {args.count}")
    try:
        found = shipped.recall(args.model or shipped.model_path())
        out = shipped.go_on(found, " ".join(args.text), args.count, args.seed)
    except (OSError, ValueError) as error:
        console.print(Text(str(error), "red"))
        return 1
    grid = Table(box=None, width=min(80, console.width), padding=(0, 1, 0, 0))
    grid.add_column("", no_wrap=True)
    grid.add_column(" ".join(args.text) + " …", ratio=1)
    grid.add_column("reward", justify="right")
    grid.add_column("KL", justify="right")
    for name, rows in out.items():
        for i, (text, reward, kl) in enumerate(rows):
            grid.add_row(name if i == 0 else "", Text(text.strip()), f"{reward:+.2f}", f"{kl:+.1f}")
    console.print(grid)
    console.print(
        "Reward: by the learned model; demonstrations have 0 on average. KL: log π(y|x)/SFT(y|x) "
        "of this text, in nats."
    )
    return 0
