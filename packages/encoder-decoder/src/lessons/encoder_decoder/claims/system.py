"""A statistical translation system, English to French, of the manuals: what the scores enter.

As Moses at its defaults but for what its parts say: phrases of up to five words, four scores of
the table, a penalty for phrases and one for words, a language model; a log-linear model (eq. 9).
"""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from ..bleu import counts, from_counts, words
from ..lab.run import Run
from ..loglinear import LogLinear
from ..phrases import Shortlist
from . import aligning, made_up, manuals, search
from .ngrams import Trigrams

Words = tuple[str, ...]
TABLE = ("direct", "inverse", "lexical", "lexical back")
NAMES = [*TABLE, "phrases", "words", "lm", "rnn", "unknown"]
LM, RNN, UNKNOWN = (NAMES.index(name) for name in ("lm", "rnn", "unknown"))
BASE = NAMES[:7]
START = [0.2, 0.2, 0.2, 0.2, 0.0, 0.5, 0.5, 0.2, -0.2]
OPTIONS = 20  # targets of a source phrase that the search sees, by p(f | e)
ROUNDS, BEAM = 3, 30  # of decoding and tuning; beginnings kept


@dataclasses.dataclass
class System:
    """Everything but the neural nets; texts are in lower case, cut into words and marks."""

    parts: dict[str, list[tuple[Words, Words]]]
    counts: dict[tuple[Words, Words], int]  # of the phrase pairs in training
    options: dict[Words, search.Span]  # of the phrases in dev and test
    held: dict[str, list[tuple[Words, Words]]]  # phrase pairs of dev and test, new to the table
    occurring: list[tuple[Words, Words]]  # all phrase pairs of the test, as often as they occur
    lm: Trigrams
    lists: tuple[Shortlist, Shortlist]

    def ids(self, pairs: Sequence[tuple[Words, Words]]) -> list[tuple[list[int], list[int]]]:
        """Return phrase pairs as the nets see them."""
        source, target = self.lists
        return [(source.ids(e), target.ids(f)) for e, f in pairs]


def cut(text: str) -> Words:
    """Return a text's words and marks, in lower case."""
    return tuple(word.lower() for word in words(text))


def build(run: Run, share: float = 1.0) -> System:
    """Align words, extract phrases, count, train the language model.

    Args:
        run: for its scale and data.
        share: of the sentences of the training, spread over the pages.
    """
    return _built(run, share)


@functools.lru_cache(1)
def _built(run: Run, share: float) -> System:
    limits = run.pick(
        test={"train": 80, "dev": 4, "test": 6}, default={"train": None, "dev": 300, "test": 1000}
    )
    if run.scale == "test":  # no data: made-up sentences
        made = made_up.phrases(90, 0, 3, 7)
        parts = {"train": made[:80], "dev": made[80:84], "test": made[84:]}
    else:
        corpus = manuals.corpus(run.data)
        parts = {}
        for name, most in limits.items():
            pairs = getattr(corpus, name)
            step = max(len(pairs) // most, 1) if most else 1  # spread over the pages
            parts[name] = [(cut(a), cut(b)) for a, b in pairs[::step][:most]]
    train = parts["train"] = parts["train"][:: round(1 / share)]
    forward, ours = aligning.model_1(train)
    backward, theirs = aligning.model_1([(f, e) for e, f in train])
    links = [aligning.grown(a, b) for a, b in zip(ours, theirs)]
    found, direct, inverse = aligning.table(train, links)
    held, occurring = {}, []
    for name in ("dev", "test"):
        new = {}
        for e, f in parts[name]:
            own = aligning.grown(likeliest(forward, e, f), likeliest(backward, f, e))
            for i, end, j, last in aligning.spans(own, len(e), len(f)):
                pair = e[i:end], f[j:last]
                if name == "test":
                    occurring.append(pair)
                if pair not in found:
                    new[pair] = None
        held[name] = list(new)[:: max(len(new) // 20_000, 1)]
    size = run.pick(test=40, default=2000, paper=15_000)
    lists = Shortlist((e for e, _ in train), size), Shortlist((f for _, f in train), size)
    lm = Trigrams(f for _, f in train)
    asked = {
        e[i:end]
        for name in ("dev", "test")
        for e, _ in parts[name]
        for i in range(len(e))
        for end in range(i + 1, min(i + aligning.LONGEST, len(e)) + 1)
    }
    options = spans(found, asked, direct, inverse, lm, lists[1])
    return System(parts, dict(found), options, held, occurring, lm, lists)


def likeliest(t: dict[tuple[str, str], float], e: Words, f: Words) -> list[int]:
    """Return the source place of each target word, −1 for none, by a table of probabilities."""
    places = []
    for w in f:
        p = [t.get((v, w), 0.0) for v in (aligning.NULL, *e)]
        best = int(np.argmax(p))
        places.append(best - 1 if p[best] > 0 else -1)
    return places


def spans(found, asked: set[Words], direct, inverse, lm: Trigrams, known: Shortlist):
    """Return the options of all phrases asked for, with their base features."""
    by_e: dict[Words, list[tuple[int, Words]]] = {}
    sums_e: dict[Words, int] = {}
    sums_f: dict[Words, int] = {}
    for (e, f), n in found.items():
        sums_e[e] = sums_e.get(e, 0) + n
        sums_f[f] = sums_f.get(f, 0) + n
        if e in asked:
            by_e.setdefault(e, []).append((-n, f))
    for e in asked:
        if len(e) == 1 and e not in by_e:  # a word never seen stays as it is
            by_e[e] = []
    options = {}
    for e, rows in by_e.items():
        targets = [f for _, f in sorted(rows)[:OPTIONS]] or [e]
        features = np.zeros((len(targets), len(NAMES)))
        for row, f in zip(features, targets):
            n = found.get((e, f), 0)
            if n:
                row[:2] = np.log(n / sums_e[e]), np.log(n / sums_f[f])
                row[2:4] = aligning.lexical(e, f, direct, inverse)
            row[4:6] = 1.0, len(f)
            row[UNKNOWN] = known.unknown(f)
        span = search.Span(targets, features, [[lm.id(w) for w in f] for f in targets])
        span.prepare(lm, LM)
        options[e] = span
    return options


def with_scores(system: System, scores: dict[tuple[Words, Words], float]) -> dict:
    """Return the options with the nets' scores in their place."""
    changed = {}
    for e, span in system.options.items():
        features = span.features.copy()
        features[:, RNN] = [scores[e, f] for f in span.targets]
        changed[e] = dataclasses.replace(span, features=features)
    return changed


def decode(system: System, options: dict, part: str, weights: np.ndarray, beam: int) -> list:
    """Return the best translations of each sentence of a part, with their features."""
    found = []
    for e, _ in system.parts[part]:
        own = {
            (i, end): options[e[i:end]]
            for i in range(len(e))
            for end in range(i + 1, min(i + aligning.LONGEST, len(e)) + 1)
            if e[i:end] in options
        }
        found.append(search.best(own, len(e), weights, system.lm, LM, beam))
    return found


def measured(system: System, part: str, answers: Sequence[Words]) -> np.ndarray:
    """Return what each sentence adds to BLEU's sums, (S, FIELDS)."""
    pairs = zip(answers, system.parts[part], strict=True)
    return np.array([counts(said, f) for said, (_, f) in pairs])


def tune(
    run: Run,
    system: System,
    options: dict,
    active: Sequence[str],
    seed: int,
    kept: dict[str, list] | None = None,
) -> dict:
    """Tune the weights of some features on dev, decode the test; return BLEU and sums.

    Three rounds: decode dev, add what is new to each sentence's candidates, tune on them (three
    random restarts). Other features have a weight of 0. What the tuned system says of each part is
    put into ``kept``, candidates with their features.
    """
    beam = run.pick(test=4, default=BEAM)
    loglinear = LogLinear(NAMES, [s if n in active else 0.0 for s, n in zip(START, NAMES)])
    pools: list[dict[Words, np.ndarray]] = [{} for _ in system.parts["dev"]]
    generator = np.random.default_rng(seed)
    for _ in range(run.pick(test=1, default=ROUNDS)):
        lists = decode(system, options, "dev", loglinear.weights, beam)
        for pool, rows in zip(pools, lists):
            for said, features in rows:
                pool.setdefault(said, features)
        features, sums = candidates(system, "dev", pools)
        fixed = [name for name in NAMES if name not in active]
        loglinear.fit(features, sums, from_counts, run.pick(test=0, default=3), generator, fixed)
    found = {"weights": dict(zip(NAMES, loglinear.weights.tolist()))}
    for part in ("dev", "test"):
        lists = decode(system, options, part, loglinear.weights, beam)
        if kept is not None:
            kept[part] = lists
        sums = measured(system, part, [rows[0][0] for rows in lists])
        found[part] = float(from_counts(sums.sum(0)))
        found[f"{part} sums"] = packed(sums)
        found[f"{part} words"] = [" ".join(rows[0][0]) for rows in lists[:8]]
    del found["dev sums"]
    return found


def packed(sums: np.ndarray) -> str:
    """Return sums (S, FIELDS) as one text, which a record on disk keeps in a line."""
    return ";".join(" ".join(map(str, row)) for row in sums.tolist())


def unpacked(text: str) -> np.ndarray:
    """Return the sums that a text keeps."""
    return np.array([[int(n) for n in row.split()] for row in text.split(";")])


def candidates(system: System, part: str, pools) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return features and BLEU's quantities of all candidates of each sentence."""
    features = [np.array(list(pool.values())) for pool in pools]
    sums = [
        np.array([counts(said, f) for said in pool])
        for pool, (_, f) in zip(pools, system.parts[part])
    ]
    return features, sums


def told(system: System) -> str:
    """Return what the system is made of."""
    sizes = {name: len(pairs) for name, pairs in system.parts.items()}
    n = sum(len(f) for _, f in system.parts["train"])
    return (
        "LibreOffice's manuals, English to French, sentences of 3 to 40 words in lower case: "
        f"{sizes['train']:,} pairs to train ({n:,} French words), {sizes['dev']:,} to tune and "
        f"{sizes['test']:,} to test, from other pages, none of them in the training. A "
        "phrase-based system: IBM's Model 1 both ways, joined (grow-diag-final-and), phrases of up "
        f"to 5 words ({len(system.counts):,} different pairs), four scores, penalties for phrases "
        "and words, a trigram model (Kneser–Ney); 20 options a phrase, 30 beginnings, no jumps "
        "over other words (Moses: 6 at most). Weights by coordinate search for BLEU on the dev "
        "sentences, three rounds of three restarts. "
    )
