"""The site: all documents as pages of one folder, which needs a server for its search only."""

import html
import os
import re
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
from fontTools import subset

from lessons.papers import claims, topics

from . import maths, package, source
from .reader import (
    Document,
    bibliography_of,
    drawing,
    plain,
    read,
    records,
    references,
    walk,
    write,
)

WEB = Path(__file__).parent / "web"
NAMES = {  # the pages of a topic, by kind
    "explanation": "index", "claims-in-full": "claims", "answers": "answers", "source": "source",
    "experiments": "experiments",
}  # fmt: skip


@dataclass(eq=False)
class Page:
    """A page to be, made of documents; one of a topic has that, and where its code is shown."""

    url: str
    kind: str
    parts: list[Document]
    topic: topics.Topic | None = None
    names: dict[str, str] = field(default_factory=dict)


def build(root: Path, out: Path) -> None:
    """Write the site of the repository at ``root`` into the folder ``out``, which it replaces.

    Raises:
        ValueError: a source with a mistake; the message has the file and what it is about.
    """
    pages = collect(root)
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(WEB / "static", out / "static")
    press = Press(root, out, pages)
    written = html.unescape("".join([press.print(page) for page in pages]))
    glyphs = f"--text={''.join(sorted(set(written) | set(map(chr, range(32, 127)))))}"
    css = (out / "static" / "style.css").read_text(encoding="utf-8")
    for name in re.findall(r"url\((\S+)\.woff2\)", css):  # with the glyphs that are in use
        (font,) = maths.modules().glob(f"@[ef]*/*/*/{name}.[tw]*f")
        target = f"--output-file={out / 'static' / name}.woff2"
        options = ["--flavor=woff2", "--layout-features=kern,liga,mark", "--drop-tables+=MATH"]
        subset.main([str(font), glyphs, target, *options])
        licence = max(font.parents[1].glob("LICENSE*"))  # LICENSE_FONT, where both are there
        shutil.copyfile(licence, out / "static" / f"{name}.txt")
    command = [sys.executable, "-m", "pagefind", "--site", str(out), "--keep-index-url", "--quiet"]
    subprocess.run(command, check=True)


def collect(root: Path) -> list[Page]:
    """Read everything; return the pages, each kind in its order."""
    contents, linked = read(root / "essays" / "README.md"), list[str]()
    walk(contents.opening, lambda e: linked.append(e["c"][2][0]) if e["t"] == "Link" else None)
    essays = [read(path) for path in map(Path, linked) if path.parent == contents.path.parent]
    pages = [
        Page("index.html", "home", [read(root / "README.md"), contents]),
        Page("essays/index.html", "contents", [contents]),
        # One that is to come has no sections, and no page.
        *(Page(f"essays/{e.path.stem}.html", "essay", [e]) for e in essays if e.blocks),
    ]
    for slug, topic in topics.load(root).items():
        readme = root / "packages" / slug / "README.md"
        if not readme.is_file() or topics.is_draft(root, topic):
            continue
        prose = package.prose(readme.parent)
        if (explanation := prose["README.md"]).opening:
            authors = {name for key in topic.papers for name in records(root)[key].surnames}
            code = source.annotate(readme.parent, explanation, authors)
            names = {name: f"{slug}/source.html#{place}" for name, place in code.names.items()}
            parts = {
                "explanation": [explanation],
                "claims-in-full": [prose[name] for name in prose if name == "CLAIMS.md"],
                "answers": [prose[name] for name in prose if name == "ANSWERS.md"],
                "source": code.paper,
                "experiments": code.experiments,
            }
            pages += [
                Page(f"{slug}/{NAMES[kind]}.html", kind, documents, topic, names)
                for kind, documents in parts.items()
                if documents
            ]
    bib, entries = root / "papers" / "papers.bib", bibliography_of(references(root), root)
    return [
        *pages,
        Page("claims.html", "claims", [Document(root / "claims", "Claims", [], [])]),
        Page("notation.html", "notation", [read(root / "essays" / "notation.md")]),
        Page("bibliography.html", "literature", [Document(bib, "Bibliography", [], entries)]),
    ]


class Press:
    """What turns pages into files: the addresses of all sources, all formulas, the template."""

    def __init__(self, root: Path, out: Path, pages: list[Page]) -> None:
        self.root, self.out, self.pages = root, out, pages
        self.verdicts, self.earlier = claims.VERDICTS, claims.EARLIER
        self.topics = list(topics.load(root).values())
        self.formulas = maths.draw({f: d.path for p in pages for d in p.parts for f in d.formulas})
        self.urls: dict[Path, str] = {}
        for page in pages:
            for number, part in enumerate(page.parts):
                self.urls[part.path] = page.url + (f"#{part.path.stem}" if number else "")
            if page.kind in ("explanation", "claims-in-full"):  # the latter, if there is one
                url = "claims.html" if page.kind == "explanation" else page.url
                self.urls[page.parts[0].path.parent / "results" / "claims.json"] = url
        loader = jinja2.FileSystemLoader(WEB)
        options: Any = {"autoescape": True, "trim_blocks": True, "lstrip_blocks": True}
        self.template = jinja2.Environment(loader=loader, **options).get_template("page.html")

    def print(self, page: Page) -> str:
        """Write a page; return its HTML."""
        cited = [key for part in page.parts for key in part.citations]
        blocks = [block for part in page.parts for block in part.blocks]
        about = plain(page.parts[0].opening[:1])
        text = self.template.render(
            press=self, page=page, title=page.parts[0].title,
            description=textwrap.shorten(about, 200, placeholder=" …"),
            papers=[records(self.root)[key] for key in page.topic.papers] if page.topic else [],
            opening=self.html(page.parts[0].opening, page), body=self.html(blocks, page),
            references=self.html(bibliography_of(cited, self.root), page),
            up=lambda url: _relative(url, page.url),
        )  # fmt: skip
        path = self.out / page.url
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return text

    def html(self, blocks: list[Any], page: Page) -> str:
        """Write blocks as HTML for a page: maths and figures drawn, links relative."""
        code = write(walk(blocks, lambda element: self._change(element, page)), "html5").strip()
        code = re.sub(r'<a href="#cb[^>]*></a>| id="cb\d[^"]*"', "", code)  # one for each line
        code = code.replace("<th></th>", "<td></td>")  # no head at all
        code = re.sub(r"(?<!<pre>)<code>[^<]*</code>", _kept, code)
        verdicts = rf"<strong>({'|'.join(claims.VERDICTS)})</strong>"
        return re.sub(verdicts, r'<span class="verdict \1">\1</span>', code)

    def _change(self, element: dict[str, Any], page: Page) -> Any:
        match element:
            case {"t": "Math", "c": [{"t": kind}, tex]}:
                return _raw(_drawn(self.formulas[kind == "DisplayMath", tex], tex))
            case {"t": "Code", "c": [_, name]} if name in page.names:
                target = [_relative(page.names[name], page.url), ""]
                return {"t": "Link", "c": [["", [], []], [element], target]}
            case {"t": "Header", "c": [_, _, words]}:
                element["c"][2] = walk(words, _unlinked)
            case {"t": "Link", "c": [_, words, target]}:
                element["c"][1] = walk(words, _unlinked)
                if target[0].startswith("/"):
                    place, mark, fragment = target[0].partition("#")
                    url = self.urls.get(Path(place))
                    if url is None and Path(place).match(f"{self.root}/essays/*.md"):
                        return element["c"][1]  # an essay that is to come
                    url = url or self.copy(Path(place))
                    url = url.partition("#")[0] + mark + fragment if mark else url
                    target[0] = _relative(url, page.url)
            case {"t": "Image", "c": [_, words, target]}:
                path = Path(target[0])
                if path.suffix != ".svg":
                    target[0] = _relative(self.copy(path), page.url)
                    return None
                name = "-".join(path.relative_to(self.root).with_suffix("").parts)
                return _raw(_inline(drawing(path), name, plain(words)))
        return None

    def copy(self, path: Path) -> str:
        """Copy a file that is no page into the site; return its address there, "" if none."""
        if not path.exists():
            return ""
        url = path.relative_to(self.root).as_posix().removeprefix("packages/")
        (self.out / url).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, self.out / url)
        return url

    def claims(self, topic: topics.Topic) -> list[dict[str, Any]]:
        """Return what was measured of a topic's claims."""
        return package.records(self.root / "packages" / topic.slug)

    def anew(self, topic: topics.Topic) -> bool:
        """Return whether a topic's claims have yet to be judged anew."""
        return topics.awaits_judgement(self.root, topic)


def _relative(url: str, base: str) -> str:
    """Return the way from one page to another."""
    place, mark, fragment = url.partition("#")
    way = os.path.relpath(place, os.path.dirname(base) or ".") if place != base else ""
    return way + mark + fragment


def _raw(code: str) -> dict[str, Any]:
    return {"t": "RawInline", "c": ["html", code]}


def _unlinked(element: dict[str, Any]) -> Any:
    """Return what a link holds: within a link or a heading it shall be none."""
    return element["c"][1] if element["t"] == "Link" else None


def _kept(code: re.Match[str]) -> str:
    """Return code in a line whose options, -m or --full, do not break after a hyphen."""
    return re.sub(r"(?<![\w-])--?\w[\w-]*", r'<span class="flag">\g<0></span>', code[0])


def _drawn(formula: maths.Formula, tex: str) -> str:
    """Return a formula as HTML."""
    size = f"width:{formula.w:.3f}em;height:{formula.h:.3f}em"
    style = f"{size};vertical-align:{-formula.depth:.3f}em"
    head = f'<svg class="maths" role="img" aria-label="{html.escape(tex)}" style="{style}" viewBox'
    return head + formula.svg.partition(" viewBox")[2]


def _inline(svg: str, name: str, alt: str) -> str:
    """Return a figure as HTML: it follows the page's theme, and its ids are its own."""
    svg = re.sub(r"<metadata>.*?</metadata>|<title>.*?</title>", "", svg, flags=re.S)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\1{name}-", svg[svg.index("<svg") :])
    svg = re.sub(r"@media\s*\(prefers-color-scheme:\s*dark\)", "[data-theme=dark] &", svg)
    svg = re.sub(r"(<style[^>]*>)(.*?)(</style>)", rf"\1#{name}{{\2}}\3", svg, flags=re.S)
    role = "group" if "data-tip" in svg else "img"  # what is in an image cannot be touched
    svg = re.sub(r'(<svg\b[^>]*?) role="\w+"', r"\1", svg, count=1)
    svg = svg.replace("<svg", f'<svg role="{role}" aria-label="{html.escape(alt)}"', 1)
    return f'<span class="drawing" id="{name}">{svg}</span>'


if __name__ == "__main__":
    here = topics.find_root()
    try:
        build(here, here / "site")
    except (ValueError, RuntimeError) as error:
        sys.exit(f"lessons.essays: {error}")
