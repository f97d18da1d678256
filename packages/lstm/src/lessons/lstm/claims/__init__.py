"""The paper's claims, re-tested: in order of importance, then demonstrations, then errata."""

from . import exact, grammar, guessing, lags, noise, remember, solved
from .learning import on_this_device

CLAIMS = [on_this_device(claim) for claim in (
    lags.thousand, lags.plain, noise.ten_steps, exact.decay, exact.constant,
    grammar.more_runs, grammar.faster,
    solved.sums, solved.products, solved.order, lags.slowly, lags.frequency,
    exact.storage, exact.cost, solved.alike, grammar.output_gates, solved.xor, solved.broad,
    guessing.guessed, noise.noise_free, noise.irregular, noise.mixed, noise.expected,
    exact.distance, lags.today,
    exact.length, exact.ranges, exact.always, exact.squared, exact.distractors,
)]  # fmt: skip
COMMANDS = {"remember": remember.main}
