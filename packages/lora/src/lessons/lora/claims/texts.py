"""Free texts in word pieces: LibreOffice's help, the King James Bible, Shakespeare's plays."""

import collections
import functools
import hashlib
import html
import itertools
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor

END, UNKNOWN = range(2)
WORD = re.compile(r" ?[A-Za-z]+| ?[0-9]| ?[^\sA-Za-z0-9]|\s")
WHERE = "“Use it” in README.md names the package that holds it, to be unpacked there"


def manual(content: bytes) -> Iterator[str]:
    """Yield the paragraphs of a page of LibreOffice's help."""
    block = re.compile(r'<(p|h[1-6]) id="[^"]*"([^>]*)>(.*?)</\1>', flags=re.S)
    for _, rest, body in block.findall(content.decode("utf-8")):
        if 'class="code"' not in rest:
            yield html.unescape(re.sub(r"<[^>]+>", "", body))


def verses(content: bytes) -> Iterator[str]:
    """Yield the verses of the King James Bible."""
    yield from (json.loads(line)["text"] for line in content.decode("utf-8").splitlines())


def plays(content: bytes) -> Iterator[str]:
    """Yield the paragraphs of a play."""
    yield from content.decode("latin-1").replace("\r", "").split("\n\n")


# Files, their reader, and the first digits of the SHA-256 of all their bytes in order.
PARTS = {
    "help": ("help-en-us/**/en-US/text/**/*.html", manual, "ddfa7a663a41cd44"),
    "kjv": ("kjv/**/kjv.jsonl", verses, "51a4d6ed5592001b"),
    "shakespeare": ("shakespeare/**/shksprdata/texts/*_gut.txt", plays, "da68ca4e8201d41a"),
}


@functools.lru_cache(3)
def paragraphs(data: Path | None, name: str) -> tuple[list[str], list[str]]:
    """Return a text's distinct paragraphs, to learn from and (one in 32) to test on.

    Raises:
        FileNotFoundError: the text is not there, or no folder was given.
        ValueError: it is another than the one that results are measured on.
    """
    if data is None:
        raise FileNotFoundError("a full run reads real texts: give their folder with --data")
    pattern, reader, wanted = PARTS[name]
    paths = sorted(Path(data).glob(pattern), key=Path.as_posix)
    if not paths:
        raise FileNotFoundError(f"{Path(data) / pattern} is missing: {WHERE}")
    digest, found = hashlib.sha256(), {}
    for path in paths:
        content = path.read_bytes()
        digest.update(content)
        for paragraph in reader(content):
            text = " ".join(paragraph.split())
            if len(text) >= 20:
                found[text] = hashlib.sha256(text.encode()).digest()[0] < 8
    if not digest.hexdigest().startswith(wanted):
        got = digest.hexdigest()[: len(wanted)]
        raise ValueError(f"the text {name!r} in {data} is another: {got}, not {wanted}")
    return [t for t, test in found.items() if not test], [t for t, test in found.items() if test]


class Pieces:
    """Byte-pair encoding (Sennrich et al. 2016): frequent pairs become one.

    Args:
        letters: the first pieces. merges: pairs, in the order in which they are joined.
    """

    def __init__(self, letters: list[str], merges: list[tuple[str, str]]) -> None:
        self.letters, self.merges = letters, merges
        self.names = ["", "\ufffd", *letters, *(a + b for a, b in merges)]
        self.ids = {name: i for i, name in enumerate(self.names) if name}
        self.rank = {pair: i for i, pair in enumerate(merges)}
        self.known: dict[str, list[int]] = {}

    @classmethod
    def of(cls, texts: Iterable[str], size: int) -> "Pieces":
        """Learn pieces from texts."""
        words = collections.Counter(word for text in texts for word in WORD.findall(text))
        letters = collections.Counter()
        for word, n in words.items():
            for letter in word:
                letters[letter] += n
        kept = sorted(letter for letter, n in letters.items() if n >= 5)
        parts, merges = {word: list(word) for word in words}, []
        while len(merges) < size - 2 - len(kept):
            pairs = collections.Counter()
            for word, own in parts.items():
                for pair in itertools.pairwise(own):
                    pairs[pair] += words[word]
            if not pairs:
                break
            best = max(pairs, key=lambda pair: (pairs[pair], pair))
            merges.append(best)
            for own in parts.values():
                join(own, best)
        return cls(kept, merges)

    def __len__(self) -> int:
        """Return the size of the vocabulary."""
        return len(self.names)

    def encode(self, text: str) -> list[int]:
        """Return a text's ids."""
        found: list[int] = []
        for word in WORD.findall(text):
            if word not in self.known:
                own = list(word)
                while len(own) > 1:
                    best = min(itertools.pairwise(own), key=lambda p: self.rank.get(p, len(self)))
                    if best not in self.rank:
                        break
                    join(own, best)
                self.known[word] = [self.ids.get(piece, UNKNOWN) for piece in own]
            found += self.known[word]
        return found

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids; the end of a paragraph is a new line."""
        return "".join("\n" if i == END else self.names[i] for i in ids)


def join(parts: list[str], pair: tuple[str, str]) -> None:
    """Make one piece of each such pair of neighbours, in place."""
    i = 0
    while i + 1 < len(parts):
        if (parts[i], parts[i + 1]) == pair:
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
        i += 1


def packed(pieces: Pieces, texts: Iterable[str], length: int) -> Tensor:
    """Return texts one after the other, an end mark between two, in rows (N, length)."""
    ids = list(itertools.chain.from_iterable([*pieces.encode(text), END] for text in texts))
    return torch.tensor(ids[: len(ids) // length * length]).view(-1, length)
