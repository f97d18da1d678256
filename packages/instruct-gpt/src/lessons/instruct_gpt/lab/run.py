"""A run of the claims: its scale and seed, its trials, what is on disk of it.

The same in every package: copied from the template under papers/, never edited in the package.
What takes longer than a second is a trial: on disk before the next begins, so that a killed run
resumes there, and can be judged again. Several processes may share a folder.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import platform
import re
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path
from types import FunctionType
from typing import Any

import torch

from .claim import Claim
from .figures import save_figure
from .statistics import Judgement

SCALES = ("test", "default", "full", "paper")
PACKAGE = Path(__file__).parents[1]


class Run:
    """What an experiment may know of its run, and the trials done.

    Args:
        out: folder of ``claims.json``, ``trials.json`` and the figures.
        scale: "test" (seconds), "default" (minutes), "full" (what is committed), "paper".
        seed: the first seed. device: where tensors live. data: the folder of ``--data``, or None.

    Raises:
        ValueError: an unknown scale; or the folder holds something that is no run, or a run of
            another scale, seed or device.
        OSError: the folder cannot be written to.
        RuntimeError, AssertionError: no such device.
    """

    def __init__(self, out, scale="default", seed=0, device="cpu", data=None) -> None:
        if scale not in SCALES:
            raise ValueError(f"scale must be one of {', '.join(SCALES)}, got {scale!r}")
        self.out, self.scale, self.seed, self.data = Path(out), scale, seed, data
        self.device = torch.empty(0, device=device).device  # an error if it is not to be had here
        self.config = f"{scale}, seed {seed}, {device}"
        self.track: Callable = lambda iterable, what: iterable  # the runner shows progress
        self.used: dict[str, Any] = {}
        with self.lock():  # an error now, rather than when an hour of measuring is to be written
            self.records, self.trials = self.kept("claims"), self.kept("trials")
        threads = torch.get_num_threads()
        self.machine = f"{platform.machine()}, torch {torch.__version__}, {threads} threads"
        source = b"".join(path.read_bytes() for path in sorted(PACKAGE.rglob("*.py")))
        self.code = hashlib.sha256(source).hexdigest()[:12]

    def pick(self, *, test: Any, default: Any, full: Any = None, paper: Any = None) -> Any:
        """Return the value for this run's scale; full is the default's, paper the full's, if None.

        A scale of which nothing was said falls back to the next smaller one.
        """
        full = default if full is None else full
        paper = full if paper is None else paper
        return {"test": test, "default": default, "full": full, "paper": paper}[self.scale]

    def seeds(self, n: int) -> range:
        """Return n seeds, from the run's on."""
        return range(self.seed, self.seed + n)

    def trial(self, function: FunctionType, **settings: Any) -> Any:
        """Return ``function(self, **settings)``, measured now or kept from before.

        torch is seeded with ``settings["seed"]``, else the run's: what ran before does not matter.
        """
        listed = ", ".join(f"{k}={v!r}" for k, v in sorted(settings.items()))
        key = f"{function.__name__}({listed})"
        if key not in self.trials:
            began = time.perf_counter()
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(settings.get("seed", self.seed))
                value = function(self, **settings)
            by = {"at": int(time.time()), "machine": self.machine, "code": self.code}
            spent = round(time.perf_counter() - began, 3)
            self.trials[key] = {"value": value, "seconds": spent, **by}
            with self.lock():
                self.trials = self.kept("trials") | {key: self.trials[key]}
                write(self.out / "trials.json", {"run": self.config, "trials": self.trials})
        self.used[key] = self.trials[key]
        return json.loads(json.dumps(self.trials[key]["value"]))  # as a resumed run sees it

    def judge(self, claim: Claim) -> dict[str, Any]:
        """Run a claim's experiment; return its record, which is now on disk with its figure."""
        began, before, self.used = time.perf_counter(), set(self.trials), {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            finding = claim.experiment(self)
        if claim.kind == "claim" and finding.verdict is None:
            raise ValueError(f"{claim.id} is a claim and needs a judgement, got None")
        if claim.kind != "claim" and finding.verdict is not None:
            raise ValueError(f"{claim.id} is no claim and has no verdict, got {finding.verdict!r}")
        seconds = time.perf_counter() - began
        seconds += sum(trial["seconds"] for key, trial in self.used.items() if key in before)
        this: dict[str, Any] = {"at": time.time(), "machine": self.machine}
        last = max(self.used.values(), key=lambda trial: trial["at"], default=this)
        found = {field.name: getattr(finding, field.name) for field in dataclasses.fields(finding)}
        record: dict[str, Any] = claim.words | {"verdict": finding.verdict}
        record["rests_on"] = rests_on(found.pop("judgement"))
        record |= found
        record["figure"] = f"{claim.id}.svg" if claim.draw else None
        record["seconds"] = round(seconds, 1)
        record["measured_at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(last["at"]))
        record["machine"] = last["machine"]
        # JSON knows no infinity and no NaN: a number that is not finite becomes null.
        record = json.loads(json.dumps(record), parse_constant=lambda name: None)
        if claim.draw:
            save_figure(self.out / record["figure"], claim.draw, record["numbers"], claim.says)
        with self.lock():
            self.records = self.kept("claims") | {claim.id: record}
            claims = [self.records[id] for id in sorted(self.records, key=order)]
            write(self.out / "claims.json", {"run": self.config, "claims": claims})
        return record

    def kept(self, name: str) -> dict[str, Any]:
        """Return the trials by key or the records by id that are on disk."""
        path = self.out / f"{name}.json"
        if not path.exists():
            return {}
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            other = content["run"]
            if other == self.config and name == "trials":
                return {key: dict(trial) for key, trial in content["trials"].items()}
            if other == self.config:
                return {record["id"]: record for record in content["claims"]}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            why = f"{type(error).__name__}: {error}"
            what = f"{path} is not what a run writes ({why})"
            raise ValueError(f"{what}: choose another --out, or replace it with --fresh") from error
        what = f"{path} is of another run ({other}) than this ({self.config})"
        raise ValueError(f"{what}: choose another --out, or replace it with --fresh")

    @contextlib.contextmanager
    def lock(self) -> Generator[None]:
        """Hold the folder against other processes that share it, while it is read and written."""
        self.out.mkdir(parents=True, exist_ok=True)
        # Beside all others' locks and outside the folder: a result is committed without it.
        digest = hashlib.sha256(str(self.out.resolve()).encode()).hexdigest()[:16]
        guard = Path(tempfile.gettempdir()) / f"lessons-{digest}.lock"
        # The first is an OSError if the folder cannot be written to.
        with tempfile.TemporaryFile(dir=self.out), guard.open("a") as file:
            try:
                import fcntl
            except ImportError:  # Windows: two processes on one folder are not guarded
                yield
                return
            fcntl.flock(file, fcntl.LOCK_EX)
            yield  # closing the file lets go


def rests_on(judgement: Judgement | None) -> dict[str, Any] | None:
    """Return an interval and its line as a record on disk has them."""
    if judgement is None or judgement.interval is None:
        return None
    return dataclasses.asdict(judgement.interval) | {"side": judgement.side, "line": judgement.line}


def order(id: str) -> tuple[str, int, str]:
    """Return a key that sorts C2 before C10, claims before demonstrations before errata."""
    letter, number, part = re.findall(r"^(\D*)(\d*)(.*)", id)[0]
    return letter, int(number or 0), part


def write(path: Path, content: Any) -> None:
    """Write JSON so that a kill at any moment leaves the old file or the new one, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:  # a full disk leaves nothing behind
        temporary.unlink(missing_ok=True)
