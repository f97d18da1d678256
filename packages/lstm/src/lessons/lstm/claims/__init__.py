"""The paper's claims, re-tested: in order of importance, then demonstrations, then errata."""

from . import exact, grammar, guessing, lags, remember, solved

CLAIMS = [
    lags.thousand, lags.plain, exact.decay, exact.constant, grammar.more_runs, grammar.faster,
    solved.sums, solved.products, solved.order, lags.slowly, lags.frequency,
    exact.storage, solved.alike, grammar.output_gates, solved.xor, solved.broad, guessing.guessed,
    exact.distance,
    exact.length, exact.ranges, exact.always, exact.squared,
]  # fmt: skip
COMMANDS = {"remember": remember.main}
