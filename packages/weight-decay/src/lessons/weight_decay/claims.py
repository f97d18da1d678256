"""Claims, their evidence, and the run that gathers it.

The same in every package: copied from the template under papers/, never edited in the package.
A claim is an experiment that ends in a finding. What in it takes longer than a second is a trial:
on disk before the next begins, so that a killed run resumes there and can be judged again.
"""

import dataclasses
import hashlib
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import torch

from .figures import save_figure

HOLDS, REFUTED, NOT_SEEN = VERDICTS = ("holds", "refuted", "not seen at this scale")


@dataclasses.dataclass(frozen=True)
class Finding:
    """What an experiment found; the verdict is computed from the numbers."""

    verdict: str  # HOLDS, REFUTED (of exact statements, or in the paper's regime) or NOT_SEEN
    ran: str  # data, sizes, seeds, and how that is scaled down from the paper
    measured: str  # the result with its numbers, in a sentence or two
    numbers: dict[str, Any]  # all that was measured, for the figure; same seed: same numbers
    timings: dict[str, Any] = dataclasses.field(default_factory=dict)  # differ between machines
    between: str = ""  # for NOT_SEEN: what separates this experiment from the paper's

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict must be one of {VERDICTS}, got {self.verdict!r}")
        if self.verdict == NOT_SEEN and not self.between:
            raise ValueError("between must say what separates this experiment from the paper's")


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim of the paper: its id, where it stands, what it says, the experiment, the figure."""

    id: str
    source: str
    says: str
    experiment: Callable[["Run"], Finding]
    draw: Callable[[Any, dict], None] | None


def claim(id: str, source: str, says: str, draw: Callable[[Any, dict], None] | None = None):
    """Make an experiment a claim (decorator); ``draw(figure, numbers)`` draws its figure."""
    return lambda experiment: Claim(id, source, says, experiment, draw)


class Run:
    """What an experiment may know of its run, and the trials done.

    Args:
        out: folder of ``claims.json``, ``trials.json`` and the figures; a ValueError says that it
            holds a run of another scale ("test", "default" or "full"), seed or device.
        seed: the first seed. device: where tensors live. data: the folder of ``--data``, or None.
    """

    def __init__(self, out, scale="default", seed=0, device="cpu", data=None) -> None:
        self.out, self.scale, self.seed, self.data = Path(out), scale, seed, data
        self.device = torch.empty(0, device=device).device  # an error if it is not to be had here
        self.config = f"{scale}, seed {seed}, {device}"
        self.track: Callable = lambda iterable, what: iterable  # the runner shows a progress bar
        kept = {}
        for name in ("claims", "trials"):
            path = self.out / f"{name}.json"
            content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
            if content.get("run", self.config) != self.config:
                other = f"{path} is of another run ({content['run']}) than this ({self.config})"
                raise ValueError(f"{other}: choose another --out, or replace it with --fresh")
            kept[name] = content.get(name, {})
        self.records = {record["id"]: record for record in kept["claims"]}
        self.trials = dict(kept["trials"])
        threads = torch.get_num_threads()
        self.machine = f"{platform.machine()}, torch {torch.__version__}, {threads} threads"
        source = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
        self.code = hashlib.sha256(source).hexdigest()[:12]

    def pick(self, *, test: Any, default: Any, full: Any = None) -> Any:
        """Return the value for this run's scale; ``full`` is the default's unless given."""
        full = default if full is None else full
        return {"test": test, "default": default, "full": full}[self.scale]

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
            write(self.out / "trials.json", {"run": self.config, "trials": self.trials})
        self.used[key] = self.trials[key]
        return json.loads(json.dumps(self.trials[key]["value"]))  # as a resumed run sees it

    def judge(self, claim: Claim) -> dict[str, Any]:
        """Run a claim's experiment; return its record, which is now on disk with its figure."""
        began, before, self.used = time.perf_counter(), set(self.trials), {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            finding = claim.experiment(self)
        seconds = time.perf_counter() - began
        seconds += sum(trial["seconds"] for key, trial in self.used.items() if key in before)
        this: dict[str, Any] = {"at": time.time(), "machine": self.machine}
        last = max(self.used.values(), key=lambda trial: trial["at"], default=this)
        record: dict[str, Any] = {"id": claim.id, "source": claim.source, "says": claim.says}
        record |= dataclasses.asdict(finding)
        record["figure"] = f"{claim.id}.svg" if claim.draw else None
        record["seconds"] = round(seconds, 1)
        record["measured_at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(last["at"]))
        record["machine"] = last["machine"]
        # JSON knows no infinity and no NaN: a number that is not finite becomes null.
        record = json.loads(json.dumps(record), parse_constant=lambda name: None)
        if claim.draw:
            save_figure(self.out / record["figure"], claim.draw, record["numbers"], claim.says)
        self.records[claim.id] = record
        ids = sorted(self.records, key=lambda id: (len(id.rstrip("abcdef")), id))
        claims = [self.records[id] for id in ids]
        write(self.out / "claims.json", {"run": self.config, "claims": claims})
        return record


def write(path: Path, content: Any) -> None:
    """Write JSON so that a kill at any moment leaves the old file or the new one, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(temporary, path)
