"""Real English from files under ``--data``: what is read without labels, and what has labels.

Nothing is downloaded. README.md tells where each comes from; files that are not those that the
committed results are to be measured on are refused.
"""

import bz2
import csv
import functools
import hashlib
import html
import io
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

WHERE = "“Use it” in README.md names the package that holds it, to be unpacked there"
# Files, and the first digits of the SHA-256 of all their bytes in order.
FILES = {
    "help": ("help-en-us/**/en-US/text/**/*.html", "ddfa7a663a41cd44"),
    "king james": ("kjv/**/kjv.jsonl", "51a4d6ed5592001b"),
    "shakespeare": ("shakespeare/**/shksprdata/texts/*_gut.txt", "da68ca4e8201d41a"),
    "brown": ("brown/**/c[a-r][0-9][0-9]", "cbc711696316d4aa"),
    "reviews": ("reviews/**/data/rotten_tomatoes_corpus_full.csv.bz2", "26b56d24d5a04cbe"),
}
BLOCK = re.compile(r'<(p|h[1-6]) id="([^"]*)"([^>]*)>(.*?)</\1>', flags=re.S)
HELD_OUT = 96  # of 256: help pages that no model reads before it is fine-tuned
Document = list[str]  # its sentences


def folder_of(data: Path | None) -> Path:
    """Return the folder of ``--data``.

    Raises:
        FileNotFoundError: it was not given.
    """
    if data is None:
        raise FileNotFoundError("a full run reads real texts: give their folder with --data")
    return Path(data)


@functools.lru_cache(8)
def files(data: Path | None, name: str) -> dict[str, bytes]:
    """Return the bytes of a text's files, by their paths.

    Raises:
        FileNotFoundError: there are none, or no folder was given.
        ValueError: they are others than those meant.
    """
    folder = folder_of(data)
    pattern, wanted = FILES[name]
    paths = sorted(folder.glob(pattern), key=Path.as_posix)
    if not paths:
        raise FileNotFoundError(f"{folder / pattern} is missing: {WHERE}")
    contents = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    digest = hashlib.sha256()
    for content in contents.values():
        digest.update(content)
    if not digest.hexdigest().startswith(wanted):
        got = digest.hexdigest()[: len(wanted)]
        raise ValueError(f"the text “{name}” in {folder} is another: {got}, not {wanted}")
    return contents


def place(text: str) -> int:
    """Return a number from 0 to 255 that says which part a text belongs to."""
    return hashlib.sha256(text.encode()).digest()[0]


def sentences(text: str) -> list[str]:
    """Cut a paragraph behind full stops, question and exclamation marks, and semicolons."""
    return [part for part in re.split(r"(?<=[.!?;:]) +", " ".join(text.split())) if part]


def blocks(content: bytes) -> Iterator[tuple[str, str]]:
    """Yield a help page's headings and paragraphs: ("h" or "p", text), code left out."""
    for kind, name, rest, body in BLOCK.findall(content.decode("utf-8")):
        text = " ".join(html.unescape(re.sub(r"<[^>]+>", "", body)).split())
        if text and 'class="code"' not in rest and not name.startswith("bm_"):
            yield kind[0], text


@functools.lru_cache(1)
def pages(data: Path | None) -> dict[bool, dict[str, list[tuple[str, str]]]]:
    """Return the help's pages by name, those held out under True."""
    found: dict[bool, dict[str, list[tuple[str, str]]]] = {False: {}, True: {}}
    for path, content in files(data, "help").items():
        name = path.partition("/en-US/text/")[2]
        found[place(name) < HELD_OUT][name] = list(blocks(content))
    return found


def manual(data: Path | None) -> list[Document]:
    """Return the help's pages that are read without labels, as documents."""
    return [
        [part for _, text in page for part in sentences(text)]
        for page in pages(data)[False].values()
    ]


def chapters(data: Path | None) -> list[Document]:
    """Return the chapters of the King James Bible; each verse is a sentence."""
    (content,) = files(data, "king james").values()
    verses = [json.loads(line) for line in content.decode("utf-8").splitlines()]
    groups = itertools.groupby(verses, key=lambda verse: (verse["book"], verse["chapter"]))
    return [[verse["text"] for verse in group] for _, group in groups]


def scenes(data: Path | None) -> list[Document]:
    """Return Shakespeare's plays and poems, cut at scenes; a file without any is one document."""
    found = []
    for content in files(data, "shakespeare").values():
        text = content.decode("latin-1").replace("\r", "")
        cut = re.split(r"\n(?=(?:ACT|Act|SCENE|Scene)\b)", text)
        found += [[s for p in scene.split("\n\n") for s in sentences(p)] for scene in cut]
    return found


def documents(data: Path | None) -> list[Document]:
    """Return all documents that are read without labels, each of two sentences at least.

    Raises:
        FileNotFoundError, ValueError: see `files`.
    """
    found = [*manual(data), *chapters(data), *scenes(data)]
    return [document for document in found if len(document) > 1]


@functools.lru_cache(1)
def tagged(data: Path | None) -> list[list[tuple[str, str]]]:
    """Return the Brown corpus's sentences of 5 to 40 words, each word with its tag's stem.

    "nns-tl" becomes "nns": what says that a word stands in a title, is foreign or negated goes,
    and of contracted words the first tag counts.
    """
    found = []
    for content in files(data, "brown").values():
        for line in content.decode("latin-1").splitlines():
            pairs = [token.rpartition("/") for token in line.split()]
            words = [(word, stem(tag)) for word, _, tag in pairs if word]
            if 5 <= len(words) <= 40:
                found.append(words)
    return found


def stem(tag: str) -> str:
    """Return the first of a tag's parts."""
    tag = tag.removeprefix("fw-")
    return re.split(r"[-+]", tag)[0].removesuffix("*") or tag


@functools.lru_cache(1)
def reviews(data: Path | None) -> list[tuple[str, str, int]]:
    """Return sentences of reviews, each once: film, text, and 1 for "fresh", 0 for "rotten"."""
    (content,) = files(data, "reviews").values()
    csv.field_size_limit(10**9)
    rows = csv.DictReader(io.StringIO(bz2.decompress(content).decode("utf-8"), newline=""))
    found = {}
    for row in rows:
        if row["category"] in ("fresh", "rotten"):
            text = " ".join(row["text"].split())
            found.setdefault(text, (row["movie_name"], text, int(row["category"] == "fresh")))
    return list(found.values())


@functools.lru_cache(1)
def sections(data: Path | None) -> list[tuple[str, str, str]]:
    """Return the held-out pages' headings, each with the paragraph behind it: (page, h, p).

    A heading or a paragraph that is there twice, or on a page that is read without labels, is left
    out, as are paragraphs of fewer than six words.
    """
    known = {text for page in pages(data)[False].values() for _, text in page}
    found: dict[str, tuple[str, str, str]] = {}
    twice = set()
    for name, page in pages(data)[True].items():
        for (kind, heading), (next_kind, paragraph) in itertools.pairwise(page):
            if (kind, next_kind) != ("h", "p") or len(paragraph.split()) < 6:
                continue
            if {heading, paragraph} & known:
                continue
            twice |= {text for text in (heading, paragraph) if text in found}
            found[heading] = found[paragraph] = (name, heading, paragraph)
    both = dict.fromkeys(found.values())
    return [each for each in both if not {each[1], each[2]} & twice]
