"""Guessing weights until a net happens to be right (§5.3.1, Table 4): the authors' own warning."""

import torch

from ..lab.claim import Finding, claim
from ..lab.run import Run
from ..lab.statistics import UNDECIDED, Judgement, judge, ratio
from ..tasks import side_by_side, two_sequence
from .learning import lesson, told
from .rival import Plain

FEW, ALL = 8, 256  # sequences on which most guesses fail; those that the paper's ST1 asks for


@torch.no_grad()
def guess(run: Run, seed: int) -> dict[str, int | None]:
    """Draw weights from ±100 until a net of three units is right on 256 sequences.

    Returns:
        How many nets were drawn, and how many sequences were shown to them, each net being given
        up at its first error; None where none was found.
    """
    generator = torch.Generator().manual_seed(5 * seed)
    nets, shown, drawn = run.pick(test=100, default=1000), 0, 0
    for _ in range(run.pick(test=1, default=100)):
        net = Plain(1, 3, 1, nets, generator)
        for weight in net.parameters():
            weight.uniform_(-100, 100, generator=generator)
        x, target, lengths = side_by_side(two_sequence, 1, ALL, 100, 1, generator=generator)
        few = x[:, :, :FEW].expand(-1, nets, -1, -1)
        y = net(few, lengths[:, :FEW].expand(nets, -1))[0]
        wrong = ((y - target[:, :FEW]).abs() > 0.2)[..., 0]
        first = torch.where(wrong.any(1), wrong.float().argmax(1) + 1, FEW)
        for i in (~wrong.any(1)).nonzero().flatten().tolist():
            alone = Plain(1, 3, 1, 1, generator)
            alone.load_state_dict({n: w[i : i + 1] for n, w in net.state_dict().items()})
            off = ((alone(x, lengths)[0] - target).abs() > 0.2)[0, :, 0]
            if not off.any():
                before = int(first[:i].sum())
                return {"nets": drawn + i + 1, "sequences": shown + before + ALL}
            first[i] = int(off.float().argmax()) + 1
        shown, drawn = shown + int(first.sum()), drawn + nets
    return {"nets": None, "sequences": None}


@claim(
    "C11",
    "Table 4",
    "Guessing weights solves the two-sequence problem faster than LSTM.",
    quotes="We discovered, however, that this problem is so simple that random weight guessing "
    "solves it faster than LSTM and any other method for which there are published results.",
    asks="Task 3a at T = 100, N = 1. Guessing: plain nets of three units, weights uniform in ±100, "
    "each given up at its first error, until one is right on 256 sequences. LSTM: the paper's 102 "
    "weights, tuned, until 2,000 in a row and 256 fresh ones are right. The ratio of sequences "
    "shown, over pairs that both succeed; other methods are not tested. (A pilot of guessing, on "
    "seeds apart: 787, 1,964 and 911 sequences.)",
    holds_if="the interval of the ratio, guessing to LSTM, lies below 1",
    fails_if="it lies above",
    paper="64,330 sequences by LSTM",
    full_only=True,
)
def guessed(run: Run) -> Finding:
    """Pair guesses with lessons."""
    found = lesson(run, "two 100 1", "lstm", run.pick(test=128, default=40_000, full=128_000))
    guesses = [run.trial(guess, seed=run.seed + i) for i in range(len(found["solved"]))]
    shown = [g["sequences"] for g in guesses]
    both = [(a, b) for a, b in zip(shown, found["solved"]) if a and b]
    if len(both) < 2:
        judged, text = Judgement(UNDECIDED), f"{len(both)} pairs"
    else:
        rate = ratio([a for a, _ in both], [b for _, b in both])
        judged, text = judge(rate, below=1.0, paper_regime=False), f"ratio {rate}"
    count = sum(a is not None for a in shown)
    return Finding(
        judged,
        ours=f"{text}, guessing to LSTM",
        ran=f"{len(shown)} pairs; LSTM with Adam in batches of 32, rate {found['rate']}.",
        measured=f"LSTM: {told(found)}. Guessing found {count} of {len(shown)}. {text}.",
        numbers={"guesses": guesses, "lstm": found},
        between="Adam in batches for LSTM; the paper does not say how its guessed nets look.",
        would_decide="About forty pairs." if judged.verdict == UNDECIDED else "",
    )
