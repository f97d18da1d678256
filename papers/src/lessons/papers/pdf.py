"""Whether a package's paper.pdf is made from the sources beside it."""

import hashlib
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from .bibliography import Record
from .topics import Topic

TEMPLATE = Path("essays/src/lessons/essays/paper.typ")
# Bytes: a repository of 36 papers has to stay quick to clone. Every claim stands in full behind the
# text, which makes forty pages.
LARGEST = 500_000
UNPRINTED = {"package", "pagecount", "pdf"}  # fields of a record that no paper shows


def fingerprint(package: Path, root: Path, topic: Topic, records: dict[str, Record]) -> str:
    """Return the SHA-256 of everything that a paper is made from; its PDF's keywords have it.

    Neither times nor the tools that typeset count: a clone has no times, and few have the tools.
    """
    beside = [package / name for name in ("CLAIMS.md", "ANSWERS.md")]
    prose = [package / "README.md", *(path for path in beside if path.is_file())]
    text = "\f".join(path.read_text(encoding="utf-8") for path in prose)
    drawings = {path.relative_to(package).as_posix(): path for path in package.rglob("*.svg")}
    files = [path for name, path in sorted(drawings.items()) if f"({name})" in text]
    files += [package / "results" / "claims.json", root / TEMPLATE]
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    cited = [r for _, r in sorted(records.items()) if r.url in text or r.key in topic.papers]
    fields = [{n: v for n, v in r.fields.items() if n not in UNPRINTED} for r in cited]
    about = topic.table | {"version": project.get("version"), "cited": fields}
    parts = [text, json.dumps(about, sort_keys=True)]
    parts += [path.read_text(encoding="utf-8") if path.is_file() else "" for path in files]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def problems(
    package: Path, root: Path, topic: Topic, records: dict[str, Record]
) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a package's paper.pdf; that one is missing says the contract."""
    path, remedy = package / "paper.pdf", f"nox -s papers -- {topic.slug}"
    if not all((package / name).is_file() for name in (path.name, "README.md", "pyproject.toml")):
        return
    try:
        keywords = str((PdfReader(path).metadata or {}).get("/Keywords", ""))
    except PyPdfError as error:
        yield path.name, f"is no PDF ({error}): {remedy}"
        return
    if f"sources {fingerprint(package, root, topic, records)}" not in keywords:
        yield path.name, f"is older than its sources: {remedy}"
    if path.stat().st_size > LARGEST:
        yield path.name, f"has {path.stat().st_size:,} bytes; at most {LARGEST:,} are kept in git"
