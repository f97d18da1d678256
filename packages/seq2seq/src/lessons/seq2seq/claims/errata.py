"""Errata: slips in the paper's print, with the computation."""

from ..lab.claim import Finding, erratum
from ..lab.run import Run


@erratum(
    "E1",
    "§3.3, Table 1",
    "The gain of reversing has two sets of numbers.",
    quotes="the test BLEU scores of its decoded translations increased from 25.9 to 30.6",
)
def two_numbers(run: Run) -> Finding:
    """Compare the text with the table."""
    del run
    text, table = (25.9, 30.6), (26.17, 30.59)
    return Finding(
        None,
        ours="Table 1: 26.17 to 30.59",
        ran="Both places of the paper, version 3.",
        measured=f"§3.3 has {text[0]} and {text[1]}, a gain of {text[1] - text[0]:.1f}; Table 1 "
        f"has {table[0]} and {table[1]}, a gain of {table[1] - table[0]:.2f}. 26.17 is no 25.9.",
        numbers={"text": text, "table": table},
    )
