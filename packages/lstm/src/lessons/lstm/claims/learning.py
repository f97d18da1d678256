"""How nets learn a task of the paper: many side by side, until its own rule says that they can.

A net has solved a task when its last 2,000 training sequences in a row were right, and when it
then, frozen, passes the paper's test on fresh ones. It learns no more from there on. Batches and
Adam stand in the place of the paper's single sequences and plain descent; what is counted is
sequences, as in the paper's tables.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..config import PRESETS
from ..lab.run import Run
from ..lab.statistics import Interval, proportion
from ..network import LSTM1997
from ..tasks import (
    adding,
    delayed_xor,
    long_lag,
    multiplication,
    side_by_side,
    temporal_order,
    two_sequence,
)
from .rival import Plain


@dataclasses.dataclass(frozen=True)
class Task:
    """Where sequences come from, when one is right, and what a net must pass at last."""

    draw: Callable[..., tuple[Tensor, Tensor, Tensor]]
    given: tuple[int, ...]
    within: float  # how far an output may be off
    test: int
    allowed: int  # how many of the test may be wrong
    sizes: tuple[int, int]  # inputs, outputs
    preset: str

    def sequences(self, seeds: int, batch: int, generator: torch.Generator):
        """Return a batch for each net."""
        return side_by_side(self.draw, seeds, batch, *self.given, generator=generator)


def task_of(name: str) -> Task:
    """Return a task by its name: "adding 100", "product 100", "order 2", "lag 50 50"."""
    kind, *numbers = name.split()
    given = tuple(int(n) for n in numbers)
    if kind == "adding":  # §5.4.5: never more than three wrong
        return Task(adding, given, 0.04, 2560, 3, (2, 1), "exp4")
    if kind == "product":  # §5.5.4: n_seq = 140, never more than 170 wrong
        return Task(multiplication, given, 0.04, 2560, 170, (2, 1), "exp5")
    if kind == "order":  # §5.6: never more than three wrong
        preset = "exp6a" if given == (2,) else "exp6b"
        return Task(temporal_order, given, 0.3, 2560, 3, (8, 2 ** given[0]), preset)
    if kind == "lag":  # §5.2.3, p and q: "always below 0.2, for 10,000 successive" sequences
        return Task(long_lag, given, 0.2, 10_000, 0, (given[0] + 4, 2), "exp2c-50")
    if kind == "xor":  # our task for §6.1, with the net of 6a
        return Task(delayed_xor, given, 0.3, 2560, 3, (8, 1), "exp6a")
    if kind == "two":  # §5.3.1, ST1: T and N
        return Task(two_sequence, given, 0.2, 256, 0, (1, 1), "exp3")
    raise ValueError(f"name must begin with adding, product, order, lag two or xor, got {name!r}")


def net_of(model: str, task: Task, seeds: int, generator, **changes) -> Any:
    """Return nets: "lstm", "full" (its full gradient), or a kind of `Plain` and its units."""
    inputs, outputs = task.sizes
    kind, _, units = model.partition(" ")
    if kind in ("lstm", "full"):
        config = dataclasses.replace(
            PRESETS[task.preset], input_size=inputs, output_size=outputs,
            truncate=kind == "lstm", **changes,
        )  # fmt: skip
        return LSTM1997(config, seeds, generator)
    return Plain(inputs, int(units), outputs, seeds, generator, kind)


class Adam:
    """Adam for nets side by side: a rate and a clipped norm for each of them."""

    def __init__(self, net: torch.nn.Module, lr: Tensor, clip: float = 1.0) -> None:
        self.weights = list(net.parameters())
        self.lr, self.clip, self.step_number = lr, clip, 0
        self.first = [torch.zeros_like(w) for w in self.weights]
        self.second = [torch.zeros_like(w) for w in self.weights]

    @torch.no_grad()
    def step(self) -> None:
        """Change the weights by their gradients, which are then forgotten."""
        gradients = [w.grad if w.grad is not None else torch.zeros_like(w) for w in self.weights]
        norm = torch.stack([g.flatten(1).norm(dim=1) for g in gradients]).norm(dim=0)
        scale = (self.clip / norm.clamp_min(1e-12)).clamp_max(1.0).nan_to_num(0.0)
        self.step_number += 1
        one, two = (1 - beta**self.step_number for beta in (0.9, 0.999))
        for w, g, m, v in zip(self.weights, gradients, self.first, self.second):
            shape = (-1, *[1] * (w.dim() - 1))
            g = (g * scale.view(shape)).nan_to_num_(0.0)
            m.lerp_(g, 0.1)
            v.lerp_(g * g, 0.001)
            w.sub_(self.lr.view(shape) * (m / one) / ((v / two).sqrt() + 1e-8))
            w.grad = None


def learn(
    run: Run, task: str, model: str, rates: list[float], nets: int, sequences: int, seed: int,
    batch: int = 32, biases: list[list[float]] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Let ``nets`` nets learn at each of the rates, and with each of the lists of gate biases.

    Returns:
        By net, rates outermost, then biases: after how many sequences it had solved the task
        (None: never), how many of the test it then had wrong, and the mean absolute error on the
        last training sequences; and the weights of the first that solved it, if they are few.
    """
    given, every = task_of(task), len(rates) * nets * len(biases or [[]])
    generator = torch.Generator().manual_seed(2 * seed + 1)
    net = net_of(model, given, every, generator)
    if biases:
        blocks = net.config.num_blocks
        rows = torch.tensor(biases).repeat_interleave(nets, 0).repeat(len(rates), 1)
        with torch.no_grad():
            net.bias[:, :blocks] = rows
    rate = torch.tensor(rates).repeat_interleave(every // len(rates))
    optimizer, sampler = Adam(net, rate), torch.Generator().manual_seed(2 * seed)
    streak, error = torch.zeros(every), torch.ones(every)
    solved: list[int | None] = [None] * every
    wrong: list[int | None] = [None] * every
    kept: dict[str, Any] = {}
    enough = run.pick(test=2 * batch, default=2000)
    updates = max(1, sequences // batch)
    for update in run.track(range(updates), f"{task}, {model}"):
        x, target, lengths = given.sequences(every, batch, sampler)
        y = net(x, lengths=lengths)[0]
        off = (y - target).abs().amax(-1)
        (0.5 * (y - target).square().sum(-1)).mean(1).sum().backward()
        optimizer.step()
        off = off.detach()
        allowed = 0.07 if task.startswith("product") else 0.0  # n_seq = 140 of 2,000
        good = (off > given.within).float().mean(1) <= allowed
        streak = torch.where(good, streak + batch, 0)
        error = 0.9 * error + 0.1 * off.mean(1)
        for i in (streak >= enough).nonzero().flatten().tolist():
            if solved[i] is None:
                many = examine(run, net, given, i, 10**6 + seed)
                if many <= given.allowed:
                    solved[i], wrong[i] = (update + 1) * batch, many
                    optimizer.lr[i] = 0.0
                    if not kept and sum(w.numel() for w in net.parameters()) < 1000 * every:
                        kept = {name: w[i].tolist() for name, w in net.named_parameters()}
                else:
                    streak[i] = 0
        if all(solved):
            break
    return {"solved": solved, "wrong": wrong, "error": error.tolist(), "weights": kept}


@torch.no_grad()
def examine(run: Run, net: Any, task: Task, which: int, seed: int) -> int:
    """Return how many fresh sequences one of the nets gets wrong."""
    generator, count = torch.Generator().manual_seed(seed), 0
    total = run.pick(test=64, default=task.test)
    kept = {name: value[which : which + 1] for name, value in net.state_dict().items()}
    alone = LSTM1997(net.config, 1) if isinstance(net, LSTM1997) else Plain(
        net.input_size, net.weight_h.shape[-1], net.weight_out.shape[1], 1, generator, net.kind
    )  # fmt: skip
    alone.load_state_dict(kept)
    for start in range(0, total, 640):
        size = min(640, total - start)
        x, target, lengths = task.sequences(1, size, generator)
        y = alone(x, lengths=lengths)[0]
        count += int(((y - target).abs().amax(-1) > task.within).sum())
    return count


def best_rate(run: Run, task: str, model: str, sequences: int, batch: int = 32) -> float:
    """Return the rate at which most of four nets solve the task, and soonest; on seeds apart.

    The rates differ by a factor of two; where the best is at the grid's edge, it goes on there.
    """
    rates = run.pick(test=[0.02], default=[0.02], full=[0.005, 0.01, 0.02, 0.04])
    if not model.startswith(("lstm", "full")):
        rates = run.pick(test=[0.005], default=[0.005], full=[0.0005, 0.001, 0.002, 0.004, 0.008])
    if len(rates) == 1:
        return rates[0]
    scores: dict[float, tuple[int, float]] = {}
    while True:
        new = [rate for rate in rates if rate not in scores]
        found = run.trial(
            learn, task=task, model=model, rates=new, nets=4, sequences=sequences,
            seed=run.seed + 10_000, batch=batch,
        )  # fmt: skip
        for i, rate in enumerate(new):
            times = [t for t in found["solved"][4 * i : 4 * i + 4] if t]
            error = sum(found["error"][4 * i : 4 * i + 4])
            scores[rate] = len(times), -sum(times) / len(times) if times else -error
        best = max(scores, key=lambda rate: scores[rate])
        if min(scores) < best < max(scores) or len(scores) > 8:
            return best
        rates = [best / 2] if best == min(scores) else [best * 2]


def lesson(
    run: Run, task: str, model: str = "lstm", sequences: int = 100_000, batch: int = 32
) -> dict[str, Any]:
    """Return how nets learn a task at their best rate: the trial that most claims judge."""
    sequences = run.pick(test=4 * batch, default=sequences)
    nets = run.pick(test=2, default=3, full=10)
    rate = best_rate(run, task, model, sequences, batch)
    found = run.trial(
        learn, task=task, model=model, rates=[rate], nets=nets, sequences=sequences,
        seed=run.seed, batch=batch,
    )  # fmt: skip
    if task != "adding 100" or model != "lstm":
        found["weights"] = {}
    return found | {"rate": rate, "sequences": sequences, "batch": batch}


def share(found: dict[str, Any]) -> Interval:
    """Return the share of nets that have solved the task, with its exact interval."""
    solved = found["solved"]
    return proportion(sum(t is not None for t in solved), len(solved))


def told(found: dict[str, Any]) -> str:
    """Return "9 of 10 (median 31,000 sequences)"."""
    times = sorted(t for t in found["solved"] if t)
    behind = f" (median {times[len(times) // 2]:,} sequences)" if times else ""
    return f"{len(times)} of {len(found['solved'])}{behind}"
