"""``python -m lessons.mixture_of_experts route TEXT``: colour pieces by the expert they go to."""

import argparse
import colorsys
from pathlib import Path

import torch
from rich.console import Console
from rich.text import Text

from . import shipped


def main(argv: list[str], console: Console | None = None) -> int:
    """Route a text with the model that ships; return 1 if that cannot be."""
    parser = argparse.ArgumentParser(
        prog="python -m lessons.mixture_of_experts route",
        description="Show which of 32 experts each piece of a text is sent to.",
    )
    parser.add_argument("text", nargs="+", help='such as "In the beginning" (quoted)')
    parser.add_argument("--go-on", type=int, default=0, metavar="N", help="add N pieces of its own")
    parser.add_argument("--seed", type=int, default=0, help="of what it adds")
    parser.add_argument("--model", type=Path, default=None, help="file of a trained model")
    args = parser.parse_args(argv)
    console, text = console or Console(highlight=False), " ".join(args.text).strip()
    try:
        model, pieces = shipped.recall(args.model or shipped.model_path())
        ids = torch.tensor([pieces.encode(text)[:-1]])
        if not ids.numel():
            raise ValueError("nothing to route: a text is asked for")
        if args.go_on < 0:
            raise ValueError(f"--go-on must not be negative, got {args.go_on}")
        generator = torch.Generator().manual_seed(args.seed)
        ids = model.generate(ids, args.go_on, 0.7, generator)
        expert, weight = model.route(ids)
    except (OSError, ValueError) as error:
        console.print(Text(str(error), "red"), soft_wrap=True)
        return 1
    names = [pieces.decode([i]).replace("\n", "⏎") for i in ids[0].tolist()]
    console.print(colored(names, expert[0, :, 0].tolist()), soft_wrap=True)
    wide = max(len(name) for name in names)
    for name, experts, weights in zip(names, expert[0].tolist(), weight[0].tolist()):
        line = Text(f"{name.strip():{wide}} ", "bold")
        for i, share in zip(experts, weights):
            line.append(f"  {i:2} ", color(i))
            line.append(f"{'█' * max(1, round(12 * share)):12}", color(i))
            line.append(f" {share:.2f}"[1:], "dim")
        console.print(line, soft_wrap=True)
    console.print(Text("Each row: a piece, its experts by number, and their weights.", "dim"))
    return 0


def colored(names: list[str], experts: list[int]) -> Text:
    """Return a text whose pieces have their first expert's colour, and its number behind."""
    shown = Text()
    for name, i in zip(names, experts):
        shown.append(name, f"bold {color(i)}")
        shown.append(f"{i}", "dim")
    return shown


def color(i: int) -> str:
    """Return a colour for an expert: neighbours in number are far apart in hue."""
    red, green, blue = colorsys.hls_to_rgb(i * 0.618 % 1, 0.55, 0.75)
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"
