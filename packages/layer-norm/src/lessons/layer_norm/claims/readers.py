"""LSTMs that read images piece by piece, with layer norm and without: for C3 and C7."""

import math
import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..recurrent import LayerNormLSTM
from .data import batches, images


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


def described(run, condition) -> str:
    """Return the length of a condition's sequences and its batch in words."""
    size = run.pick(test=64, default=64, full=784)
    return f"{size // condition['pixels']} steps, batch {condition['batch']}"
