"""The paper's claims, re-tested: in order of importance, then demonstrations, then errata."""

from . import (
    ask,
    convergence,
    errata,
    labels,
    masks,
    sentences,
    shipped,
    sides,
    sizes,
    systems,
    table7,
)

CLAIMS = [
    sides.tags, sides.sentiment, sides.pairs, sides.drops, sides.with_bilstm, sides.two_nets,
    systems.systems, sentences.next_sentence,
    masks.robust, masks.mask_only, masks.random_only,
    sizes.larger, sizes.little_data,
    table7.behind, table7.effective,
    convergence.slower, convergence.at_once, convergence.longer,
    labels.few_labels, table7.kinds, shipped.small_model,
    errata.tokens, errata.datasets, errata.unhurt, errata.epochs,
]  # fmt: skip
COMMANDS = {"--fill": ask.main}
