"""The contract of a package: what makes 36 of them read, install, run and check alike."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import claims, imports, pdf, prose, readme
from .bibliography import Record
from .scaffold import shared
from .topics import Topic, awaits_judgement, is_draft

FILES = (
    "README.md", "CLAIMS.md", "ANSWERS.md", "idea.svg", "paper.pdf", "pyproject.toml",
    "results/claims.json", "tests/test_oracle.py",
)  # fmt: skip
SOURCES = ("__init__.py", "py.typed", "claims/__init__.py")
# A path that exists on the writer's machine only. A word or a slash before it: part of an address.
MACHINE = re.compile(r"(?<![\w./:~-])/(?:home|Users|root|mnt|tmp|private|work|workspace)/[\w.-]+")
TEXT = {".py", ".md", ".toml", ".json", ".svg", ".txt", ".cfg", ".yml", ".yaml", ""}
SKIPPED = {"__pycache__", ".pytest_cache", ".hypothesis", ".ruff_cache", "dist", "lessons-results"}


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
    found, words = [], claims.declared(root, topics)
    for topic in topics:
        package = root / "packages" / topic.slug
        for file, what in problems(package, root, topic, records, words[topic.module]):
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


def problems(
    package: Path,
    root: Path,
    topic: Topic,
    records: dict[str, Record],
    words: list[dict[str, Any]] | str,
) -> Iterator[tuple[str, str]]:
    """Yield (file, what is wrong) for a package; ``words`` is what `claims.declared` says of it."""
    source, draft = package / "src" / "lessons" / topic.module, is_draft(root, topic)
    earlier = awaits_judgement(root, topic)
    needed = [f"src/lessons/{topic.module}/{name}" for name in SOURCES]
    for name in needed if draft else (*FILES, *needed):
        # Exercises of packages that have yet to be judged anew have no answers so far.
        if not (package / name).is_file() and not (earlier and name == "ANSWERS.md"):
            yield name, "missing"
    if (package / "src" / "lessons" / "__init__.py").exists():
        yield "src/lessons/__init__.py", "hides the other packages' modules: remove it"
    tests = {path.name for path in (package / "tests").glob("test_*.py")}
    if not draft and not tests - {Path(name).name for name in (*shared(topic), "test_oracle.py")}:
        yield "tests", "no test_<file>.py with the paper's equations and properties"
    for name, path in shared(topic).items():
        copy = package / name
        if not copy.is_file():
            yield name, "missing: python -m lessons.papers template " + topic.slug
        elif copy.read_bytes() != path.read_bytes():
            yield name, "differs from the template: python -m lessons.papers template " + topic.slug
    if (package / "pyproject.toml").is_file():
        tables = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))
        yield from (("pyproject.toml", what) for what in metadata(tables, topic))
        if source.is_dir():
            yield from imports.problems(package, topic.module, tables.get("project", {}))
    if (package / "README.md").is_file() and not draft:
        yield from prose.problems(package, topic, records)
        yield from pdf.problems(package, root, topic, records)
    if isinstance(words, str):
        yield f"src/lessons/{topic.module}/claims", f"cannot be imported: {words}"
    elif not draft:
        yield from in_step(package, root, topic, words)
        yield from results(package, words, earlier)
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
        for name in sorted({*given, *topic.table} - {"draft", "rejudge"})
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


def in_step(
    package: Path, root: Path, topic: Topic, words: list[dict[str, Any]]
) -> Iterator[tuple[str, str]]:
    """Yield generated files that are not what their sources say."""
    for name, text in readme.generated(package, root, topic, words).items():
        path = package / name
        try:
            wanted = text() if path.is_file() or path.suffix == ".json" else None
        except ValueError as error:
            yield name, f"cannot be generated: {error}"
            continue
        there = path.read_text(encoding="utf-8") if path.is_file() else None
        if wanted != there:
            yield name, f"not in step with its sources: python -m lessons.papers sync {topic.slug}"


def results(package: Path, words: list[dict[str, Any]], earlier: bool) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the measurements and their figures."""
    file = "results/claims.json"
    try:
        content = claims.results(package)
    except ValueError:
        return  # said of what is generated from it
    if content is None:
        return
    records = {record["id"]: record for record in content["claims"]}
    if not content["run"].startswith("full, "):
        yield file, f"is not from a full run, but {content['run']!r}"
    for id in sorted(records.keys() - {claim["id"] for claim in words}):
        yield file, f"{id} is no claim of claims/"
    for claim in words:
        id, record = claim["id"], records.get(claim["id"])
        if record is None:
            yield file, f"{id} has not been measured"
            continue
        # Results of earlier rules may have what a claim asks where now stands what it says.
        known = claim | ({"says": record.get("says")} if earlier else {})
        for key in sorted(key for key in claim.keys() & record.keys() if known[key] != record[key]):
            yield file, f"{id}: {key} differs from the claim: measure or judge it again"
        if record["verdict"] not in (claims.VERDICTS if claim["kind"] == "claim" else (None,)):
            yield file, f"{id}: the verdict is {record['verdict']!r}"
        if record["verdict"] == claims.NOT_SEEN and not record.get("between"):
            yield file, f"{id} does not say what stands between"
        if not any(character.isdigit() for character in str(record.get("measured"))):
            yield file, f"{id} has no number in what was measured"
        svg = package / "results" / f"{id}.svg"
        if claim["draws"] and not svg.is_file():
            yield f"results/{id}.svg", "missing"
        elif claim["draws"]:
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
