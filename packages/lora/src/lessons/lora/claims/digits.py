"""Digits, near and far: demonstrations D1 and D2, which the paper does not have.

An encoder learns upright digits, 8 x 8 in sixteen patches of 2 x 2, and is adapted to digits that
are moved by a pixel (near) or lie on their side (far).
"""

import functools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..baselines import bitfit, full
from ..bert import BertConfig, Layer
from ..config import LoRAConfig
from ..injection import inject
from ..lab.claim import Finding, demonstration
from ..lab.figures import BLUE
from ..lab.run import Run
from ..lab.statistics import interval, paired

SIX = ("query", "key", "value", "output.dense", "intermediate.dense")
METHODS = ("all", "head", "biases", "q,v r 8", "six r 8")
RATES = (1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2)


class Digits(nn.Module):
    """Patches, positions, three layers, the mean, ten outputs; a prefix may stand before."""

    def __init__(self, width: int, generator: torch.Generator) -> None:
        super().__init__()
        config = BertConfig(1, width, 3, 4, 4 * width, hidden_dropout_prob=0.0)
        self.patch, self.place = nn.Linear(4, width), nn.Parameter(torch.zeros(16, width))
        self.layers = nn.ModuleList(Layer(config) for _ in range(3))
        self.head = nn.Linear(width, 10)
        for parameter in self.parameters():
            if parameter.dim() == 2:
                bound = parameter.shape[1] ** -0.5
                nn.init.uniform_(parameter, -bound, bound, generator=generator)

    def forward(self, x_BPK: Tensor, prefix_PD: Tensor | None = None) -> Tensor:
        """Return logits (B, 10) of patches (B, 16, 4)."""
        x = self.patch(x_BPK) + self.place
        if prefix_PD is not None:
            x = torch.cat([prefix_PD.expand(len(x), -1, -1), x], 1)
        for layer in self.layers:
            x = layer(x, None)
        return self.head(x[:, -16:].mean(1))


@functools.lru_cache(1)
def pictures() -> tuple[Tensor, Tensor]:
    """Return scikit-learn's 1,797 digits in a fixed order, and what they are."""
    from sklearn.datasets import load_digits

    found = load_digits()
    order = torch.randperm(1_797, generator=torch.Generator().manual_seed(0))
    return torch.tensor(found.images).float()[order] / 16, torch.tensor(found.target)[order]


def shifted(kind: str, which: str) -> tuple[Tensor, Tensor]:
    """Return patches (N, 16, 4) and labels of a part: base, train, dev or test."""
    x, y = pictures()
    part = {"base": slice(900), "train": slice(900, 1_200), "dev": slice(1_200, 1_300),
            "test": slice(1_300, None)}[which]  # fmt: skip
    x, y = x[part], y[part]
    if kind == "near":
        x = x.roll(1, 2)
    elif kind == "far":
        x = x.rot90(1, (1, 2))
    return x.unflatten(1, (4, 2)).unflatten(3, (4, 2)).permute(0, 1, 3, 2, 4).reshape(-1, 16, 4), y


def train(run: Run, model: nn.Module, x: Tensor, y: Tensor, rate: float, steps: int, seed: int,
          **given: Tensor) -> None:  # fmt: skip
    """Train what is free: Adam, batches of 64, the rate falling in a line."""
    free = [p for p in [*model.parameters(), *given.values()] if p.requires_grad]
    optimizer = torch.optim.AdamW(free, rate, weight_decay=0.0)
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps):
        chosen = torch.randint(len(x), (64,), generator=generator)
        optimizer.param_groups[0]["lr"] = rate * (1 - step / steps)
        loss = F.cross_entropy(model(x[chosen].to(run.device), **given), y[chosen].to(run.device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@functools.lru_cache(16)
def pretrained(run: Run, seed: int) -> dict[str, Tensor]:
    """Return the weights of an encoder that knows upright digits."""
    model = Digits(run.pick(test=16, default=64), torch.Generator().manual_seed(seed))
    model.to(run.device)
    train(run, model, *shifted("upright", "base"), 2e-3, run.pick(test=5, default=400), seed)
    return model.state_dict()


def adapt_digits(
    run: Run, method: str, kind: str, rate: float, seed: int, part: str = "test",
    alpha: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Adapt the encoder to a shift; return the per cent right, and how many numbers it took.

    Args:
        run: which says how long.
        method: of METHODS; "prefix n" has n trained embeddings.
        kind: "near" or "far".
        rate: of Adam.
        seed: of the encoder and of the adaptation.
        part: "dev" or "test".
        alpha: LoRA's; None: r, so that the factor is 1.
    """
    generator = torch.Generator().manual_seed(seed)
    model = Digits(run.pick(test=16, default=64), generator)
    model.load_state_dict(pretrained(run, seed))
    given: dict[str, Tensor] = {}
    if method == "all":
        full(model)
    elif method == "biases":
        bitfit(model)
    elif method == "head":
        model.requires_grad_(False)
    elif method.startswith("prefix"):
        model.requires_grad_(False)
        shape = int(method.split()[1]), model.place.shape[1]
        given["prefix_PD"] = nn.Parameter(0.02 * torch.randn(shape, generator=generator))
        given["prefix_PD"].data = given["prefix_PD"].data.to(run.device)
    else:
        names, _, r = method.split()
        targets = ("query", "value") if names == "q,v" else SIX
        inject(model, LoRAConfig(int(r), alpha, targets), generator=generator)
    model.to(run.device)
    if method == "head":
        model.head.requires_grad_(True)
    free = [p for p in [*model.parameters(), *given.values()] if p.requires_grad]
    train(run, model, *shifted(kind, "train"), rate, run.pick(test=3, default=300), seed,
          **given)  # fmt: skip
    x, y = shifted(kind, part)
    with torch.no_grad():
        right = (model(x.to(run.device), **given).argmax(-1).cpu() == y).float().mean()
    return {"accuracy": 100 * right.item(), "numbers": sum(p.numel() for p in free)}


def best_rate(run: Run, method: str, kind: str, **other: Any) -> float:
    """Return a method's best rate on dev: its own, at full length; in small runs a fixed one."""
    fixed = 2e-3 if method == "all" else 8e-3
    if run.scale in ("test", "default"):
        return fixed
    found = {
        rate: run.trial(adapt_digits, method=method, kind=kind, rate=rate, seed=99, part="dev",
                        **other)["accuracy"]
        for rate in (5e-4, *RATES)
    }  # fmt: skip
    return max(found, key=lambda rate: (found[rate], -rate))


def results(run: Run, method: str, kind: str, seeds: int = 5) -> list[dict[str, Any]]:
    """Return what a method reaches at its best rate, by seed."""
    rate = best_rate(run, method, kind)
    return [run.trial(adapt_digits, method=method, kind=kind, rate=rate, seed=seed)
            for seed in run.seeds(run.pick(test=2, default=2, full=seeds))]  # fmt: skip


def shift(run: Run, kind: str) -> Finding:
    """Return what each method reaches on a shift."""
    methods = run.pick(
        test=METHODS[:2], default=("all", "head", "q,v r 8", "six r 8"), full=METHODS
    )
    found = {method: results(run, method, kind) for method in methods}
    accuracies = {m: [one["accuracy"] for one in each] for m, each in found.items()}
    told = ", ".join(
        f"{m} {interval(accuracies[m]).text(1)} ({found[m][0]['numbers']:,} numbers)" for m in found
    )
    last = methods[-1]
    gap = paired(accuracies[last], accuracies["all"])
    return Finding(
        None, ours=f"{last} − all: {gap.text(1)} points",
        ran="Encoder of 64 units, three layers; 300 digits to adapt to, 497 to test; each method's "
        "rate chosen on 100 others in the full run.",
        measured=f"Per cent right: {told}.", numbers={"accuracies": accuracies},
    )  # fmt: skip


def draw_shift(figure, numbers) -> None:
    """Draw all methods."""
    axes = figure.subplots()
    for i, values in enumerate(numbers["accuracies"].values()):
        axes.plot([i] * len(values), values, "o", color=BLUE)
    axes.set_xticks(range(len(numbers["accuracies"])), list(numbers["accuracies"]))
    axes.set_ylabel("right (%)")


@demonstration(
    "D1", "A near shift, digits moved by a pixel: small ranks do.", draw_shift,
    asks="An encoder of upright digits is adapted to moved ones: all weights, the head, biases, "
    "LoRA on q and v, and on all six matrices.",
)  # fmt: skip
def near(run: Run) -> Finding:
    """Adapt to the near shift."""
    return shift(run, "near")


@demonstration(
    "D2", "A far shift, digits on their side: q and v are not enough.", draw_shift,
    source="footnote 6",
    asks="As D1, digits turned by 90°. Footnote 6 does not expect a small r to do for every task.",
)  # fmt: skip
def far(run: Run) -> Finding:
    """Adapt to the far shift."""
    return shift(run, "far")
