"""Claims C4a to C5b: what the scores prefer, and what the net says by itself."""

from ..lab.claim import Finding, claim, demonstration
from ..lab.figures import BLUE
from ..lab.run import Run
from ..lab.statistics import interval, judge
from .contest import BETWEEN, bounds, mean_of, protocol, runs_of, would_decide

MOST = (
    "Source phrases of more than three words with two targets or more, of which table, p(f | e), "
    "and net choose different ones"
)


def nearer(found: dict, kinds=("frequent", "rare")) -> float:
    """Return the share of phrases of which the net's choice is nearer; ties apart."""
    rows = [found["choices"]["nearer"][kind] for kind in kinds]
    won, lost = (sum(row[k] for row in rows) for k in (0, 2))
    return won / max(won + lost, 1)


@claim(
    "C4a",
    "§4.3, Table 2",
    "Mostly the RNN's choices are closer to actual translations.",
    quotes="In most cases, the choices of the target phrases by the RNN Encoder–Decoder are closer "
    "to actual or literal translations.",
    asks=f"{MOST}. Closer to actual ones: in fewer words from what the test pages have in that "
    "place. Most cases: more than half of those in which one is closer. (The paper shows ten "
    "phrases and lets the reader judge.)",
    holds_if="the 95% interval over nets of the share lies above one half",
    fails_if="it lies below",
    full_only=True,
)
def closer(run: Run) -> Finding:
    """Count whose choice is nearer to the page."""
    found = runs_of(run, "gru")
    share = interval([nearer(f) for f in found])
    parts = {kind: interval([nearer(f, (kind,)) for f in found]) for kind in ("frequent", "rare")}
    first = found[0]["choices"]
    return Finding(
        judge(share, above=0.5, paper_regime=False),
        ours=f"{share.text(2)} of the cases",
        ran=protocol(run),
        measured=f"Of {first['phrases']:,} long phrases table and net choose differently for "
        f"{first['different']:,}. Where one is nearer to the page, it is the net's in "
        f"{share.text(2)}; of phrases seen more than {first['line']:.0f} times "
        f"{parts['frequent'].text(2)}, of rarer ones {parts['rare'].text(2)}.",
        numbers={"share": bounds(share), "examples": first["examples"],
                 "parts": {k: bounds(v) for k, v in parts.items()},
                 "counts": [f["choices"]["nearer"] for f in found]},
        between=BETWEEN + ".",
        would_decide=would_decide(share, 0.5),
    )  # fmt: skip


@claim(
    "C4b",
    "§4.3",
    "The RNN prefers shorter phrases.",
    quotes="We can observe that the RNN Encoder–Decoder prefers shorter phrases in general.",
    asks="Source phrases of more than three words with two targets or more: words of the target "
    "that the net scores highest, less words of the one that p(f | e) does. (The score is a "
    "sum over words.)",
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
        measured=f"The net's choice has {found.text(2)} words more than the table's.",
        numbers={"longer by": bounds(found)},
        between=BETWEEN + ".",
        would_decide=would_decide(found, 0.0),
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
    asks="Fifty samples for each of 200 long source phrases; of the five most frequent of each, "
    "how many are in no entry of the table for that source, however rare. Not completely: not "
    "all, and not none.",
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
        measured=f"Of the five most frequent samples {share.text(0)}% are not in the table.",
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
    asks="All fifty samples of each of 200 long source phrases. Taken as well-formed, which is too "
    "strict: words that stand side by side, in this order, somewhere in the French of the "
    "training. Able to: more than half are.",
    holds_if="the 95% interval over nets of the share lies above 50%",
    fails_if="it lies below",
    full_only=True,
)
def well_formed(run: Run) -> Finding:
    """Look samples up in the French text."""
    share = interval([100 * f["samples"]["written"] for f in runs_of(run, "gru")])
    return Finding(
        judge(share, above=50.0, paper_regime=False),
        ours=f"{share.text(0)}% stand so in the text",
        ran=protocol(run),
        measured=f"{share.text(0)}% of all samples stand in the French of the training as they "
        "are.",
        numbers={"percent": bounds(share), "mean": mean_of([share.low, share.high])[0]},
        between=BETWEEN + ".",
        would_decide=would_decide(share, 50.0),
    )
