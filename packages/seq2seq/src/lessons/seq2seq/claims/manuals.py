"""Real translation: the manuals of LibreOffice, English and French, by sentence and paragraph.

A page has the same paragraphs under the same ``id`` in both languages. The files (MPL-2.0) are not
part of this package: they are looked for in the folder of ``--data``, and their hash is checked.
"""

import dataclasses
import functools
import hashlib
import os
import re
from html.parser import HTMLParser
from pathlib import Path

FOLDERS = {"en-US": "help-en-us", "fr": "help-fr"}
# SHA-256 over the sorted lines "path hash" of the pages, as in 7.4.7 of Debian 12.
SHA256 = {
    "en-US": "c3facd77137dfddeff50740842104cdc173ce399bb9b22e273806ddf2b8bf964",
    "fr": "fab20811ecfa3793c21de71025c82004738bf946e14ab6f159a84cf1600eab51",
}
WHERE = (
    "the pages are in Debian's packages libreoffice-help-en-us and libreoffice-help-fr (7.4.7); "
    "unpack them with `apt-get download NAME && dpkg -x NAME*.deb FOLDER/NAME`, where NAME is "
    "help-en-us or help-fr in FOLDER"
)
LONGEST = 60  # words of a source; the paper's Fig. 3 goes to 79
BLOCKS = {"p", "h1", "h2", "h3", "h4", "h5", "h6"}
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Pairs of sentences and of whole paragraphs (English, French), apart by page.

    No sentence of another part is in the training, not even within a paragraph.
    """

    train: list[tuple[str, str]]
    dev: list[tuple[str, str]]
    test: list[tuple[str, str]]


class Page(HTMLParser):
    """The paragraphs of a page by their id, without code and without what is for Macs only."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: dict[str, str] = {}
        self.open: list[str] = []  # tags not yet closed
        self.inside = self.hidden = self.start = 0  # how deep each began; 0: not inside
        self.name, self.text = "", []
        self.feed(html)

    def handle_starttag(self, tag, attrs) -> None:
        """Enter an element."""
        if tag in VOID:
            return
        self.open.append(tag)
        depth, found = len(self.open), dict(attrs)
        kinds = (found.get("class") or "").split()
        if found.get("id") == "DisplayArea":
            self.inside = depth
        elif self.inside and not self.hidden and "MAC" in kinds:
            self.hidden = depth
        elif self.inside and not self.start and tag in BLOCKS and found.get("id"):
            self.start, self.text = depth, []
            self.name = "" if kinds == ["code"] else found["id"] or ""

    def handle_endtag(self, tag) -> None:
        """Leave an element, and those in it that were never closed."""
        if tag not in self.open:
            return
        while True:
            depth, last = len(self.open), self.open.pop()
            if depth == self.start:
                text = " ".join("".join(self.text).split())
                if self.name and text:
                    self.blocks.setdefault(self.name, text)
                self.start = 0
            if depth == self.hidden:
                self.hidden = 0
            if depth == self.inside:
                self.inside = 0
            if last == tag:
                return

    def handle_data(self, data) -> None:
        """Take text."""
        if self.start and not self.hidden:
            self.text.append(data)


def find(folder: Path | None, language: str) -> Path:
    """Return the folder of a language's pages.

    Raises:
        OSError: it is not there; says what to put where.
        ValueError: the pages are others.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lessons"
    name, inner = FOLDERS[language], f"usr/share/libreoffice/help/{language}/text"
    places = [*([folder / name / inner] if folder else []), cache / name / inner]
    for place in places:
        if place.is_dir():
            digest = tree_hash(place)
            if digest != SHA256[language]:
                raise ValueError(
                    f"{place} has other pages than those meant: their SHA-256 is {digest}, "
                    f"{SHA256[language]} was expected"
                )
            return place
    raise OSError(f"no pages in {' or '.join(map(str, places))}: {WHERE}")


def tree_hash(folder: Path) -> str:
    """Return the hash over all pages: of the sorted lines "path hash"."""
    lines = sorted(
        f"{path.relative_to(folder).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}\n"
        for path in folder.rglob("*.html")
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def sentences(text: str) -> list[str]:
    """Cut a paragraph after full stops, question and exclamation marks."""
    return re.split(r"(?<=[.!?]) (?=[A-ZÀÂÉÈÊÎÔÇ«(])", text)


def fits(en: str, fr: str) -> bool:
    """Say whether a pair is a text and its translation, by length, letters and overlap."""
    a, b = en.lower().split(), fr.lower().split()
    if not (3 <= len(a) <= LONGEST and 3 <= len(b) <= 1.25 * LONGEST):
        return False
    if not 0.5 <= len(b) / len(a) <= 2.2:
        return False
    letters = [sum(c.isalpha() or c == " " for c in text) / len(text) for text in (en, fr)]
    return min(letters) >= 0.75 and len(set(a) & set(b)) <= 0.6 * len(set(a))


def part_of(page: str) -> str:
    """Return which part a page is in, by its hash: 10% test, 2% dev."""
    place = hashlib.sha256(page.encode()).digest()[0]
    return "test" if place < 26 else "dev" if place < 31 else "train"


def units(en: str, fr: str) -> list[tuple[str, str]]:
    """Return a paragraph's pairs of sentences, if both have as many, and the uncut paragraph."""
    cut = sentences(en), sentences(fr)
    found = list(zip(*cut)) if len(cut[0]) == len(cut[1]) else []
    return found if found == [(en, fr)] else [*found, (en, fr)]


def key(text: str) -> str:
    """Return what two texts have in common that count as the same."""
    return re.sub(r"\d", "0", text.lower())


@functools.lru_cache(1)
def corpus(folder: Path | None) -> Corpus:
    """Return all pairs; what occurs in training is in no other part."""
    english, french = find(folder, "en-US"), find(folder, "fr")
    parts: dict[str, list[tuple[str, str]]] = {"train": [], "dev": [], "test": []}
    for path in sorted(english.rglob("*.html")):
        other = french / path.relative_to(english)
        if not other.is_file():
            continue
        ours, theirs = (Page(p.read_text("utf-8")).blocks for p in (path, other))
        part = parts[part_of(path.relative_to(english).as_posix())]
        for name in sorted(ours.keys() & theirs.keys()):
            part += units(ours[name], theirs[name])
    seen: set[str] = set()
    trained: set[str] = set()
    found: dict[str, list[tuple[str, str]]] = {}
    for name, pairs in parts.items():  # training first: what it has, no other part has
        found[name] = []
        for en, fr in pairs:
            whole = {key(en), key(fr)}
            within = {key(s) for text in (en, fr) for s in sentences(text)}
            if fits(en, fr) and not whole & seen and not within & trained:
                found[name].append((en, fr))
                seen |= whole
        if name == "train":
            trained = {key(s) for pair in found[name] for text in pair for s in sentences(text)}
            trained |= seen
    return Corpus(**found)
