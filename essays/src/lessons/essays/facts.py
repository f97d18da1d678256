"""What the essays say in numbers, computed from essays/data and from the packages.

Shares of growth are shares of its logarithm: factors multiply, so their logarithms add.
"""

import csv
import functools
import itertools
import json
import math
import random
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

ESSAYS = Path(__file__).parents[3]
REPOSITORY = ESSAYS.parent
DAY = 86_400  # seconds


@functools.cache
def table(name: str) -> list[dict[str, str]]:
    """Return the rows of essays/data/<name>.csv."""
    with open(ESSAYS / "data" / f"{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def row(name: str, key: str) -> dict[str, str]:
    """Return the row of a table whose first column is ``key``."""
    return next(row for row in table(name) if next(iter(row.values())) == key)


def date(row: dict[str, str]) -> float:
    """Return the middle of a row's month, in years."""
    return int(row["year"]) + (int(row["month"]) - 0.5) / 12


# 1 Introduction: what the 36 papers build on, and what they push against


class Paper(NamedTuple):
    """One of the 36: what it pushes against by two codings, and what it builds on."""

    slug: str
    title: str
    year: int
    constraint: str  # the ledger's coding: essays/data/queue.csv
    catalogue: str  # the packages' own: papers/topics.toml
    forerunner: str
    forerunner_year: int

    @property
    def lag(self) -> int:
        """Years since the oldest work that the paper names as having had its mechanism."""
        return self.year - self.forerunner_year


@functools.cache
def papers() -> list[Paper]:
    """Return the 36 by year, those of one year in the catalogue's order."""
    topics = tomllib.loads((REPOSITORY / "papers" / "topics.toml").read_text(encoding="utf-8"))
    found = []
    for slug, topic in topics.items():
        entry = row("queue", slug)
        found.append(
            Paper(
                slug,
                topic["title"],
                topic["year"],
                entry["constraint"],
                topic["constraint"],
                entry["forerunner"],
                int(entry["forerunner_year"]),
            )
        )
    return sorted(found, key=lambda paper: paper.year)


def agreement() -> tuple[int, float]:
    """Return on how many papers the two codings agree, and Cohen's kappa."""
    pairs = [(paper.constraint, paper.catalogue) for paper in papers()]
    agree = sum(a == b for a, b in pairs)
    one, other = (Counter(side) for side in zip(*pairs))
    chance = sum(one[c] * other[c] for c in one) / len(pairs) ** 2
    return agree, (agree / len(pairs) - chance) / (1 - chance)


def company(coding: str, within: int = 1, shuffles: int = 10_000) -> tuple[int, int, float, float]:
    """Ask whether papers of about the same time push against the same constraint.

    Returns:
        Of the pairs that appeared at most ``within`` years apart, how many share a constraint; how
        many pairs there are; how many share one on average when the constraints are shuffled; and
        how often a shuffle does as well.
    """
    years = [paper.year for paper in papers()]
    labels = [getattr(paper, coding) for paper in papers()]
    near = [
        (i, j)
        for i, j in itertools.combinations(range(len(years)), 2)
        if abs(years[i] - years[j]) <= within
    ]

    def together(labels: Sequence[str]) -> int:
        return sum(labels[i] == labels[j] for i, j in near)

    seen, chance = together(labels), random.Random(0)
    counts = [together(chance.sample(labels, len(labels))) for _ in range(shuffles)]
    return (
        seen,
        len(near),
        sum(counts) / shuffles,
        sum(count >= seen for count in counts) / shuffles,
    )


def reference_age() -> tuple[int, float]:
    """Return for how many packages the references are dated, and the median of their medians."""
    ages = [float(row["median_reference_age"]) for row in table("reference_ages")]
    return len(ages), median(ages)


def doubling_time(rows: Sequence[dict[str, str]]) -> float:
    """Return the months in which training compute doubles, by least squares on its logarithm."""
    x = [date(row) for row in rows]
    y = [math.log2(float(row["training_compute_flop"])) for row in rows]
    x_mean, y_mean = sum(x) / len(x), sum(y) / len(y)
    slope = sum((a - x_mean) * (b - y_mean) for a, b in zip(x, y)) / sum(
        (a - x_mean) ** 2 for a in x
    )
    return 12 / slope


def with_compute(before: int | None = None, since: int = 0, without: str = "") -> list:
    """Return the systems whose training compute is known, by year."""
    return [
        row
        for row in table("models")
        if row["training_compute_flop"]
        and since <= int(row["year"]) < (before or 9999)
        and row["name"] != without
    ]


def residual_claim(claim: str) -> dict:
    """Return what the package residuals measured of a claim."""
    path = REPOSITORY / "packages" / "residuals" / "results" / "claims.json"
    claims = json.loads(path.read_text(encoding="utf-8"))["claims"]
    return next(found for found in claims if found["id"] == claim)


def training_errors(kind: str, depth: int) -> list[float]:
    """Return the training errors that the package residuals measured, a seed each."""
    return [run["train_error"] for run in residual_claim("C1")["numbers"][kind][str(depth)]]


def forward(model: Any, *inputs: Any) -> int:
    """Count the operations of a forward pass; a product and a sum are two."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(*inputs)
    return counter.get_total_flops()


@functools.cache
def residual_experiment(depth: int = 44) -> int:
    """Count the operations of training one net in the package residuals' experiment."""
    import torch

    from lessons.residuals import CifarResNet, CifarResNetConfig

    with torch.device("meta"):
        net = CifarResNet(CifarResNetConfig(depth, plain=True, widths=(8, 16, 32), in_channels=1))
        images = torch.zeros(128, 1, 14, 14)
    steps = 469  # one pass over 60,000 digits; backward costs twice what forward costs
    return 3 * steps * forward(net, images)


# 2.5 Compute: where it came from


class System(NamedTuple):
    """A training run, its chips, and what of its account is an assumption."""

    name: str
    chip: str
    rate: str  # the column of hardware.csv with the rate that the run could have had
    label: str
    assumed: tuple[str, ...] = ()  # parts that no source reports independently of the others


PARTS = ("chips", "rate", "days", "utilization")
SYSTEMS = (
    System("AlexNet", "GTX 580 3GB", "fp32_flops", "AlexNet"),
    System("GNMT (WMT En-Fr)", "Tesla K80 (two dies)", "fp32_flops", "GNMT", ("utilization",)),
    System("Transformer (big)", "P100 (PCIe)", "fp32_flops", "Transformer"),
    System("BERT-Large", "TPU v2", "peak_flops", "BERT", ("utilization",)),
    System("GPT-3 175B", "V100 SXM2 32GB", "peak_flops", "GPT-3", ("chips", "days")),
    System("PaLM 540B", "TPU v4", "peak_flops", "PaLM"),
    System("Llama 3.1 405B", "H100 SXM 80GB", "peak_flops", "Llama 3.1"),
)


def account(label: str) -> dict[str, float]:
    """Return a run's operations, and the chips, rate, days and utilization that make them."""
    system = next(s for s in SYSTEMS if s.label == label)
    run, chip = row("models", system.name), row("hardware", system.chip)
    flop, chips, days = (float(run[k]) for k in ("training_compute_flop", "chips", "training_days"))
    rate = float(chip[system.rate])
    used = flop / (chips * rate * days * DAY)
    return {"flop": flop, "chips": chips, "rate": rate, "days": days, "utilization": used}


def growth(label: str, since: str = "AlexNet") -> dict[str, float]:
    """Return by what factor a run and each of its parts exceed an earlier run's."""
    now, then = account(label), account(since)
    return {key: now[key] / then[key] for key in now}


def share(factor: float, of: float) -> float:
    """Return which part of a growth a factor of it makes: a part of the logarithm."""
    return math.log(factor) / math.log(of)


def shares(label: str, since: str = "AlexNet") -> dict[str, float]:
    """Return the parts' shares of a growth; they sum to 1."""
    factors = growth(label, since)
    return {part: share(factors[part], factors["flop"]) for part in PARTS}


def chip_ratio(column: str, new: str = "H100 SXM 80GB", old: str = "GTX 580 3GB") -> float:
    """Return the ratio of two chips in a column of hardware.csv."""
    return float(row("hardware", new)[column]) / float(row("hardware", old)[column])


def per_dollar(chip: str) -> float:
    """Return a chip's peak operations a second for a dollar of its price."""
    entry = row("hardware", chip)
    return float(entry["peak_flops"]) / float(entry["price_usd"])


def doubling_years(factor: float, new: str, old: str = "GTX 580 3GB") -> float:
    """Return in how many years a ratio of two chips doubled."""
    return (date(row("hardware", new)) - date(row("hardware", old))) / math.log2(factor)


def by_money() -> dict[str, float]:
    """Return Llama 3.1's growth since AlexNet with its chips' rate split into price and value."""
    factors = growth("Llama 3.1")
    price = chip_ratio("price_usd")
    split = {k: factors[k] for k in ("chips", "days")}
    return {
        "chips": split["chips"],
        "price": price,
        "days": split["days"],
        "per dollar": factors["rate"] / price,
        "utilization": factors["utilization"],
    }


def by_silicon() -> dict[str, float]:
    """Return Llama 3.1's growth since AlexNet with its chips' rate split into what made it."""
    factors = growth("Llama 3.1")
    transistors, single = chip_ratio("transistors_millions"), chip_ratio("fp32_flops")
    return {
        "chips": factors["chips"],
        "days": factors["days"],
        "transistors": transistors,
        "per transistor": single / transistors,
        "matrix units": factors["rate"] / single,
        "utilization": factors["utilization"],
    }


def devices() -> dict[str, int]:
    """Return how many GPUs or TPUs trained each package's system, the smallest known number."""
    found: dict[str, int] = {}
    for entry in table("models"):
        slug, chips = entry["package_slug"], entry["chips"]
        if (
            slug
            and chips
            and (
                "GPU" in entry["hardware"]
                or "TPU" in entry["hardware"]
                or "NVIDIA" in entry["hardware"]
            )
        ):
            found[slug] = min(int(chips), found.get(slug, int(chips)))
    return found


@functools.cache
def transformer_training(preset: str) -> int:
    """Count the operations of a Transformer's training in Attention Is All You Need.

    A step has about 25,000 source and as many target tokens (§5.1); here in sentences of 25,
    without padding. Their length hardly matters: attention's own products are a small part.
    """
    import torch

    from lessons.transformer import Transformer

    with torch.device("meta"):
        model, tokens = Transformer.from_preset(preset), torch.zeros(1_000, 25, dtype=torch.long)
    return 3 * {"base": 100_000, "big": 300_000}[preset] * forward(model, tokens, tokens)


@functools.cache
def resnet_multiply_adds(preset: str = "resnet152") -> int:
    """Count the multiply-adds of a residual network on one picture of 224 by 224."""
    import torch

    from lessons.residuals import ResNet

    with torch.device("meta"):
        net, picture = ResNet.from_preset(preset), torch.zeros(1, 3, 224, 224)
    return forward(net, picture) // 2
