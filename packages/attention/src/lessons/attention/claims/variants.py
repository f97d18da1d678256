"""Demonstrations D2 to D6: what the paper does not say, or leaves open."""

from typing import Any

from ..decoding import beam_search
from ..lab.claim import Finding, demonstration
from ..lab.figures import BLUE, MUTED, RED
from ..lab.run import Run
from ..lab.statistics import paired
from ..training import pad
from . import made_up, translators
from .alignment import LANGUAGE
from .bleu import bleu, words
from .contest import bounds, gap, last, protocol, runs_of
from .shipped import obtain

BEAMS = (1, 2, 5, 12)


def draw_beyond(figure, numbers) -> None:
    """Draw the share of right sentences against their length, inside and outside the training."""
    figure.set_size_inches(6.4, 2.6)
    axes = figure.subplots()
    x = [int(n) for n in numbers["percent by length"]]
    axes.axvspan(made_up.SHORT + 0.5, max(x) + 0.5, color=MUTED, alpha=0.1, linewidth=0)
    for name, color in (("all lengths", BLUE), ("up to 10 words", RED)):
        y = [numbers["percent by length"][str(n)][name] for n in x]
        axes.plot(x, y, "o-", color=color, markersize=4, label=f"trained on {name}")
    axes.set(xlabel="words of the source", ylabel="% right from end to end", ylim=(0, 100))
    axes.legend()


@demonstration(
    "D2",
    "RNNsearch at lengths within and beyond those of its training.",
    draw_beyond,
    asks="The made-up language: RNNsearch trained on sources of up to 10 words, and on all (6 to "
    "19), judged by length. In Figure 2 RNNsearch-30, too, falls beyond 30 words: from 24.0 at 29 "
    "to 7.6 at 59.",
    full_only=True,
)
def beyond(run: Run) -> Finding:
    """Train on short sentences, test on long ones."""
    count = 2
    found = {"all lengths": made_up.lessons(run, count=count),
             "up to 10 words": made_up.lessons(run, short=True, count=count)}  # fmt: skip

    def right(each: list[dict], low: int, high: int) -> tuple[int, int]:
        rows = [v for e in each for n, v in e["by length"].items() if low <= int(n) <= high]
        return sum(a for a, _ in rows), sum(b for _, b in rows)

    def percent(each, low, high):
        good, of = right(each, low, high)
        return 100 * good / max(of, 1)

    known = sorted({int(n) for e in found["all lengths"] for n in e["by length"]})
    known = [
        n for n in known if right(found["all lengths"], n, n)[1] >= run.pick(test=1, default=10)
    ]
    table = {str(n): {name: percent(each, n, n) for name, each in found.items()} for n in known}
    inside, outside = (percent(found["up to 10 words"], *b) for b in ((1, 10), (11, 99)))
    whole = percent(found["all lengths"], 11, 99)
    return Finding(
        None,
        ours=f"{inside:.0f}% right to 10 words, {outside:.0f}% beyond",
        ran=LANGUAGE + f"{count} seeds each.",
        measured=f"Trained on up to 10 words: {inside:.1f}% right up to there, {outside:.1f}% "
        f"beyond; trained on all lengths: {whole:.1f}% beyond.",
        numbers={"percent by length": table, "inside": inside, "outside": outside,
                 "all lengths, beyond": whole},
    )  # fmt: skip


def _table(run: Run, names: dict[str, Any], first: str, count: int) -> tuple[dict, str]:
    """Return loss, sentences and words right of variants, and the losses' differences as text."""
    steps = run.pick(test=3, default=700)
    found = {n: made_up.lessons(run, what=n, count=count, steps=steps) for n in names}
    rows = {
        name: {
            "nats": bounds([e["nats"] for e in each]),
            "sentences right, percent": bounds([100 * made_up.share(e, "sentences") for e in each]),
            "words aligned, percent": bounds([100 * made_up.share(e, "words") for e in each]),
        }
        for name, each in found.items()
    }
    base = [e["nats"] for e in found[first]]
    told = "; ".join(
        f"{name} {paired([e['nats'] for e in each], base).text(3)}"
        for name, each in found.items() if name != first
    )  # fmt: skip
    return rows, told


@demonstration(
    "D3",
    "Three readings of one paper: what a state sees, and when.",
    asks="The made-up language, two seeds: the appendix (s_i sees y_(i−1), word i is read from "
    "s_(i−1)), equation 4 (read from s_i), the released code (s_i sees y_i, read from s_(i−1)): "
    "loss, sentences right, words aligned.",
    full_only=True,
)
def orders(run: Run) -> Finding:
    """Train all three readings."""
    first, *others = made_up.ORDERS
    seeds = 2
    rows, told = _table(run, {"appendix": {}, **{name: {} for name in others}}, first, seeds)
    aligned = ", ".join(f"{n} {r['words aligned, percent'][0]:.0f}%" for n, r in rows.items())
    return Finding(
        None,
        ours=f"words aligned: {aligned}",
        ran=LANGUAGE + f"700 steps, {seeds} seeds each.",
        measured=f"Loss in nats a word less the appendix's: {told}. Words that look at their own "
        f"word: {aligned}.",
        numbers={"readings": rows},
    )


@demonstration(
    "D4",
    "Scores that came later: dot, general, and a product of two tanh.",
    asks="The made-up language, two seeds: additive scores, Luong's general and dot (2015), and "
    "the product of Shazeer et al. (2017), which is a matrix product for all pairs: loss.",
    source="§3.1",
    full_only=True,
)
def scores(run: Run) -> Finding:
    """Train with all four scores."""
    names = {"appendix": {}, **{name: {} for name in made_up.SCORES if name != "additive"}}
    rows, told = _table(run, names, "appendix", 2)
    aligned = ", ".join(
        f"{'additive' if n == 'appendix' else n} {r['words aligned, percent'][0]:.0f}%"
        for n, r in rows.items()
    )
    return Finding(
        None,
        ours=f"words aligned: {aligned}",
        ran=LANGUAGE + "700 steps, two seeds each; dot needs no matrix.",
        measured=f"Loss in nats a word less the additive score's: {told}. Words aligned: "
        f"{aligned}.",
        numbers={"scores": rows},
    )


@demonstration(
    "D5",
    "How wide a beam is worth its time.",
    asks="The translator that ships with this package, test pages up to 50 words: beams of 1, 2, 5 "
    "and 12 (the paper's), with and without division by length: log-probability and BLEU.",
    source="§4.2",
    full_only=True,
)
def beams(run: Run) -> Finding:
    """Search with several beams."""
    rows = run.trial(search, seed=run.seed)
    best = max(rows, key=lambda name: rows[name]["bleu"])
    told = "; ".join(f"{name} {row['bleu']:.1f}" for name, row in rows.items())
    return Finding(
        None,
        ours=f"greedy {rows['1']['bleu']:.1f}, best: {best}, {rows[best]['bleu']:.1f} BLEU",
        ran="The net of D1; every fourth test pair of up to 50 words.",
        measured=f"BLEU by beam: {told}. Mean log-probability of a translation: "
        + ", ".join(f"{name} {row['log']:.2f}" for name, row in rows.items())
        + ".",
        numbers={"beams": rows},
    )


def search(run: Run, seed: int) -> dict[str, dict[str, float]]:
    """Return BLEU and log-probability by beam."""
    net, pieces = obtain(run)
    pairs = [p for p in translators.texts(run)["texts"]["test"] if len(p[0].split()) <= 50]
    pairs = pairs[:: run.pick(test=8, default=4)]
    ids = [pieces[0].encode(en) for en, _ in pairs]
    found = {}
    for beam in run.pick(test=(1, 2), default=BEAMS):
        for norm in (False, True)[: 1 + (beam > 1)]:
            answers, logs = [""] * len(ids), 0.0
            for chosen in translators.by_length(ids):
                src, length = pad([ids[i] for i in chosen])
                longest = run.pick(test=8, default=2 * src.shape[1] + 10)
                best = beam_search(net, src, length, beam, norm, max_len=longest)
                logs += float(best.log_probability.sum())
                for i, row in zip(chosen, best.ids.tolist()):
                    answers[i] = pieces[1].decode(row)
            score = bleu([words(a) for a in answers], [words(fr) for _, fr in pairs])
            name = f"{beam}, by length" if norm else str(beam)
            found[name] = {"bleu": score, "log": logs / len(ids)}
    return found


@demonstration(
    "D6",
    "What of it is attention: fixed vectors from both directions, and equal weights.",
    asks="RNNencdec reads forward only. Two controls with RNNsearch's own encoder, two seeds, "
    "trained as RNNencdec-50, half as long, beside the others at half their length: the last "
    "states of both directions side by side, and the mean of all annotations, which is RNNsearch "
    "with equal weights.",
    source="§4.2, A.2.2",
    full_only=True,
)
def controls(run: Run) -> Finding:
    """Give the fixed vector the other's encoder."""
    seeds = 2
    names = ("encdec, both directions", "equal weights")
    half = {"RNNencdec": "encdec-50", "RNNsearch": "search-50"}  # their scores after half the steps
    found = {own: [curve[:2] for curve in runs_of(run, name, seeds)] for own, name in half.items()}
    found |= {name: runs_of(run, "encdec-50", seeds, name, part=2) for name in names}
    rows = {
        name: {
            "bleu": bounds(last(each, lambda s: s["bleu"])),
            "long": bounds(last(each, lambda s: s["long"])),
        }
        for name, each in found.items()
    }
    gaps = {name: gap(found["RNNsearch"], found[name]) for name in names}
    told = ", ".join(f"{name} {row['bleu'][0]:.1f}" for name, row in rows.items())
    long = ", ".join(f"{row['long'][0]:.1f}" for row in rows.values())
    return Finding(
        None,
        ours=f"RNNsearch leads by {gaps[names[0]].text(1)} and {gaps[names[1]].text(1)} BLEU",
        ran=protocol(run) + "Here half the steps.",
        measured=f"BLEU: {told}; of 21 to 50 words {long}.",
        numbers={"bleu": rows, "lead": {n: [g.mean, g.low, g.high] for n, g in gaps.items()}},
    )


def draw_losses(figure, numbers) -> None:
    """Draw the loss on pages of the training and on others against the length of training."""
    figure.set_size_inches(6.4, 2.8)
    axes = figure.subplots()
    for name, color in (("search-50", BLUE), ("encdec-50", RED)):
        row = numbers[name]
        for part, style in (("training", "--"), ("other pages", "-")):
            y = [mean for mean, *_ in row[part]]
            axes.plot(row["steps"], y, "o" + style, color=color, label=f"{name}, {part}")
    axes.set(xlabel="updates, each length of training to its own end", ylabel="nats a piece")
    axes.legend(fontsize=8)


@demonstration(
    "D7",
    "The loss on pages of the training and on others, as Table 2 lists it.",
    draw_losses,
    asks="The nets of C1a to 50 words, at a quarter, a half and the whole of their training: loss "
    "per piece on 500 pairs of the training and on the dev pages. (Table 2, per sentence: "
    "RNNsearch-50 40.7 in training and 38.1 apart, RNNenc-50 44.0 and 43.6.)",
    source="Table 2",
    full_only=True,
)
def losses(run: Run) -> Finding:
    """Collect the losses that were measured beside BLEU."""
    numbers: dict[str, Any] = {}
    for name in ("search-50", "encdec-50"):
        curves = runs_of(run, name)
        numbers[name] = {"steps": [score["step"] for score in curves[0]]}
        for part, key in (("training", "train nats"), ("other pages", "dev nats")):
            numbers[name][part] = [bounds([s[key] for s in each]) for each in zip(*curves)]
    told = "; ".join(
        f"{name} {row['training'][-1][0]:.2f} and {row['other pages'][-1][0]:.2f}"
        for name, row in numbers.items()
    )
    return Finding(
        None,
        ours=f"training and other pages: {told}",
        ran=protocol(run),
        measured=f"Nats a piece in training and on other pages, at the end: {told}.",
        numbers=numbers,
    )
