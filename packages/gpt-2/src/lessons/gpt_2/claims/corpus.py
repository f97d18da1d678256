"""Real English from files under ``--data``: what stands for WebText, and two texts never seen.

Nothing is downloaded. README.md tells where each comes from; a text that is not the one that the
committed results were measured on is refused. The smallest runs read Python's own help instead.
"""

import csv
import functools
import hashlib
import html
import io
import json
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from ..lab.run import Run
from .text import parts

WHERE = "“Use it” in README.md names the package that holds it, to be unpacked there"
MOST = 1_500_000  # characters of each text of the web, so that none is most of it


def newsgroups(content: bytes) -> Iterator[str]:
    """Yield the messages of 20 newsgroups (small letters, no signs), after three lines of heads."""
    csv.field_size_limit(10**9)
    rows = csv.reader(io.StringIO(content.decode("utf-8"), newline=""), delimiter="\t")
    for n, row in enumerate(rows):
        if n >= 3 and len(row) == 2:
            yield row[1]


def untagged(content: bytes) -> Iterator[str]:
    """Yield a file of the Brown corpus without its tags, its signs back at their words (§3.1)."""
    lines = content.decode("latin-1").splitlines()
    words = [[token.rpartition("/")[0] for token in line.split()] for line in lines]
    yield "\n".join(joined(line) for line in words if line)


def joined(words: list[str]) -> str:
    """Return words as a sentence: quotation marks, full stops and the like touch their words."""
    text = " ".join(words).replace("`` ", "“").replace(" ''", "”")
    text = re.sub(r" ([.,;:?!)\]])", r"\1", text)
    return re.sub(r"([(\[]) ", r"\1", text)


def nouns(content: bytes) -> Iterator[tuple[str, bool]]:
    """Yield the words of a file of the Brown corpus, and whether each is tagged a common noun."""
    for token in content.decode("latin-1").split():
        word, _, tag = token.rpartition("/")
        if word.isalpha():
            yield word, tag.partition("-")[0] in ("nn", "nns")


def plain(content: bytes) -> Iterator[str]:
    """Yield a text."""
    yield content.decode("latin-1").replace("\r", "")


def verses(content: bytes) -> Iterator[str]:
    """Yield the King James Bible, a verse a line."""
    yield "\n".join(json.loads(line)["text"] for line in content.decode("utf-8").splitlines())


def novels(content: bytes) -> Iterator[str]:
    """Yield six novels, out of R's own container of compressed strings."""
    at = 0
    while at < len(content):
        stream = zlib.decompressobj()
        blob, lines = stream.decompress(content[at + 4 :]), []
        at = len(content) - len(stream.unused_data)
        for head in re.finditer(rb"\x00\x04\x00\t(....)", blob, flags=re.S):
            start = head.end()
            lines.append(blob[start : start + int.from_bytes(head[1], "big")].decode("utf-8"))
        paragraphs = "\n".join(lines).split("\n\n")
        yield "\n".join(" ".join(part.split()) for part in paragraphs if part.strip())


def countries(content: bytes) -> Iterator[str]:
    """Yield the texts of a page of the World Factbook."""

    def texts(node) -> Iterator[str]:
        if isinstance(node, dict):
            for value in node.values():
                yield from texts(value)
        elif isinstance(node, str):
            yield " ".join(html.unescape(re.sub("<[^>]+>", " ", node)).split())

    yield "\n".join(texts(json.loads(content)))


def manual(content: bytes) -> Iterator[str]:
    """Yield a page of LibreOffice's help."""
    block = re.compile(r'<(p|h[1-6]) id="[^"]*"([^>]*)>(.*?)</\1>', flags=re.S)
    kept = [
        " ".join(html.unescape(re.sub(r"<[^>]+>", "", body)).split())
        for _, rest, body in block.findall(content.decode("utf-8"))
        if 'class="code"' not in rest
    ]
    yield "\n".join(line for line in kept if line)


# Each text's files, in order, its reader, and the first digits of the SHA-256 of all their bytes.
PARTS: dict[str, tuple[str, Callable[[bytes], Iterator[str]], str]] = {
    "newsgroups": ("topics/**/20newsgroups-*.tab", newsgroups, "b7c92c754819a48c"),
    "brown": ("brown/**/c[a-r][0-9][0-9]", untagged, "cbc711696316d4aa"),
    "shakespeare": ("shakespeare/**/shksprdata/texts/*_gut.txt", plain, "da68ca4e8201d41a"),
    "king james": ("kjv/**/kjv.jsonl", verses, "51a4d6ed5592001b"),
    "help": ("help-en-us/**/en-US/text/**/*.html", manual, "ddfa7a663a41cd44"),
    "austen": ("austen/**/Rdata.rdb", novels, "8fb5198960d0da72"),
    "factbook": ("factbook/package/*/*.json", countries, "714e5318002d0f91"),
}
WEB = ("newsgroups", "brown", "shakespeare", "king james", "help")
UNSEEN = ("austen", "factbook")
FREE = ("king james", "shakespeare", "help")  # what the model that ships may read


def files(data: Path | None, name: str) -> list[bytes]:
    """Return the bytes of a text's files.

    Raises:
        FileNotFoundError: ``--data`` is not given, or lacks them. ValueError: they are others.
    """
    if data is None:
        raise FileNotFoundError("a full run reads real texts: give their folder with --data")
    pattern, _, wanted = PARTS[name]
    paths = sorted(Path(data).glob(pattern), key=Path.as_posix)
    if not paths:
        raise FileNotFoundError(f"{Path(data) / pattern} is missing: {WHERE}")
    contents = [path.read_bytes() for path in paths]
    digest = hashlib.sha256(b"".join(contents)).hexdigest()
    if not digest.startswith(wanted):
        got = digest[: len(wanted)]
        raise ValueError(f"the text “{name}” in {data} is another: {got}, not {wanted}")
    return contents


def documents(run: Run, name: str) -> list[str]:
    """Return a text's documents; at the smallest scale a part of Python's help for each text."""
    return _documents(run.data, name, run.scale == "test")


@functools.lru_cache(8)
def _documents(data: Path | None, name: str, small: bool) -> list[str]:
    if small:
        return [parts(7, 12_000)[list(PARTS).index(name)]]
    found = [text for content in files(data, name) for text in PARTS[name][1](content)]
    return [text for text in found if text.strip()]


def blocks(texts: list[str], size: int = 10_000) -> list[str]:
    """Return texts in blocks of about so many characters, cut at ends of lines."""
    made: list[str] = []
    for text in texts:
        start = 0
        while start < len(text):
            end = text.find("\n", start + size)
            end = len(text) if end < 0 else end + 1
            made.append(text[start:end])
            start = end
    return made


def split(run: Run, name: str) -> tuple[list[str], list[str], list[str]]:
    """Return blocks of a text to train on, to choose by (dev), and to test on: 90, 5, 5%."""
    cut = blocks(documents(run, name), 1_000 if run.scale == "test" else 10_000)
    places = [hashlib.sha256(text.encode()).digest()[0] for text in cut]
    if run.scale == "test":  # so few blocks that chance would leave a part empty
        places = [13 * (n % 20) for n in range(len(cut))]
    return (
        [text for text, place in zip(cut, places) if place >= 26],
        [text for text, place in zip(cut, places) if place < 13],
        [text for text, place in zip(cut, places) if 13 <= place < 26],
    )


def web(run: Run) -> tuple[list[str], list[str], list[str]]:
    """Return the same of all that stands for WebText, of each text at most ``MOST`` characters."""
    whole: tuple[list[str], list[str], list[str]] = ([], [], [])
    for name in WEB:
        for kept, found in zip(whole, split(run, name)):
            room = MOST
            for text in found:
                if room > 0:
                    kept.append(text)
                    room -= len(text)
    return whole


@functools.lru_cache(1)
def common_nouns(data: Path | None) -> frozenset[str]:
    """Return words that the Brown corpus has three times or more, four of five as common nouns."""
    counts: dict[str, list[int]] = {}
    for content in files(data, "brown"):
        for word, is_noun in nouns(content):
            count = counts.setdefault(word.lower(), [0, 0])
            count[is_noun] += 1
    return frozenset(w for w, (no, yes) in counts.items() if yes + no >= 3 and yes >= 4 * no)
