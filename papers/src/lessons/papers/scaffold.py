"""Make a package from the template and the bibliography; copy the template's files into one."""

import json
import os
import shutil
from pathlib import Path

from .bibliography import Record
from .readme import sync
from .topics import TEMPLATE, Topic

HEADINGS = (
    "The problem", "The idea", "The mathematics", "The implementation", "What we measured",
    "What it changed", "Use it", "Exercises", "Read on",
)  # fmt: skip
SCAFFOLD = TEMPLATE / "scaffold"


def shared(topic: Topic) -> dict[str, Path]:
    """Return the template's files by the path that their copies have in the package."""
    room, source = TEMPLATE / "src", f"src/lessons/{topic.module}"
    files = {
        f"{source}/{path.relative_to(room).as_posix()}": path for path in sorted(room.rglob("*.py"))
    }
    files |= {f"tests/{path.name}": path for path in sorted((TEMPLATE / "tests").glob("*.py"))}
    return files | {"LICENSE": TEMPLATE / "LICENSE"}


def copy_template(package: Path, topic: Topic) -> list[str]:
    """Copy the template's files into a package; return the paths of those that this changed."""
    changed = []
    for name, path in shared(topic).items():
        copy = package / name
        if not copy.exists() or copy.read_bytes() != path.read_bytes():
            copy.parent.mkdir(parents=True, exist_ok=True)
            temporary = copy.with_name(f".{copy.name}.{os.getpid()}")
            shutil.copyfile(path, temporary)
            os.replace(temporary, copy)
            changed.append(name)
    return changed


def new(root: Path, topic: Topic, records: dict[str, Record]) -> Path:
    """Make ``packages/<slug>`` and return it.

    Raises:
        FileExistsError: there is something of that name.
    """
    package = root / "packages" / topic.slug
    if package.exists():
        raise FileExistsError(f"{package} exists already; nothing was changed")
    making = package.with_name(f".{topic.slug}.{os.getpid()}")  # a package appears whole
    source = making / "src" / "lessons" / topic.module
    try:
        source.mkdir(parents=True)
        copy_template(making, topic)
        titles = " and ".join(f"“{records[key].title}”" for key in topic.papers)
        (source / "__init__.py").write_text(f'"""{topic.title}."""\n', encoding="utf-8")
        (source / "py.typed").touch()
        (source / "claims").mkdir()
        for path in sorted((SCAFFOLD / "claims").glob("*.py")):
            shutil.copyfile(path, source / "claims" / path.name)
        shutil.copyfile(SCAFFOLD / "ANSWERS.md", making / "ANSWERS.md")
        (making / "pyproject.toml").write_text(pyproject(topic), encoding="utf-8")
        (making / "README.md").write_text(explanation(topic, records, titles), encoding="utf-8")
        making.rename(package)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    sync(package / "README.md", root)
    return package


def pyproject(topic: Topic) -> str:
    """Return the text of a package's pyproject.toml."""
    table = "\n".join(f"{key} = {toml(value)}" for key, value in topic.table.items())
    whose = "its paper's" if len(topic.papers) == 1 else "its papers'"
    description = f"{topic.title}, explained, implemented, tested, and {whose} claims re-tested"
    return f"""[project]
name = "lessons-{topic.slug}"
version = "0.1.0"
description = {toml(description)}
readme = "README.md"
requires-python = ">=3.11"
license = "MIT"
license-files = ["LICENSE"]
dependencies = ["numpy>=2", "torch>=2.6"]

[project.optional-dependencies]
demo = ["matplotlib>=3.9", "rich>=13.7", "scipy>=1.13"]
test = ["hypothesis>=6.100", "lessons-{topic.slug}[demo]", "pytest>=8"]

[build-system]
requires = ["uv_build>=0.13,<0.14"]
build-backend = "uv_build"

[tool.uv.build-backend]
module-name = "lessons.{topic.module}"
source-include = ["tests/**"]

[tool.lessons]
{table}
"""


def toml(value: object) -> str:
    """Return a string, a number or a list of strings as TOML."""
    return json.dumps(value, ensure_ascii=False)


def explanation(topic: Topic, records: dict[str, Record], titles: str) -> str:
    """Return the README that waits to be written."""
    command = f"pip install ./packages/{topic.slug}\npython -m lessons.{topic.module}"
    body = dict.fromkeys(HEADINGS, "To be written.")
    body["What we measured"] = "<!-- [[[cog claims_table() ]]] -->\n<!-- [[[end]]] -->"
    body["Use it"] = f"```sh\n{command}\n```\n\n```python\nimport lessons.{topic.module}\n```"
    body["Read on"] = "\n".join(
        f"- [{records[key].cite}]({records[key].url}). {records[key].title}."
        for key in topic.papers
    )
    sections = "\n\n".join(f"## {heading}\n\n{text}" for heading, text in body.items())
    return f"# {topic.title}\n\nWhat {titles} says, and whether it is so.\n\n{sections}\n"
