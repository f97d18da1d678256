"""The topics in the order of the history, and how far each package is."""

import ast
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TEMPLATE = Path(__file__).parent / "template"
CONSTRAINTS = (
    "data", "size", "optimization & regularization", "architecture", "compute",
    "compute efficiency", "energy",
)  # fmt: skip


@dataclass(frozen=True)
class Topic:
    """A topic of the history, taught by the package of its slug."""

    slug: str
    order: int
    title: str
    category: str
    year: int
    constraint: str
    papers: tuple[str, ...]

    @property
    def module(self) -> str:
        """The name of the package's module in the namespace ``lessons``."""
        return self.slug.replace("-", "_")

    @property
    def table(self) -> dict[str, Any]:
        """What the package's pyproject.toml has to say under ``[tool.lessons]``."""
        names = ("title", "category", "order", "year", "constraint")
        return {name: getattr(self, name) for name in names} | {"papers": list(self.papers)}


@dataclass(frozen=True)
class State:
    """What there is of a package."""

    holds: int  # claims whose verdict is "holds"
    claims: int
    tests: int
    lines: int  # of its own source, without the template's files and blank lines


def find_root(start: Path | None = None) -> Path:
    """Return the repository's root, from the current folder upward."""
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "papers" / "papers.bib").is_file():
            return folder
    what = "this works on a clone of the repository, and has to be run inside one"
    raise FileNotFoundError(f"no papers/papers.bib in {start} or above it: {what}")


def load(root: Path) -> dict[str, Topic]:
    """Return the topics of ``papers/topics.toml`` by slug, in their order."""
    tables = tomllib.loads((root / "papers" / "topics.toml").read_text(encoding="utf-8"))
    return {
        slug: Topic(slug=slug, order=order, papers=tuple(table.pop("papers")), **table)
        for order, (slug, table) in enumerate(tables.items(), start=1)
    }


def is_draft(root: Path, topic: Topic) -> bool:
    """Return whether a package is being written: ``draft = true`` in its ``[tool.lessons]``.

    Its tests run, but it need not be explained and measured, and is not shown as finished.
    """
    path = root / "packages" / topic.slug / "pyproject.toml"
    tables = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return tables.get("tool", {}).get("lessons", {}).get("draft") is True


def state(root: Path, topic: Topic) -> State | None:
    """Return what there is of a topic's package; None if it has yet to come."""
    package = root / "packages" / topic.slug
    if not (package / "pyproject.toml").is_file():
        return None
    results = package / "results" / "claims.json"
    claims = json.loads(results.read_text(encoding="utf-8"))["claims"] if results.is_file() else []
    shared = {path.name for path in (TEMPLATE / "src").glob("*.py")}
    sources = (package / "src" / "lessons" / topic.module).rglob("*.py")
    lines = [
        line
        for path in sources
        if path.name not in shared
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    tests = [
        node
        for path in (package / "tests").glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    return State(
        holds=sum(claim["verdict"] == "holds" for claim in claims),
        claims=len(claims),
        tests=len(tests),
        lines=sum(bool(line.strip()) for line in lines),
    )
