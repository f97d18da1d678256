"""The paper's claims, re-tested: in order of importance, then demonstrations, then errata."""

from . import (
    ask,
    batches,
    errata,
    formats,
    ladder,
    lengths,
    masks,
    shipped,
    tokens,
    undertrained,
)

CLAIMS = [
    undertrained.undertrained,
    undertrained.more_data, undertrained.longer, undertrained.no_overfitting,
    undertrained.same_data, undertrained.same_compute,
    formats.single_sentences, formats.without_nsp, formats.one_document,
    masks.dynamic,
    batches.perplexity, batches.end_tasks,
    lengths.long_sequences,
    batches.epsilon, batches.stability,
    tokens.no_unknown, tokens.added,
    ladder.each_change, shipped.small_model, formats.loss_alone,
    errata.largest,
]  # fmt: skip
COMMANDS = {"--fill": ask.main}
