"""C4 and C5: which text is corrupted how, and how much is written (§3.3)."""

import statistics

import torch

from ..lab.claim import Finding, claim
from ..lab.statistics import interval, judge, paired
from ..objectives import iid_noise, replace_spans, sentinel_ids, span_noise
from .architectures import FEW
from .contest import Contest, against_base, finding, judged, noise, trials

LENGTH = 512
SENTINELS = sentinel_ids()


@claim(
    "C4a",
    "§3.3.2, Table 5",
    says="Writing only what was dropped does as well.",
    quotes="We find that in our setting, all of these variants perform similarly.",
    asks="Of the four variants the paper's first and its choice: the score after BERT-style "
    "pre-training, which writes the whole text, less the baseline's, which writes the dropped "
    "spans.",
    holds_if="the 95% interval lies within ±2σ of the baseline",
    fails_if="it lies outside",
    paper="GLUE 82.96 against 83.28",
    full_only=True,
)
def similar(run):
    """Compare."""
    both = against_base(run, FEW, objective="BERT-style")
    gap, line = both.gap(), max(2 * noise(run), 1e-6)
    return finding(run, gap, judged(run, gap, within=(-line, line)), both)


@claim(
    "C4b",
    "§3.3.1, Table 4",
    says="Deshuffling is considerably worse.",
    quotes="The deshuffling objective performs considerably worse than both prefix language "
    "modeling and the BERT-style objective.",
    asks="The score after deshuffling less that after BERT-style pre-training.",
    holds_if="the 95% interval lies below −2σ of the baseline",
    fails_if="it lies above",
    paper="GLUE 73.17 against 82.96",
    full_only=True,
)
def deshuffling(run):
    """Compare."""
    both = Contest(
        trials(run, FEW, objective="deshuffling"), trials(run, FEW, objective="BERT-style")
    )
    gap = both.gap()
    return finding(run, gap, judged(run, gap, below=-2 * noise(run)), both)


@claim(
    "C5a",
    "§3.3.4, Table 7",
    says="Spans of 3 do slightly better than single tokens.",
    quotes="using an average span length of 3 slightly (but significantly) outperforms the i.i.d. "
    "objective on most non-translation benchmarks.",
    asks="The score after span corruption, mean length 3, less the baseline's.",
    holds_if="the 95% interval lies above 0",
    fails_if="it lies below 0",
    paper="SGLUE 72.53 against 71.36",
    full_only=True,
)
def spans_of_three(run):
    """Compare."""
    both = against_base(run, FEW, objective="spans of 3")
    gap = both.gap()
    return finding(run, gap, judged(run, gap, above=0.0), both)


def lengths(noise_of, seed: int, draws: int) -> tuple[float, float]:
    """Return the mean lengths of inputs and targets of texts of 512 tokens."""
    g = torch.Generator().manual_seed(seed)
    ids = list(range(LENGTH))
    made = [replace_spans(ids, noise_of(LENGTH, generator=g), SENTINELS) for _ in range(draws)]
    return (
        statistics.mean(len(e.inputs) for e in made), statistics.mean(len(e.targets) for e in made),
    )  # fmt: skip


@claim(
    "C5b",
    "§3.3.4",
    says="Span corruption makes shorter sequences.",
    quotes="the span-corruption objective also provides some speedup during training compared to "
    "the i.i.d. noise approach because span corruption produces shorter sequences on average.",
    asks="Inputs and targets together of texts of 512 tokens, 15% corrupted: with spans of mean "
    "length 3 less with i.i.d. noise. What that is worth in time is machine and net; lengths are "
    "not.",
    holds_if="the 95% interval of the difference lies below 0 tokens",
    fails_if="it lies above",
    paper="“some speedup”",
)
def shorter(run):
    """Draw both kinds of noise."""
    draws = run.pick(test=10, default=200)
    found = {
        name: [lengths(kind, seed, draws) for seed in run.seeds(5)]
        for name, kind in (("spans of 3", span_noise), ("i.i.d.", iid_noise))
    }
    whole = {name: [a + b for a, b in rows] for name, rows in found.items()}
    gap = paired(whole["spans of 3"], whole["i.i.d."])
    means = {n: [statistics.mean(r[i] for r in rows) for i in (0, 1)] for n, rows in found.items()}
    told = "; ".join(f"{n}: inputs {a:.1f}, targets {b:.1f}" for n, (a, b) in means.items())
    return Finding(
        judge(gap, below=0.0, paper_regime=True),
        ours=f"{gap.text(1)} tokens of {interval(whole['i.i.d.']).mean:.0f}",
        ran=f"5 seeds of {draws} draws; the paper's own lengths.",
        measured=f"{told}. Together {gap.text(1)} tokens.",
        numbers={"lengths": means, "difference": [gap.mean, gap.low, gap.high]},
    )
