"""Demonstration D1: the same streams, with the training of today."""

from typing import Any

from ..lab.claim import Finding, demonstration
from ..lab.figures import BLUE, RED
from ..lab.run import Run
from .arms import desk, slim


def draw_sizes(figure, numbers) -> None:
    """Draw symbols per error against cells."""
    axes = figure.subplots()
    for name, color in (("with", BLUE), ("without", RED)):
        for size in numbers["cells"]:
            values = numbers[f"{size} {name}"]["per error"]
            label = f"{name} forget gates" if size == numbers["cells"][0] else None
            axes.plot([size] * len(values), values, "o", color=color, alpha=0.6, label=label)
    axes.set(xscale="log", yscale="log", xlabel="cells", ylabel="symbols per error")
    axes.set_xticks(numbers["cells"], [str(n) for n in numbers["cells"]], minor=False)
    axes.legend()


@demonstration(
    "D1",
    "Today's training of the same streams, with forget gates and without.",
    draw_sizes,
    asks="Whole gradients, Adam, softmax, 32 streams a net that are never reset, 600 "
    "updates of 40 symbols; 8, 16, 32 cells, with forget gates and without, six nets each. "
    "Symbols per prediction in which a legal symbol is outranked, over 58,000 that follow on 100 "
    "from a zero state (a net without an error counts 58,000).",
)
def sizes(run: Run) -> Finding:
    """Train and count."""
    cells = run.pick(test=[4], default=[16], full=[8, 16, 32])
    numbers: dict[str, Any] = {"cells": cells}
    for n in cells:
        for name, forget in (("with", True), ("without", False)):
            numbers[f"{n} {name}"] = slim(desk(run, forget, n))
    middle = {
        key: sorted(value["per error"])[len(value["per error"]) // 2]
        for key, value in numbers.items() if key != "cells"
    }  # fmt: skip
    said = "; ".join(f"{key}: {value:,.0f}" for key, value in middle.items())
    last = cells[-1]
    return Finding(
        None, ours=f"{middle[f'{last} with']:,.0f} and {middle[f'{last} without']:,.0f} symbols "
        "per error", ran=f"{', '.join(map(str, cells))} cells.",
        measured=f"Symbols per error, medians: {said}.", numbers=numbers | {"medians": middle},
    )  # fmt: skip
