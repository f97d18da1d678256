"""Claims about images: T and C, told apart by one detector everywhere, and digits."""

import math
import statistics
from functools import cache
from typing import Any

import torch
from torch import Tensor

from .claims import HOLDS, NOT_SEEN, Finding, Run, claim
from .experiment import counted, said, square, trained
from .figures import BLUE, INK, MUTED, RED
from .mlp import MLP
from .mnist import load
from .published import DETECTORS
from .rule import DeltaRule


def learn_t_c(run: Run, n: int, sweeps: int, seed: int) -> dict:
    """Train detectors for T and C; return the sweeps and the receptive fields (a trial)."""
    nets, solved = trained(run, "t-c", "t-c", 0.05, sweeps, n, seed, until_solved=False)
    return {"solved": solved, "fields": nets.weights.tolist()}


def kind_of(field: list[float]) -> str:
    """Return which of the printed fields a field is most like, turned or not, up to its sign."""
    weights = torch.tensor(field)

    def likeness(letter: str) -> float:
        printed = torch.tensor(DETECTORS[letter], dtype=torch.float32)
        turned = torch.stack([printed.rot90(k).flatten() for k in range(4)])
        return torch.cosine_similarity(turned, weights[None]).abs().max().item()

    return max(DETECTORS, key=likeness)


def draw_fields(figure, numbers):
    """Draw the receptive fields of some nets that learned, two of each kind."""
    figure.set_size_inches(6.4, 1.2)
    panels = figure.subplots(1, 8)
    for axes, field in zip(panels, numbers["examples"]):
        largest = max(map(abs, field))
        for k, weight in enumerate(field):
            row, column = divmod(k, 3)
            side = 0.9 * math.sqrt(abs(weight) / largest)
            corner = (column - side / 2, row - side / 2)
            axes.add_patch(square(corner, side, BLUE if weight > 0 else RED))
        axes.set(xlim=(-0.6, 2.6), ylim=(2.6, -0.6), aspect="equal", xticks=[], yticks=[])
        axes.set_title(f"like {kind_of(field)}", fontsize=8)
        axes.grid(visible=False)
        axes.patch.set(edgecolor=MUTED, lw=0.6, facecolor="none")
    figure.text(0.01, 0.01, "blue: positive, red: negative weights", fontsize=8, color=INK)


@claim(
    "C8b",
    "pp. 349-352, Fig. 15",
    "With shared weights the detectors are learned, in 5,000 to 10,000 presentations; the most "
    "common one is inhibited all over.",
    draw_fields,
)
def t_and_c(run):
    """Judge whether half of the nets learn, and which kind of field most of these have."""
    n, sweeps = run.pick(test=(3, 20), default=(40, 6000), full=(200, 12_000))
    trial = run.trial(learn_t_c, n=n, sweeps=sweeps, seed=run.seed)
    count = counted(trial["solved"])
    fields = [f[:9] for f, at in zip(trial["fields"], trial["solved"]) if at is not None]
    kinds = {letter: [f for f in fields if kind_of(f) == letter] for letter in DETECTORS}
    numbers = {letter: len(like) for letter, like in kinds.items()}
    inhibited = sum(max(f) < 0 for f in fields)
    # Half: "in each case the solution was reached" should be true of that many at least.
    often = count["solved"] >= n / 2
    holds = often and numbers["D"] == max(numbers.values()) and inhibited > numbers["D"] / 2
    examples = [f for like in kinds.values() for f in like[:2]]
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"{n} nets of 12 weights, 25 places in a 7 × 7 field, by sweep, changes of shared "
        f"weights added, η = .05 (the chapter gives none), α = .9, {sweeps:,} sweeps. A field is "
        "of the kind of Fig. 15 with which its cosine is largest.",
        measured=f"Learned: {said(count)} sweeps. Their fields are most like "
        + ", ".join(f"{letter} {number}" for letter, number in numbers.items())
        + f"; {inhibited} are inhibited all over.",
        numbers={"count": count, "kinds": numbers, "inhibited": inhibited}
        | {"examples": examples or [f[:9] for f in trial["fields"]][:8]},
        between="η and the initial weights of the chapter are not known, and many of our nets stay "
        "on a plateau.",
    )


@cache
def digits() -> tuple[Tensor, Tensor]:
    """Return scikit-learn's 1,797 digits of 8 by 8 pixels, in one fixed random order."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    return torch.from_numpy(images).float()[order] / 16, torch.from_numpy(labels).long()[order]


def images(run: Run) -> list[tuple[Tensor, Tensor]]:
    """Return (images as rows, labels) to learn and to test on."""
    if run.scale == "full":
        sets = [load("mnist", split, run.data, run.track) for split in ("train", "test")]
        sets = [(pixels.flatten(1).float() / 255, labels) for pixels, labels in sets]
    else:
        x, y = digits()
        known = run.pick(test=100, default=1437)
        sets = [(x[:known], y[:known]), (x[1437:], y[1437:])]
    return [(x.to(run.device), y.to(run.device)) for x, y in sets]


def learn_digits(run: Run, hidden: int, lr: float, seed: int) -> float:
    """Train a net by the hand-written rule; return its error rate on the test images (a trial)."""
    (x_PI, y_P), (test_x, test_y) = images(run)
    sizes = [x_PI.shape[1], *([hidden] if hidden else []), 10]
    net = MLP(sizes, output="logistic", device=run.device)
    aim_PO = 0.1 + 0.8 * torch.eye(10, device=run.device)[y_P]
    rule, order = DeltaRule(net.parameters(), lr), torch.Generator().manual_seed(seed)
    epochs = run.pick(test=1, default=30, full=5)
    for _ in run.track(range(epochs), f"{hidden} hidden units, η = {lr:g}"):
        for batch in torch.randperm(len(x_PI), generator=order).split(20):
            net.backpropagate(x_PI[batch], aim_PO[batch])
            rule.step()
    with torch.no_grad():
        return (net(test_x).argmax(1) != test_y).float().mean().item()


@claim(
    "C9",
    "pp. 352, 362",
    "The rule also learns larger things, such as recognizing characters, and what it learns "
    "carries over to new ones; hidden units are what it takes.",
)
def characters(run):
    """Judge the test error with hidden units against that without, each with its best η."""
    seeds = run.pick(test=2, default=3, full=3)
    rates = run.pick(
        test=(0.01, 0.03), default=(0.003, 0.01, 0.03, 0.1), full=(0.0003, 0.001, 0.003, 0.01, 0.03)
    )
    hidden = run.pick(test=8, default=32, full=100)
    results: dict[int, dict[str, Any]] = {}
    for units in (hidden, 0):
        tried = {
            lr: [run.trial(learn_digits, hidden=units, lr=lr, seed=s) for s in run.seeds(seeds)]
            for lr in rates
        }
        lr = min(tried, key=lambda lr: statistics.mean(tried[lr]))
        errors = tried[lr]
        se = statistics.stdev(errors) / math.sqrt(seeds)
        results[units] = {"lr": lr, "mean": statistics.mean(errors), "se": se, "errors": errors}
    gap = results[0]["mean"] - results[hidden]["mean"]
    error = math.hypot(results[0]["se"], results[hidden]["se"])
    data = run.pick(test="digits", default="scikit-learn's 1,797 digits, 360 of them for the test",
                    full="MNIST, 60,000 and 10,000 images")  # fmt: skip
    shown = {k: f"{100 * r['mean']:.2f} ± {100 * r['se']:.2f}%" for k, r in results.items()}
    # Two standard errors: what chance exceeds about once in twenty.
    return Finding(
        HOLDS if gap > 2 * error else NOT_SEEN,
        ran=f"{data}; logistic units, targets .1 and .9, α = .9, 20 images a change, "
        f"{run.pick(test=1, default=30, full=5)} passes, the best η for each, {seeds} seeds.",
        measured=f"Test error with {hidden} hidden units {shown[hidden]} (η = "
        f"{results[hidden]['lr']:g}), without {shown[0]} (η = {results[0]['lr']:g}).",
        numbers={str(k): r for k, r in results.items()},
        between="A few passes over few digits.",
    )


IMAGES = [t_and_c, characters]
