"""Guessing weights until a net happens to be right (§5.3.1, Table 4): the authors' own warning."""

import torch

from ..lab.claim import Finding, claim
from ..lab.run import Run
from ..tasks import side_by_side, two_sequence
from .learning import LESS, RULE, lesson
from .rival import Plain
from .shares import full, sooner, told, what_decides

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
        x, target, lengths = side_by_side(two_sequence, 1, ALL, 100, 3, generator=generator)
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
    asks="Task 3a at T = 100, N = 3. Guessing: plain nets of three units, weights uniform in ±100, "
    "each given up at its first error, until one is right on 256 sequences. LSTM: the 20 nets of "
    "C13, until they, too, are right on 256 sequences, which is ST1, looked at every 500. Pair by "
    "pair: whether the guess was shown fewer sequences. Who is not done within 80,000 takes more "
    "than that, and a guesser that finds nothing more than 100,000; a pair that this leaves open "
    "is counted for both sides in turn. Pairs in which neither succeeds are left out. Other "
    "methods are not tested. (An earlier pilot of guessing, N = 1: 787, 1,964 and 911 sequences.)",
    holds_if="the exact interval of the share of such pairs lies above one half, both ways",
    fails_if="it lies below",
    paper="27,380 sequences by LSTM",
    full_only=True,
)
def guessed(run: Run) -> Finding:
    """Pair guesses with lessons."""
    steps = 22 if run.scale == "test" else 100
    found = lesson(run, f"two 3a 3 {steps}", 80_000)
    guesses = [run.trial(guess, seed=run.seed + i) for i in range(len(found["solved"]))]
    shown = [g["sequences"] for g in guesses]
    # A guesser that found nothing was shown more than its nets, at least one sequence a net.
    limits = run.pick(test=100, default=100_000), found["sequences"]
    judged = sooner(shown, found["first"], limits=limits, paper_regime=full(run))
    times, count = sorted(a for a in shown if a), sum(a is not None for a in shown)
    median = f"{times[len(times) // 2]:,}" if times else "none"
    lstm = told({"solved": found["first"]})
    return Finding(
        judged,
        ours=f"guesses {count} of {len(shown)} (median {median}), LSTM {lstm}",
        ran=f"{len(shown)} pairs. {RULE}",
        measured=f"LSTM: {lstm}. Guessing found {count} of {len(shown)}, after a median of "
        f"{median} sequences.",
        numbers={
            "guesses": guesses,
            "lstm": {k: found[k] for k in ("first", "solved", "sequences")},
        },
        between=f"{LESS} The paper does not say how its guessed nets look.",
        would_decide=what_decides(judged),
    )
