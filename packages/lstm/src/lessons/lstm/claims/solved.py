"""Tasks that no net had solved: sums, products, orders; with cut and whole gradients; XOR."""

from typing import Any

import torch

from ..lab.claim import Finding, claim
from ..lab.run import Run
from ..lab.statistics import UNDECIDED, Judgement, judge, proportion, ratio
from ..weights import save
from .learning import learn, lesson, share, told
from .remember import model_path

ABSTRACT = (
    "LSTM also solves complex, artificial long-time-lag tasks that have never been solved by "
    "previous recurrent network algorithms."
)
OURS = "Batches with Adam and clipping stand in for single sequences with plain descent."
MORE = "About forty nets."


def solves(run: Run, task: str, sequences: int, batch: int = 64) -> Finding:
    """Judge the share of nets that solve a task."""
    found = lesson(run, task if run.scale != "test" else shrunk(task), "lstm", sequences, batch)
    weights = found.pop("weights")
    if weights and run.scale == "full" and task == "adding 100":  # what the package ships
        tensors = {name: torch.tensor(value) for name, value in weights.items()}
        save(model_path(), tensors, {"data": "generated; trained by this package"})
    judged = judge(share(found), above=0.5, paper_regime=False)
    return Finding(
        judged,
        ours=f"{told(found)}",
        ran=f"{len(found['solved'])} nets, rate {found['rate']}, at most {found['sequences']:,} "
        f"sequences in batches of {batch}. {OURS}",
        measured=f"Solved: {told(found)}.",
        numbers=found,
        between=OURS,
        would_decide=MORE if judged.verdict == UNDECIDED else "",
    )


def shrunk(task: str) -> str:
    """Return a task at the smallest size that it has."""
    kind = task.split()[0]
    return task if kind == "order" else f"{kind} 22"


RULE: dict[str, Any] = {
    "holds_if": "the exact interval of the share of nets that solve it lies above one half",
    "fails_if": "it lies below",
}


@claim(
    "C4a",
    "abstract, §5.4, Table 7",
    "LSTM solves the adding problem.",
    quotes=ABSTRACT,
    asks="The adding problem at T = 100 with the paper's 93 weights, at most 148,000 sequences, "
    "twice the paper's 74,000. Solved: the last 2,000 right (error below .04), then at most 3 of "
    "2,560 fresh ones wrong, the paper's worst. The line is more often than not. (A pilot on "
    "seeds apart, rate .02: 0 of 3 within 45,000 sequences, with mean errors of .007 to .016.)",
    paper="74,000 sequences",
    **RULE,
)
def sums(run: Run) -> Finding:
    """Judge the adding problem."""
    return solves(run, "adding 100", run.pick(test=128, default=45_000, full=148_000))


@claim(
    "C4b",
    "abstract, §5.5, Table 8",
    "LSTM solves the multiplication problem.",
    quotes=ABSTRACT,
    asks="Products at T = 100, the paper's net and its looser rule (of 2,000 fewer than 140 off by "
    "more than .04; ours asks it of each batch of 64 over 2,000 sequences), then at most 170 of "
    "2,560 wrong; at most its 482,000 sequences.",
    paper="482,000 sequences",
    full_only=True,
    **RULE,
)
def products(run: Run) -> Finding:
    """Judge the multiplication problem."""
    return solves(run, "product 100", 482_000)


@claim(
    "C4c",
    "abstract, §5.6, Table 9",
    "LSTM tells the order of two far apart symbols.",
    quotes=ABSTRACT,
    asks="Task 6a with the paper's 156 weights, at most 63,000 sequences, twice its 31,390. "
    "Solved: the last 2,000 right (all errors below .3), then at most 3 of 2,560 wrong. (A pilot "
    "on seeds apart in batches of 64, rates .01 and .02: 0 of 4, none had left chance; hence 8.)",
    paper="31,390 sequences",
    **RULE,
)
def order(run: Run) -> Finding:
    """Judge the temporal order problem."""
    return solves(run, "order 2", run.pick(test=128, default=24_000, full=63_000), batch=8)


@claim(
    "C7",
    "§6.1",
    "Truncated and full gradients learn alike.",
    quotes="we actually did conduct a few experiments with nontruncated LSTM. There was no "
    "significant difference to truncated LSTM",
    asks="The adding problem at T = 100 from equal first weights on equal sequences, each tuned: "
    "the ratio of sequences until solved, truncated to full, over pairs that both solve. The "
    "paper's trials of one net (Table 1's last row) lie between 1/2.2 and 2.9 times their mean; "
    "the lines are 1/2.2 and 2.2. (An earlier pilot of others: errors within a factor of 5.)",
    holds_if="the interval of the ratio lies within .45 and 2.2",
    fails_if="it lies outside",
)
def alike(run: Run) -> Finding:
    """Pair truncated with full gradients."""
    most = run.pick(test=128, default=45_000, full=148_000)
    task = "adding 22" if run.scale == "test" else "adding 100"
    cut, whole = (lesson(run, task, model, most, 64) for model in ("lstm", "full"))
    both = [(a, b) for a, b in zip(cut["solved"], whole["solved"]) if a and b]
    if len(both) < 2:
        judged, shown = Judgement(UNDECIDED), f"{len(both)} pairs solved"
    else:
        found = ratio(*zip(*both))
        judged, shown = judge(found, within=(0.45, 2.2), paper_regime=False), f"ratio {found}"
    return Finding(
        judged,
        ours=f"{shown}, truncated to full",
        ran=f"{len(cut['solved'])} pairs, rates {cut['rate']} and {whole['rate']}. {OURS}",
        measured=f"Truncated: {told(cut)}. Full: {told(whole)}. {shown} of {len(both)} pairs.",
        numbers={"truncated": cut, "full": whole},
        between=OURS,
        would_decide=MORE if judged.verdict == UNDECIDED else "",
    )


@claim(
    "C9",
    "§6.1",
    "Truncated LSTM will not easily solve a delayed XOR.",
    quotes="The particularly efficient truncated backpropagation version of the LSTM algorithm "
    "will not easily solve problems similar to strongly delayed XOR problems",
    asks="Task 6a's net with one output, for the XOR of two marks at T = 100; solved as task 6a "
    "is. Easily: within 31,390 sequences, what 6a takes in the paper. Where C4c's nets do not "
    "learn either, this tells nothing.",
    holds_if="the exact interval of the share of nets that solve it lies below one half",
    fails_if="it lies above",
)
def xor(run: Run) -> Finding:
    """Judge the delayed XOR."""
    task = "xor 12" if run.scale == "test" else "xor 100"
    found = lesson(run, task, "lstm", run.pick(test=128, default=31_390), 8)
    judged = judge(share(found), below=0.5, paper_regime=False)
    return Finding(
        judged,
        ours=f"{told(found)} within {found['sequences']:,} sequences",
        ran=f"{len(found['solved'])} nets, rate {found['rate']}. {OURS}",
        measured=f"Solved: {told(found)}.",
        numbers=found,
        between=OURS,
        would_decide=MORE if judged.verdict == UNDECIDED else "",
    )


@claim(
    "C10",
    "§6.2",
    "It works over a broad range of rates and biases.",
    quotes="There appears to be no need for parameter fine tuning. LSTM works well over a broad "
    "range of parameters such as learning rate, input gate bias, and output gate bias.",
    asks="The adding problem at T = 100: rates .005 to .04 (a factor of 8) times input gate biases "
    "(−1, −2), (−3, −6) and (−5, −10), three nets each, none chosen: the share that solve it "
    "within 148,000 sequences. Output gate biases are left as the paper draws them.",
    holds_if="the exact interval of the share over the whole grid lies above one half",
    fails_if="it lies below",
    full_only=True,
)
def broad(run: Run) -> Finding:
    """Judge a grid of which nothing is chosen."""
    found = run.trial(
        learn, task=shrunk("adding") if run.scale == "test" else "adding 100", model="lstm",
        rates=run.pick(test=[0.02], default=[0.02], full=[0.005, 0.01, 0.02, 0.04]),
        nets=run.pick(test=1, default=1, full=3), seed=run.seed, batch=64,
        sequences=run.pick(test=128, default=45_000, full=148_000),
        biases=[[-1.0, -2.0], [-3.0, -6.0], [-5.0, -10.0]],
    )  # fmt: skip
    solved = found["solved"]
    judged = judge(proportion(sum(map(bool, solved)), len(solved)), above=0.5, paper_regime=False)
    return Finding(
        judged,
        ours=f"{told(found)} over the grid",
        ran=f"{len(solved)} nets in all. {OURS}",
        measured=f"Solved: {told(found)}.",
        numbers=found,
        between=OURS,
        would_decide=MORE if judged.verdict == UNDECIDED else "",
    )
