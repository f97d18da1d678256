"""Vectors without a network: how often words stand near each other (D1, D2).

What Levy and Goldberg 2014 compare: counts, positive pointwise mutual information, and its best
approximation in few dimensions.
"""

import numpy as np
import torch
from torch import Tensor

from ..lab.claim import Finding, demonstration
from ..lab.run import Run
from ..lab.statistics import interval
from ..vectors import KeyedVectors
from ..vocabulary import Vocab
from .learn import every_second, percent, scores, sizes, text_words
from .world import build


def neighbours(vocab: Vocab, ids: Tensor, numbers: Tensor, window: int):
    """Return how often each word stands within a window of each, as a sparse matrix (V, V)."""
    from scipy import sparse

    V = len(vocab)
    total = sparse.csr_matrix((V, V), dtype=np.float32)
    ids_, numbers_ = ids.numpy(), numbers.numpy()
    for offset in range(1, window + 1):
        same = numbers_[offset:] == numbers_[:-offset]
        one, other = ids_[:-offset][same], ids_[offset:][same]
        ones = np.ones(len(one), dtype=np.float32)
        total = total + sparse.coo_matrix((ones, (one, other)), shape=(V, V)).tocsr()
    return (total + total.T).tocsr()


def ppmi(counts, shift: float = 1.0, power: float = 0.75):
    """Return max(0, log(p(w, c)/(p(w) p(c))) − log shift), contexts to a power, sparse."""
    rows = np.asarray(counts.sum(1)).ravel()
    columns = np.asarray(counts.sum(0)).ravel() ** power
    found = counts.tocoo()
    share = rows[found.row] * (columns[found.col] / columns.sum())
    found.data = np.maximum(0, np.log(np.maximum(found.data / share, 1e-12)) - np.log(shift))
    found.eliminate_zeros()
    return found.tocsr()


def reduced(matrix, dim: int, root: float = 0.5) -> Tensor:
    """Return the left singular vectors times the singular values to a power, (V, D)."""
    from scipy.sparse import linalg

    start = np.ones(matrix.shape[0])  # the same numbers every time
    left, values, _ = linalg.svds(matrix.astype(np.float64), k=dim, v0=start)
    return torch.from_numpy((left * values**root).astype(np.float32))


def vectors(vocab: Vocab, ids: Tensor, numbers: Tensor, method: str) -> KeyedVectors:
    """Return the vectors of a method without a network, for a small vocabulary."""
    counts = neighbours(vocab, ids, numbers, window=5)
    if method == "counts":
        rows = torch.from_numpy(counts.toarray())
    elif method == "log(1 + counts)":
        rows = torch.from_numpy(counts.toarray()).log1p()
    elif method == "PPMI":
        rows = torch.from_numpy(ppmi(counts, power=1.0).toarray())
    else:
        rows = reduced(ppmi(counts, power=1.0), 50)
    return KeyedVectors(vocab.words, rows)


def decomposition(run: Run, window: int, dim: int) -> dict[str, str]:
    """Return which questions the reduced matrix of real text answers, by power of its values."""
    world = build(run)
    counts = neighbours(world.vocab, world.ids, world.numbers, window)
    whole = reduced(ppmi(counts), dim, root=1.0)
    length_D = whole.norm(dim=0)  # the singular values
    return {
        f"{root:g}": world.right(KeyedVectors(world.vocab.words, whole * length_D ** (root - 1)))
        for root in (0.0, 0.5)
    }


@demonstration(
    "D2",
    "A matrix of counts, reduced and tuned, beside skip-gram on the same text.",
    source="2013a, §2",
    asks="The strongest simple contender: positive pointwise mutual information, reduced to as "
    "many dimensions; window (2, 5) and power of the singular values (0, ½) chosen on every second "
    "question.",
    full_only=True,
)
def matrix(run: Run) -> Finding:
    """Tune the decomposition, and set it beside skip-gram."""
    dim, windows = sizes(run)["dim"], run.pick(test=[2], default=[2, 5])
    tried = {
        (window, root): right
        for window in windows
        for root, right in run.trial(decomposition, window=window, dim=dim).items()
    }
    tuning = {key: percent(right, every_second(right, 0)) for key, right in tried.items()}
    best = max(tuning, key=lambda key: tuning[key])
    theirs = percent(tried[best], every_second(tried[best], 1))
    ours = interval(scores(run, "skip-gram", "total"))
    return Finding(
        None,
        ours=f"counts {theirs:.1f}%, skip-gram {ours.text(1)}%",
        ran=f"{text_words(run)}; {dim} dimensions; window {best[0]} and power {best[1]} are the "
        f"best of {len(tried)}.",
        measured=f"Right answers: {theirs:.1f}% from counts, {ours.text(1)}% from skip-gram.",
        numbers={
            "counts": theirs,
            "skip-gram": ours.mean,
            "tried": [[*key, value] for key, value in tuning.items()],
        },
    )
