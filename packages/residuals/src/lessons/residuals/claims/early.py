"""How soon a net begins to learn, with shortcuts and without."""

from ..lab.claim import Finding, claim
from ..lab.statistics import HOLDS, NOT_SEEN
from .training import setting, trials


@claim(
    "C4",
    "§4.1",
    says="At the early stage a residual net converges faster than its plain twin.",
    asks="Shortcuts ease optimization already where plain nets still train: the residual net "
    "converges faster at the early stage.",
)
def early_convergence(run):
    """Judge the steps until the loss of ten batches is below half a nat, at 20 layers."""
    steps = {
        kind: [r["steps_to_half"] for r in trials(run, kind, (20,))["20"]]
        for kind in ("plain", "residual")
    }
    longest = run.pick(test=2, default=120, full=469)
    ratios = [
        (r or longest) / (p or longest) for r, p in zip(steps["residual"], steps["plain"])
    ]  # a net that never gets there has taken at least all steps
    # A tenth fewer steps in every pair of runs: more than the ten steps over which is averaged.
    holds = max(ratios) <= 0.9
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"20 layers on {setting(run)}, {len(ratios)} pairs of runs with the same batches.",
        measured=f"Steps to a training loss of 0.5: residual {steps['residual']}, plain "
        f"{steps['plain']}; ratios {', '.join(f'{r:.2f}' for r in ratios)}.",
        numbers={"steps": steps, "ratios": ratios},
        between="At 20 layers and half the width both train fast, and the batches' noise is of the "
        "size of the difference.",
    )
