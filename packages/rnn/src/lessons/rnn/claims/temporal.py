"""Elman's temporal XOR: what a net learns that does not ask how its memory came about."""

from typing import Any

import torch
import torch.nn.functional as F

from ..elman import ElmanConfig, ElmanNet
from ..lab.claim import Finding, demonstration
from ..lab.figures import BLUE, RED
from ..lab.run import Run
from ..lab.statistics import interval
from ..tasks import temporal_xor

HORIZONS = {"one step": 1, "all steps": None}


def predict(run: Run, hidden: int, horizon: str, seed: int, updates: int) -> list[float]:
    """Train a net to tell the next bit; return its squared error by place in the triple."""
    torch.manual_seed(seed)
    net = ElmanNet(ElmanConfig(hidden_size=hidden, truncate=HORIZONS[horizon]))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    generator = torch.Generator().manual_seed(seed)
    for _ in run.track(range(updates), f"temporal XOR, {hidden} hidden, {horizon}"):
        bits = temporal_xor(run.pick(test=4, default=16), 16, generator)[..., None]
        loss = F.binary_cross_entropy_with_logits(net(bits[:-1])[0], bits[1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        bits = temporal_xor(100, 50, generator)[..., None]
        errors = (net(bits[:-1])[0].sigmoid() - bits[1:]).square().mean((1, 2))
    # Row i tells bit i + 1: rows 2, 5, … a first bit, 3, 6, … a second, 4, 7, … an XOR.
    return [errors[place + 2 :: 3].mean().item() for place in range(3)]


def draw_places(figure, numbers) -> None:
    """Draw the squared error by place in the triple."""
    axes = figure.subplots()
    width = 0.35
    for i, (horizon, color) in enumerate(zip(HORIZONS, (RED, BLUE))):
        rows = numbers[horizon]
        means = [sum(row[place] for row in rows) / len(rows) for place in range(3)]
        axes.bar([place + (i - 0.5) * width for place in range(3)], means, width, color=color,
                 label=f"errors go back {horizon}")  # fmt: skip
    axes.axhline(0.25, color="#5f6670", lw=1, ls=":")
    axes.set_xticks(range(3), ["first bit", "second bit", "their XOR"])
    axes.set(ylabel="squared error of the next bit")
    axes.legend()


@demonstration(
    "D1",
    "Elman's temporal XOR, by errors that go back one step or all.",
    draw_places,
    source="Elman 1990, after later accounts",
    asks="Strings whose every third bit is the XOR of the two before it. Only that bit can be "
    "told; a half for the others costs .25. A net of four hidden logistic units, its copied past "
    "one more input (one step), or errors through all 48 steps.",
    full_only=True,
)
def temporal(run: Run) -> Finding:
    """Train nets both ways over seeds."""
    seeds, updates = run.pick(test=2, default=5), run.pick(test=3, default=1000)
    numbers: dict[str, Any] = {
        name: [run.trial(predict, hidden=4, horizon=name, seed=s, updates=updates)
               for s in run.seeds(seeds)]
        for name in HORIZONS
    }  # fmt: skip
    xor = {name: interval([row[2] for row in rows]) for name, rows in numbers.items()}
    other = [sum(row[:2]) / 2 for rows in numbers.values() for row in rows]
    one, all_ = (xor[name].text(3) for name in HORIZONS)
    return Finding(
        None,
        ours=f"XOR's error {one} with one step, {all_} with all",
        ran=f"1–4–1 net, {seeds} seeds, {updates:,} updates of 16 strings of 48 bits, Adam, "
        "rate .02.",
        measured=f"Squared error of the XOR: {one} where errors go back one step, {all_} where "
        f"they go back all; of the bits that cannot be told {sum(other) / len(other):.3f}.",
        numbers=numbers,
    )
