"""The contract of a package: what makes 36 of them read, install, run and check alike."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import imports, pdf, prose, readme
from .bibliography import Record
from .scaffold import OPTIONAL, shared
from .topics import Topic, is_draft

FILES = (
    "README.md", "idea.svg", "paper.pdf", "pyproject.toml", "results/claims.json",
    "tests/test_oracle.py",
)  # fmt: skip
SOURCES = ("__init__.py", "py.typed", "reproduce.py")
VERDICTS = ("holds", "refuted", "not seen at this scale")
# A path that exists on the writer's machine only. A word or a slash before it: part of an address.
MACHINE = re.compile(r"(?<![\w./:~-])/(?:home|Users|root|mnt|tmp|private|work|workspace)/[\w.-]+")
TEXT = {".py", ".md", ".toml", ".json", ".svg", ".txt", ".cfg", ".yml", ".yaml", ""}
SKIPPED = {"__pycache__", ".pytest_cache", ".hypothesis", ".ruff_cache", "dist", "lessons-results"}

# Runs in a process of its own, where the packages' source comes first on the path.
ASK = """
import importlib, json, sys
found = {}
for module in sys.argv[1:]:
    try:
        claims = importlib.import_module(f"lessons.{module}.reproduce").CLAIMS
        found[module] = [[c.id, c.source, c.says, bool(c.draw)] for c in claims]
    except Exception as error:
        found[module] = f"{type(error).__name__}: {error}"
json.dump(found, sys.stdout)
"""


def check(
    root: Path, topics: list[Topic], records: dict[str, Record], everything: bool = True
) -> list[str]:
    """Return what does not keep the contract, a line each: ``adam: README.md: …``.

    Args:
        root: the repository's root.
        topics: whose packages to check.
        records: the bibliography.
        everything: also that each folder of packages/ is a topic's, and the repository's README.
    """
    found, claims = [], claims_of(root, topics)
    for topic in topics:
        package = root / "packages" / topic.slug
        for file, what in problems(package, root, topic, records, claims[topic.module]):
            found.append(f"{topic.slug}: {file}: {what}")
    if everything:
        known = {topic.slug for topic in topics}
        there = {path.parent.name for path in root.glob("packages/*/pyproject.toml")}
        found += [f"{slug}: pyproject.toml: no such topic" for slug in sorted(there - known)]
        path = root / "README.md"
        try:
            if path.is_file() and readme.render(path, root) != path.read_text(encoding="utf-8"):
                found.append("README.md: the table of topics is not in step: lessons.papers sync")
        except ValueError as error:
            found.append(f"README.md: a block cannot be filled: {error}")
    return found


def claims_of(root: Path, topics: list[Topic]) -> dict[str, Any]:
    """Return each module's claims (id, source, text, has a figure), or why it has none."""
    if not topics:
        return {}
    sources = [str(root / "packages" / topic.slug / "src") for topic in topics]
    path = os.pathsep.join([*sources, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    command = [sys.executable, "-c", ASK, *(topic.module for topic in topics)]
    environment = os.environ | {"PYTHONPATH": path, "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        return dict.fromkeys((topic.module for topic in topics), why)
    return json.loads(done.stdout)


def problems(
    package: Path, root: Path, topic: Topic, records: dict[str, Record], claims: Any
) -> Iterator[tuple[str, str]]:
    """Yield (file, what is wrong) for a package."""
    source, draft = package / "src" / "lessons" / topic.module, is_draft(root, topic)
    needed = [f"src/lessons/{topic.module}/{name}" for name in SOURCES]
    for name in needed if draft else (*FILES, *needed):
        if not (package / name).is_file():
            yield name, "missing"
    if (package / "src" / "lessons" / "__init__.py").exists():
        yield "src/lessons/__init__.py", "hides the other packages' modules: remove it"
    tests = {path.name for path in (package / "tests").glob("test_*.py")}
    if not draft and not tests - {Path(name).name for name in (*shared(topic), "test_oracle.py")}:
        yield "tests", "no test_<file>.py with the paper's equations and properties"
    for name, path in shared(topic).items():
        copy = package / name
        if not copy.is_file():
            if path.name not in OPTIONAL:
                yield name, "missing: python -m lessons.papers template " + topic.slug
        elif copy.read_bytes() != path.read_bytes():
            yield name, "differs from the template: python -m lessons.papers template " + topic.slug
    if (package / "pyproject.toml").is_file():
        tables = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))
        yield from (("pyproject.toml", what) for what in metadata(tables, topic))
        if source.is_dir():
            yield from imports.problems(package, topic.module, tables.get("project", {}))
    if (package / "README.md").is_file() and not draft:
        yield from prose.problems(package, root, topic, records)
        yield from pdf.problems(package, root, topic, records)
    if not draft or isinstance(claims, str):
        yield from results(package, claims)
    if (package / "idea.svg").is_file():
        yield from (("idea.svg", what) for what in picture(package / "idea.svg"))
    yield from machine_paths(package)


def metadata(tables: dict[str, Any], topic: Topic) -> Iterator[str]:
    """Yield what is wrong in a pyproject.toml."""
    project, tool = tables.get("project", {}), tables.get("tool", {})
    backend = tool.get("uv", {}).get("build-backend", {})
    expected: dict[str, tuple[Any, Any]] = {
        "project.name": (project.get("name"), f"lessons-{topic.slug}"),
        "project.readme": (project.get("readme"), "README.md"),
        "project.license": (project.get("license"), "MIT"),
        "project.license-files": (project.get("license-files"), ["LICENSE"]),
        "project.requires-python": (project.get("requires-python"), ">=3.11"),
        "build-system.build-backend": (
            tables.get("build-system", {}).get("build-backend"),
            "uv_build",
        ),
        "tool.uv.build-backend.module-name": (
            backend.get("module-name"),
            f"lessons.{topic.module}",
        ),
    }
    given = tool.get("lessons", {})
    expected |= {
        f"tool.lessons.{name}": (given.get(name), topic.table.get(name))
        for name in sorted({*given, *topic.table} - {"draft"})
    }
    for name, (got, wanted) in expected.items():
        if got != wanted:
            yield f"{name} is {got!r}, and should be {wanted!r}"
    for name in ("version", "description"):
        if not project.get(name):
            yield f"project.{name} is missing"
    if "tests/**" not in backend.get("source-include", []):
        yield "tool.uv.build-backend.source-include leaves the tests out of the sdist"
    dependencies = imports.names(project.get("dependencies", []))
    for name in sorted(dependencies - set(imports.RUNTIME)):
        yield f"{name} may not be a dependency; these may: {', '.join(imports.RUNTIME)}"
    for name in sorted({"torch", "numpy"} - dependencies):
        yield f"{name} has to be a dependency"
    for name in ("demo", "test"):
        if name not in project.get("optional-dependencies", {}):
            yield f"the extra {name} is missing"


def results(package: Path, claims: Any) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the measurements and their figures."""
    if isinstance(claims, str):
        yield "src", f"reproduce.py cannot be imported: {claims}"
        return
    path, file = package / "results" / "claims.json", "results/claims.json"
    if not path.is_file():
        return
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        records = {record["id"]: record for record in content["claims"]}
    except (ValueError, KeyError, TypeError) as error:
        yield file, f"is not what the runner writes: {type(error).__name__}: {error}"
        return
    if not str(content.get("run", "")).startswith("full, "):
        yield file, f"is not from a full run, but {content.get('run')!r}"
    for id in sorted(records.keys() - {claim[0] for claim in claims}):
        yield file, f"{id} is no claim of reproduce.py"
    for id, source, says, draws in claims:
        record = records.get(id)
        if record is None:
            yield file, f"{id} has not been measured"
            continue
        if (record.get("source"), record.get("says")) != (source, says):
            yield file, f"{id} says something else than in reproduce.py: measure or judge it again"
        if record.get("verdict") not in VERDICTS:
            yield file, f"{id}: the verdict is {record.get('verdict')!r}"
        if record.get("verdict") == VERDICTS[2] and not record.get("between"):
            yield file, f"{id} does not say what stands between"
        if not any(character.isdigit() for character in str(record.get("measured"))):
            yield file, f"{id} has no number in what was measured"
        svg = package / "results" / f"{id}.svg"
        if draws and not svg.is_file():
            yield f"results/{id}.svg", "missing"
        elif draws:
            yield from ((f"results/{id}.svg", what) for what in picture(svg))


def picture(path: Path) -> Iterator[str]:
    """Yield what is wrong with a drawing."""
    svg = path.read_text(encoding="utf-8")
    if "<text" not in svg:
        yield "has no text as text"
    if not re.search(r"<title>[^<]*\w", svg):
        yield "has no <title> for those who cannot see it"
    if "prefers-color-scheme" not in svg:
        yield "has no colours for dark paper (prefers-color-scheme)"


def machine_paths(package: Path) -> Iterator[tuple[str, str]]:
    """Yield paths that exist on one machine only."""
    for path in sorted(package.rglob("*")):
        file = path.relative_to(package)
        skipped = SKIPPED.intersection(file.parts) or any(
            ".egg-info" in part for part in file.parts
        )
        if path.suffix not in TEXT or skipped or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        for found in sorted({match[0] for match in MACHINE.finditer(text)}):
            yield str(file), f"{found} is a path of one machine"
