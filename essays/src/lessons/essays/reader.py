"""Read a Markdown source once: a pandoc tree that the site and the typesetting both write from.

`read` returns a `Document`. In its tree

- a link to a `url` of papers/papers.bib has become a link to ``#ref-KEY``, of class ``citation``,
  and `references` has the entries; the sentence keeps its words, as on GitHub;
- a relative link or picture leads to an absolute path, with its ``#fragment`` if it has one;
- a displayed formula stands in a Span of class ``equation``, whose id is ``eq-N`` and whose
  attribute ``number`` is N where the source is Markdown (a package's sources have their own);
- a paragraph in italics after a figure has become the figure's caption;
- a table of claims stands in a Div of class ``claims``;
- a heading in CLAIMS.md that begins with a claim's id, C1, has that for its own id, and so has a
  link that leads there.

`walk` rewrites a tree, `plain` says one in words, `drawing` reads SVG, `pandoc` runs pandoc.
"""

import json
import re
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pypandoc

from lessons.papers import bibliography, topics

MARKDOWN = (
    "markdown+lists_without_preceding_blankline+alerts+gfm_auto_identifiers+autolink_bare_uris"
)
WIDTHS = {  # of the columns of the tables that tell of claims, which lessons.papers writes
    ("Claim", "The paper", "Ours", "Verdict"): (0.44, 0.18, 0.22, 0.16),
    ("Claim", "Verdict"): (0.8, 0.2),
    ("Demonstration", "Ours"): (0.62, 0.38),
}
CLAIM = re.compile(r"([cde]\d+[a-z]?)(?![a-z0-9])", re.IGNORECASE)  # at the head of a heading


@dataclass
class Document:
    """A source, read."""

    path: Path
    title: str
    opening: list[Any]  # the blocks before the first heading: a paper's abstract
    blocks: list[Any]  # and those from there on
    headings: list[tuple[int, str, str]] = field(default_factory=list)  # level, id, words
    citations: list[str] = field(default_factory=list)  # keys of papers.bib, as they come
    formulas: list[tuple[bool, str]] = field(default_factory=list)  # (displayed, TeX)


def pandoc(text: str, source: str, target: str, *options: str) -> str:
    """Convert text with pandoc; its warnings are not shown, its errors are."""
    command = [pypandoc.get_pandoc_path(), "-f", source, "-t", target, "--wrap=none", *options]
    done = subprocess.run(command, input=text, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise ValueError(f"pandoc cannot read this: {done.stderr.strip()}")
    return done.stdout


def write(blocks: list[Any], target: str, *options: str) -> str:
    """Write blocks of a tree in one of pandoc's formats."""
    tree = {"pandoc-api-version": [1, 23, 1], "meta": {}, "blocks": blocks}
    return pandoc(json.dumps(tree), "json", target, *options)


def walk(tree: Any, change: Callable[[dict[str, Any]], Any]) -> Any:
    """Rebuild a tree, inner elements first; ``change`` returns an element's successor or None.

    A successor may be a list, which is spliced in.
    """
    if isinstance(tree, dict):
        tree = {key: walk(value, change) for key, value in tree.items()}
        changed = change(tree) if "t" in tree else None
        return tree if changed is None else changed
    if isinstance(tree, list):
        new = []
        for item in tree:
            done = walk(item, change)
            splice = isinstance(item, dict) and "t" in item and isinstance(done, list)
            new += done if splice else [done]
        return new
    return tree


def plain(tree: Any) -> str:
    """Return the words of a tree; a formula as its TeX."""
    if isinstance(tree, list):
        return "".join(map(plain, tree))
    match tree:
        case {"t": "Str", "c": words} | {"t": "Code" | "CodeBlock" | "Math", "c": [_, words]}:
            return words
        case {"t": "Space" | "SoftBreak" | "LineBreak"}:
            return " "
        case {"t": "Quoted", "c": [_, inner]}:
            return f"“{plain(inner)}”"
        case {"c": inner}:
            return plain(inner)
    return ""


@cache
def references(root: Path) -> dict[str, Any]:
    """Return every entry of the bibliography, set by citeproc, by key and in order."""
    csl = pandoc((root / "papers" / "papers.bib").read_text(encoding="utf-8"), "bibtex", "csljson")
    meta = {"nocite": "@*", "references": json.loads(csl)}
    tree = json.loads(pandoc(f"---\n{json.dumps(meta)}\n---\n", "markdown", "json", "--citeproc"))
    (refs,) = tree["blocks"]
    return {div["c"][0][0].removeprefix("ref-"): div for div in refs["c"][1]}


records = cache(bibliography.load)  # of a root, by key


@cache
def addresses(root: Path) -> dict[str, str]:
    """Return the key of papers.bib that a url belongs to."""
    return {record.url: key for key, record in records(root).items()}


def bibliography_of(keys: Iterable[str], root: Path) -> list[Any]:
    """Return the entries of these keys as one Div, in the bibliography's order; [] if none."""
    entries = [entry for key, entry in references(root).items() if key in set(keys)]
    return [{"t": "Div", "c": [["refs", ["references"], []], entries]}] if entries else []


def read(path: Path, text: str | None = None) -> Document:
    """Read a Markdown source.

    Args:
        path: the source, in a clone of the repository.
        text: what to read in its place: Markdown woven from the Python file at ``path``.

    Raises:
        ValueError: no title, a link or picture that leads nowhere, or HTML, which a typeset page
            would lose; the message has the file and what it is about.
    """
    path = path.resolve()
    root = topics.find_root(path.parent)
    try:
        text = path.read_text(encoding="utf-8") if text is None else text
        html = "-raw_html" if path.suffix == ".py" else ""  # <unk> is text in a docstring
        tree = json.loads(pandoc(text, MARKDOWN + html, "json"))["blocks"]
        if not tree or tree[0]["t"] != "Header" or tree[0]["c"][0] != 1:
            raise ValueError("it has to begin with its title, '# …'")
        document = Document(path, plain(tree[0]["c"][2]), [], [])
        blocks = walk(tree[1:], lambda element: _change(element, document, root))
    except ValueError as error:
        raise ValueError(f"{path.relative_to(root)}: {error}") from None
    blocks = _captioned(blocks)
    first = next((i for i, b in enumerate(blocks) if b["t"] == "Header"), len(blocks))
    document.opening, document.blocks = blocks[:first], blocks[first:]
    return document


def drawing(path: Path) -> str:
    """Return the text of an SVG.

    Raises:
        ValueError: it is not well-formed, and browsers would show a part of it or nothing; the
            message has the file and the line.
    """
    svg = path.read_text(encoding="utf-8")
    try:
        ET.fromstring(svg)
    except ET.ParseError as error:
        what, line = str(error).partition(": line")[0], error.position[0]
        raise ValueError(f"{path}, line {line}: a drawing is broken: {what}") from None
    return svg


def _captioned(blocks: list[Any]) -> list[Any]:
    """Give each figure the caption that follows it, a paragraph in italics; else it has its alt."""
    new: list[Any] = []
    for block in blocks:
        figure = new[-1] if new and new[-1]["t"] == "Figure" else None
        match block:
            case {"t": "Para", "c": [{"t": "Emph", "c": words}]} if figure:
                figure["c"][1][1] = [{"t": "Plain", "c": words}]
            case _:
                new.append(block)
    return new


def _change(element: dict[str, Any], document: Document, root: Path) -> Any:
    """Note what a document holds, element by element, and make it independent of its place."""
    match element:
        case {"t": "Header", "c": [level, [name, *_], words]}:
            if document.path.name == "CLAIMS.md":
                name = element["c"][1][0] = _place(plain(words)) or name
            document.headings.append((level, name, plain(words)))
        case {"t": "Math", "c": [{"t": kind}, tex]}:
            displayed = kind == "DisplayMath"
            element["c"][1] = tex.strip()
            document.formulas.append((displayed, tex.strip()))
            if displayed:
                number = str(sum(display for display, _ in document.formulas))
                name, pairs = f"eq-{number}", [["number", number]]
                if document.path.suffix != ".md":
                    name, pairs = "", []
                return {"t": "Span", "c": [[name, ["equation"], pairs], [element]]}
        case {"t": "Link" | "Image", "c": [attributes, _, target]}:
            if key := addresses(root).get(target[0]):
                if key not in document.citations:
                    document.citations.append(key)
                attributes[1].append("citation")
                target[0] = f"#ref-{key}"
            elif not re.match(r"[a-z]+:", target[0]):
                place, mark, fragment = target[0].partition("#")
                there = (document.path.parent / place).resolve() if place else document.path
                if not there.is_file():
                    raise ValueError(f"a link leads to no file: {target[0]}")
                if there.name == "CLAIMS.md":
                    fragment = _place(fragment) or fragment
                target[0] = f"{there if place else ''}{mark}{fragment}"
        case {"t": "Table", "c": [_, _, columns, [_, [[_, cells]]], *_]}:
            names = tuple(map(plain, cells))
            if widths := WIDTHS.get(names):
                pairs = zip(columns, widths)
                element["c"][2] = [[side, {"t": "ColWidth", "c": w}] for (side, _), w in pairs]
            if widths or names[-1] == "Verdict":
                return {"t": "Div", "c": [["", ["claims"], []], [element]]}
        case {"t": "RawInline" | "RawBlock", "c": [_, html]}:
            if not html.lstrip().startswith("<!--"):
                raise ValueError(f"HTML, which only a browser would show: {html.strip()}")
            return []
    return None


def _place(words: str) -> str:
    """Return the id of the claim that a heading, or a heading's id, begins with; "" if none."""
    found = CLAIM.match(words)
    return found[1][0].upper() + found[1][1:].lower() if found else ""
