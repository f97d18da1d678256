"""What the phrase-based translator makes of the test pages, and of the same its hundred best."""

import time
from typing import Any

from ..lab.run import Run
from .phrases import FEATURES, Phrases
from .scoring import counts, words
from .translators import DECODED, texts

N_BEST = 100  # of the paper's 1,000
DEV = 80


def subset(run: Run) -> list[tuple[str, str]]:
    """Return the test sentences that beams, phrases and lists are measured on."""
    return texts(run)["texts"]["test"][: run.pick(test=4, default=DECODED)]


def learn_phrases(run: Run, seed: int) -> dict[str, Any]:
    """Learn phrases, tune their weights, and translate."""
    began, known = time.process_time(), texts(run)["texts"]
    count = run.pick(test=3, default=DEV)
    dev, test = known["dev"][:count], subset(run)
    system = Phrases(known["train"], [en for en, _ in (*dev, *test)])
    tuned = system.tune(dev, run.pick(test=1, default=3))
    lists, rows, base = [], [], []
    for en, fr in run.track(test, "phrases"):
        some = system.translate(en, run.pick(test=5, default=N_BEST))
        lists.append([text for text, _, _ in some])
        base.append([round(score, 4) for _, score, _ in some])
        rows.append([counts(words(text), words(fr)) for text in lists[-1]])
    return {
        "lists": lists, "base": base, "counts": rows, "dev": tuned, "pairs": len(known["train"]),
        "phrases": system.size, "weights": dict(zip(FEATURES, system.weights)),
        "seconds": time.process_time() - began, "seed": seed,
    }  # fmt: skip


def phrase_based(run: Run) -> dict[str, Any]:
    """Return the baseline's translations."""
    return run.trial(learn_phrases, seed=run.seed)


def described(run: Run) -> str:
    """Say what the baseline is."""
    found = phrase_based(run)
    return (
        f"Phrase-based baseline, ours: the same {found['pairs']:,} pairs, IBM "
        f"Model 1 with a diagonal prior both ways, {found['phrases']:,} pairs of phrases of up to "
        "four words that the test needs, a trigram model, reordering within three words, a beam of "
        f"12; six weights tuned on {run.pick(test=3, default=DEV)} dev sentences (BLEU "
        f"{found['dev']:.1f} there). "
    )


def best_of(run: Run) -> list[list[int]]:
    """Return what the baseline's best translations add to BLEU."""
    return [rows[0] for rows in phrase_based(run)["counts"]]


def oracle_of(run: Run) -> list[list[int]]:
    """Return the same of the translation in each list that is nearest to the reference."""

    def near(row: list[int]) -> float:  # smoothed, as most sentences have no four words right
        grams = [(hit + 0.5) / (n + 0.5) for hit, n in zip(row[2::2], row[3::2])]
        short = min(1.0, 2.718281828 ** (1 - row[1] / max(row[0], 1)))
        return short * (grams[0] * grams[1] * grams[2] * grams[3]) ** 0.25

    return [max(rows, key=near) for rows in phrase_based(run)["counts"]]
