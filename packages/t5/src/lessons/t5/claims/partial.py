"""C7: changing a part of the weights (§3.5.1, Table 10)."""

from ..lab.claim import claim
from .contest import Contest, against_base, finding, judged

FEW = 3


@claim(
    "C7a",
    "§4.1, Table 10",
    says="Adapters do worse than changing all weights.",
    quotes="the basic approach of updating all of a pre-trained model's parameters during "
    "fine-tuning outperformed methods that are designed to update fewer parameters",
    asks="The baseline's score less that with adapters of inner width 32, in the same pre-trained "
    "nets, for as many steps, at a rate of its own.",
    holds_if="the 95% interval lies above 0",
    fails_if="it lies below 0",
    paper="GLUE 83.28 against 80.52",
    full_only=True,
)
def adapters(run):
    """Compare."""
    other = against_base(run, FEW, way="adapters")
    both = Contest(other.theirs, other.ours)
    gap = both.gap()
    return finding(run, gap, judged(run, gap, above=0.0), both)


@claim(
    "C7b",
    "§3.5.1, Table 10",
    says="Gradual unfreezing does a little worse.",
    quotes="We found that gradual unfreezing caused a minor degradation in performance across all "
    "tasks, though it did provide some speedup during fine-tuning.",
    asks="The baseline's score less that with blocks unfrozen from the top, one more in each half "
    "of the steps, as there are two.",
    holds_if="the 95% interval lies above 0",
    fails_if="it lies below 0",
    paper="GLUE 82.50 against 83.28",
    full_only=True,
)
def unfreezing(run):
    """Compare."""
    other = against_base(run, FEW, way="unfreezing")
    both = Contest(other.theirs, other.ours)
    gap = both.gap()
    return finding(run, gap, judged(run, gap, above=0.0), both)
