"""Which noise: U(w) to the power 3/4, 1 or 0 (2013b, §2.2)."""

from ..lab.claim import Finding, claim
from ..lab.run import Run
from .judging import decide, lead, mean, points
from .learn import chosen, scores, text_words, tuned
from .structure import asked, judged, rate, taught
from .world import real

POWERS = {0.0: "uniform", 0.75: "U to the 3/4", 1.0: "unigram"}
LOSSES = {"neg": "NEG-5", "nce": "NCE-5"}
QUOTE = (
    "U(w) raised to the 3/4rd power (…) outperformed significantly the unigram and the uniform "
    "distributions, for both NCE and NEG on every task we tried including language modeling (not "
    "reported here)"
)


def drawn(
    run: Run, loss: str, power: float, n: int, seed: int, lr: float
) -> list[float | None]:  # fmt: skip
    """Train with a noise distribution on the made-up world; return the accuracy (%)."""
    epochs = run.pick(test=1, default=5)
    model = taught(run, n, loss=loss, ns_exponent=power, seed=seed, alpha=lr, epochs=epochs)
    return [None if model is None else asked(model.wv, run.pick(test=100, default=4000))]


def sentences(run: Run) -> int:
    """Return how many sentences of the made-up world are read."""
    return run.pick(test=100, default=2_500, full=3_000)


def accuracy(run: Run, loss: str, power: float) -> tuple[list[float], str]:
    """Return accuracies (%) over seeds, and how the rate was chosen."""
    if run.scale == "paper":
        found = scores(run, "skip-gram", "total", loss=loss, power=power)
        return found, chosen(*tuned(run, "skip-gram", loss=loss, power=power))
    n = sentences(run)
    lr, tried = rate(run, drawn, loss=loss, power=power, n=n)
    found = [
        judged(run, drawn, loss=loss, power=power, n=n, seed=seed, lr=lr)[0]
        for seed in run.seeds(run.pick(test=2, default=3, full=5))
    ]
    return found, chosen(lr, tried)


def finding(run: Run, loss: str, other: float) -> Finding:
    """Judge the lead of the power 3/4 over another, for an objective."""
    both = {name: accuracy(run, loss, power) for power, name in POWERS.items()}
    found = {name: values for name, (values, _) in both.items()}
    ahead = lead(run, found[POWERS[0.75]], found[POWERS[other]], 1000)
    said = ", ".join(f"{name} {mean(values)}" for name, values in found.items())
    rates = ", ".join(f"{name} {how}" for name, (_, how) in both.items())
    made = f"{sentences(run):,} sentences of the made-up world, 50 dimensions, 5 passes"
    where = text_words(run) if real(run) and run.scale == "paper" else made
    return Finding(
        ahead,
        ours=points(ahead),
        ran=f"{where}; {LOSSES[loss]} without subsampling, each distribution at its best rate, "
        f"chosen apart: {rates}.",
        measured=f"Right answers (%) of {LOSSES[loss]}: {said}.",
        numbers={"accuracy": found},
        between="The paper has a billion words of news. This text is made up, its 860 words are "
        "mostly topics of equal kind, and only 300 follow Zipf's law.",
        would_decide=decide(ahead),
    )


def noise_claim(id: str, loss: str, other: float, says: str):
    """Return one of the four claims that the sentence makes."""
    return claim(
        id,
        "2013b, §2.2",
        says,
        quotes=QUOTE,
        asks=f"The made-up world's questions, {LOSSES[loss]} without subsampling, noise words "
        f"drawn from U(w) to the 3/4 and from the {POWERS[other]} distribution. The paper gives no "
        "numbers. Seen before the rule, on 30,000 sentences, NEG with gensim at one rate: uniform "
        "60%, 3/4 53%, unigram 46%. With --paper on real text.",
        holds_if="the interval of (3/4 − other), in points, lies above 0",
        fails_if="it lies below 0",
        full_only=True,
    )(lambda run: finding(run, loss, other))


neg_unigram = noise_claim("C7a", "neg", 1.0, "For NEG, U to the 3/4 beats the unigram noise.")
neg_uniform = noise_claim("C7b", "neg", 0.0, "For NEG, U to the 3/4 beats uniform noise.")
nce_unigram = noise_claim("C7c", "nce", 1.0, "For NCE, U to the 3/4 beats the unigram noise.")
nce_uniform = noise_claim("C7d", "nce", 0.0, "For NCE, U to the 3/4 beats uniform noise.")
