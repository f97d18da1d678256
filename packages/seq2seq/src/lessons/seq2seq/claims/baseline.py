"""What the phrase-based translator makes of the test pages, and of the same its hundred best."""

import dataclasses
import time
from typing import Any

import numpy as np

from ..lab.run import Run
from . import phrases
from .phrases import FEATURES, ROUNDS, Phrases
from .scoring import bleu_of, counts, words
from .sentences import pack, pack_lists, unpack, unpack_lists
from .translators import DECODED, THIRDS, groups_of, texts

N_BEST = 100  # of the paper's 1,000
DEV, APART = 200, 100  # dev sentences: for the baseline's weights; for its weight beside a net's


def subset(run: Run) -> list[tuple[str, str]]:
    """Return the test sentences that beams, phrases and lists are measured on."""
    return texts(run)["texts"]["test"][: run.pick(test=4, default=DECODED)]


@dataclasses.dataclass(frozen=True)
class Lists:
    """Of each sentence its best translations, their scores, and what they add to BLEU."""

    pairs: list[tuple[str, str]]
    texts: list[list[str]]
    base: list[list[float]]
    counts: list[Any]


def lists_of(run: Run, part: str) -> Lists:
    """Return the lists of the test sentences ("test"), or of dev sentences apart ("apart")."""
    pairs = parts(run)[part]
    found = phrase_based(run)[part]
    lists, rows = unpack_lists(found["texts"]), unpack(found["counts"])
    cuts = np.cumsum([len(some) for some in lists])[:-1]
    return Lists(pairs, lists, unpack_lists(found["base"]), np.split(rows, cuts))


def parts(run: Run) -> dict[str, list[tuple[str, str]]]:
    """Return the sentences for the baseline's weights, those apart, and those of the test."""
    count, apart = run.pick(test=3, default=DEV), run.pick(test=2, default=APART)
    dev = texts(run)["texts"]["dev"]
    return {"dev": dev[:count], "apart": dev[count : count + apart], "test": subset(run)}


def learn_phrases(run: Run, seed: int) -> dict[str, Any]:
    """Learn phrases, tune their weights, and translate."""
    began, known, own = time.process_time(), texts(run)["texts"], parts(run)
    system = Phrases(known["train"], [en for some in own.values() for en, _ in some])
    fitted = time.process_time() - began
    tuned = system.tune(own["dev"], run.pick(test=1, default=ROUNDS), seed=seed)
    found: dict[str, Any] = {}
    for part in ("apart", "test"):
        lists, rows, base = [], [], []
        for en, fr in run.track(own[part], f"phrases, {part}"):
            some = system.translate(en, run.pick(test=5, default=N_BEST))
            lists.append([text for text, _, _ in some])
            base.append([round(score, 4) for _, score, _ in some])
            rows += [counts(words(text), words(fr)) for text in lists[-1]]
        found[part] = {"texts": pack_lists(lists), "base": pack_lists(base), "counts": pack(rows)}
    return {
        **found, "dev": tuned, "pairs": len(known["train"]), "phrases": system.size,
        "weights": dict(zip(FEATURES, system.weights)),
        "seconds": {"to learn": fitted, "in all": time.process_time() - began},
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
        f"four words that the test needs, {phrases.OPTIONS} translations of each, a trigram model, "
        f"reordering within {phrases.JUMP} words, a beam of {phrases.STACK}; six weights tuned on "
        f"{len(parts(run)['dev'])} dev sentences (BLEU {found['dev']:.1f} there). "
    )


def best_of(run: Run) -> list[Any]:
    """Return what the baseline's best translations add to BLEU."""
    return [rows[0] for rows in lists_of(run, "test").counts]


def oracle_of(run: Run) -> list[Any]:
    """Return the same of the translation in each list that is nearest to the reference."""

    def near(row: Any) -> float:  # smoothed, as most sentences have no four words right
        grams = [(hit + 0.5) / (n + 0.5) for hit, n in zip(row[2::2], row[3::2])]
        short = min(1.0, 2.718281828 ** (1 - row[1] / max(row[0], 1)))
        return short * (grams[0] * grams[1] * grams[2] * grams[3]) ** 0.25

    return [max(rows, key=near) for rows in lists_of(run, "test").counts]


def on_rare_words(run: Run) -> list[float]:
    """Return the baseline's BLEU by thirds of the sentences: of common words, of rare ones."""
    rows, groups = np.asarray(best_of(run)), groups_of(run)
    return [bleu_of(rows[groups[name][: len(rows)]]) for name in THIRDS]
