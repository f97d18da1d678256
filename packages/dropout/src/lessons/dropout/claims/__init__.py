"""The paper's claims, re-tested: one file an experiment, here in order of importance."""

from . import advice, averaging, co_adaptation, data_size, exact, others, regularizers, retention

CLAIMS = [
    regularizers.improves,
    regularizers.drastically,
    regularizers.major,
    regularizers.lowest,
    regularizers.boost,
    advice.alone,
    co_adaptation.features,
    co_adaptation.cancellation,
    data_size.extremely_small,
    data_size.sweet_spot,
    co_adaptation.sparse,
    co_adaptation.activation,
    retention.flat,
    retention.rise,
    retention.underfitting,
    retention.softened,
    averaging.fifty,
    averaging.thereafter,
    others.gaussian,
    others.duration,
    advice.rates,
    advice.stopping,
    exact.ridge,
    others.sparse_machine,
    others.dead_units,
    exact.geometric_mean,
    exact.biases,
    exact.training_errors,
]
