"""How nets learn a task by the paper's own rule, until its own rule says that they can.

Online, a sequence at a time, plain descent, with the rates of Table 10; many nets abreast, each
with weights and sequences of its own.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..abreast import Abreast
from ..config import PRESETS, RATES
from ..lab.run import Run
from ..network import LSTM1997
from ..tasks import (
    adding,
    delayed_xor,
    long_lag,
    multiplication,
    one_by_one,
    side_by_side,
    temporal_order,
    two_sequence,
)
from .opening import openness

RECENT = 2000  # "the 2000 most recent sequences" (§5.4.4, §5.5.3, §5.6)
LESS = "Fewer nets and sequences than in a full run."
CURVE = 1000  # sequences between two points of a training curve
RULE = "The paper's rule: single sequences, plain descent, a truncated gradient, its rate."


@dataclasses.dataclass(frozen=True)
class Task:
    """Where sequences come from, when one is right, when training stops, and what is asked then.

    Attributes:
        draw, given: draws sequences; its sizes.
        preset: the paper's net. within: how far an output may be off.
        few: training stops once fewer than so many of the most recent sequences were wrong,
        average: and their average error is below this.
        recent: how many are the most recent ones.
        test, allowed: so many fresh sequences are then shown to the frozen net; how many of them
            may be wrong, in the paper's worst case.
        again: whether a net that fails there goes on, as what is asked there is the rule itself;
            elsewhere a net has solved its task once training stops, and the test is told.
        every: 0; or how often to look whether the rule is met on a test set (task 3), instead.
    """

    draw: Callable[..., tuple[Tensor, Tensor, Tensor]]
    given: tuple[Any, ...]
    preset: str
    within: float
    few: int = 1
    average: float = math.inf
    recent: int = RECENT
    test: int = 2560
    allowed: int = 3
    again: bool = False
    every: int = 0


def task_of(name: str) -> Task:
    """Return a task by its name: "adding 100", "product 100", "order 2", "lag 50 50", "two 3a 1".

    "lag" is followed by p and q, "two" by task, N and T.
    """
    kind, *rest = name.split()
    if kind == "two":  # §5.3: ST1 and ST2 on a test set of 256
        variant, telling, minimum = rest[0], int(rest[1]), int(rest[2])
        within, few, average = {
            "3a": (0.2, 1, 0.01), "3b": (0.2, 6, 0.04), "3c": (0.1, 1, 0.015),
        }[variant]  # fmt: skip
        given = (minimum, telling)
        return Task(
            with_variant(variant), given, "exp3", within, few, average, recent=256, every=500,
            allowed=2560,
        )  # fmt: skip
    given = tuple(int(n) for n in rest)
    if kind == "adding":  # §5.4.4, §5.4.5: "never more than three"
        return Task(adding, given, "exp4", 0.04, average=0.01)
    if kind == "product":  # §5.5.3, §5.5.4: n_seq = 140, "never more than 170"
        return Task(multiplication, given, "exp5", 0.04, few=140, allowed=170)
    if kind == "order":  # §5.6: "never more than three"
        preset = "exp6a" if given == (2,) else "exp6b"
        return Task(temporal_order, given, preset, 0.3, average=0.1)
    if kind == "xor":  # our task for §6.1, with the net of 6a and its rules
        return Task(delayed_xor, given, "exp6a", 0.3, average=0.1)
    if kind == "lag":  # §5.2.3: "always below 0.2, for 10,000 successive" sequences
        return Task(long_lag, given, "exp2c-50", 0.2, recent=1000, test=10_000, allowed=0,
                    again=True)  # fmt: skip
    raise ValueError(f"name must begin with adding, product, order, xor, lag or two, got {name!r}")


def with_variant(variant: str) -> Callable[..., tuple[Tensor, Tensor, Tensor]]:
    """Return what draws task 3a, 3b or 3c."""

    def draw(*given, **more):
        return two_sequence(*given, variant=variant, **more)

    return draw


def config_of(task: Task, **changes: Any) -> Any:
    """Return the paper's net for a task."""
    config = PRESETS[task.preset]
    if task.preset.startswith("exp2c"):
        changes["input_size"] = task.given[0] + 4
    if task.draw is delayed_xor:
        changes["output_size"] = 1
    return dataclasses.replace(config, **changes)


class Recent:
    """The errors of nets on their most recent sequences, of which they have had as many at least.

    Args:
        size: how many are the most recent ones. nets: how many nets. within: what is no mistake.
    """

    def __init__(self, size: int, nets: int, within: float) -> None:
        self.size, self.within, self.count = size, within, 0
        self.errors, self.mistakes = np.ones((size, nets), np.float32), np.full((size, nets), True)
        self.total, self.wrong = self.errors.sum(0, dtype=np.float64), np.full(nets, size)

    def add(self, off: np.ndarray) -> None:
        """Take the errors on one more sequence a net; what is no number counts as 1."""
        off = np.nan_to_num(off, nan=1.0)
        row, mistake = self.count % self.size, off > self.within
        self.total += off.astype(np.float64) - self.errors[row]
        self.wrong += mistake.astype(int) - self.mistakes[row]
        self.errors[row], self.mistakes[row] = off, mistake
        self.count += 1

    def met(self, few: int, average: float) -> np.ndarray:
        """Return which nets made fewer mistakes than ``few``, with a lower error than that."""
        return (self.wrong < few) & (self.total < average * self.size)

    def forget(self, net: int) -> None:
        """Let a net begin to count anew."""
        self.errors[:, net], self.mistakes[:, net] = 1, True
        self.total[net] = self.wrong[net] = self.size


def learn(
    run: Run, task: str, nets: int, sequences: int, seed: int, rates: list[float] | None = None,
    biases: list[list[float]] | None = None, changes: dict[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Let ``nets`` nets learn, at each of the rates and with each of the lists of gate biases.

    Args:
        run: the run.
        task: see `task_of`.
        nets: how many.
        sequences: at most so many.
        seed: of first weights and sequences.
        rates: by default the paper's.
        biases: of input gates, or of these and output gates; NaN leaves one as it is drawn.
        changes: of the paper's net.

    Returns:
        By net, rates outermost, then biases: after how many sequences training stopped, None if
        never; how many of the test were wrong; the average error on the most recent sequences; how
        far input gates are open in the end, where it matters and elsewhere. And the average errors
        of the first three nets after each `CURVE` sequences, and the weights of the first that
        solved its task with no more mistakes than allowed, if they are few. In task 3 also after
        how many sequences ST1 was met.
    """
    given = task_of(task)
    rates = rates or [RATES[given.preset]]
    every = len(rates) * nets * len(biases or [[]])
    generator = torch.Generator().manual_seed(2 * seed + 1)
    net = LSTM1997(config_of(given, **(changes or {})), every, generator)
    if biases:
        rows = torch.tensor(biases).repeat_interleave(nets, 0).repeat(len(rates), 1)
        with torch.no_grad():
            drawn = net.bias[:, : rows.shape[1]]
            drawn.copy_(torch.where(rows.isnan(), drawn, rows))
    learner = Abreast(net, torch.tensor(rates).repeat_interleave(every // len(rates)))
    recent = Recent(run.pick(test=5, default=given.recent), every, given.within)
    learning, solved, wrong = np.full(every, True), [None] * every, [None] * every
    first: list[int | None] = [None] * every
    kept: dict[str, Any] = {}
    curve: list[list[float]] = []
    sampler = torch.Generator().manual_seed(2 * seed)
    lessons = one_by_one(given.draw, every, *given.given, generator=sampler)
    for i in run.track(range(sequences), task):
        x, target, lengths = next(lessons)
        y = learner.learn(x, target, lengths)
        recent.add((y - target).abs().amax(-1).numpy())
        if (i + 1) % CURVE == 0 and recent.count >= recent.size:
            curve.append([round(v, 4) for v in (recent.total[:3] / recent.size).tolist()])
        if not given.every:
            ready = learning & recent.met(given.few, given.average)
        elif (i + 1) % given.every == 0:
            few, ready = on_a_set(learner.write(), given, seed)
            ready &= learning
            for n in np.flatnonzero(few).tolist():
                first[n] = first[n] or i + 1
        else:
            continue
        for n in np.flatnonzero(ready).tolist():
            wrong[n] = examine(run, learner.write(), given, n, 10**6 + seed)
            passed = wrong[n] <= given.allowed
            if given.again and not passed:
                recent.forget(n)
                continue
            if passed and not kept:
                kept = {name: w[n].tolist() for name, w in net.named_parameters()}
            solved[n], learning[n] = i + 1, False
            learner.rest(n)
        if not learning.any():
            break
    error = (recent.total / recent.size).tolist()
    few = sum(w.numel() for w in net.parameters()) < 400 * every
    found = {"solved": solved, "wrong": wrong, "error": error, "curve": curve}
    found |= {"first": first} if given.every else {}
    found["open"] = openness(learner, task, lessons, run.pick(test=3, default=100))
    return found | {"weights": kept if few else {}}


@torch.no_grad()
def examine(run: Run, net: LSTM1997, task: Task, which: int, seed: int) -> int:
    """Return how many fresh sequences one of the nets gets wrong.

    Where too many send it back to learning, they are counted until then.

    Source: the texts "Results" of §5.2 to §5.6.
    """
    alone, count = LSTM1997(net.config), 0
    alone.load_state_dict({name: value[which] for name, value in net.state_dict().items()})
    generator, more = torch.Generator().manual_seed(seed), {"clean": True} if task.every else {}
    total = run.pick(test=64, default=task.test)
    for start in range(0, total, 640):
        size = min(640, total - start)
        x, target, lengths = task.draw(*task.given, size, generator=generator, **more)
        y = alone(x, lengths=lengths)[0]
        count += int(((y - target).abs().amax(-1) > task.within).sum())
        if task.again and count > task.allowed:
            break
    return count


@torch.no_grad()
def on_a_set(net: LSTM1997, task: Task, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which nets meet ST1, and which ST1 and ST2, on a test set of theirs (§5.3)."""
    generator = torch.Generator().manual_seed(10**7 + seed)
    x, target, lengths = side_by_side(
        task.draw, 1, task.recent, *task.given, clean=True, generator=generator
    )
    nets = net.seeds or 1
    x, target = x.expand(-1, nets, -1, -1), target.expand(nets, -1, -1)
    off = (net(x, lengths=lengths.expand(nets, -1))[0] - target).abs()[..., 0]
    few = (off > task.within).sum(1) < task.few
    return few.numpy(), (few & (off.mean(1) < task.average)).numpy()


def lesson(run: Run, task: str, sequences: int, nets: int = 20, **more: Any) -> dict[str, Any]:
    """Return how nets learn a task: the trial that most claims judge."""
    sequences, nets = run.pick(test=12, default=sequences), run.pick(test=2, default=nets)
    found = run.trial(learn, task=task, nets=nets, sequences=sequences, seed=run.seed, **more)
    if not task.startswith("adding") or more:  # only those of the plain adding problem are shipped
        found["weights"] = {}
    return found | {"sequences": sequences}
