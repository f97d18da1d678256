"""Which noise: U(w) to the power 3/4, 1 or 0 (2013b, §2.2)."""

from typing import Any

from ..lab.claim import Finding, claim
from ..lab.run import Run
from .judging import OVER, decide, lead, mean, points, said_smaller, smaller
from .learn import answers, chosen, parts, percent, sizes, text_words, threshold, tuned
from .world import build

POWERS = {0.0: "uniform", 0.75: "U to the 3/4", 1.0: "unigram"}
LOSSES = {"neg": "NEG-5", "nce": "NCE-5"}
SEEDS = 3
QUOTE = (
    "U(w) raised to the 3/4rd power (…) outperformed significantly the unigram and the uniform "
    "distributions, for both NCE and NEG on every task we tried including language modeling (not "
    "reported here)"
)


def finding(run: Run, loss: str, other: float) -> Finding:
    """Judge the lead of the power 3/4 over another, for an objective."""
    n = min(SEEDS, sizes(run)["seeds"])
    t, _ = threshold(run, "neg")
    how: dict[float, dict[str, Any]] = {
        power: {"loss": loss, "power": power, "sample": t} for power in POWERS
    }
    right = {power: answers(run, "skip-gram", n, **how[power]) for power in POWERS}
    among = parts(build(run))["total"]
    found = {name: [percent(r, among) for r in right[power]] for power, name in POWERS.items()}
    ahead = lead(run, right[0.75], right[other], among, 1000)
    trend = smaller(
        run, ahead, {POWERS[power]: ("skip-gram", how[power]) for power in (0.75, other)}, among
    )
    said = ", ".join(f"{name} {mean(values)}" for name, values in found.items())
    rates = ", ".join(
        f"{name} {chosen(*tuned(run, 'skip-gram', **how[power]))}" for power, name in POWERS.items()
    )
    return Finding(
        ahead,
        ours=points(ahead),
        ran=f"{text_words(run)}; {LOSSES[loss]}, t of {t:g}, vectors of "
        f"{sizes(run)['dim']}, {sizes(run)['epochs']} passes, {n} seeds. Rates, each chosen on "
        f"other questions: {rates}.{OVER}",
        measured=f"Right answers (%) of {LOSSES[loss]}, over seeds: {said}.{said_smaller(trend)}",
        numbers={"accuracy": found, "smaller": trend},
        between="The paper has a billion words of news, 500 times as many, and other tasks too.",
        would_decide=decide(ahead),
    )


def noise_claim(id: str, loss: str, other: float, says: str):
    """Return one of the four claims that the sentence makes."""
    return claim(
        id,
        "2013b, §2.2",
        says,
        quotes=QUOTE,
        asks=f"All questions, {LOSSES[loss]}, noise words drawn from U(w) to the 3/4 and from the "
        f"{POWERS[other]} distribution; subsampled as NEG-5 in C3a, to spend half the time. The "
        "paper gives no numbers, and does not say whether it subsampled. Seen "
        "before the rule, on 30,000 sentences of the made-up world, NEG with gensim at one rate: "
        "uniform 60%, 3/4 53%, unigram 46%; but few of that world's words follow Zipf's law.",
        holds_if="the interval of (3/4 − other), in points, lies above 0",
        fails_if="it lies below 0",
        full_only=True,
    )(lambda run: finding(run, loss, other))


neg_unigram = noise_claim("C7a", "neg", 1.0, "For NEG, U to the 3/4 beats the unigram noise.")
neg_uniform = noise_claim("C7b", "neg", 0.0, "For NEG, U to the 3/4 beats uniform noise.")
nce_unigram = noise_claim("C7c", "nce", 1.0, "For NCE, U to the 3/4 beats the unigram noise.")
nce_uniform = noise_claim("C7d", "nce", 0.0, "For NCE, U to the 3/4 beats uniform noise.")
