"""``python -m lessons.lstm remember .3 -.7 --gap 500``: the adding net, asked for a sum."""

import argparse
from pathlib import Path

import torch
from rich.console import Console
from rich.text import Text
from torch import Tensor

from ..network import LSTM1997
from ..weights import load


def model_path() -> Path:
    """Return where the net lies that a full run of C4a trained and this package ships."""
    return Path(__file__).parents[1] / "model.safetensors"


def question(first: float, second: float, gap: int, generator: torch.Generator) -> Tensor:
    """Return pairs (gap + 8, 1, 2): two marked numbers, then ``gap`` others, then the end."""
    x = torch.zeros(gap + 8, 1, 2)
    x[..., 0] = 2 * torch.rand(gap + 8, 1, generator=generator) - 1
    x[2, 0], x[6, 0] = torch.tensor([first, 1.0]), torch.tensor([second, 1.0])
    x[0, 0, 1] = x[-1, 0, 1] = -1
    return x


def recall(path: Path) -> LSTM1997:
    """Return the net that was kept.

    Raises:
        OSError: nothing was kept there. ValueError: the file is of another net.
    """
    if not path.is_file():
        command = "`python -m lessons.lstm --full --claim C4a --out FOLDER` trains one"
        raise OSError(f"no trained net at {path}: {command}")
    net = LSTM1997.from_preset("exp4")
    try:
        net.load_state_dict(load(path))
    except RuntimeError as error:
        raise ValueError(f"{path} is not of the adding problem's net: {error}") from error
    return net


@torch.no_grad()
def main(argv: list[str], console: Console | None = None) -> int:
    """Ask for the sum of two numbers, long after they were shown; return 1 if that cannot be."""
    parser = argparse.ArgumentParser(
        prog="python -m lessons.lstm remember",
        description="Show two numbers to the net of the adding problem, and ask for their sum.",
    )
    parser.add_argument("numbers", nargs=2, type=float, help="in −1 … 1, such as .3 -.7")
    parser.add_argument("--gap", type=int, default=100, help="other numbers shown in between")
    parser.add_argument("--seed", type=int, default=0, help="of those")
    parser.add_argument("--model", type=Path, default=None, help="file of the trained net")
    args = parser.parse_args(argv)
    console = console or Console(highlight=False)
    try:
        if args.gap < 0 or max(map(abs, args.numbers)) > 1:
            raise ValueError("numbers must be in −1 … 1, and the gap at least 0")
        net = recall(args.model or model_path())
    except (OSError, ValueError) as error:
        console.print(Text(str(error), "red"))
        return 1
    x = question(*args.numbers, args.gap, torch.Generator().manual_seed(args.seed))
    _, before = net(x[:7])
    y, after = net(x[7:], before)
    answer = 4 * (y[-1].item() - 0.5)
    console.print(
        f"{answer:+.3f} after {args.gap} other numbers; the sum is {sum(args.numbers):+.3f}"
    )
    for name, state in (("when shown", before[1]), ("at the end", after[1])):
        cells = "  ".join(f"{s:+.3f}" for s in state[0].tolist())
        console.print(f"states {name}: {cells}")
    return 0
