"""Slips in the paper's print, each with the computation."""

import torch

from ..lab.claim import Finding, erratum
from ..lab.run import Run
from ..tasks import long_lag


@erratum(
    "E1",
    "§5.2.3",
    "The expected length is q + 13, not q + 14.",
    quotes="the expected length is",
    asks="The sum in the paper, 4 + Σ (1/10)(9/10)^k (q + k) over k from 0, is evaluated. So an "
    "element is expected (q + 9)/p times, not (q + 10)/p.",
)
def length(run: Run) -> Finding:
    """Evaluate the paper's sum at q = 0."""
    total = 4 + sum(0.1 * 0.9**k * k for k in range(2000))
    return Finding(
        None,
        ours=f"q + {total:.4g}",
        ran="2,000 terms.",
        measured=f"The mean of k is {total - 4:.4g}, so that the sum is q + {total:.4g}.",
        numbers={"q = 0": total},
    )


@erratum(
    "E2",
    "Table 10, notes",
    "The ranges of g and h are exchanged.",
    quotes="h1 is logistic sigmoid in [−2, 2]",
    asks="A.2 and A.3, and the text of each experiment, have h in [−1, 1] and g in [−2, 2]; the "
    "notes have h1 in [−2, 2] and g2 in [−1, 1]. The formulas are evaluated.",
)
def ranges(run: Run) -> Finding:
    """Evaluate the formulas of the appendix far out."""
    far = torch.tensor(50.0, dtype=torch.float64)
    h, g = (2 * far.sigmoid() - 1).item(), (4 * far.sigmoid() - 2).item()
    return Finding(
        None,
        ours=f"h up to {h:.0f}, g up to {g:.0f}",
        ran="A.2 and A.3 at a net input of 50.",
        measured=f"h ends at ±{h:.0f} and g at ±{g:.0f}.",
        numbers={"h": h, "g": g},
    )


@erratum(
    "E3",
    "§5.1.5, Table 1",
    "“Always” is 148 of 150 trials.",
    quotes="LSTM always learns to solve the task.",
    asks='The notes to Table 1: "Only LSTM almost always learns to solve the task (only 2 '
    'failures out of 150 trials)".',
)
def always(run: Run) -> Finding:
    """Compute the share of the notes."""
    return Finding(
        None,
        ours=f"{148 / 150:.1%} of 150 trials",
        ran="The numbers of Table 1.",
        measured=f"2 of 150 trials failed: {148 / 150:.1%} succeeded.",
        numbers={"share": 148 / 150},
    )


@erratum(
    "E4",
    "Table 8",
    "“MSE” cannot be a mean squared error.",
    quotes="MSE is the mean squared error on the test set.",
    asks="In the last row 14 of 2,560 errors are above .04 and targets lie in [0, 1]. The largest "
    "mean square that allows is computed, and compared with the .0139 printed.",
)
def squared(run: Run) -> Finding:
    """Bound the mean square by what the same row tells."""
    most = (14 * 1.0 + (2560 - 14) * 0.04**2) / 2560
    return Finding(
        None,
        ours=f"at most {most:.4f}, printed .0139",
        ran="14 errors of 1, all others of .04.",
        measured=f"No errors that fit the row have a mean square above {most:.4f}.",
        numbers={"most": most},
    )


@erratum(
    "E5",
    "§5.2.3",
    "The distractors are p in number, not q.",
    quotes="1 ≤ i1, i2, …, iq+k ≤ q",
    asks="The sets of task 2c let distractors run up to q; there are p of them, and in Table 3 q "
    "is up to 20 times as large. The inputs that q distractors would need are compared with those "
    "of the last row.",
)
def distractors(run: Run) -> Finding:
    """Count the inputs."""
    return Finding(
        None,
        ours="p = 50 of q = 1,000 in the last row",
        ran="The last row of Table 3.",
        measured="With q = 1,000 distractors the net would need 1,004 inputs; it has 54.",
        numbers={"inputs": 54, "needed": 1004},
    )


@erratum(
    "E6",
    "Table 10",
    "Its lags of task 2c are one short of Table 3's.",
    quotes="Col. 3: minimal number of steps between most recent relevant input information and "
    "teacher signal.",
    asks="Column 3 of Table 10 has 50 to 1,000 for task 2c, Table 3 and §5.2.3 have q + 1, that is "
    "51 to 1,001, on which the abstract's “in excess of 1000” rests. The lag is counted in "
    "sequences as the text has them: x or y is the second symbol, and the end comes behind q + k "
    "distractors.",
)
def lags(run: Run) -> Finding:
    """Count the steps between the second symbol and the last of the shortest sequences."""
    q = 1000
    lengths = long_lag(50, q, 200, torch.Generator().manual_seed(run.seed))[2]
    lag = int(lengths.min()) - 2
    return Finding(
        None,
        ours=f"a lag of {lag:,} at q = {q:,}, printed 1,000",
        ran="200 sequences of task 2c with q = 1,000.",
        measured=f"The shortest has {lag + 2:,} symbols, and {lag:,} steps from the second to the "
        "last.",
        numbers={"lag": lag},
    )
