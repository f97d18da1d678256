"""How far input gates are open: where a symbol matters, and where it does not."""

import numpy as np
import torch
from torch import Tensor

from ..abreast import Abreast


def told_apart(task: str, x: Tensor) -> tuple[Tensor, Tensor] | None:
    """Return at which steps of sequences something is to be kept, and at which nothing is, (T, S).

    First and last symbols, and e of task 2c, are neither. None where a task has no such marks.
    """
    kind, *rest = task.split()
    if kind in ("adding", "product"):
        return x[..., 1] == 1, x[..., 1] == 0
    if kind in ("order", "xor"):
        return x >= 6, x < 4
    if kind == "lag":
        distractors = int(rest[0])
        return x > distractors + 1, x < distractors
    return None


def openness(learner: Abreast, task: str, lessons, sequences: int) -> list[list[float]]:
    """Return by net how far its input gates are open, on average, where it matters and elsewhere.

    Args:
        learner: whose nets rest from here on.
        task: its name.
        lessons: yields sequences for each of the nets.
        sequences: how many are shown.
    """
    c, nets = learner.config, len(learner.rate)
    learner.rest(slice(None))
    total, count = np.zeros((2, nets)), np.zeros((2, nets))
    for _ in range(sequences):
        x, target, lengths = next(lessons)
        parts = told_apart(task, x)
        if parts is None:
            return []
        learner.learn(x, target, lengths)
        gates = learner.buffer[1 : len(x) + 1, c.cells : c.cells + c.num_blocks].mean(1) / 2
        counts = torch.arange(len(x))[:, None] < lengths
        for i, part in enumerate(parts):
            here = (part & counts).numpy()
            total[i] += (gates * here).sum(0)
            count[i] += here.sum(0)
    return (total / np.maximum(count, 1)).T.tolist()
