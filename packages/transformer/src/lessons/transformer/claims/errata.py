"""Slips in the paper's print, each with the computation."""

import dataclasses
import math

from ..config import PRESETS, PRINTED_MILLIONS, count_parameters
from ..lab.claim import Finding, erratum
from ..lab.run import Run
from ..positions import longest_wavelength
from .costs import WIDTH, convolution, recurrence


@erratum(
    "E1",
    "§3.5",
    "The longest wavelength is 60,611 positions, not 10000 · 2π.",
    quotes="The wavelengths form a geometric progression from 2π to 10000 · 2π.",
    asks="The last pair of the formula has i = d/2 − 1, not d/2.",
)
def wavelength(run: Run) -> Finding:
    """Compute it from the formula, and as the released code has it."""
    found, code = longest_wavelength(512), longest_wavelength(512, "tensor2tensor")
    return Finding(
        None,
        ours=f"{found:,.0f}; the released code has {code:,.0f}",
        ran="The formula at d = 512.",
        measured=f"10000^(1 − 2/d) · 2π is {found:,.0f} for d = 512; 10000 · 2π is "
        f"{10000 * 2 * math.pi:,.0f}. tensor2tensor spaces the frequencies so that the sentence "
        "is true and the formula is not.",
        numbers={"formula": found, "tensor2tensor": code},
    )


@erratum(
    "E2",
    "§5.1, Table 3",
    "No single vocabulary gives all of the table's numbers of parameters.",
    quotes="Sentences were encoded using byte-pair encoding [3], which has a shared source-target "
    "vocabulary of about 37000 tokens.",
    asks="From the layers' formulas: which sizes of a shared vocabulary round to the printed "
    "millions, row by row.",
)
def parameters(run: Run) -> Finding:
    """Solve each row for its vocabulary."""
    spans = {}
    for name, millions in PRINTED_MILLIONS.items():
        c = PRESETS[name]
        rest = count_parameters(c) - c.vocab_size * c.d_model
        low = (millions - 0.5) * 1e6 - rest
        spans[name] = math.ceil(low / c.d_model), math.floor((low + 1e6) / c.d_model)
    big = spans.pop("big")
    low, high = max(a for a, _ in spans.values()), min(b for _, b in spans.values())
    base = count_parameters(dataclasses.replace(PRESETS["base"], vocab_size=37000)) / 1e6
    return Finding(
        None,
        ours=f"{low:,} to {high:,} entries for all rows but big, {big[0]:,} to {big[1]:,} for it",
        ran="Formulas, tested against the models on the meta device.",
        measured=f"With 37,000 entries base has {base:.1f} million parameters, printed are 65. All "
        f"rows but one fit {low:,} to {high:,} entries; big needs {big[0]:,} to {big[1]:,}.",
        numbers={"base, 37000": base, "rows but big": [low, high], "big": list(big)},
    )


@erratum(
    "E3",
    "§6.1",
    "English to French is 41.8 BLEU in abstract and Table 2, 41.0 in the text.",
    quotes="On the WMT 2014 English-to-French translation task, our big model achieves a BLEU "
    "score of 41.0",
    asks="The seventh version on arXiv, of 2 August 2023.",
)
def two_scores(run: Run) -> Finding:
    """Say which is which."""
    return Finding(
        None,
        ours="41.8 twice, 41.0 once",
        ran="Read in version 7.",
        measured="Abstract and Table 2 print 41.8, §6.1 prints 41.0.",
        numbers={"abstract and Table 2": 41.8, "§6.1": 41.0},
    )


@erratum(
    "E4",
    "§4, Table 1",
    "A convolution of width k costs k/2 plain recurrent layers, not k.",
    quotes="Convolutional layers are generally more expensive than recurrent layers, by a factor "
    "of k. Separable convolutions [6], however, decrease the complexity considerably",
    asks="The table's factor counts one matrix of a recurrence, which has two, the input's and the "
    "state's. Operations counted from shapes, k = 3; ConvS2S's gate doubles a convolution.",
)
def convolutions(run: Run) -> Finding:
    """Count a convolution, plain, gated and separable, over a plain recurrence."""
    d = run.pick(test=64, default=WIDTH)
    over = {
        "plain": convolution(d, d) / recurrence(1)(d, d),
        "gated": convolution(d, d, gated=True) / recurrence(1)(d, d),
        "separable": convolution(d, d, separable=True) / recurrence(1)(d, d),
    }
    return Finding(
        None,
        ours=f"{over['plain']:g} at k = 3; with ConvS2S's gate {over['gated']:g}",
        ran=f"Counted on the meta device, nothing timed; d = {d}.",
        measured=f"Over a plain recurrence with its two matrices: {over['plain']:g} for a "
        f"convolution of width 3, {over['gated']:g} with a gate, {over['separable']:.2f} for a "
        "separable one. A GRU has three times the plain layer's matrices.",
        numbers={"over": over},
    )
