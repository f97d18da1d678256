"""Real English: seven texts as words in small letters, from files under ``--data``.

Nothing is downloaded. README.md tells where each comes from; a text that is not the one that the
committed results were measured on is refused.
"""

import array
import csv
import dataclasses
import functools
import hashlib
import html
import importlib.util
import io
import itertools
import json
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from ..lab.run import Run

WORD = re.compile(r"[a-z]+")
WHERE = "“Use it” in README.md names the package that holds it, to be unpacked there"
# What a shipped model may read.
FREE = ("king james", "shakespeare", "austen", "factbook, names added", "help")
LIST = "questions-words.txt"  # 19,544 questions: 2013a, §4.1
QUESTIONS = "8c29b3332afc46f3fb8be04cb5297bf96f39aa7131272dff57869b4485b22a36"


@dataclasses.dataclass(frozen=True)
class Text:
    """Running text.

    Attributes:
        words: the distinct words, in the order of their first appearance.
        ids, numbers: each occurrence's place among them, and its paragraph's number.
    """

    words: list[str]
    ids: Tensor
    numbers: Tensor

    def part(self, fifths: int) -> "Text":
        """Return so many fifths of all paragraphs, each fifth of the same mixture."""
        keep = self.numbers % 5 < fifths
        return Text(self.words, self.ids[keep], self.numbers[keep])


def newsgroups(content: bytes) -> Iterator[str]:
    """Yield the messages of 20 newsgroups, after three lines of heads."""
    csv.field_size_limit(10**9)
    rows = csv.reader(io.StringIO(content.decode("utf-8"), newline=""), delimiter="\t")
    yield from (row[1] for row in itertools.islice(rows, 3, None) if len(row) == 2)


def tagged(content: bytes) -> Iterator[str]:
    """Yield the lines of the Brown corpus without its tags."""
    for line in content.decode("latin-1").splitlines():
        yield " ".join(token.rpartition("/")[0] for token in line.split())


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


def named(content: bytes) -> Iterator[str]:
    """Yield the same texts with the country's name before each: for the shipped vectors only."""
    names = json.loads(content).get("Government", {}).get("Country name", {})
    name = names.get("conventional short form", {}).get("text", "")
    yield from (f"{name} {text}" for text in countries(content))


def manual(content: bytes) -> Iterator[str]:
    """Yield the paragraphs of a page of LibreOffice's help."""
    block = re.compile(r'<(p|h[1-6]) id="[^"]*"([^>]*)>(.*?)</\1>', flags=re.S)
    for _, rest, body in block.findall(content.decode("utf-8")):
        if 'class="code"' not in rest:
            yield html.unescape(re.sub(r"<[^>]+>", "", body))


# Each text's files, in order, its reader, and the first digits of the SHA-256 of all their bytes.
PARTS: dict[str, tuple[str, Callable[[bytes], Iterator[str]], str]] = {
    "newsgroups": ("topics/**/20newsgroups-*.tab", newsgroups, "b7c92c754819a48c"),
    "brown": ("brown/**/c[a-r][0-9][0-9]", tagged, "cbc711696316d4aa"),
    "shakespeare": ("shakespeare/**/shksprdata/texts/*_gut.txt", plain, "da68ca4e8201d41a"),
    "king james": ("kjv/**/kjv.jsonl", verses, "51a4d6ed5592001b"),
    "austen": ("austen/**/Rdata.rdb", novels, "8fb5198960d0da72"),
    "factbook": ("factbook/package/*/*.json", countries, "714e5318002d0f91"),
    "help": ("help-en-us/**/en-US/text/**/*.html", manual, "ddfa7a663a41cd44"),
}
OTHERS = {
    "own": ("text/**/*.txt", plain, ""),  # of a paper's run: any text, words in paragraphs
    "factbook, names added": (PARTS["factbook"][0], named, PARTS["factbook"][2]),
}


def every(folder: Path, pattern: str) -> list[Path]:
    """Return the files that fit, by their whole names.

    Raises:
        FileNotFoundError: none does.
    """
    found = sorted(folder.glob(pattern), key=Path.as_posix)
    if not found:
        raise FileNotFoundError(f"{folder / pattern} is missing: {WHERE}")
    return found


def read(run: Run, names: tuple[str, ...] = ()) -> Text:
    """Return texts, one behind the other; by default all that claims are judged on.

    For ``--paper`` that is the user's own, ``text/`` in the folder.

    Raises:
        FileNotFoundError: ``--data`` is not given, or lacks one of them.
        ValueError: one of them is another text.
    """
    if run.data is None:
        raise FileNotFoundError("a full run reads real texts: give their folder with --data")
    names = names or (("own",) if run.scale == "paper" else tuple(PARTS))
    return _read(Path(run.data), tuple(names))


@functools.lru_cache(2)
def _read(folder: Path, names: tuple[str, ...]) -> Text:
    index: dict[str, int] = {}
    ids, bounds = array.array("i"), array.array("i")
    for name in names:
        pattern, reader, wanted = (PARTS | OTHERS)[name]
        digest = hashlib.sha256()
        for path in every(folder, pattern):
            content = path.read_bytes()
            digest.update(content)
            for paragraph in reader(content):
                words = WORD.findall(paragraph.lower())
                if words:
                    ids.extend(index.setdefault(word, len(index)) for word in words)
                    bounds.append(len(words))
        if not digest.hexdigest().startswith(wanted):
            got = digest.hexdigest()[: len(wanted)]
            raise ValueError(f"the text “{name}” in {folder} is another: {got}, not {wanted}")
    lengths = torch.tensor(bounds, dtype=torch.int64)
    numbers = torch.arange(len(lengths), dtype=torch.int32).repeat_interleave(lengths)
    return Text(list(index), torch.tensor(ids, dtype=torch.int32), numbers)


def questions_file(run: Run) -> Path:
    """Return the path of the papers' list of questions, which gensim's package has among its tests.

    Raises:
        FileNotFoundError: it is not there. ValueError: it is another.
    """
    places = [] if run.data is None else [Path(run.data) / LIST]
    gensim = importlib.util.find_spec("gensim")  # nothing of it is imported
    folders = (gensim.submodule_search_locations if gensim else None) or []
    places += [Path(folder) / "test/test_data" / LIST for folder in folders]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise FileNotFoundError(
            f"{LIST} is missing: pip install gensim, or put the file into the folder of --data"
        )
    if hashlib.sha256(path.read_bytes()).hexdigest() != QUESTIONS:
        raise ValueError(f"{path} is not the published list of 19,544 questions")
    return path
