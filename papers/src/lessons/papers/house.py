"""The house of a package: which files there are, in which room each, and what a room may know."""

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from xml.etree import ElementTree

from .scaffold import shared
from .topics import Topic

# Every file that a package may have; one star stands for what one folder has, two for all below.
NAMED = (
    "pyproject.toml", "README.md", "CLAIMS.md", "ANSWERS.md", "LICENSE", "paper.pdf", "idea.svg",
    "src/lessons/{module}/**.py", "src/lessons/{module}/py.typed",
    "src/lessons/{module}/model*.safetensors", "src/lessons/{module}/claims/committed.json",
    "tests/test_*.py", "tests/conftest.py", "benchmarks/*.py",
    "results/claims.json", "results/trials.json",
)  # fmt: skip
SKIPPED = {"__pycache__", ".pytest_cache", ".hypothesis", ".ruff_cache", "dist", "lessons-results"}
MOVED = dict.fromkeys(("claims.py", "reproduce.py"), "claims/")
MOVED |= dict.fromkeys(("figures.py", "mnist.py", "runner.py"), "lab/")
MOVED |= {"ladder.py": "essays/, which measures what several packages measure together"}
LONGEST = 300  # lines of an experiment
LARGEST = 2_000_000  # bytes of a model that ships


def problems(package: Path, topic: Topic, shown: set[str]) -> Iterator[tuple[str, str]]:
    """Yield (file, what is wrong) for a package's files and rooms.

    Args:
        package: the package's folder.
        topic: its topic.
        shown: the pictures, by their paths in the package, that its texts and results name.
    """
    source = f"src/lessons/{topic.module}"
    patterns = [pattern.format(module=topic.module) for pattern in NAMED]
    room = {name for name in shared(topic) if name.startswith(f"{source}/lab/")}
    for file, path in files(package):
        inner, folder = file.removeprefix(f"{source}/"), file.rpartition("/")[0]
        if folder == source and inner in MOVED:
            yield file, f"belongs into {MOVED[inner]}"
        elif file.startswith(f"{source}/lab/") and file not in room:
            yield file, "is not the template's: lab/ is the same in every package"
        elif not named(file, patterns) and not (file.endswith(".svg") and file in shown):
            yield file, "is none of the files that a package has, nor shown by README or results"
        if path.suffix == ".py" and path.is_relative_to(package / source):
            yield from ((file, what) for what in visits(inner, path, topic))
        if path.suffix == ".py" and inner.startswith("claims/"):
            lines = len(path.read_text(encoding="utf-8").splitlines())
            if lines > LONGEST:
                yield file, f"{lines} lines; an experiment has at most {LONGEST}"
        if path.suffix == ".safetensors" and path.stat().st_size > LARGEST:
            yield file, f"has {path.stat().st_size:,} bytes; at most {LARGEST:,} are kept in git"
        if path.suffix == ".svg":
            yield from ((file, what) for what in well_formed(path))


def files(package: Path) -> Iterator[tuple[str, Path]]:
    """Yield a package's files, by their paths in it; not what running or building leaves."""
    for path in sorted(package.rglob("*")):
        parts = path.relative_to(package).parts
        built = SKIPPED.intersection(parts) or any(part.endswith(".egg-info") for part in parts)
        if path.is_file() and not built:
            yield "/".join(parts), path


def named(file: str, patterns: list[str]) -> bool:
    """Return whether one of the patterns matches."""
    return any(
        fnmatchcase(file, pattern) and ("**" in pattern or file.count("/") == pattern.count("/"))
        for pattern in patterns
    )


def visits(file: str, path: Path, topic: Topic) -> Iterator[str]:
    """Yield imports that lead where a room must not.

    The paper knows neither claims nor lab, the lab neither paper nor claims; but its runner asks
    for the list of them.
    """
    room = file.partition("/")[0] if "/" in file else ""
    if room == "claims" or file == "__main__.py":
        return
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    for node in (n for n in nodes if isinstance(n, ast.Import | ast.ImportFrom)):
        for target in targets(node, file, topic):
            to = target.partition(".")[0]
            if room == "lab":
                runner = file == "lab/runner.py" and to == "claims"
                if to != "lab" and not runner:
                    yield f"line {node.lineno}: the lab must know neither paper nor claims"
            elif to in ("claims", "lab"):
                yield f"line {node.lineno}: the paper must know neither claims nor lab"


def targets(node: ast.Import | ast.ImportFrom, file: str, topic: Topic) -> Iterator[str]:
    """Yield the modules of the same package that a line imports, by their names in it."""
    own = f"lessons.{topic.module}"
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        base = node.module or ""
        if node.level:
            here = [*own.split("."), *file.split("/")[:-1]]
            base = ".".join([*here[: len(here) - node.level + 1], *filter(None, [node.module])])
        names = [f"{base}.{alias.name}" for alias in node.names]
    for name in names:
        if name.startswith(f"{own}."):
            yield name.removeprefix(f"{own}.")


def well_formed(path: Path) -> Iterator[str]:
    """Yield why a drawing is no XML."""
    try:
        ElementTree.fromstring(path.read_bytes())
    except ElementTree.ParseError as error:
        yield f"is not well-formed XML: {error}"


def pictures(texts: list[str], figures: list[str]) -> set[str]:
    """Return the paths of the pictures that texts link to, and of the figures of results."""
    linked = re.findall(r"[\w./-]+\.svg", "\n".join(texts))
    return {*linked, *(f"results/{figure}" for figure in figures)}
