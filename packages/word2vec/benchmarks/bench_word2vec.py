"""Negative sampling: seconds until gensim's own score is reached, in one run.

python packages/word2vec/benchmarks/bench_word2vec.py [--sentences 30000] [--rounds 3] [--cbow]

Both have one thread, the same text, window, noise words and dimensions, and the same three rates.
gensim makes five passes; the mean score of its best rate is the mark. Ours runs with several
numbers of passes, and the time that counts is that of the quickest that reaches the mark.
"""

import argparse
import itertools
import time

import torch
from gensim.models import Word2Vec as Gensim

from lessons.word2vec import KeyedVectors, Word2Vec
from lessons.word2vec.claims import entities

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--sentences", type=int, default=30_000, help="of the made-up world")
parser.add_argument("--dim", type=int, default=100)
parser.add_argument("--sample", type=float, default=1e-3)
parser.add_argument("--cbow", action="store_true", help="instead of skip-gram")
parser.add_argument("--rounds", type=int, default=3, help="seeds; contenders take turns")
args = parser.parse_args()
torch.set_num_threads(1)

text = entities.text(args.sentences)
words = sum(map(len, text))
questions = entities.questions(tuple(itertools.combinations(entities.ROLES, 2)), 4000)


def score(vectors: KeyedVectors) -> float:
    """Return the percentage of questions answered."""
    ids_Q4 = torch.tensor([[vectors.index[w] for w in q] for q in questions])
    return 100 * float((vectors.answer(ids_Q4) == ids_Q4[:, 3]).float().mean())


def gensim(seed: int, alpha: float) -> tuple[float, float]:
    """Return gensim's score and seconds of training."""
    model = Gensim(
        vector_size=args.dim, window=5, min_count=1, workers=1, sg=int(not args.cbow), negative=5,
        sample=args.sample, epochs=5, alpha=alpha, seed=seed + 1,
    )  # fmt: skip
    model.build_vocab(text)
    began = time.process_time()
    model.train(text, total_examples=len(text), epochs=5)
    spent = time.process_time() - began
    words = [str(word) for word in model.wv.index_to_key]
    return score(KeyedVectors(words, torch.tensor(model.wv.vectors))), spent


def ours(seed: int, alpha: float, epochs: int) -> tuple[float, float]:
    """Return our score and seconds of training."""
    model = Word2Vec(
        vector_size=args.dim, min_count=1, sample=args.sample, subsample="c", alpha=alpha,
        epochs=epochs, seed=seed, sg=int(not args.cbow),
    ).build_vocab(text)  # fmt: skip
    began = time.process_time()
    model.train()
    spent = time.process_time() - began
    return score(model.wv), spent


RATES = (0.025, 0.05, 0.1)
contenders = {
    f"gensim, alpha {alpha:g}": lambda seed, a=alpha: gensim(seed, a) for alpha in RATES
} | {
    f"ours, alpha {alpha:g}, {epochs} passes": lambda seed, a=alpha, e=epochs: ours(seed, a, e)
    for alpha in RATES
    for epochs in (3, 5, 8)
}
found: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
for seed in range(args.rounds):
    for name, run in contenders.items():
        found[name].append(run(seed))
means = {name: [sum(values) / len(values) for values in zip(*runs)] for name, runs in found.items()}
mark, base = max(mean for name, mean in means.items() if name.startswith("gensim"))
print(
    f"{words:,} words, {args.dim} dimensions, t = {args.sample:g}, {args.rounds} rounds, 1 thread"
)
for name, (percent, seconds) in means.items():
    print(f"{name:26} {percent:6.1f}%  {seconds:7.2f} s  {seconds / base:5.2f} of gensim's")
reached = [s for name, (p, s) in means.items() if name.startswith("ours") and p >= mark]
best = f"{min(reached) / base:.2f}" if reached else "not reached"
print(f"time to gensim's score of {mark:.1f}%, of gensim's: {best}")
