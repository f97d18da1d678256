"""Annotated source: the modules of a package as documents, their prose beside their code.

Each docstring, and each comment that has a line to itself, stands beside the code it is about.
Where it names a place of the paper that the explanation names too, it leads there.
"""

import io
import re
import tokenize
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import griffe

from .reader import Document, plain, read

PLACE = re.compile(
    r"§\d+(\.\d+)*|\b(([Ee]qs?|Figs?|App)\.|Algorithm|Table|Theorem) ?([A-Z]\b|\d+(\.\d+)*)"
)
STYLE: Any = {"warnings": False, "returns_multiple_items": False}


class Annotated(NamedTuple):
    """A package's source as documents, each with an index before its modules.

    Attributes:
        paper: the paper's modules, in the order in which the explanation names them.
        experiments: the modules of claims/; [] if there are none.
        names: where in the former each public name is, as the id of its heading.
    """

    paper: list[Document]
    experiments: list[Document]
    names: dict[str, str]


def annotate(folder: Path, explanation: Document, authors: set[str]) -> Annotated:
    """Read a package's own modules; what it has in common with all others is left out.

    Args:
        folder: the package's.
        explanation: its README; blocks in it get ids that the modules lead to.
        authors: surnames of the paper's authors.
    """
    module = f"lessons.{folder.name.replace('-', '_')}"
    package: Any = griffe.load(
        module, search_paths=[folder / "src"], docstring_parser="google", docstring_options=STYLE
    )
    # Found where __init__ imports it from: a module of the same name does not hide it.
    public = {
        name: package[package.imports[name].removeprefix(f"{module}.")]
        for name in package.exports or []
    }
    names = {name: f"{target.module.name}.{name}" for name, target in public.items()}
    known = mark(explanation, authors)

    def lead(found: re.Match[str]) -> str:
        place = known.get(found[0].lower()) if ours(found, authors) else None
        return f"[{found[0]}]({explanation.path}#{place})" if place else found[0]

    def documents(title: str, path: Path, modules: list[Any]) -> list[Document]:
        index = f"# {title}\n\n"
        for module in modules:
            index += f"[`{module.filepath.name}`](#{module.name})\n:   {summary(module)}\n\n"
            for name, target in public.items():
                if target.module is module:
                    index += f"    [`{name}`](#{names[name]})\n    :   {summary(target)}\n\n"
        woven = [weave(module, names, lambda prose: PLACE.sub(lead, prose)) for module in modules]
        return [read(path, index), *woven]

    text = explanation.path.read_text(encoding="utf-8")
    exported = {target.module.name for target in public.values()}

    def order(module: Any) -> tuple[int, bool, str]:
        named = re.search(rf'["`/]{re.escape(module.filepath.name)}["`)]', text)
        return named.start() if named else len(text), module.name not in exported, module.name

    paper = [m for m in package.modules.values() if m.name not in ("claims", "lab", "__main__")]
    title = explanation.title
    found = documents(f"{title}, line by line", package.filepath, sorted(paper, key=order))
    experiments = list[Document]()
    if claims := package.modules.get("claims"):
        modules = sorted(claims.modules.values(), key=lambda module: module.name)
        experiments = documents(f"{title}: the experiments", claims.filepath, modules)
    return Annotated(found, experiments, names)


def ours(found: re.Match[str], authors: set[str]) -> bool:
    """Return whether a place is one of the paper, not of another that the clause names."""
    clause = re.split(r"[;:)] |\. |\n\n", found.string[: found.start()])[-1]
    return not re.search(r"\b(18|19|20)\d\d", clause) or any(name in clause for name in authors)


def mark(explanation: Document, authors: set[str]) -> dict[str, str]:
    """Give each block that is the first to name a place of the paper an id; return place → id."""
    known: dict[str, str] = {}
    for number, block in enumerate(explanation.blocks):
        found = {m[0].lower() for m in PLACE.finditer(plain(block)) if ours(m, authors)}
        if found - known.keys() and block["t"] in ("Para", "OrderedList", "BulletList"):
            known = dict.fromkeys(found, f"at-{number}") | known
            explanation.blocks[number] = {"t": "Div", "c": [[f"at-{number}", [], []], [block]]}
    return known


def summary(target: Any) -> str:
    """Return the first paragraph of a docstring on one line."""
    words = target.docstring.value if target.docstring else "A constant."
    return words.split("\n\n")[0].replace("\n", " ")


def prose(docstring: Any) -> str:
    """Return a Google-style docstring as Markdown."""
    text = ""
    for section in docstring.parsed:
        if isinstance(section.value, str):
            text += f"{section.value}\n\n"
            continue
        text += f"[{section.kind.value}]{{.label}}\n\n"
        for item in section.value:
            term = getattr(item, "name", None)
            if section.kind.value in ("returns", "yields"):  # no names, though "word: …" may be
                text += (f"{term}: " if term else "") + f"{item.description}\n\n"
            else:
                words = item.description.replace("\n", "\n    ")
                text += f"`{item.annotation if term is None else term}`\n:   {words}\n\n"
    return text


def weave(module: Any, names: dict[str, str], lead: Callable[[str], str]) -> Document:
    """Read a module as a document, each docstring and comment beside its code."""
    notes: dict[int, str] = {}
    hidden: set[int] = set()

    def note(target: Any, title: str, depth: int) -> None:
        heading = f"{'#' * depth} `{title}` {{#{module.name}.{title}}}\n\n" if title else ""
        if target.docstring:
            notes[target.lineno if title else 1] = heading + lead(prose(target.docstring))
            hidden.update(range(target.docstring.lineno, target.docstring.endlineno + 1))
        elif title in names:
            notes[target.lineno] = heading
        for name, member in target.members.items():
            if not (member.is_alias or member.is_module or (title and member.is_attribute)):
                note(member, f"{title}.{name}" if title else name, depth + 1)

    note(module, "", 2)
    source = module.filepath.read_text(encoding="utf-8")
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT and not token.line[: token.start[1]].strip()
    }
    parts: list[tuple[list[str], list[str]]] = [([], [])]
    for number, line in enumerate(source.splitlines(), start=1):
        if number in notes or (number in comments and parts[-1][1]):
            parts.append(([notes.get(number, "")], []))
        words, code = parts[-1]
        if number in comments:
            words.append(comments[number])
        elif number not in hidden and (code or line.strip()):
            code.append(re.sub(r"  # (fmt: skip|noqa.*|type: ignore.*)$", "", line))
    text = f"# `{module.filepath.name}`\n"
    for words, code in parts:
        block = "~~~~~~~~ python\n{}\n~~~~~~~~".format("\n".join(code).rstrip()) if code else ""
        text += "\n::::: beside\n:::: note\n{}\n::::\n\n{}\n:::::\n".format("\n".join(words), block)
    document = read(module.filepath, text)
    title = [{"t": "Code", "c": [["", [], []], document.title]}]
    head = {"t": "Header", "c": [2, [module.name, [], []], title]}
    document.opening, document.blocks = [], [head, *document.opening, *document.blocks]
    return document
