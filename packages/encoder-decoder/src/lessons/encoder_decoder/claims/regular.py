"""Claims C4a to C5b: what scores prefer and how good they are; what the net says by itself."""

from collections.abc import Callable, Sequence

import numpy as np

from ..lab.claim import Finding, claim, demonstration
from ..lab.figures import BLUE
from ..lab.run import Run
from ..lab.statistics import Interval, interval, judge
from . import choices, system
from .contest import runs_of
from .telling import BETWEEN, agreed, bounds, mean, mean_of, protocol, trend, would_decide

MOST = (
    "Source phrases of more than three words of which table, p(f | e), and net choose different "
    "targets, and of which the table has one likeliest (most pairs of long phrases occur once)"
)


def nearer(found: dict, kinds=("frequent", "rare")) -> float:
    """Return the share of phrases of which the net's choice is nearer; ties apart."""
    rows = [found["choices"]["nearer"][kind] for kind in kinds]
    won, lost = (sum(row[k] for row in rows) for k in (0, 2))
    return won / max(won + lost, 1)


def over_phrases(rows: np.ndarray, of: Callable[[np.ndarray], np.ndarray]) -> Interval:
    """Return the interval of a function of sums over source phrases, by the bootstrap.

    Args:
        rows: what each phrase adds to each sum (P, F).
        of: what is made of sums (..., F).
    """
    rows = rows if len(rows) else np.zeros((1, rows.shape[-1]))
    n = len(rows)
    draws = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), 1000)
    middle = float(of(rows.sum(0)))
    low, high = np.quantile(of(draws @ rows), [0.025, 0.975])
    return Interval(middle, min(float(low), middle), max(float(high), middle), n)


def won(found: Sequence[dict]) -> Interval:
    """Return the share of decided cases in which the net's choice is nearer, over phrases."""
    each = [[[int(n) for n in row.split()] for row in f["choices"]["each"]] for f in found]
    rows = np.array(each, dtype=float).reshape(len(found), -1, 2).mean(0)
    return over_phrases(rows, lambda x: x[..., 0] / np.maximum(x.sum(-1), 1e-9))


@claim(
    "C4a",
    "§4.3, Table 2",
    "Mostly the RNN's choices are closer to actual translations.",
    quotes="In most cases, the choices of the target phrases by the RNN Encoder–Decoder are closer "
    "to actual or literal translations.",
    asks=f"{MOST}. Closer to actual ones: in fewer words from what the test pages have in that "
    "place. Most cases: more than half of those in which one is closer. (The paper shows ten "
    "phrases and lets the reader judge.)",
    holds_if="two 95% intervals of the share lie above one half: over nets, and over source "
    "phrases (bootstrap)",
    fails_if="both lie below; undecided where the two do not agree",
    full_only=True,
)
def closer(run: Run) -> Finding:
    """Count whose choice is nearer to the page."""
    found = runs_of(run, "gru")
    share = interval([nearer(f) for f in found])
    parts = {kind: interval([nearer(f, (kind,)) for f in found]) for kind in ("frequent", "rare")}
    first, phrases = found[0]["choices"], won(found)
    return Finding(
        agreed([judge(x, above=0.5, paper_regime=False) for x in (share, phrases)]),
        ours=f"{share.text(2)} of the cases",
        ran=protocol(run),
        measured=f"Of {first['long']:,} long phrases the table has one likeliest target for "
        f"{first['phrases']:,}, and the first net another for {first['different']:,}. Where one is "
        f"nearer to the page, it is the net's in {share.text(2)} over nets, {phrases.text(2)} over "
        f"phrases; of phrases seen more than {first['line']:.0f} times "
        f"{parts['frequent'].text(2)}, of rarer ones {parts['rare'].text(2)}."
        + trend(run, lambda x: mean(x, nearer)),
        numbers={"share": bounds(share), "over phrases": bounds(phrases),
                 "examples": first["examples"],
                 "parts": {k: bounds(v) for k, v in parts.items()},
                 "counts": [f["choices"]["nearer"] for f in found]},
        between=BETWEEN + ".",
        would_decide=would_decide(share, 0.5, phrases),
    )  # fmt: skip


@claim(
    "C4b",
    "§4.3",
    "The RNN prefers shorter phrases.",
    quotes="We can observe that the RNN Encoder–Decoder prefers shorter phrases in general.",
    asks="Source phrases of more than three words with two targets or more, of which the table has "
    "one likeliest: words of the target that the net scores highest, less words of that one. (The "
    "score is a sum over words.)",
    holds_if="the 95% interval over nets of the mean difference lies below 0 words",
    fails_if="it lies above",
    full_only=True,
)
def shorter(run: Run) -> Finding:
    """Compare the lengths of what is preferred."""
    found = interval([f["choices"]["longer by"] for f in runs_of(run, "gru")])
    return Finding(
        judge(found, below=0.0, paper_regime=False),
        ours=f"{found.text(2)} words",
        ran=protocol(run),
        measured=f"The net's choice has {found.text(2)} words more than the table's."
        + trend(run, lambda x: mean(x, lambda f: f["choices"]["longer by"])),
        numbers={"longer by": bounds(found)},
        between=BETWEEN + ".",
        would_decide=would_decide(found, 0.0),
    )


SURER = (
    "The table’s largest p(f | e) of a source phrase of more than three words, less how often such "
    "a target stands on the test pages for it"
)


def overrated(rows: Sequence[Sequence[float]], rare: bool) -> np.ndarray:
    """Return occurrences and their sum of confidence less right answers, by phrase (P, 2)."""
    own = [
        r for r in rows if (r[0] <= choices.RARE if rare else r[0] >= choices.FREQUENT)
    ] or [(0, 0.0, 1.0)]  # fmt: skip
    return np.array([(n, n * gap) for _, gap, n in own])


def sure(run: Run, share: float = 1.0) -> list[list[float]]:
    """Return how sure the table is of each long phrase of the test, of a part of the corpus."""
    return [list(row) for row in choices.confident(system.build(run, share))]


@claim(
    "C4c",
    "§4.3",
    "The table knows frequent phrases better than rare ones.",
    quotes="we expect its scores to be better estimated for the frequent phrases but badly "
    "estimated for rare phrases.",
    asks=f"{SURER}: 0 if the estimate is right on the whole. For rare phrases, seen three times at "
    "most in the training, less the same for frequent ones, seen ten times or more (lines of "
    "ours); each phrase as often as it occurs. Needs no net.",
    holds_if="the 95% interval over source phrases (bootstrap, both kinds drawn anew) of the "
    "difference lies above 0",
    fails_if="it lies below",
    full_only=True,
)
def rare(run: Run) -> Finding:
    """Compare the table's confidence with the pages."""
    shares = run.pick(test=(0.5, 1.0), default=(0.25, 0.5, 1.0))
    tables = {share: run.trial(sure, share=share) for share in shares}
    kinds = {name: overrated(tables[1.0], name == "rare") for name in ("rare", "frequent")}
    # Each phrase adds to two of four sums, by its kind: a draw of phrases draws both anew.
    rows = np.concatenate([
        np.pad(kinds["rare"], ((0, 0), (0, 2))), np.pad(kinds["frequent"], ((0, 0), (2, 0)))
    ])  # fmt: skip
    part = lambda x, k: x[..., k + 1] / np.maximum(x[..., k], 1e-9)  # noqa: E731
    found = over_phrases(rows, lambda x: part(x, 0) - part(x, 2))
    each = {name: float(part(x.sum(0), 0)) for name, x in kinds.items()}
    sizes = {}
    for share, table in tables.items():
        sums = [overrated(table, rare).sum(0) for rare in (True, False)]
        sizes[f"{share:g}"] = float(part(sums[0], 0) - part(sums[1], 0))
    return Finding(
        judge(found, above=0.0, paper_regime=False),
        ours=f"{found.text(2)} more overrated if rare",
        ran=system.told(system.build(run)),
        measured=f"Confidence less right answers: {each['rare']:.2f} for {len(kinds['rare']):,} "
        f"rare phrases, {each['frequent']:.2f} for {len(kinds['frequent']):,} frequent ones: "
        f"{found.text(2)} apart. By shares of the corpus: "
        + "; ".join(f"{share}: {gap:.2f}" for share, gap in sizes.items())
        + ".",
        numbers={"difference": bounds(found), "each": each, "by size": sizes},
        between="A thousandth of the paper's words, Model 1, and manuals in the place of news.",
        would_decide=f"More test pages: these have {found.n:,} such phrases.",
    )


def draw_scores(figure, numbers) -> None:
    """Draw pairs by their two scores, as Figure 3."""
    axes = figure.subplots()
    x, y = zip(*((b, a) for a, b in numbers["some"] or [(0.0, 0.0)]))
    axes.plot(x, y, ".", color=BLUE, markersize=4, alpha=0.6)
    axes.set(xlabel="RNN's score, log p", ylabel="table's score, log p(f | e)")


@demonstration(
    "D5",
    "The two scores agree on many pairs and differ on many.",
    draw_scores,
    asks="All options of source phrases of more than three words with two targets or more: the "
    "correlation of log p(f | e) with the net's score. (“Many … as many other” (§4.3) has no "
    "line that would not be taste.)",
    source="§4.3, Fig. 3",
    full_only=True,
)
def similar(run: Run) -> Finding:
    """Correlate the scores."""
    found = runs_of(run, "gru")
    r = interval([f["scores"]["correlation"] for f in found])
    first = found[0]["scores"]
    return Finding(
        None,
        ours=f"correlation {r.text(2)}",
        ran=protocol(run),
        measured=f"Correlation of the two over {first['pairs']:,} pairs: {r.text(2)}.",
        numbers={"correlation": bounds(r), "some": first["some"]},
    )


@claim(
    "C5a",
    "§4.3, Table 3",
    "The RNN's own phrases are not all in the phrase table.",
    quotes="Importantly, the generated phrases do not overlap completely with the target phrases "
    "from the phrase table.",
    asks="Fifty samples for each of 200 long source phrases; of the five that the net scores "
    "highest, as Table 3 has them, "
    "how many are in no entry of the table for that source, however rare. Not completely: not "
    "all, and not none, by a hundredth (ours).",
    holds_if="the 95% interval over nets of the share outside the table lies between 1% and 99%",
    fails_if="it lies outside",
    full_only=True,
)
def outside(run: Run) -> Finding:
    """Look samples up in the table."""
    found = runs_of(run, "gru")
    share = interval([100 * f["samples"]["outside"] for f in found])
    return Finding(
        judge(share, within=(1.0, 99.0), paper_regime=False),
        ours=f"{share.text(0)}% outside the table",
        ran=protocol(run),
        measured=f"Of the five best samples {share.text(0)}% are not in the table."
        + trend(run, lambda x: mean(x, lambda f: 100 * f["samples"]["outside"]), 0),
        numbers={"percent": bounds(share), "top": found[0]["samples"]["top"]},
        between=BETWEEN + ".",
        would_decide=would_decide(share, min((1.0, 99.0), key=lambda x: abs(x - share.mean))),
    )


@claim(
    "C5b",
    "§4.3, Table 3",
    "What the RNN says by itself is well-formed.",
    quotes="We can see that the RNN Encoder–Decoder is able to propose well-formed target phrases "
    "without looking at the actual phrase table.",
    asks="The five best by the net's score of fifty samples for each of 200 long source phrases, "
    "as Table 3 has them. Taken as well-formed, which is too strict: words that stand side by "
    "side, in this order, somewhere in the French of the training (words outside the shortlist "
    "count as [UNK]). Able to: more than half are, a line of ours.",
    holds_if="the 95% interval over nets of the share lies above 50%",
    fails_if="it lies below",
    full_only=True,
)
def well_formed(run: Run) -> Finding:
    """Look samples up in the French text."""
    found = runs_of(run, "gru")
    share = interval([100 * f["samples"]["written"] for f in found])
    every = mean_of(100 * f["samples"]["all written"] for f in found)
    return Finding(
        judge(share, above=50.0, paper_regime=False),
        ours=f"{share.text(0)}% stand so in the text",
        ran=protocol(run),
        measured=f"{share.text(0)}% of the five best stand in the French of the training as they "
        f"are, {every[0]:.0f}% of all fifty."
        + trend(run, lambda x: mean(x, lambda f: 100 * f["samples"]["written"]), 0),
        numbers={"percent": bounds(share), "of all": every, "top": found[0]["samples"]["top"]},
        between=BETWEEN + ".",
        would_decide=would_decide(share, 50.0),
    )
