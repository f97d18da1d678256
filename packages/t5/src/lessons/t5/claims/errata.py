"""Slips in the paper's print, each with the computation."""

import collections

from ..adafactor import inverse_sqrt_lr
from ..config import PRESETS, count_parameters
from ..lab.claim import Finding, erratum

COLUMNS = ("GLUE", "CNNDM", "SQuAD", "SGLUE", "EnDe", "EnFr", "EnRo")
ADAPTERS_128 = (81.51, 16.62, 79.47, 63.03, 19.83, 27.50, 22.63)  # Table 10
ADAPTERS_2048 = (81.51, 16.62, 79.47, 63.03, 19.83, 27.50, 22.63)  # Table 10, as printed
ADAPTERS_2048_IN_FULL = (82.62, 18.30, 79.40, 68.61, 25.64, 36.92, 26.93)  # Table 16
UNFREEZING = (82.50, 18.95, 79.17, 70.79, 26.71, 39.02, 26.93)  # Tables 10 and 16
# Table 2, denoising and LM objective.
OBJECTIVES = {
    "encoder-decoder": ((83.28, 19.24, 80.88, 71.36, 26.98, 39.82, 27.65),
                        (79.56, 18.59, 76.02, 64.29, 26.27, 39.17, 26.86)),
    "shared": ((82.81, 18.78, 80.63, 70.73, 26.72, 39.03, 27.46),
               (79.60, 18.13, 76.35, 63.50, 26.62, 39.17, 27.05)),
    "6 layers": ((80.88, 18.97, 77.59, 68.42, 26.38, 38.40, 26.95),
                 (78.67, 18.26, 75.32, 64.06, 26.13, 38.42, 26.89)),
    "language model": ((74.70, 17.93, 61.14, 55.02, 25.09, 35.28, 25.86),
                       (73.78, 17.54, 53.81, 56.51, 25.23, 34.31, 25.38)),
    "prefix LM": ((81.82, 18.61, 78.94, 68.11, 26.43, 37.98, 27.39),
                  (79.68, 17.84, 76.87, 64.86, 26.28, 37.51, 26.76)),
}  # fmt: skip
# Table 8.
SETS = {
    "C4, unfiltered": (81.46, 19.14, 78.78, 68.04, 26.55, 39.34, 27.21),
    "C4": (83.28, 19.24, 80.88, 71.36, 26.98, 39.82, 27.65),
    "RealNews-like": (83.83, 19.23, 80.39, 72.38, 26.75, 39.90, 27.48),
    "WebText-like": (84.03, 19.31, 81.42, 71.40, 26.80, 39.74, 27.59),
    "Wikipedia": (81.85, 19.31, 81.29, 68.01, 26.94, 39.69, 27.67),
    "Wikipedia + TBC": (83.65, 19.28, 82.08, 73.24, 26.77, 39.63, 27.57),
}
ENSEMBLE_13, ENSEMBLE_16 = 28.57, 28.09  # EnRo of Table 13 and of Table 16
SENTENCE = "Thank you for inviting me to your party last week ."
DESHUFFLED = "party me for your to . last fun you inviting week Thank"


@erratum(
    "E1",
    "Table 10",
    "The row of adapters with d = 2048 repeats that with d = 128.",
    quotes="Adapter layers, d = 2048 81.51 16.62 79.47 63.03 19.83 27.50 22.63",
    asks="Table 16 has another row for 2048: 82.62, 18.30, 79.40, 68.61, 25.64, 36.92, 26.93. "
    "Held against gradual unfreezing it is ahead on GLUE and SQuAD.",
)
def copied(run):
    """Compare the rows."""
    ahead = [c for c, a, b in zip(COLUMNS, ADAPTERS_2048_IN_FULL, UNFREEZING) if a > b]
    return Finding(
        None,
        ours="82.62 on GLUE, not 81.51",
        ran="Compared, column by column.",
        measured=f"Equal in {sum(a == b for a, b in zip(ADAPTERS_128, ADAPTERS_2048))} of 7 "
        f"columns. By Table 16 ahead of gradual unfreezing in {', '.join(ahead)}.",
        numbers={"ahead": ahead, "row": ADAPTERS_2048_IN_FULL},
    )


@erratum(
    "E2",
    "§3.2.4, Table 2",
    "Denoising is not “always” better than language modelling.",
    quotes="using a denoising objective always results in better downstream task performance "
    "compared to a language modeling objective",
    asks="Every architecture and column of Table 2: where is the LM objective ahead?",
)
def always(run):
    """Count the exceptions."""
    found = [
        f"{name}, {column}: {lm:.2f} > {denoising:.2f}"
        for name, rows in OBJECTIVES.items()
        for column, denoising, lm in zip(COLUMNS, *rows)
        if lm > denoising
    ]
    return Finding(
        None,
        ours=f"in {len(found)} of 35 comparisons it is not",
        ran="Compared, cell by cell.",
        measured="; ".join(found) + ".",
        numbers={"exceptions": found},
    )


@erratum(
    "E3",
    "§3.4.1, Table 8",
    "The unfiltered set is not the worst in every task.",
    quotes="removing the heuristic filtering from C4 uniformly degrades performance and makes the "
    "unfiltered variant perform the worst in every task",
    asks="In which columns of Table 8 does another set do worse?",
)
def worst(run):
    """Count the exceptions."""
    bare = SETS["C4, unfiltered"]
    found = [
        f"{column}: {name} {row[i]:.2f} < {bare[i]:.2f}"
        for name, row in SETS.items()
        for i, column in enumerate(COLUMNS)
        if row[i] < bare[i]
    ]
    return Finding(
        None,
        ours="on SuperGLUE Wikipedia is, 68.01 against 68.04",
        ran="Compared, cell by cell.",
        measured="; ".join(found) + ". Against C4 it is worse in all seven.",
        numbers={"exceptions": found},
    )


@erratum(
    "E4",
    "Tables 13 and 16",
    "The ensemble's score on Romanian is printed twice, differently.",
    quotes="4× ensembled 84.77 20.10 83.09 71.74 28.05 40.53 28.57",
    asks="Table 16 has 28.09 in that row, which is also the score of the ensemble below it.",
)
def twice(run):
    """Subtract."""
    return Finding(
        None,
        ours="28.57 in one table, 28.09 in the other",
        ran="Compared.",
        measured=f"They differ by {ENSEMBLE_13 - ENSEMBLE_16:.2f} BLEU.",
        numbers={"tables": [ENSEMBLE_13, ENSEMBLE_16]},
    )


@erratum(
    "E5",
    "§3.1.2",
    "The learning rate falls with the root of the step, not exponentially.",
    quotes="then exponentially decays the learning rate until pre-training is over",
    asks="The formula beside it is 1/√max(n, k). An exponential loses the same factor in every "
    "equal stretch of steps; which factors does the formula lose?",
)
def exponential(run):
    """Evaluate the formula."""
    steps = [10**4 * 2**i for i in range(6)]
    rates = [inverse_sqrt_lr(step) for step in steps]
    factors = [
        inverse_sqrt_lr(n + 10**5) / inverse_sqrt_lr(n) for n in range(10**4, 5 * 10**5, 10**5)
    ]
    return Finding(
        None,
        ours="an inverse square root",
        ran="Evaluated.",
        measured=f"In each further 100,000 steps it keeps {factors[0]:.2f}, {factors[1]:.2f}, … "
        f"{factors[-1]:.2f} of itself; in each doubling {rates[1] / rates[0]:.3f}. At step 524,288 "
        f"it is {inverse_sqrt_lr(524_288):.5f}.",
        numbers={"factors": factors, "rates": rates},
    )


@erratum(
    "E6",
    "§3.7, Table 14",
    "“Large” has 738 million weights, as described, not 770.",
    quotes="24 layers each in the encoder and decoder, resulting in around 770 million parameters",
    asks="The formulas of the layers, with the output matrix shared (§2.1), and with one of its "
    "own.",
)
def large(run):
    """Count both."""
    c = PRESETS["t5-large"]
    tied, own = count_parameters(c), count_parameters(c) + c.vocab_size * c.d_model
    counts = {name: count_parameters(c) for name, c in PRESETS.items() if name[:4] == "t5-s"}
    return Finding(
        None,
        ours=f"{tied:,}; 770 million with a second matrix",
        ran="Formulas, which the tests hold to the models and to transformers'.",
        measured=f"{tied:,} as described; {own:,} with an output matrix of its own. The other "
        "sizes of the table are right.",
        numbers={"tied": tied, "own": own, "small": counts["t5-small"]},
    )


@erratum(
    "E7",
    "Table 3",
    "The deshuffled sentence has a word too many.",
    quotes="party me for your to . last fun you inviting week Thank",
    asks="The words of the example, less those of the sentence that it is a shuffle of.",
)
def too_many(run):
    """Subtract the words."""
    extra = collections.Counter(DESHUFFLED.split()) - collections.Counter(SENTENCE.split())
    return Finding(
        None,
        ours=f"“{' '.join(extra)}” is not in the sentence",
        ran="Counted.",
        measured=f"{len(DESHUFFLED.split())} words, {len(SENTENCE.split())} in the sentence; too "
        f"many: {', '.join(extra)}.",
        numbers={"extra": dict(extra)},
    )


@erratum(
    "E8",
    "§2.4 and Appendix D.3",
    "The text and the appendix write MNLI's fields in opposite orders.",
    quotes="the input sequence becomes “mnli premise: I hate pigeons. hypothesis: My feelings "
    "towards pigeons are filled with animosity.”",
    asks="Appendix D.3 begins “mnli hypothesis: The St. Louis Cardinals have always won. "
    "premise:”, as the released code does, so that a released model fed as §2.4 says sees what it "
    "never saw.",
)
def order(run):
    """Compare the two."""
    fields = ["premise", "hypothesis"]
    return Finding(
        None,
        ours="hypothesis first, then premise",
        ran="Read.",
        measured=f"§2.4: {', '.join(fields)}; Appendix D: {', '.join(reversed(fields))}. "
        "Of the two orders one was trained on.",
        numbers={"orders": 2},
    )
