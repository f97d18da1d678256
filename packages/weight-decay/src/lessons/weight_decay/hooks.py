"""Hooks that torch calls around every optimizer's step: once a step, not twice."""

import contextlib
from collections.abc import Generator
from typing import Any

from torch.optim import optimizer


@contextlib.contextmanager
def no_global_hooks() -> Generator[None]:
    """Let a step within call none of them: it is part of a step around which they are called."""
    hooks: Any = (
        optimizer._global_optimizer_pre_hooks, optimizer._global_optimizer_post_hooks
    )  # fmt: skip
    kept = [dict(each) for each in hooks]
    for each in hooks:
        each.clear()
    try:
        yield
    finally:
        for each, before in zip(hooks, kept):
            each.update(before)
