"""Claim C2, the headline table: BERT against the systems before it, on all tasks."""

from ..lab.claim import Finding, claim
from ..lab.run import Run
from ..lab.statistics import every
from .contest import (
    UNLEARNED,
    draw_table,
    finding,
    gap,
    held,
    learned,
    protocol,
    table,
    tell,
    trend,
)
from .reading import TASKS

BERT = "MLM + NSP"
SYSTEMS = ["LTR", "frozen LTR and RTL + BiLSTM"]


@claim(
    "C2",
    "§4.1, Table 1",
    "BERT is ahead of nets of GPT's and of ELMo's kind, on every task.",
    draw_table,
    quotes="Both BERTBASE and BERTLARGE outperform all systems on all tasks by a substantial "
    "margin",
    asks="The systems of Table 1 that learn from text without labels, at our size: “OpenAI GPT” is "
    "the net from the left, fine-tuned; “BiLSTM+ELMo+Attn” nets from either side, whose states "
    "next to each other, fixed, are read by a BiLSTM of ours. (GPT's and ELMo's texts, sizes and "
    "ways of training were others.) “Substantial” is as little as "
    "0.3 points in the table (SST-2, against the best before): above 0 is asked. All read the same "
    "texts in the same number of steps; ELMo's "
    "kind has two nets for it.",
    holds_if="for both systems and all three tasks the 95% interval of (MLM + NSP) − system, "
    "paired over seeds, lies above 0 points",
    fails_if=f"one of them lies below 0{UNLEARNED}",
    paper="4.5 points over GPT on average",
    full_only=True,
)
def systems(run: Run) -> Finding:
    """Judge BERT against both systems on all tasks; the worst of six decides."""
    gaps = {(s, t): gap(run, BERT, s, t) for s in SYSTEMS for t in TASKS}
    judged = {
        (s, t): learned(run, held(run, found, above=0.0), t, BERT, s)
        for (s, t), found in gaps.items()
    }
    worst = every([*judged.values()])
    key = next(k for k, judgement in judged.items() if judgement is worst)
    rows = table(run, [BERT, *SYSTEMS], TASKS)
    told = "; ".join(f"{t} against {s} {found.text(2)}" for (s, t), found in gaps.items())
    along = trend(run, lambda end: gap(run, BERT, "LTR", "pairs", end, 3))
    return finding(
        run, gaps[key], worst,
        f"{tell(rows)} Ahead by, in points: {told}. The one that decides: {key[1]} against "
        f"{key[0]}. Pairs against LTR: {along}.",
        {"table": rows}, protocol(run, BERT, *SYSTEMS),
    )  # fmt: skip
