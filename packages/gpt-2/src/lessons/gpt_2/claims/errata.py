"""Slips in the paper's print, each with the computation."""

import dataclasses
from itertools import pairwise, product

from ..config import GPT_VOCAB, PRESETS, PRINTED_MILLIONS, count_parameters
from ..lab.claim import Finding, erratum
from ..lab.run import Run


@erratum(
    "E1",
    "Table 2",
    "The models have 124, 355, 774 and 1,558 million parameters.",
    quotes="Parameters Layers dmodel 117M 12 768 345M 24 1024 762M 36 1280 1542M 48 1600",
    asks="The formula L(12d² + 13d) + 2d + (V + n)d with V = 50,257 and n = 1,024 (§2.3).",
)
def counts(run: Run) -> Finding:
    """Count, with both vocabularies."""
    published = {name: PRESETS[name] for name in PRINTED_MILLIONS}
    exact = {name: count_parameters(config) for name, config in published.items()}
    older = {
        name: count_parameters(dataclasses.replace(config, vocab_size=GPT_VOCAB))
        for name, config in published.items()
    }
    fits = all(round(n / 1e6) == PRINTED_MILLIONS[name] for name, n in older.items())
    return Finding(
        None,
        ours=", ".join(f"{n / 1e6:,.1f}" for n in exact.values()) + " million",
        ran="Counted.",
        measured=f"{', '.join(f'{n:,}' for n in exact.values())} parameters. With the vocabulary "
        f"of GPT ({GPT_VOCAB:,}) the formula gives {', '.join(f'{n:,}' for n in older.values())}, "
        f"which {'are' if fits else 'are not'} the four printed numbers, rounded: the table was "
        "likely counted with it (our inference).",
        numbers={"exact": exact, "with the vocabulary of GPT": older},
    )


@erratum(
    "E2",
    "§3.2, Table 3",
    "Common nouns: 93.45% at 762M, 93.30% at 1542M.",
    quotes="performance steadily improves as model size is increased",
    asks="Table 3's column CBT-CN.",
)
def not_steadily(run: Run) -> Finding:
    """Take differences."""
    row = [87.65, 92.35, 93.45, 93.30]
    steps = ", ".join(f"{after - before:+.2f}" for before, after in pairwise(row))
    steps = steps.replace("-", "−")
    return Finding(
        None,
        ours=f"from size to size {steps} points",
        ran="Table 3.",
        measured=f"From size to size: {steps} points.",
        numbers={"CBT-CN": row},
    )


@erratum(
    "E3",
    "§3.3, Table 3",
    "63.24% on LAMBADA is with a stop-word filter, which the table does not say.",
    quotes="increases the accuracy of LMs on this test from 19% (Dehghani et al., 2018) to 52.66%",
    asks="The same section's next sentences, and Table 3's column LAMBADA (ACC).",
)
def filtered(run: Run) -> Finding:
    """Subtract."""
    plain, filtered = 52.66, 63.24
    return Finding(
        None,
        ours=f"{filtered - plain:.2f} of 63.24 points are the filter's",
        ran="§3.3 and Table 3.",
        measured=f"Without the filter {plain}%, with it {filtered}%.",
        numbers={"plain": plain, "filtered": filtered},
    )


@erratum(
    "E4",
    "§2, eq. (1)",
    "Under the product over i stands p(s_i | s_1, …, s_{i−1}), not p(s_n | s_1, …, s_{n−1}).",
    quotes="factorize the joint probabilities over symbols as the product of conditional "
    "probabilities",
    asks="Texts of two letters: a and b are equally likely first; after a comes a with 3/4, after "
    "b with 1/2. The probabilities of all four must add up to 1.",
)
def factors(run: Run) -> Finding:
    """Add up."""
    first = {"a": 0.5, "b": 0.5}
    then = {"aa": 0.75, "ab": 0.25, "ba": 0.5, "bb": 0.5}
    right = sum(first[a] * then[a + b] for a, b in product("ab", repeat=2))
    printed = sum(then[a + b] ** 2 for a, b in product("ab", repeat=2))
    return Finding(
        None,
        ours="p(s_i | s_1, …, s_{i−1})",
        ran="Computed.",
        measured=f"As printed, with the last factor twice, they add up to {printed:g}; with each "
        f"letter's own factor to {right:g}.",
        numbers={"printed": printed, "right": right},
    )
