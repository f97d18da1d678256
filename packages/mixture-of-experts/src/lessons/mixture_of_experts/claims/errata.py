"""Slips in the paper's print, each with the computation."""

from ..config import PRESETS
from ..lab.claim import Finding, erratum
from ..lab.run import Run
from .balance import TABLE_6


@erratum(
    "E1",
    "App. C.2",
    "From 34.7 to 28.0 is 19%, not 18%.",
    quotes="Comparing after 10 epochs, our model has a lower test perplexity by 18%.",
    asks="Table 7's perplexities after 10 epochs: 34.7 (2xLSTM-8192-1024) and 28.0 (MoE-143M).",
)
def eighteen(run: Run) -> Finding:
    """Divide."""
    share = 100 * (1 - 28.0 / 34.7)
    return Finding(
        None,
        ours=f"{share:.1f}%",
        ran="Table 7.",
        measured=f"1 − 28.0/34.7 = {share:.1f}%.",
        numbers={"percent": share},
    )


@erratum(
    "E2",
    "App. A, Table 6",
    "A higher weight of the load loss once goes with a higher load.",
    quotes="Models with higher values of wload had lower loads on the most overloaded expert.",
    asks="Table 6's own rows, by w_load.",
)
def not_monotonic(run: Run) -> Finding:
    """Sort the rows."""
    rows = sorted((w[1], row[3]) for w, row in TABLE_6.items() if w != (0.0, 0.0))
    return Finding(
        None,
        ours="w_load .1: 1.14; .2: 1.15",
        ran="Table 6.",
        measured="max/mean load by w_load: " + ", ".join(f"{w:g}: {x}" for w, x in rows) + ".",
        numbers={"rows": [list(row) for row in rows]},
    )


@erratum(
    "E3",
    "Table 7",
    "MoE-256 has 8.65 million operations, which rounds to 8.7.",
    quotes="MoE-256 35.7 8.6 272.9 1.1 0.1 0.81",
    asks="Two LSTMs, four experts, and both matrices of a gate of 256 columns: the count that "
    "gives every other figure of Tables 7 and 8.",
)
def rounded(run: Run) -> Finding:
    """Count."""
    ops = PRESETS["moe-256"].operations
    return Finding(
        None,
        ours=f"{ops:,} operations",
        ran="Counted.",
        measured=f"{ops:,} multiply-adds; 8.6 is printed.",
        numbers={"ops": ops},
    )


@erratum(
    "E4",
    "App. B",
    "Experts are numbered from 0 in the text, from 1 in equation 12.",
    quotes="the expert networks by (E0,0 , E0,1 ..Ea,b )",
    asks="Equation 12 sums i from 1 to a and j from 1 to b.",
)
def indices(run: Run) -> Finding:
    """Count both ways."""
    return Finding(
        None,
        ours="E(1,1) to E(a,b): a·b experts",
        ran="Read.",
        measured="From E(0,0) to E(a,b) there would be (a + 1)(b + 1) experts; there are a·b.",
        numbers={},
    )
