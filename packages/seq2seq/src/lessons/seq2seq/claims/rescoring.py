"""Claims C6a and C6b: an even average of two systems' scores (§3.2, Table 2)."""

from typing import Any

from ..decoding import Ensemble, rescore
from ..lab.claim import Finding, claim
from ..lab.run import Run
from ..lab.statistics import interval, judge
from . import baseline
from .baseline import best_of, described, oracle_of, phrase_based
from .beams import sources
from .contest import BETWEEN, bounds, ends_of, nets, protocol, runs_of, would_decide
from .scoring import bleu_of, bootstrap
from .translators import texts

PAPER = {"baseline": 33.30, "forward": 35.61, "reversed": 35.85, "ensemble": 36.5, "oracle": 45.0}


def again(run: Run, kind: str, which: list[int], seed: int) -> Any:
    """Return what each sentence adds to BLEU after rescoring by some nets of a kind."""
    del seed  # of the trial alone: nothing is drawn
    known, pieces = phrase_based(run), texts(run)["pieces"][1]
    chosen = [nets(run, kind)[i] for i in which]
    lists = [[pieces.encode(text) for text in some] for some in known["lists"]]
    found = rescore(Ensemble(chosen), sources(run), lists, known["base"])
    best = [max(range(len(row)), key=row.__getitem__) for row in found]
    return [rows[k] for k, rows in zip(best, known["counts"])]


def table(run: Run) -> dict[str, Any]:
    """Return the counts of Table 2's rows; of single nets, each net's."""
    count = len(runs_of(run, "reversed"))
    return {
        "reversed": [
            run.trial(again, kind="reversed", which=[i], seed=run.seed) for i in range(count)
        ],
        "forward": [
            run.trial(again, kind="forward", which=[i], seed=run.seed) for i in range(min(count, 3))
        ],
        "ensemble": run.trial(again, kind="reversed", which=list(range(count)), seed=run.seed),
        "baseline": best_of(run),
        "oracle": oracle_of(run),
    }


def summary(run: Run) -> dict[str, list[float]]:
    """Return BLEU of each row."""
    rows = table(run)
    return {
        name: bounds([bleu_of(one) for one in each]) if name in ("reversed", "forward")
        else [bleu_of(each)]
        for name, each in rows.items()
    }  # fmt: skip


def told(run: Run) -> str:
    """Return the rows as text."""
    return "BLEU: " + ", ".join(f"{name} {v[0]:.2f}" for name, v in summary(run).items()) + ". "


WHAT = f"Lists of {baseline.N_BEST} for 400 test sentences (the paper: 1,000). "


@claim(
    "C6a",
    "§3.2, Table 2",
    "Rescoring a phrase-based system's list with one LSTM raises its BLEU.",
    quotes="we computed the log probability of every hypothesis with our LSTM and took an even "
    "average with their score and the LSTM's score",
    asks="BLEU of the lists' best after the even average with each of five reversed nets, less the "
    "baseline's own. Table 2: 35.85 and 33.30.",
    holds_if="the 95% interval over the five nets lies above 0",
    fails_if="it lies below 0",
    paper="35.85 − 33.30 = 2.55",
    full_only=True,
)
def one_net(run: Run) -> Finding:
    """Rescore with single nets."""
    rows = table(run)
    base = bleu_of(rows["baseline"])
    found = interval([bleu_of(one) - base for one in rows["reversed"]])
    return Finding(
        judge(found, above=0.0, paper_regime=False),
        ours=f"{found.text(2)} BLEU",
        ran=protocol(run, "reversed") + described(run) + WHAT,
        measured=f"{told(run)}Gain {found.text(2)}.",
        numbers={"table": summary(run), "gain": ends_of(found), "paper": PAPER},
        between=BETWEEN + "; a list of 100 in the place of 1,000.",
        would_decide=would_decide(found, 0.0),
    )


@claim(
    "C6b",
    "Abstract, §1, Table 2",
    "Rescoring with the ensemble improves the baseline.",
    quotes="By doing so, we obtained a BLEU score of 36.5, which improves the baseline by 3.2 BLEU "
    "points and is close to the previous best published result on this task",
    asks="BLEU of the lists' best after the even average with five reversed nets together, less "
    "the baseline's own.",
    holds_if="the 95% interval of the difference (paired bootstrap over sentences) lies above 0",
    fails_if="it lies below 0",
    paper="36.5 − 33.3 = 3.2",
    full_only=True,
)
def all_nets(run: Run) -> Finding:
    """Rescore with the ensemble."""
    rows = table(run)
    found = bootstrap([rows["ensemble"], rows["baseline"]], lambda a, b: a - b)
    return Finding(
        judge(found, above=0.0, paper_regime=False),
        ours=f"{found.text(2)} BLEU",
        ran=protocol(run, "reversed") + described(run) + WHAT,
        measured=f"{told(run)}Gain {found.text(2)} (bootstrap).",
        numbers={"table": summary(run), "gain": ends_of(found)},
        between=BETWEEN + "; a list of 100 in the place of 1,000.",
        would_decide="About four times the sentences.",
    )
