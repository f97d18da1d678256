"""The papers' claims, re-tested: in order of importance, then demonstrations, then errata."""

from . import (
    comparing,
    demonstrating,
    enumerable,
    errata,
    headline,
    labels,
    overoptimization,
    shipped,
    surrogates,
    tax,
    write,
)

CLAIMS = [
    headline.beats_larger, headline.beats_prompted,
    headline.prompt_helps, headline.demonstrations_help, headline.comparisons_help,
    tax.tax_is_less, tax.preference_stays, tax.beats_larger_beta,
    comparing.shuffled_overfits, comparing.grouped_is_better, comparing.epochs_overfit,
    demonstrating.sft_overfits, demonstrating.sft_score, demonstrating.sft_preferred,
    enumerable.gap_closes,
    surrogates.beats_none, surrogates.beats_adaptive, surrogates.beats_fixed,
    surrogates.beats_one_epoch,
    labels.few_are_enough, labels.few_are_as_good, labels.beats_mock,
    overoptimization.root_law, overoptimization.price_mitigates,
    enumerable.near_the_optimum, comparing.other_labellers, shipped.side_by_side,
    errata.last_weight, errata.last_reward, errata.mixed, errata.sign, errata.swapped,
    errata.repeated,
]  # fmt: skip
COMMANDS = {"write": write.main}
