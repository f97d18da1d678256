"""What every model of a run reads: text without labels, and three tasks with labels.

At the default scale it is a made-up language, at the full scale real English, at the paper's the
sets of the paper.
"""

import functools

from ..lab.run import Run
from . import english, language, papers_data
from .reading import TASKS, Examples, Task, World


@functools.lru_cache(2)
def world(run: Run) -> World:
    """Return the language of this run."""
    if run.scale == "full":
        return english.english(run)
    if run.scale == "paper":
        return papers_data.papers(run)
    return made_up(*run.pick(test=(40, 12, 24), default=(20_000, 128, 1_000)))


def made_up(n: int, labels: int, tests: int) -> World:
    """Return the made-up language: n rows to read, and so many examples to learn from and to test.

    Seeds of unlabelled text and of each part of each task are apart.
    """
    rows, apart = language.unlabelled(n, 1_000_001)
    dev_rows, dev_apart = language.unlabelled(max(n // 40, 8), 1_000_002)

    @functools.lru_cache(64)
    def task(name: str, seed: int) -> Task:
        base = 10_000 + 100 * seed + 10 * TASKS.index(name)
        sizes = (labels, tests // 2, tests)
        parts = [Examples(*language.labelled(name, k, base + i)) for i, k in enumerate(sizes)]
        return Task(2 if name == "pairs" else 3, *parts)

    return World(
        language.VOCABULARY, tuple(range(5)), rows, apart, dev_rows, dev_apart, task
    )  # fmt: skip
