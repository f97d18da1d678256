"""The paper's claims, re-tested: in order of importance, then demonstrations, then errata."""

from . import (
    architectures,
    denoising,
    errata,
    exact,
    partial,
    pretraining,
    repeats,
    say,
    shipped,
    text_to_text,
)  # fmt: skip

CLAIMS = [
    pretraining.gains, pretraining.exception,
    text_to_text.comparable,
    architectures.best, architectures.sharing, architectures.halving, architectures.denoising,
    architectures.explicit,
    denoising.similar, denoising.deshuffling, denoising.spans_of_three, denoising.shorter,
    repeats.degrades, repeats.memorized, repeats.limited,
    partial.adapters, partial.unfreezing,
    exact.buckets, exact.costs,
    exact.share, shipped.small_model, text_to_text.legal,
    errata.copied, errata.always, errata.worst, errata.twice, errata.exponential, errata.large,
    errata.too_many, errata.order,
]  # fmt: skip
COMMANDS = say.COMMANDS
