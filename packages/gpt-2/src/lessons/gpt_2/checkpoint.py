"""Checkpoints of a run on one processor or many: every process writes its own part.

A run may go on with another number of processes than it began with: torch.distributed.checkpoint
shares the tensors out anew. Its files are pickles in part; read only what you wrote.
"""

import contextlib
import json
import os
import re
import shutil
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import Any

import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.optim import Optimizer

STEP = re.compile(r"step-(\d{9})")


def keep(
    folder: str | os.PathLike, model: Any, optimizer: Optimizer, step: int, settings: dict[str, Any]
) -> None:
    """Write model and optimizer after ``step`` steps to ``folder/step-000000012``; all processes.

    The checkpoint has its name once it is whole; only then the one before is removed.

    Args:
        folder: of the run's checkpoints, shared by all processes.
        model: a module, plain, in DistributedDataParallel or sharded.
        optimizer: its optimizer.
        step: steps done.
        settings: what a run that goes on must have in common with this one.
    """
    folder = Path(folder)
    done, writing = folder / f"step-{step:09}", folder / f".step-{step:09}"
    first = not dist.is_initialized() or dist.get_rank() == 0
    if first:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(".step-*"):  # of a run that was killed while it wrote
            shutil.rmtree(left)
    _wait()
    weights, moments = get_state_dict(model, optimizer)
    with _alone_is_fine() as no_dist:
        dcp.save({"model": weights, "optimizer": moments}, checkpoint_id=writing, no_dist=no_dist)
    _wait()
    if first:
        text = json.dumps({"step": step} | settings)
        (writing / "settings.json").write_text(text, encoding="utf-8")
        shutil.rmtree(done, ignore_errors=True)
        os.replace(writing, done)
        for older in folder.glob("step-*"):
            if older != done:
                shutil.rmtree(older)
    _wait()


def resume(
    folder: str | os.PathLike | None, model: Any, optimizer: Optimizer, settings: dict[str, Any]
) -> int:
    """Fill model and optimizer from the last checkpoint; return how many steps it has behind it.

    Raises:
        ValueError: it is of a run with other settings, or something else is there.
    """
    found = last(folder)
    if found is None:
        return 0
    kept = json.loads((found / "settings.json").read_text(encoding="utf-8"))
    for name, value in settings.items():
        if kept.get(name) != value:
            raise ValueError(f"{found} is of {name} {kept.get(name)}, not {value}")
    weights, moments = get_state_dict(model, optimizer)
    state = {"model": weights, "optimizer": moments}
    with _alone_is_fine() as no_dist:
        dcp.load(state, checkpoint_id=found, no_dist=no_dist)
    set_state_dict(
        model, optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"]
    )
    return kept["step"]


def last(folder: str | os.PathLike | None) -> Path | None:
    """Return the last checkpoint that is whole; None where there is none.

    Raises:
        ValueError: ``folder`` is a file.
    """
    if folder is None or not Path(folder).exists():
        return None
    if not Path(folder).is_dir():
        raise ValueError(f"checkpoint must be a folder, {folder} is a file")
    steps = [path for path in Path(folder).iterdir() if STEP.fullmatch(path.name)]
    return max(steps, default=None, key=lambda path: path.name)


@contextlib.contextmanager
def _alone_is_fine() -> Generator[bool]:
    """Yield whether this process is the only one, of which torch need not warn."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled")
        yield not dist.is_initialized()


def _wait() -> None:
    if dist.is_initialized():
        dist.barrier()
