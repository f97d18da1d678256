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
from pathlib import Path

WHERE = "“Use it” in README.md names the package that holds it, to be unpacked there"
# Files, and the first digits of the SHA-256 of all their bytes in order.
FILES = {
    "brown": ("brown/**/c[a-r][0-9][0-9]", "cbc711696316d4aa"),
    "king james": ("kjv/**/kjv.jsonl", "51a4d6ed5592001b"),
    "shakespeare": ("shakespeare/**/shksprdata/texts/*_gut.txt", "da68ca4e8201d41a"),
    "help": ("help-en-us/**/en-US/text/**/*.html", "ddfa7a663a41cd44"),
    "reviews": ("reviews/**/data/rotten_tomatoes_corpus_full.csv.bz2", "26b56d24d5a04cbe"),
    "topics train": ("topics/**/datasets/reuters-r8-train.tab", "a6c7542fabf80a28"),
    "topics test": ("topics/**/datasets/reuters-r8-test.tab", "8c21d3ca16e72008"),
}
BLOCK = re.compile(r'<(p|h[1-6]) id="([^"]*)"([^>]*)>(.*?)</\1>', flags=re.S)
APART = 96  # of 256: Brown's files that no model reads: their tags are a task
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


@functools.lru_cache(1)
def brown(data: Path | None) -> dict[str, list[list[tuple[str, str]]]]:
    """Return Brown's files by name, as sentences of words, each with its tag's stem."""
    found: dict[str, list[list[tuple[str, str]]]] = {}
    for path, content in files(data, "brown").items():
        lines = found.setdefault(Path(path).name, [])
        for line in content.decode("latin-1").splitlines():
            pairs = [token.rpartition("/") for token in line.split()]
            if words := [(word, stem(tag)) for word, _, tag in pairs if word]:
                lines.append(words)
    return found


def stem(tag: str) -> str:
    """Return the first of a tag's parts: "nns-tl" becomes "nns"."""
    tag = tag.removeprefix("fw-")
    return re.split(r"[-+]", tag)[0].removesuffix("*") or tag


def reports(data: Path | None) -> list[Document]:
    """Return those of Brown's files that are read without labels."""
    return [
        [" ".join(word for word, _ in sentence) for sentence in sentences_]
        for name, sentences_ in brown(data).items()
        if place(name) >= APART
    ]


def tagged(data: Path | None) -> list[list[tuple[str, str]]]:
    """Return the tagged sentences of 5 to 40 words of Brown's other files."""
    return [
        sentence
        for name, sentences_ in brown(data).items()
        for sentence in sentences_
        if place(name) < APART and 5 <= len(sentence) <= 40
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


def manual(data: Path | None) -> list[Document]:
    """Return the pages of LibreOffice's help, code left out."""
    found = []
    for content in files(data, "help").values():
        page: Document = []
        for _, name, rest, body in BLOCK.findall(content.decode("utf-8")):
            text = " ".join(html.unescape(re.sub(r"<[^>]+>", "", body)).split())
            if text and 'class="code"' not in rest and not name.startswith("bm_"):
                page += sentences(text)
        found.append(page)
    return found


def documents(data: Path | None, free: bool = False) -> list[Document]:
    """Return all documents that are read without labels, in order; ``free``: without Brown."""
    found = [*([] if free else reports(data)), *chapters(data), *scenes(data), *manual(data)]
    return [document for document in found if document]


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
def news(data: Path | None) -> list[tuple[str, str]]:
    """Return Reuters' eight topics: label and text, each text once."""
    csv.field_size_limit(10**9)
    found: dict[str, str] = {}
    for part in ("topics train", "topics test"):
        (content,) = files(data, part).values()
        rows = csv.reader(io.StringIO(content.decode("utf-8"), newline=""), delimiter="\t")
        for row in list(rows)[3:]:
            if len(row) == 2:
                label, text = sorted(row, key=len)
                found.setdefault(text, label)
    return [(label, text) for text, label in found.items()]
