"""The paper's claims, re-tested: in order of importance, then demonstrations, then errata."""

from . import (
    errata,
    exact,
    gated,
    grammar,
    guessing,
    lags,
    noise,
    one_unit,
    plain,
    predict,
    remember,
    solved,
)
from .shares import on_this_device

CLAIMS = [on_this_device(claim) for claim in (
    lags.thousand, plain.plain, one_unit.ten_steps, exact.decay, exact.constant,
    grammar.more_runs, grammar.faster,
    solved.sums, solved.products, solved.order, gated.gates, lags.slowly, lags.frequency,
    exact.storage, exact.cost, solved.alike, grammar.output_gates, solved.xor, solved.broad,
    guessing.guessed, predict.noise_free, predict.irregular, noise.mixed,
    exact.distance, plain.today, plain.sums,
    errata.length, errata.ranges, errata.always, errata.squared, errata.distractors,
    errata.lags,
)]  # fmt: skip
COMMANDS = {"remember": remember.main}
