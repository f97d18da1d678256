"""Tasks that nobody taught: above trivial answers, with size, and calibrated (§3, Figure 1)."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

from ..config import count_parameters
from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, MUTED, RED
from ..lab.run import Run
from ..lab.statistics import Interval, every, interval, judge, paired, proportion
from . import cloze, corpus, kneser, nets
from .domains import BETWEEN, needed, signed, zero_shot

KINDS = ("names", "nouns")
MADE = (
    "Questions in the form of the Children's Book Test, 200 each on names and on common nouns, "
    "made of Jane Austen's novels, which no net read: ten choices from the text before, the one "
    "that makes the sentence likeliest is the answer. Nets see the last 128 tokens."
)
# §3.8's 63.1% of the most confident 1%, and the mean probability of Table 5's thirty, 58.9%.
GAP = 0.042


def trivial(run: Run, kind: str, asked: int) -> dict[str, float]:
    """Return the share right of answers that need no net."""
    questions = cloze.questions(run, kind, asked, nets.tokens_of(run), nets.shape(run)[1])
    texts, _, _ = corpus.web(run)
    return {
        "most frequent in the context": cloze.most_frequent(questions),
        "Kneser-Ney, five words": kneser.share_right(texts, questions),
        "questions": float(len(questions)),
    }


def measure(run: Run, largest: bool = False) -> dict[str, Any]:
    """Return all that nets of each width can do, and what needs none."""
    found: dict[str, Any] = {"tasks": {}, "parameters": {}}
    every_width = [*nets.widths(run), *([192] if largest and run.scale != "test" else [])]
    for width in every_width:
        runs = zero_shot(run, width, 3 if width == 192 else None)
        names = ("names", "nouns", "last words", "last words, filtered", "austen test",
                 "factbook all", "web train", "web test")  # fmt: skip
        found["tasks"][str(width)] = {name: [one[name] for one in runs] for name in names}
        found["parameters"][str(width)] = count_parameters(nets.build(run, width, 0, 0.0).config)
    asked = run.pick(test=3, default=200)
    found["trivial"] = {kind: run.trial(trivial, kind=kind, asked=asked) for kind in KINDS}
    found["rates"] = {str(w): nets.tuned_rate(run, w) for w in nets.widths(run)}
    return found


def ran(numbers: dict[str, Any]) -> str:
    """Say how the nets were tuned."""
    told = [f"{width} wide {rate:g} (of {tried})" for width, (rate, tried) in
            numbers["rates"].items()]  # fmt: skip
    seeds = len(next(iter(numbers["tasks"].values()))["names"])
    return f"{seeds} seeds. Learning rates, best on dev in whole runs: {', '.join(told)}."


def shares(numbers: dict[str, Any], kind: str) -> str:
    """Say how a kind of question was answered."""
    nets_ = ", ".join(f"{w} wide {100 * interval(t[kind]).mean:.1f}%"
                      for w, t in numbers["tasks"].items())  # fmt: skip
    plain = numbers["trivial"][kind]
    rest = ", ".join(f"{name} {100 * value:.1f}%" for name, value in plain.items()
                     if name != "questions")  # fmt: skip
    return f"{kind}: {nets_}; {rest}"


def above(numbers: dict[str, Any], kind: str, width: str) -> Interval:
    """Return how far a net's share right is above the most frequent choice's, or above chance."""
    line = max(numbers["trivial"][kind]["most frequent in the context"], 0.1)
    return interval([value - line for value in numbers["tasks"][width][kind]])


@claim(
    "C1",
    "abstract",
    quotes="language models begin to learn these tasks without any explicit supervision when "
    "trained on a new dataset of millions of webpages",
    says="Trained on text alone, nets answer better than trivial baselines do.",
    asks=f"{MADE} Against the choice that is most frequent in the twenty sentences before (chance "
    "is 10%); Kneser-Ney of five words beside.",
    holds_if="for names and for nouns, the 95% interval of the widest net's share right, less the "
    "baseline's, lies above 0",
    fails_if="for one of them it lies below",
    paper="names 89.1%, nouns 93.3%",
    full_only=True,
)
def begins(run: Run) -> Finding:
    """Compare with trivial answers."""
    numbers = measure(run)
    width = str(nets.widths(run)[-1])
    found = {kind: above(numbers, kind, width) for kind in KINDS}
    verdict = every([judge(one, above=0.0, paper_regime=False) for one in found.values()])
    return Finding(
        verdict,
        ours=", ".join(f"{kind} {signed(100 * one.mean)} points" for kind, one in found.items()),
        ran=ran(numbers),
        measured=". ".join(shares(numbers, kind) for kind in KINDS)
        + ". Above the most frequent: "
        + ", ".join(f"{kind} {one.text()}" for kind, one in found.items())
        + ".",
        numbers=numbers,
        between=BETWEEN,
        would_decide=needed(min(found.values(), key=lambda one: one.low), 0.0),
    )


def draw_panels(figure, numbers) -> None:
    """Draw Figure 1's four panels with our four tasks: against parameters, and what needs none."""
    figure.set_size_inches(6.4, 5.2)
    panels = (("names", "cloze, names", 100), ("nouns", "cloze, common nouns", 100),
              ("last words, filtered", "last words, stop words filtered", 100),
              ("austen test", "Austen, bits a byte", 1))  # fmt: skip
    for axes, (name, title, scale) in zip(figure.subplots(2, 2).flat, panels):
        x = list(numbers["parameters"].values())
        found = [interval([scale * v for v in t[name]]) for t in numbers["tasks"].values()]
        half = [one.high - one.mean for one in found]
        axes.errorbar(x, [one.mean for one in found], half, fmt="o-", color=BLUE, capsize=3)
        lines = numbers["trivial"].get(name, {})
        for color, key in ((RED, "most frequent in the context"),
                           (MUTED, "Kneser-Ney, five words")):  # fmt: skip
            if key in lines:
                axes.axhline(100 * lines[key], color=color, linestyle="--")
                axes.text(x[-1], 100 * lines[key], key, color=color, va="bottom", ha="right")
        axes.set(xscale="log", title=title, ylabel="%" if scale == 100 else "bits")
        if name in ("last words, filtered", "austen test"):
            axes.set_xlabel("parameters")


def per_doubling(scores: Sequence[Sequence[float]], parameters: list[int]) -> list[list[float]]:
    """Return each seed's gain from one size to the next, for a doubling of the parameters."""
    return [
        [(b - a) / math.log2(parameters[i + 1] / parameters[i]) for a, b in zip(small, large)]
        for i, (small, large) in enumerate(itertools.pairwise(scores))
    ]


@claim(
    "C2a",
    "abstract, Figure 1",
    quotes="increasing it improves performance in a log-linear fashion across tasks",
    says="Performance grows log-linearly with size.",
    asks=f"{MADE} And last words of sentences. Accuracy: the mean of the three. Bits a byte: the "
    "mean of Austen and the World Factbook. Gains from width 32 (2 layers) to 64 (3) and from 64 "
    "to 128 (4), each for a doubling of the parameters: they are 95,104, 289,344 and 1,071,872, "
    "3.04 and 3.70 times as many. Changed before any result was known: the gains were taken for a "
    "step of width, as if both steps were equal.",
    holds_if="for accuracy and for bits both gains' 95% intervals lie above 0, and that of their "
    "difference within half their mean of 0",
    fails_if="one gain lies below 0, or a difference outside",
    paper="Figure 1",
    draw=draw_panels,
    full_only=True,
)
def log_linear(run: Run) -> Finding:
    """Compare gains for a doubling of the parameters."""
    numbers = measure(run, largest=True)
    counts = [numbers["parameters"][str(width)] for width in nets.widths(run)]
    by = [numbers["tasks"][str(width)] for width in nets.widths(run)]
    scores = {
        "accuracy": [[100 * sum(x) / 3 for x in zip(t["names"], t["nouns"], t["last words"])]
                     for t in by],
        "bits": [[-(a + b) / 2 for a, b in zip(t["austen test"], t["factbook all"])] for t in by],
    }  # fmt: skip
    verdicts, told = [], []
    for name, (small, middle, large) in scores.items():
        early, late = per_doubling((small, middle, large), counts)
        first, second, bend = interval(early), interval(late), paired(late, early)
        half = (first.mean + second.mean) / 4
        verdicts += [judge(gain, above=0.0, paper_regime=False) for gain in (first, second)]
        if half > 0:
            verdicts.append(judge(bend, within=(-half, half), paper_regime=False))
        told.append(f"{name}: {first.text()}, then {second.text()}, difference {bend.text()}")
    gains = {name: [interval(values).mean for values in per_doubling(by_size, counts)]
             for name, by_size in scores.items()}  # fmt: skip
    return Finding(
        every(verdicts),
        ours="{}, {} points; ".format(*map(signed, gains["accuracy"]))
        + "{}, {} bits a doubling".format(*(signed(gain, 2) for gain in gains["bits"])),
        ran=ran(numbers),
        measured=f"Gains a doubling: {'; '.join(told)}. "
        + ". ".join(shares(numbers, k) for k in KINDS),
        numbers=numbers | {"gains": gains},
        between=BETWEEN,
        would_decide="more questions and seeds: the gains differ by less than their spread",
    )


@claim(
    "C2b",
    "abstract",
    quotes="The capacity of the language model is essential to the success of zero-shot task "
    "transfer",
    says="Small nets fall short of a trivial baseline, large ones pass it.",
    asks=f"{MADE} The paper's form of it: its smallest net did not pass a trivial baseline on "
    "questions (§3.8). Widths 32 and 128, against the choice most frequent in the context.",
    holds_if="for names and for nouns, the 95% interval of the share right, less the baseline's, "
    "lies below 0 for the narrowest net and above 0 for the widest",
    fails_if="one lies on the other side",
    paper="questions ≤ 1.0, 4.1%",
    full_only=True,
)
def essential(run: Run) -> Finding:
    """Compare the smallest and the largest with the baseline."""
    numbers = measure(run)
    low, high = str(nets.widths(run)[0]), str(nets.widths(run)[-1])
    found = {kind: (above(numbers, kind, low), above(numbers, kind, high)) for kind in KINDS}
    verdicts = [
        judged
        for small, large in found.values()
        for judged in (
            judge(small, below=0.0, paper_regime=False),
            judge(large, above=0.0, paper_regime=False),
        )
    ]
    return Finding(
        every(verdicts),
        ours=", ".join(
            f"{kind} {signed(100 * small.mean)}, {signed(100 * large.mean)} points"
            for kind, (small, large) in found.items()
        ),
        ran=ran(numbers),
        measured=". ".join(shares(numbers, kind) for kind in KINDS) + ".",
        numbers=numbers,
        between=BETWEEN,
        would_decide=needed(min((one for pair in found.values() for one in pair),
                                key=lambda one: abs(one.mean)), 0.0),
    )  # fmt: skip


def draw_calibration(figure, numbers) -> None:
    """Draw how often an answer is right against how likely the net held it."""
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=MUTED, linestyle="--")
    for shares_, right in zip(numbers["shares"], numbers["right"]):
        pairs = sorted(zip(shares_, right))
        size = max(len(pairs) // 10, 1)
        groups = [pairs[i : i + size] for i in range(0, size * 10, size) if pairs[i : i + size]]
        axes.plot([sum(p for p, _ in g) / len(g) for g in groups],
                  [sum(r for _, r in g) / len(g) for g in groups], "o-", color=BLUE)  # fmt: skip
    axes.set(xlabel="probability of the answer", ylabel="share right", xlim=(0, 1), ylim=(0, 1))


@claim(
    "C7",
    "§3.8",
    quotes="The probability GPT-2 assigns to its generated answers is well calibrated",
    says="Of its answers, as many are right as their probabilities say.",
    asks="1,200 words anywhere in Austen, answered by the likeliest next word, with its "
    "probability; the fifth that a net is most sure of. The paper's own measure, the most "
    "confident answers, in which accuracy (63.1%) and mean probability (58.9%, Table 5) are 4.2 "
    "points apart.",
    holds_if="the 95% interval of accuracy less mean probability lies within −.042 and .042",
    fails_if="it lies outside",
    paper="63.1%; Table 5: 58.9%",
    draw=draw_calibration,
    full_only=True,
)
def calibrated(run: Run) -> Finding:
    """Compare probabilities with shares."""
    runs = zero_shot(run, nets.widths(run)[-1])
    gaps, tops = [], []
    for one in runs:
        pairs = sorted(zip(one["shares"], one["right"]), reverse=True)
        top = pairs[: max(len(pairs) // 5, 1)]
        accuracy, mean = (sum(x) / len(top) for x in (([r for _, r in top]), [p for p, _ in top]))
        gaps.append(accuracy - mean)
        tops.append((accuracy, mean))
    found = interval(gaps)
    accuracy, mean = (sum(x) / len(tops) for x in zip(*tops))
    asked = len(runs[0]["right"])
    spread = proportion(round(accuracy * (asked // 5 or 1)), asked // 5 or 1)
    return Finding(
        judge(found, within=(-GAP, GAP), paper_regime=False),
        ours=f"right {100 * accuracy:.1f}%, probability {100 * mean:.1f}%",
        ran=f"{len(runs)} nets, {asked} answers each.",
        measured=f"Of the fifth most confident {100 * accuracy:.1f}% are right (of one net's "
        f"questions alone {spread.text(3)}), their mean probability is {100 * mean:.1f}%: "
        f"{found.text()}.",
        numbers={"gap": gaps, "shares": [one["shares"] for one in runs],
                 "right": [one["right"] for one in runs]},
        between=BETWEEN,
        would_decide=needed(found, GAP if found.mean > 0 else -GAP),
    )  # fmt: skip
