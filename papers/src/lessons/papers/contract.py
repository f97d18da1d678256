"""The contract of a package: what makes 36 of them read, install, run and check alike."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import claims, house, imports, numbers, pdf, prose, readme, verdicts
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
    elif draft:  # what is generated of results that are gone would be shown as theirs
        for name in ("CLAIMS.md", f"src/lessons/{topic.module}/claims/committed.json"):
            if (package / name).is_file() and not (package / "results/claims.json").is_file():
                yield name, f"has no results: python -m lessons.papers sync {topic.slug}"
    else:
        yield from in_step(package, root, topic, words)
        yield from verdicts.problems(package, words, earlier)
        if not earlier:
            yield from numbers.problems(package, words, records)
            yield from untold(package, words)
    yield from house.problems(package, topic, shown(package, root))
    for path in sorted({package / "idea.svg", *package.glob("results/[CDE]*.svg")}):
        if path.is_file():
            file = path.relative_to(package).as_posix()
            yield from ((file, what) for what in picture(path))
    yield from machine_paths(package)


def untold(package: Path, words: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield kinds of claims that the README has no block for."""
    path = package / "README.md"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    blocks = {"demonstration": "demonstrations_table()", "erratum": "errata_list()"}
    for kind, block in blocks.items():
        if claims.of_kind(words, kind) and f"[[[cog {block}" not in text:
            yield path.name, f"has no block {block}, and claims/ has such"


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
    for file, path in house.files(package):
        if path.suffix in TEXT:
            text = path.read_text(encoding="utf-8", errors="replace")
            for found in sorted({match[0] for match in MACHINE.finditer(text)}):
                yield file, f"{found} is a path of one machine"


def shown(package: Path, root: Path) -> set[str]:
    """Return the pictures that a package's texts, its results and the repository's README show."""
    paths = [package / name for name in ("README.md", "CLAIMS.md", "ANSWERS.md")]
    texts = [path.read_text(encoding="utf-8") for path in paths if path.is_file()]
    if (root / "README.md").is_file():
        outside = (root / "README.md").read_text(encoding="utf-8")
        texts.append(outside.replace(f"packages/{package.name}/", ""))
    try:
        found = claims.results(package) or {"claims": []}
    except ValueError:  # said of what is generated from it
        found = {"claims": []}
    return house.pictures(texts, [str(record.get("figure")) for record in found["claims"]])
