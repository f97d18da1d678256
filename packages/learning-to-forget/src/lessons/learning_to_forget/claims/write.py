"""``python -m lessons.learning_to_forget write PROMPT``: let the net of D3 go on."""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.text import Text

from ..char import CharLSTM
from ..stream import record_gates
from . import writing


def main(argv: list[str], console: Console | None = None) -> int:
    """Write on from a prompt; return 1 if that cannot be."""
    parser = argparse.ArgumentParser(
        prog="python -m lessons.learning_to_forget write",
        description="Go on from a prompt, character by character, in the words of King James.",
    )
    parser.add_argument("text", nargs="+", help='such as "In the beginning"')
    parser.add_argument("--length", type=int, default=400, help="characters to write")
    parser.add_argument("--temperature", type=float, default=0.7, help="0: always the likeliest")
    parser.add_argument("--top-k", type=int, default=None, help="draw among so many likeliest")
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    parser.add_argument("--gates", action="store_true", help="shade by the mean forget gate")
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
    if not args.gates:
        console.print(Text.assemble((prompt, "bold"), words))
        return 0
    whole = prompt + words
    open_ = openness(net, whole)
    low, high = min(open_), max(open_)
    shaded = Text()
    for letter, gate in zip(whole, open_):
        grey = int(80 + 175 * (gate - low) / max(high - low, 1e-9))
        shaded.append(letter, f"rgb({grey},{grey},{grey})")
    console.print(shaded)
    console.print(f"The darker, the more is forgotten: mean forget gate {low:.2f} to {high:.2f}.")
    return 0


def openness(net: CharLSTM, text: str) -> list[float]:
    """Return the mean forget gate at each character."""
    x = F.one_hot(net.encode(text), len(net.config.alphabet)).float()[:, None]
    return record_gates(net.lstm, x)["forget"].mean((1, 2)).tolist()
