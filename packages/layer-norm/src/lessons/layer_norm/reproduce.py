"""The paper's claims, re-tested; those that need no training are in `exact`.

Where several seeds are trained they stand side by side on a leading axis R: calling torch costs
more than the arithmetic of such small nets.
"""

import math
import time
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import ladder
from .claims import HOLDS, NOT_SEEN, Finding, Run, claim
from .exact import EXACT
from .figures import AMBER, BLUE, MUTED, PURPLE, RED
from .later import GroupNorm
from .mnist import load
from .norm import LayerNorm
from .recurrent import LayerNormLSTM

KINDS = {
    "none": ("no norm", MUTED),
    "layer": ("layer norm", RED),
    "batch": ("batch norm, hidden layers", BLUE),
    "batch everywhere": ("batch norm, also the logits", PURPLE),
}


@cache
def digits() -> tuple[Tensor, Tensor]:
    """Return scikit-learn's digits, (1797, 8, 8) in [0, 1], shuffled, and their labels."""
    from sklearn.datasets import load_digits

    found = load_digits()
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
    return torch.from_numpy(found.images).float()[order] / 16, torch.from_numpy(found.target)[order]


def images(run: Run, n: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return n training images and labels, and others to test on: MNIST in a full run."""
    if run.scale == "full":
        sets = [load("mnist", split, run.data, run.track) for split in ("train", "test")]
        (x, y), (test_x, test_y) = [(x.float() / 255, y) for x, y in sets]
        kept = x[:n], y[:n], test_x, test_y
    else:
        x, y = digits()
        kept = x[: min(n, 1347)], y[: min(n, 1347)], x[1347:], y[1347:]
    x, y, test_x, test_y = (tensor.to(run.device) for tensor in kept)
    return x, y.long(), test_x, test_y.long()


def batches(examples: int, size: int, epochs: int, seeds: list[int]):
    """Yield indices (R, size): each seed its own order, the same for all that is compared."""
    generators = [torch.Generator().manual_seed(1000 + seed) for seed in seeds]
    for _ in range(epochs):
        orders = torch.stack([torch.randperm(examples, generator=g) for g in generators])
        for batch in orders.split(size, dim=1):
            if batch.shape[1] == size:
                yield batch


# §6.6: nets with hidden layers that are fully connected.


class Nets(nn.Module):
    """R nets of fully connected layers with one normalization, side by side.

    Args:
        kind: of `KINDS`. sizes: of the layers. seeds: R of them.
    """

    def __init__(self, kind: str, sizes: list[int], seeds: list[int]) -> None:
        super().__init__()
        self.kind, self.seeds = kind, len(seeds)
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.weights, self.biases, self.gains = (nn.ParameterList() for _ in range(3))
        self.norms = nn.ModuleList()
        for fan_in, fan_out in pairwise(sizes):
            draws = [torch.rand(fan_in, fan_out, generator=g) for g in generators]
            weight = (2 * torch.stack(draws) - 1) / math.sqrt(fan_in)  # as torch's linear layers
            self.weights.append(weight)
            self.biases.append(torch.zeros(self.seeds, 1, fan_out))
            self.gains.append(torch.ones(self.seeds, 1, fan_out))
            batch = nn.BatchNorm1d(self.seeds * fan_out, affine=False)
            layer = LayerNorm(fan_out, elementwise_affine=False)
            self.norms.append(batch if kind.startswith("batch") else layer)

    def forward(self, h_RBI: Tensor) -> Tensor:
        """Map (R, B, I) to logits (R, B, 10)."""
        last = len(self.weights) - 1
        for i, (weight, norm) in enumerate(zip(self.weights, self.norms)):
            a_RBO = h_RBI @ weight
            if self.kind == "batch everywhere" or (self.kind != "none" and i < last):
                if isinstance(norm, nn.BatchNorm1d):
                    flat = norm(a_RBO.transpose(0, 1).flatten(1))  # statistics are each net's own
                    a_RBO = flat.unflatten(1, (self.seeds, -1)).transpose(0, 1)
                else:
                    a_RBO = norm(a_RBO)
                a_RBO = a_RBO * self.gains[i]
            a_RBO = a_RBO + self.biases[i]
            h_RBI = a_RBO if i == last else a_RBO.relu()
        return h_RBI


def losses(logits_RBC: Tensor, labels_RB: Tensor) -> Tensor:
    """Return each net's mean cross-entropy in nats, (R,)."""
    return F.cross_entropy(logits_RBC.movedim(2, 1), labels_RB, reduction="none").mean(1)


def train_nets(run, kind, batch, lr, seeds):
    """Train with Adam; return training loss by epoch and final test error, by seed."""
    n, width = run.pick(test=64, default=1347, full=10_000), run.pick(test=8, default=100, full=256)
    few, many = run.pick(test=(1, 1), default=(4, 20), full=(2, 10))
    x, y, test_x, test_y = images(run, n)
    x, test_x = x.flatten(1), test_x.flatten(1)
    net = Nets(kind, [x.shape[1], width, width, 10], seeds).to(run.device)
    opt = torch.optim.Adam(net.parameters(), lr, fused=True)
    epochs, steps = (few if batch < 32 else many), len(x) // batch
    curve = []
    order = run.track(list(batches(len(x), batch, epochs, seeds)), f"{kind}, batch {batch}, {lr:g}")
    for step, index in enumerate(order, 1):
        opt.zero_grad()
        losses(net(x[index]), y[index]).sum().backward()
        opt.step()
        if step % steps == 0:
            net.eval()
            with torch.no_grad():
                parts = [losses(net(a.expand(len(seeds), -1, -1)), b.expand(len(seeds), -1))
                         for a, b in zip(x.split(len(x) // 4), y.split(len(x) // 4))]  # fmt: skip
            curve.append(torch.stack(parts).mean(0).tolist())
            net.train()
    net.eval()
    with torch.no_grad():
        wrong = net(test_x.expand(len(seeds), -1, -1)).argmax(2) != test_y
    return {"loss": list(zip(*curve)), "error": wrong.float().mean(1).tolist()}


def tuned(run: Run, rates: list[float], final: Callable[[float], list[float]]) -> float:
    """Return the rate with the lowest mean; the grid grows until the best is not at its edge."""

    def mean(rate):
        value = sum(final(rate)) / len(final(rate))
        return value if math.isfinite(value) else math.inf

    found = {rate: mean(rate) for rate in rates}
    for _ in range(run.pick(test=0, default=3)):
        best = min(found, key=found.__getitem__)
        if min(found) < best < max(found):
            break
        edge = best / 3 if best == min(found) else best * 3
        edge = float(f"{edge:.1g}")
        found[edge] = mean(edge)
    return min(found, key=found.__getitem__)


def summary(values: list[float]) -> tuple[float, float]:
    """Return mean and standard error."""
    v = torch.tensor(values, dtype=torch.float64)
    return v.mean().item(), (v.std() / math.sqrt(len(v))).item() if len(v) > 1 else math.nan


def log_ratio(upper: list[float], lower: list[float]) -> tuple[float, float]:
    """Return the mean of log(upper/lower) over paired seeds, and its standard error."""
    return summary([math.log(a / b) for a, b in zip(upper, lower)])


def draw_nets(figure, numbers):
    """Draw training loss against epochs at both batch sizes."""
    figure.set_size_inches(6.4, 2.9)
    panels = figure.subplots(1, len(numbers), sharey=True)
    for axes, (batch, by_kind) in zip(panels, numbers.items()):
        for kind, result in by_kind.items():
            label, color = KINDS[kind]
            curves = torch.tensor(result["loss"])
            epochs = range(1, curves.shape[1] + 1)
            marker = "o" if len(epochs) < 5 else None
            axes.fill_between(epochs, curves.amin(0), curves.amax(0), color=color, alpha=0.2, lw=0)
            axes.plot(epochs, curves.mean(0), color=color, marker=marker, ms=3.5, label=label)
        axes.set(yscale="log", xlabel="epoch", title=f"batch {batch}")
        axes.set_xticks(epochs if len(epochs) < 5 else range(0, len(epochs) + 1, 2)[1:])
    panels[0].set_ylabel("training loss (nats)")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=2)


def race_nets(run) -> dict[str, dict[str, dict]]:
    """Return for both batch sizes and each kind its best rate, its losses and errors."""
    seeds = list(run.seeds(run.pick(test=2, default=3)))
    rates = run.pick(test={}, default={128: [1e-3, 3e-3, 1e-2], 4: [3e-4, 1e-3, 3e-3]})
    numbers: dict[str, dict] = {}
    for batch in run.pick(test=(32, 4), default=(128, 4)):
        numbers[f"{batch}"] = {}
        for kind in KINDS:

            def trial(lr, kind=kind, batch=batch):
                return run.trial(train_nets, kind=kind, batch=batch, lr=lr, seeds=seeds)

            lr = tuned(run, rates.get(batch, [1e-3]), lambda lr: last(trial(lr)))
            numbers[f"{batch}"][kind] = {"lr": lr, **trial(lr)}
    return numbers


def last(result: dict) -> list[float]:
    """Return the losses after the last epoch, by seed."""
    return [curve[-1] for curve in result["loss"]]


def net_of(run) -> str:
    """Return what was trained, in words."""
    return run.pick(
        test="A tiny net",
        default="A 64-100-100-10 net on the digits, 20 epochs at batch 128, 4 at batch 4",
        full="A 784-256-256-10 net on 10,000 images of MNIST, 10 epochs at batch 128, 2 at batch 4",
    )


def in_words(result: dict) -> str:
    """Return loss, test error and rate as text."""
    (loss, se), (error, _) = summary(last(result)), summary(result["error"])
    return f"{loss:.3g} ± {se:.1g} (test error {error:.1%}, α = {result['lr']:g})"


SHORT = (
    "The paper has 1,000 units a layer, 55,000 images and 60 epochs, and names no learning rate; "
    "here every method gets its best one."
)


@claim(
    "C2a",
    "§6.6, Fig. 6",
    "Layer norm is robust to the batch size, where batch norm is not.",
    draw_nets,
)
def small_batches(run):
    """Judge with batches of 4, against the better of two batch-normalized nets."""
    numbers = race_nets(run)
    small = numbers["4"]
    better = min(("batch", "batch everywhere"), key=lambda kind: sum(last(small[kind])))
    lead, error = log_ratio(last(small[better]), last(small["layer"]))
    listed = "; ".join(f"{KINDS[kind][0]} {in_words(result)}" for kind, result in small.items())
    # "Robust": half of the better batch norm's loss, beyond two standard errors.
    return Finding(
        HOLDS if lead > max(math.log(2), 2 * error) else NOT_SEEN,
        ran=f"{net_of(run)}; Adam, α tuned for each, {len(last(small['layer']))} seeds; loss on "
        "the training images in evaluation mode.",
        measured=f"Batch 4: {listed}. The better batch norm's loss is {math.exp(lead):.2f} times "
        f"layer norm's (log error {error:.1g}).",
        numbers=numbers,
        between=SHORT,
    )


@claim(
    "C2b",
    "§6.6, Fig. 6",
    "Layer norm trains faster than batch norm that is applied to all layers, at both batch sizes.",
)
def all_layers(run):
    """Judge as the paper compares, with batch norm on the logits too; show it without beside it."""
    numbers = race_nets(run)
    leads, words = [], []
    for batch, by_kind in numbers.items():
        lead, error = log_ratio(last(by_kind["batch everywhere"]), last(by_kind["layer"]))
        leads.append(lead > 2 * error)
        hidden, _ = log_ratio(last(by_kind["batch"]), last(by_kind["layer"]))
        kinds = ("layer", "batch everywhere", "batch", "none")
        listed = "; ".join(f"{KINDS[kind][0]} {in_words(by_kind[kind])}" for kind in kinds)
        words.append(
            f"Batch {batch}: {listed}. Layer norm's loss is lower by a factor of "
            f"{math.exp(lead):.2f}; without norm on the logits batch norm's would be "
            f"{math.exp(hidden):.2f} times layer norm's."
        )
    return Finding(
        HOLDS if all(leads) else NOT_SEEN,
        ran="The nets of C2a.",
        measured=" ".join(words),
        numbers={
            batch: {kind: last(r) for kind, r in by_kind.items()}
            for batch, by_kind in numbers.items()
        },
        between=f"{SHORT} At a constant rate the seeds scatter by as much as a small lead.",
    )


# §6.2–6.5: recurrent nets, on images read piece by piece.


class Reader(nn.Module):
    """An LSTM that reads an image in pieces and then names it.

    Args:
        pixels: of a piece. hidden_size: of the LSTM. variant, gain: as `LayerNormLSTM`.
    """

    def __init__(self, pixels: int, hidden_size: int, variant: str, gain: float) -> None:
        super().__init__()
        self.lstm = LayerNormLSTM(pixels, hidden_size, variant=variant, gain=gain)
        self.head = nn.Linear(hidden_size, 10)
        # Forget gates begin open, with and without norm: else the baseline could not bridge.
        nn.init.zeros_(self.lstm.get_parameter("bias_ih_l0"))
        nn.init.zeros_(self.lstm.get_parameter("bias_hh_l0"))
        self.lstm.get_parameter("bias_ih_l0").data[hidden_size : 2 * hidden_size] = 1

    def forward(self, x_TBP: Tensor) -> Tensor:
        """Map (T, B, P) to logits (B, 10)."""
        return self.head(self.lstm(x_TBP)[0][-1])


def train_readers(run, variant, gain, pixels, batch, updates, rates, seeds):
    """Train a reader for each rate and seed, all side by side.

    Returns:
        The loss (nats) on each batch before its update, by rate and seed: means of ten updates.
    """
    x, y, _, _ = images(run, run.pick(test=100, default=1347, full=60_000))
    # Blank pieces must not be zero: from a zero state the norms would divide by √ε, and the
    # gradient grow by that at every step (C4).
    x_NTP = ((x - x.mean()) / x.std()).flatten(1).unflatten(1, (-1, pixels))
    hidden = run.pick(test=8, default=48, full=64)
    states = []
    for seed in seeds:
        torch.manual_seed(seed)
        states.append(Reader(pixels, hidden, variant, gain).state_dict())
    template, names = Reader(pixels, hidden, variant, gain).to("meta"), list(states[0])
    stacks = {
        rate: [torch.stack([s[name] for s in states]).to(run.device) for name in names]
        for rate in rates
    }
    for stack in stacks.values():
        for tensor in stack:
            tensor.requires_grad_()
    opt = torch.optim.Adam([{"params": stack, "lr": rate} for rate, stack in stacks.items()])

    def loss_of(parameters, x_TBP, labels_B):
        logits = torch.func.functional_call(template, parameters, (x_TBP,))
        return F.cross_entropy(logits, labels_B)

    every = torch.func.vmap(loss_of)
    epochs = 1 + updates // (len(x) // batch)
    order = [index for index, _ in zip(batches(len(x), batch, epochs, seeds), range(updates))]
    history = []
    for index in run.track(order, f"LSTM, {variant}, pieces of {pixels}, batch {batch}"):
        index = index.repeat(len(rates), 1)  # (rates · seeds, B)
        parameters = {
            name: torch.cat([stack[i] for stack in stacks.values()]) for i, name in enumerate(names)
        }
        loss_R = every(parameters, x_NTP[index].transpose(1, 2), y[index])
        opt.zero_grad()
        loss_R.sum().backward()
        for stack in stacks.values():  # clip each net's gradient to a norm of 1
            gradients = [p.grad for p in stack if p.grad is not None]
            square_R = torch.stack([g.flatten(1).square().sum(1) for g in gradients]).sum(0)
            scale_R = (1 / (square_R.sqrt() + 1e-6)).clamp(max=1)
            for g in gradients:
                g.mul_(scale_R.view(-1, *[1] * (g.ndim - 1)))
        opt.step()
        history.append(loss_R.detach())
    means = torch.stack(history).unflatten(0, (-1, 10)).mean(1).T  # (rates · seeds, updates / 10)
    return means.unflatten(0, (len(rates), len(seeds))).tolist()


def time_steps(run, pixels, batch):
    """Return the seconds of one update of each form, medians of runs in turns."""
    x = images(run, 100)[0]
    x_TBP = x.flatten(1).unflatten(1, (-1, pixels))[:batch].transpose(0, 1).contiguous()
    hidden = run.pick(test=8, default=48, full=64)
    forms = {
        "layer norm": LayerNormLSTM(pixels, hidden),
        "the same loop without norms": LayerNormLSTM(pixels, hidden, variant="none"),
        "torch.nn.LSTM": nn.LSTM(pixels, hidden),
    }
    seconds: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(run.pick(test=1, default=9)):
        for name, lstm in forms.items():
            began = time.perf_counter()
            lstm(x_TBP)[0][-1].sum().backward()
            seconds[name].append(time.perf_counter() - began)
    return {name: sorted(values)[len(values) // 2] for name, values in seconds.items()}


def conditions(run) -> dict[str, dict[str, int]]:
    """Return the three: short sequences, long ones, and large batches of short ones."""
    short, long = run.pick(test=(16, 8), default=(4, 1), full=(28, 7))
    updates = run.pick(test=20, default=150, full=500)
    return {
        "short": {"pixels": short, "batch": 8, "updates": updates},
        "long": {"pixels": long, "batch": 8, "updates": updates},
        "large batch": {"pixels": short, "batch": 64, "updates": updates},
    }


def race_readers(run, condition, variant, gain=1.0) -> dict:
    """Return the best of the rates: its curves by seed, and the last losses (five points)."""
    settings = {"variant": variant, "gain": gain, **condition}
    rates = run.pick(test=[1e-2], default=[3e-3, 1e-2, 3e-2], full=[1e-3, 3e-3, 1e-2, 3e-2])
    seeds = list(run.seeds(run.pick(test=2, default=3)))
    found = run.trial(train_readers, **settings, rates=rates, seeds=seeds)
    finals = [[sum(curve[-5:]) / len(curve[-5:]) for curve in curves] for curves in found]
    sums = [sum(final) if math.isfinite(sum(final)) else math.inf for final in finals]
    best = sums.index(min(sums))
    return {"rate": rates[best], "curves": found[best], "finals": finals[best]}


def race_all(run) -> dict[str, dict]:
    """Return for each condition the LSTM with and without layer norm."""
    return {
        name: {v: race_readers(run, condition, v) for v in ("none", "full")}
        for name, condition in conditions(run).items()
    }


def steps_to(curves: list[list[float]], target: float) -> int | None:
    """Return the updates until the mean of five points falls to a loss, averaged over seeds."""
    mean = torch.tensor(curves).mean(0).unfold(0, min(5, len(curves[0])), 1).mean(1)
    there = (mean <= target).nonzero()
    return 10 * (int(there[0]) + min(5, len(curves[0]))) if len(there) else None


def described(run, condition) -> str:
    """Return the length of a condition's sequences and its batch in words."""
    size = run.pick(test=64, default=64, full=784)
    return f"{size // condition['pixels']} steps, batch {condition['batch']}"


def draw_readers(figure, numbers):
    """Draw the loss against updates, with and without layer norm, a panel a condition."""
    figure.set_size_inches(6.4, 2.8)
    panels = figure.subplots(1, len(numbers), sharey=True)
    for axes, (name, by_variant) in zip(panels, numbers.items()):
        for variant, label, color in (("none", "LSTM", MUTED), ("full", "with layer norm", RED)):
            curves = torch.tensor(by_variant[variant]["curves"])
            steps = [10 * (i + 1) for i in range(curves.shape[1])]
            axes.fill_between(steps, curves.amin(0), curves.amax(0), color=color, alpha=0.2, lw=0)
            axes.plot(steps, curves.mean(0), color=color, label=label)
        axes.set(title=name, xlabel="updates", ylim=(0, None))
    panels[0].set_ylabel("loss (nats)")
    panels[0].legend()


@claim(
    "C3a",
    "§6.1–6.5, Figs 1, 2, 4, 5",
    "Layer norm speeds up the training of recurrent nets: it takes fewer updates, and less time.",
    draw_readers,
)
def faster_readers(run):
    """Judge the loss after equal numbers of updates; measure the time of an update beside it."""
    raced, settings = race_all(run), conditions(run)
    words, timings, lower = [], {}, []
    for name in ("short", "long"):
        pixels = settings[name]["pixels"]
        none, full = raced[name]["none"], raced[name]["full"]
        lead, error = log_ratio(none["finals"], full["finals"])
        lower.append(lead > 2 * error)
        needed, target = settings[name]["updates"], summary(none["finals"])[0]
        took = steps_to(full["curves"], target)
        seconds = timings[name] = run.trial(time_steps, pixels=pixels, batch=8)
        loop, torchs = (
            seconds["layer norm"] / seconds[form]
            for form in ("the same loop without norms", "torch.nn.LSTM")
        )
        if took:
            share = took / needed
            speed = (
                f"it gets to the LSTM's last loss after {share:.0%} of the updates, which is "
                f"{share * loop:.0%} of the time of the same loop without norms and "
                f"{share * torchs:.0%} of torch.nn.LSTM's time"
            )
        else:
            speed = "it does not get to the LSTM's last loss"
        words.append(
            f"{described(run, settings[name])}: LSTM {summary(none['finals'])[0]:.3f} ± "
            f"{summary(none['finals'])[1]:.1g} (α = {none['rate']:g}), with layer norm "
            f"{summary(full['finals'])[0]:.3f} ± {summary(full['finals'])[1]:.1g} "
            f"(α = {full['rate']:g}); {speed}."
        )
    units, seeds = run.pick(test=8, default=48, full=64), len(raced["short"]["none"]["finals"])
    data = run.pick(test="the digits", default="the digits", full="MNIST")
    return Finding(
        HOLDS if all(lower) else NOT_SEEN,
        ran=f"An LSTM of {units} units (eqs 20–22) reads {data} in pieces, batch 8, "
        f"{settings['short']['updates']} updates of Adam, gradients clipped to norm 1, forget "
        f"gates biased by 1, α tuned for each, {seeds} seeds; the "
        "loss is that of the last 50 batches, before their updates. The verdict is on updates.",
        measured=" ".join(words),
        numbers={described(run, settings[name]): by_variant for name, by_variant in raced.items()},
        timings=timings,
        between="A few hundred updates of a small net are the very beginning of a training, and "
        "three seeds leave an error as large as a small lead.",
    )


def draw_benefit(figure, numbers):
    """Draw how many times lower the loss is with layer norm: a dot a seed, a bar the mean."""
    figure.set_size_inches(6.4, 1.9)
    axes = figure.subplots()
    for row, ratios in enumerate(reversed(numbers["loss ratios"].values())):
        axes.plot(ratios, [row] * len(ratios), "o", ms=4, color=RED)
        axes.barh(row, sum(ratios) / len(ratios) - 1, left=1, height=0.5, color=RED, alpha=0.3)
    axes.set_yticks(range(len(numbers["loss ratios"])), list(numbers["loss ratios"])[::-1])
    axes.axvline(1, color=MUTED, lw=0.8)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", visible=True)
    axes.set(xlabel="loss of the LSTM / loss with layer norm, after equal updates")


@claim(
    "C3b",
    "§7",
    "Recurrent nets benefit the most from layer norm with long sequences and small batches.",
    draw_benefit,
)
def who_benefits(run):
    """Compare the ratio of losses between lengths, and between batch sizes, over paired seeds."""
    raced, settings = race_all(run), conditions(run)
    logs, ratios = {}, {}
    for name, by_variant in raced.items():
        pairs = zip(by_variant["none"]["finals"], by_variant["full"]["finals"])
        logs[name] = [math.log(none / full) for none, full in pairs]
        ratios[described(run, settings[name])] = [math.exp(v) for v in logs[name]]
    longer = summary([a - b for a, b in zip(logs["long"], logs["short"])])
    smaller = summary([a - b for a, b in zip(logs["short"], logs["large batch"])])
    holds = all(mean > 2 * error for mean, error in (longer, smaller))
    listed = ", ".join(f"{name} {summary(v)[0]:.2f} ± {summary(v)[1]:.1g}"
                       for name, v in ratios.items())  # fmt: skip
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran="The nets of C3a, and the short sequences with a batch of 64.",
        measured=f"The LSTM's loss over that with layer norm: {listed}. From short to long "
        f"sequences its logarithm grows by {longer[0]:+.2f} ± {longer[1]:.1g}, from the large "
        f"batch to the small one by {smaller[0]:+.2f} ± {smaller[1]:.1g}.",
        numbers={"loss ratios": ratios, "longer": longer, "smaller batch": smaller},
        between="One kind of data, a few hundred updates, and lengths a quarter or less of the "
        "paper's longest; how far a loss can fall differs between the conditions, too.",
    )


@claim(
    "C7",
    "§6.2",
    "Layer norm is not sensitive to the initial gain, in the way recurrent batch norm is.",
)
def initial_gain(run):
    """Compare a gain of 1 with one of 0.1, on the short sequences."""
    condition = conditions(run)["short"]
    found = {gain: race_readers(run, condition, "full", gain) for gain in (1.0, 0.1)}
    one, tenth = (found[gain]["finals"] for gain in (1.0, 0.1))
    change, error = log_ratio(tenth, one)
    return Finding(
        HOLDS if abs(change) < math.log(1.1) else NOT_SEEN,
        ran="The layer-normalized LSTM of C3a on the short sequences, all gains 1 or 0.1 at first, "
        "α tuned for each.",
        measured=f"Gain 1: {summary(one)[0]:.3f} ± {summary(one)[1]:.1g} "
        f"(α = {found[1.0]['rate']:g}); 0.1: {summary(tenth)[0]:.3f} ± {summary(tenth)[1]:.1g} "
        f"(α = {found[0.1]['rate']:g}); a factor of {math.exp(change):.2f}, log error {error:.1g}.",
        numbers={f"{gain:g}": result for gain, result in found.items()},
        between="The paper itself found 1 to be “significantly better” than 0.1, and says this of "
        "the end of a long training; here it is the beginning, which a wrong gain delays.",
    )


# §6.7: convolutional nets.

CONVOLUTIONAL = {
    "none": ("no norm", MUTED),
    "layer": ("layer norm, a gain per unit", RED),
    "group": ("layer norm, a gain per channel", AMBER),
    "batch": ("batch norm", BLUE),
}


def train_convolutional(run, kind, lr, seed):
    """Return the training loss by epoch and the test error of a small convolutional net."""
    n, epochs = run.pick(test=(100, 1), default=(1347, 5), full=(5000, 4))
    x, y, test_x, test_y = images(run, n)
    x, test_x, side = x[:, None], test_x[:2000, None], x.shape[-1]
    layers: list[nn.Module] = []
    for fan_in, fan_out, stride in ((1, 16, 1), (16, 16, 2), (16, 32, 2)):
        side //= stride
        norms = {
            "none": nn.Identity,
            "layer": lambda c=fan_out, s=side: LayerNorm((c, s, s)),
            "group": lambda c=fan_out: GroupNorm(1, c),
            "batch": lambda c=fan_out: nn.BatchNorm2d(c),
        }
        layers += [nn.Conv2d(fan_in, fan_out, 3, stride, 1), norms[kind](), nn.ReLU()]
    net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * side * side, 10))
    net.to(run.device)
    opt, curve = torch.optim.SGD(net.parameters(), lr, momentum=0.9), []
    steps = n // 64 or 1
    order = list(batches(len(x), min(64, n), epochs, [seed]))
    for step, (index,) in enumerate(run.track(order, f"convolutions, {kind}, {lr:g}"), 1):
        opt.zero_grad()
        F.cross_entropy(net(x[index]), y[index]).backward()
        opt.step()
        if step % steps == 0:
            net.eval()
            with torch.no_grad():
                parts = [F.cross_entropy(net(a), b, reduction="sum").item()
                         for a, b in zip(x.split(500), y.split(500))]  # fmt: skip
                curve.append(sum(parts) / len(x))
            net.train()
    net.eval()
    with torch.no_grad():
        wrong = torch.cat([net(a).argmax(1) for a in test_x.split(500)]) != test_y[:2000]
    return {"loss": curve, "error": wrong.float().mean().item()}


def draw_convolutional(figure, numbers):
    """Draw training loss against epochs."""
    axes = figure.subplots()
    for kind, result in numbers.items():
        label, color = CONVOLUTIONAL[kind]
        curves = torch.tensor(result["loss"])
        epochs = range(1, curves.shape[1] + 1)
        axes.fill_between(epochs, curves.amin(0), curves.amax(0), color=color, alpha=0.2, lw=0)
        axes.plot(epochs, curves.mean(0), "o-", ms=3.5, color=color, label=label)
    axes.set(yscale="log", xlabel="epoch", ylabel="training loss (nats)")
    axes.set_xticks(epochs)
    low, high = axes.get_ylim()
    ticks = [t for t in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2) if low <= t <= high]
    axes.set_yticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()
    axes.legend(title="band: all seeds", alignment="left")


@claim(
    "C6",
    "§6.7",
    "In convolutional nets layer norm is faster than no norm, and batch norm is better than both.",
    draw_convolutional,
)
def convolutional(run):
    """Judge the training loss at the best learning rate of each, over seeds."""
    numbers: dict[str, dict[str, Any]] = {}
    for kind in CONVOLUTIONAL:

        def final(lr, kind=kind):
            return [run.trial(train_convolutional, kind=kind, lr=lr, seed=run.seed)["loss"][-1]]

        lr = tuned(run, run.pick(test=[0.1], default=[0.03, 0.1, 0.3]), final)
        done = [
            run.trial(train_convolutional, kind=kind, lr=lr, seed=seed)
            for seed in run.seeds(run.pick(test=2, default=3))
        ]
        numbers[kind] = {"lr": lr, "loss": [d["loss"] for d in done]}
        numbers[kind]["error"] = [d["error"] for d in done]
    finals = {kind: [curve[-1] for curve in r["loss"]] for kind, r in numbers.items()}
    # The better of the two forms of layer norm; "better" is .6 of its loss, "faster" less than
    # no norm's by two standard errors.
    better = min(("layer", "group"), key=lambda kind: sum(finals[kind]))
    ahead, error = log_ratio(finals["none"], finals[better])
    behind, spread = log_ratio(finals[better], finals["batch"])
    holds = ahead > 2 * error and behind > max(-math.log(0.6), 2 * spread)
    listed = "; ".join(
        f"{CONVOLUTIONAL[kind][0]} {summary(finals[kind])[0]:.3g} ± {summary(finals[kind])[1]:.1g} "
        f"(test error {summary(r['error'])[0]:.1%}, α = {r['lr']:g})"
        for kind, r in numbers.items()
    )
    data = run.pick(test="100 digits", default="the digits, 5 epochs",
                    full="5,000 images of MNIST, 4 epochs")  # fmt: skip
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran="Three 3×3 convolutions of 16, 16 and 32 channels, the last two with stride 2, and a "
        f"linear layer on {data}; SGD with momentum .9, batch 64, α tuned for each, "
        f"{len(finals['none'])} seeds. The paper gives no details.",
        measured=f"Training loss: {listed}.",
        numbers=numbers,
        between="The paper's nets are not described, and these are small.",
    )


# The ladder.


def climbs(run, name, lr, seed):
    """Climb to a rung; ours is the layer norm of this package."""
    x, y, _, _ = images(run, run.pick(test=200, default=1347, full=60_000))
    own: dict[str, Any] = {"norm": LayerNorm} if name == "layer-norm" else {}
    steps = run.pick(test=10, default=ladder.STEPS)
    return ladder.climb(name, x.flatten(1), y, lr, seed, steps=steps, device=run.device, **own)


@claim(
    "C9",
    "§6.6; the ladder",
    "In place of batch norm, layer norm trains a deep feed-forward net at least as fast.",
    ladder.draw,
)
def rung(run):
    """Measure this package's rung against the one below it, which has batch norm."""
    below = ladder.below("layer-norm")
    numbers = ladder.measure(run, climbs, [below, "layer-norm"])
    words, change, error = ladder.compare(numbers, below, "layer-norm")
    batch, layer = numbers[below], numbers["layer-norm"]
    # The loss is looked at every five updates: one look later is not slower.
    reached = bool(batch["steps"] and layer["steps"])
    means = [summary(rung["steps"])[0] for rung in (batch, layer)] if reached else [0, math.inf]
    holds = means[1] <= means[0] + 5 and (layer["largest"] or 0) >= (batch["largest"] or 0)
    data = run.pick(test="digits", default="the digits", full="MNIST")
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"A net of {2 * ladder.BLOCKS + 1} hidden layers of {ladder.WIDTH} units with GELU and "
        f"shortcuts on {data}, batch 100, Adam; updates until the training loss is "
        f"{ladder.TARGET:g} nat, at seven rates. The rung below has batch norm; this one, our "
        "layer norm.",
        measured=f"{words} That is {math.exp(change):.2f} times as many updates, with an error of "
        f"{error:.2f} in the logarithm.",
        numbers=numbers,
        between="With batches of 100, batch norm's statistics are good. Where layer norm replaced "
        "it, batches are smaller or sequences differ in length.",
    )


CLAIMS = [
    *EXACT,
    small_batches,
    all_layers,
    faster_readers,
    who_benefits,
    convolutional,
    initial_gain,
    rung,
]
