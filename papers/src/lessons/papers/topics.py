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
    claims: int  # without demonstrations and errata, which have no verdict
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
    return marked(root / "packages" / topic.slug, "draft")


def awaits_judgement(root: Path, topic: Topic) -> bool:
    """Return whether a package's claims have yet to be judged anew: ``rejudge = true``, likewise.

    Its verdicts come from before the rules on intervals, and it is shown as such.
    """
    return marked(root / "packages" / topic.slug, "rejudge")


def marked(package: Path, mark: str) -> bool:
    """Return whether a package's ``[tool.lessons]`` has ``mark = true``."""
    path = package / "pyproject.toml"
    tables = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return tables.get("tool", {}).get("lessons", {}).get(mark) is True


def state(root: Path, topic: Topic) -> State | None:
    """Return what there is of a topic's package; None if it has yet to come."""
    package = root / "packages" / topic.slug
    if not (package / "pyproject.toml").is_file():
        return None
    results = package / "results" / "claims.json"
    claims = json.loads(results.read_text(encoding="utf-8"))["claims"] if results.is_file() else []
    claims = [claim for claim in claims if claim["verdict"] is not None]
    source = package / "src" / "lessons" / topic.module
    lines = [
        line
        for path in source.rglob("*.py")
        if path.relative_to(source).parts[0] not in ("lab", "__main__.py")
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
