"""Typeset papers: a package's explanation, claims and answers as paper.pdf, and all as one book.

paper.typ is the page; what it shows beside the text comes to it as JSON.
"""

import functools
import io
import json
import os
import re
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pikepdf
import typst

from lessons.papers import bibliography, pdf, topics
from lessons.papers.topics import Topic

from . import maths, reader
from .package import prose, records

TEMPLATE = Path(__file__).with_name("paper.typ")
FONTS = ("iosevka-charon-mono", "source-sans-3", "stix-two-text")
APPENDICES = {"CLAIMS.md": "The claims in full", "ANSWERS.md": "Answers to the exercises"}
AUTHOR = "The authors of lessons"


def paper(root: Path, topic: Topic) -> bytes:
    """Return a package's paper as PDF: the same bytes for the same sources."""
    package = root / "packages" / topic.slug
    sources = pdf.fingerprint(package, root, topic, bibliography.load(root))
    setting = Setting(root, [topic])
    setting.package(topic)
    keywords = [topic.slug, topic.category, topic.constraint, f"sources {sources}"]
    return setting.pdf(topic.title, keywords, bound=False)


def book(root: Path) -> bytes:
    """Return the essays and the packages, in the order of the history, as one PDF."""
    index = root / "essays" / "README.md"
    names = re.findall(r"\]\(([\w-]+)\.md\)", index.read_text(encoding="utf-8"))
    essays = {index.with_name(f"{name}.md"): f"essay-{name}" for name in names}
    there = measured(root)
    setting = Setting(root, there, essays)
    setting.code += ["#cover()", "#contents()"]
    for path, place in essays.items():
        if path in setting.places:
            setting.chapter(path, kicker="Essay")
        else:
            title = setting.documents[path].title
            setting.data["chapters"][place] = {"title": title, "kicker": "to come"}
    for topic in there:
        setting.package(topic)
    return setting.pdf("Lessons", ["deep learning"], bound=True)


def measured(root: Path) -> list[Topic]:
    """Return the topics whose packages have results."""
    history = topics.load(root).values()
    there = [t for t in history if (root / f"packages/{t.slug}/results/claims.json").is_file()]
    return [topic for topic in there if not topics.is_draft(root, topic)]


class Setting:
    """Documents that are set together: their Typst code, and the data that it calls for.

    Args:
        root: the repository's root.
        packages: the topics of the packages among them.
        essays: the paths of the essays, each with the label that begins all labels within it.
    """

    def __init__(
        self, root: Path, packages: Sequence[Topic], essays: Mapping[Path, str] | None = None
    ) -> None:
        self.root, self.code, self.numbers = root, list[str](), dict[str, int]()
        self.chapter_place = ""  # of the document whose references are being cited
        self.documents = {path: reader.read(path) for path in essays or {}}
        # An essay that is to come has no sections, and no pages.
        self.places = {p: label for p, label in (essays or {}).items() if self.documents[p].blocks}
        for topic in packages:
            for name, document in prose(root / "packages" / topic.slug).items():
                part = "" if name == "README.md" else f"-{Path(name).stem.lower()}"
                self.places[document.path] = f"{topic.slug}{part}"
                self.documents[document.path] = document
        drawn = maths.draw({f: path for path, d in self.documents.items() for f in d.formulas})
        self.data: dict[str, Any] = {"inline": {}, "displayed": {}, "pictures": {}, "chapters": {}}
        for (displayed, tex), formula in drawn.items():
            self.data["displayed" if displayed else "inline"][tex] = vars(formula)

    def package(self, topic: Topic) -> None:
        """Set a package's explanation, with the original's citation, version and date."""
        package = self.root / "packages" / topic.slug
        project = tomllib.loads((package / "pyproject.toml").read_text("utf-8"))["project"]
        if not (found := records(package)):
            raise ValueError(f"{package}/results/claims.json: nothing has been measured")
        entries = reader.references(self.root)
        self.chapter(
            package / "README.md",
            [block for key in topic.papers for block in entries[key]["c"][1]],
            kicker=f"{topic.category} · {topic.year}",
            version=project["version"],
            measured=max(record["measured_at"] for record in found)[:10],
        )

    def chapter(self, path: Path, originals: Sequence[Any] = (), **head: Any) -> None:
        """Set a document; references follow its text, and what a package has beside it them."""
        document, place = self.documents[path], self.places[path]
        beside = [path.with_name(name) for name in APPENDICES] if originals else []
        beside = [there for there in beside if there in self.documents]
        cited = [key for p in (path, *beside) for key in self.documents[p].citations]
        body, self.chapter_place = list(document.blocks), place
        if entries := reader.bibliography_of(cited, self.root):
            words = [{"t": "Str", "c": "References"}]
            keys = [entry["c"][0][0] for entry in entries[0]["c"][1]]
            # A sentence of an essay does not say whom it cites: on paper a number does.
            self.numbers = {} if originals else {f"#{key}": i for i, key in enumerate(keys, 1)}
            body += [{"t": "Header", "c": [2, ["references", [], []], words]}, *entries]
        self.data["chapters"][place] = {"title": document.title, **head}
        shown = dict[str, str]()
        parts = list(originals), _labelled(document.opening, shown), _labelled(body, shown)
        originals, opening, body = (self.typst(part, place) for part in parts)
        self.code.append(f'#head("{place}")[{originals}][{opening}]\n{body}')
        for letter, there in zip("AB", beside):
            document, label = self.documents[there], self.places[there]
            blocks = _deeper(_referring([*document.opening, *document.blocks], shown, place))
            title = f"Appendix {letter}. {APPENDICES[there.name]}"
            self.code.append(f'#appendix("{title}", <{label}>)[\n{self.typst(blocks, label)}\n]')

    def typst(self, blocks: list[Any], place: str) -> str:
        """Return blocks as Typst."""

        def change(element: dict[str, Any]) -> Any:
            match element:
                case {"t": "Math", "c": [{"t": "InlineMath"}, tex]}:
                    return raw(f"#m({string(tex)})")
                case {"t": "Span", "c": [[id, ["equation"], [[_, number]]], [{"c": [_, tex]}]]}:
                    return raw(f"#equation({string(tex)}, {number})<{place}-{id}>")
                case {"t": "CodeBlock", "c": [attributes, code]} if re.search(r".{101}", code):
                    # Comments that were aligned behind the longest command move up to theirs.
                    return element | {"c": [attributes, re.sub(r"(?<=\S) {2,}#", "  #", code)]}
                case {"t": "Image", "c": [_, words, [path, _]]}:
                    self.data["pictures"][path] = drawing(Path(path))
                    return raw(f"#picture({string(path)}, {string(reader.plain(words))})")
                case {"t": "Div", "c": [[_, ["claims"], _], table]}:
                    return [raw("#claims[", "RawBlock"), *table, raw("]", "RawBlock")]
                case {"t": "Figure", "c": [[id, *rest], *inner]} if id:
                    return {"t": "Figure", "c": [[f"{place}-{id}", *rest], *inner]}
                case {"t": "Div", "c": [[_, ["references"], _], entries]}:
                    return [raw("#references[", "RawBlock"), *entries, raw("]", "RawBlock")]
                case {"t": "Header" | "Div" as kind, "c": [*level, [id, *rest], inner]} if id:
                    if number := self.numbers.get(f"#{id}"):
                        inner[0]["c"].insert(0, raw(f"\\[{number}\\] "))
                    return {"t": kind, "c": [*level, [f"{place}-{id}", *rest], inner]}
                case {"t": "Link", "c": [_, words, [target, _]]} if ":" in target:
                    if target.startswith("http") and reader.plain(words) != target:
                        return [element, raw(f"#footnote(link({string(target)}))")]
                case {"t": "Link", "c": [attributes, words, [target, title]]}:
                    if number := self.numbers.get(target):
                        words = [*words, raw(f"~#text(8pt)[\\[{number}\\]]")]
                    path, mark, fragment = target.partition("#")
                    there = self.places.get(Path(path)) if path else place
                    if fragment.startswith("ref-"):  # an appendix has none of its own
                        there = self.chapter_place
                    if there is None:  # a file of the repository, where a page cannot lead
                        return words
                    target = f"#{there}-{fragment}" if mark else f"#{there}"
                    return {"t": "Link", "c": [attributes, words, [target, title]]}
            return None

        return reader.write(reader.walk(blocks, change), "typst-citations").strip()

    def pdf(self, title: str, keywords: list[str], bound: bool) -> bytes:
        """Return what was set as PDF, for screen readers too (PDF/UA-1)."""
        days = [chapter.get("measured", "") for chapter in self.data["chapters"].values()]
        about = {"title": title, "author": AUTHOR, "keywords": keywords, "date": max(days)}
        data = json.dumps(self.data | {"leaf": about | {"bound": bound}})
        code = "\n\n".join([TEMPLATE.read_text("utf-8"), "#show: leaf", *self.code]).encode()
        root = str(TEMPLATE.parent)  # where nothing is read: all that is needed is handed over
        press = typst.Compiler(root=root, font_paths=fonts(), sys_inputs={"data": data})
        made, warnings = press.compile_with_warnings(code, timestamp=0, pdf_standards="ua-1")
        if warnings:  # of a font that is missing, for one
            raise ValueError(f"{title}: {warnings[0].diagnostic}")
        assert isinstance(made, bytes)  # pictures would be lists
        packed, dense = io.BytesIO(), pikepdf.ObjectStreamMode.generate
        with pikepdf.open(io.BytesIO(made)) as file:  # a third of it is tags, which can be packed
            file.save(packed, object_stream_mode=dense, deterministic_id=True)
        return packed.getvalue()


def _labelled(blocks: list[Any], shown: dict[str, str]) -> list[Any]:
    """Give figures ids; note in ``shown`` the id of each picture's."""

    def label(element: dict[str, Any]) -> Any:
        for path in _pictures(element):
            if path not in shown:
                shown[path] = f"figure-{len(shown) + 1}"
                return element | {"c": [[shown[path], [], []], *element["c"][1:]]}
        return None

    return reader.walk(blocks, label)


def _referring(blocks: list[Any], shown: Mapping[str, str], place: str) -> list[Any]:
    """Return blocks that refer to what has been shown, in place of showing it again."""

    def refer(element: dict[str, Any]) -> Any:
        for path in _pictures(element):
            if path in shown:
                return {"t": "Para", "c": [raw(f"#ref(<{place}-{shown[path]}>) shows it.")]}
        return None

    return reader.walk(blocks, refer)


def _pictures(element: dict[str, Any]) -> list[str]:
    """Return the path of a figure's picture; [] of what is no figure."""
    found = list[str]()
    if element["t"] == "Figure":
        reader.walk(element, lambda e: found.append(e["c"][2][0]) if e["t"] == "Image" else None)
    return found


def _deeper(blocks: list[Any]) -> list[Any]:
    """Return blocks whose headings are one level lower."""
    for block in blocks:
        if block["t"] == "Header":
            block["c"][0] += 1
    return blocks


def string(value: str) -> str:
    """Return a string as Typst has it, which is as JSON has it for what occurs here."""
    return json.dumps(value, ensure_ascii=False)


def raw(code: str, kind: str = "RawInline") -> dict[str, Any]:
    """Return Typst's code as an element of a tree."""
    return {"t": kind, "c": ["typst", code]}


def drawing(path: Path) -> dict[str, Any]:
    """Return an SVG in the page's letters and in its light colours, and its width in its units."""
    svg = reader.drawing(path)
    box = re.search(r'viewBox="[-\d.]+[ ,]+[-\d.]+[ ,]+([\d.]+)', svg)
    if box is None:
        raise ValueError(f"{path}: a drawing without a viewBox has no size")
    svg = re.sub(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*\s*\}", "", svg)
    svg = re.sub(r"(font-family: ?)[^;\"}]+", r"\1'Source Sans 3'", svg)
    svg = re.sub(r'font-family="[^"]*"', 'font-family="Source Sans 3"', svg)
    # It has all letters of the figures but one, for which a label would fall back to another font.
    svg = svg.replace("ₜ", '<tspan baseline-shift="sub" font-size="75%">t</tspan>')
    return {"svg": svg, "width": float(box[1])}


@functools.cache
def fonts() -> typst.Fonts:
    """Return the page's fonts, from npm's packages of them; none are this machine's."""
    folders = [maths.modules() / "@expo-google-fonts" / name for name in FONTS]
    return typst.Fonts(include_system_fonts=False, font_paths=[str(path) for path in folders])


def main(names: Sequence[str]) -> int:
    """Typeset the papers of these packages, or of ``--all``, or the ``--book``; return 1 if not."""
    root, failed = topics.find_root(), 0
    history = topics.load(root)
    for name in [topic.slug for topic in measured(root)] if "--all" in names else names:
        package = root / "packages" / name
        path = root / "dist" / "book.pdf" if name == "--book" else package / "paper.pdf"
        try:
            if name != "--book" and name not in history:
                raise ValueError(f"{name!r} is no topic; say SLUG …, --all, or --book")
            made = book(root) if name == "--book" else paper(root, history[name])
            path.parent.mkdir(exist_ok=True)
            temporary = path.with_name(f".{path.name}.{os.getpid()}")
            temporary.write_bytes(made)
            os.replace(temporary, path)
            print(f"{path.relative_to(root)}: {len(made):,} bytes")
        except (OSError, ValueError, RuntimeError) as error:
            print(f"lessons.essays: {getattr(error, 'diagnostic', error)}", file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
