"""Claims C5 and C6: a soft alignment against a hard one, and what an annotation is about."""

from typing import Any

import torch
from torch import Tensor

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, MUTED
from ..lab.run import Run
from ..lab.statistics import interval, judge, paired
from ..model import Memory, RNNsearch
from . import translators
from .contest import BETWEEN, last, protocol, rates, runs_of, would_decide
from .looking import AROUND, focus

ARTICLES = [blank + word for word in ("le", "la", "les", "l", "Le", "La", "Les", "L")
            for blank in (" ", "")]  # fmt: skip


class HardSearch(RNNsearch):
    """RNNsearch that looks at one annotation alone, the one of the largest weight.

    The gradient goes through the soft weights (straight through), so that it can be learned.
    """

    def look(self, s_BKH: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Return the annotations looked at, and weights of 0 and 1."""
        m = memory
        _, soft = self.attention(s_BKH, m.annotations, m.mask, m.keys)
        hard = torch.zeros_like(soft).scatter(-1, soft.argmax(-1, keepdim=True), 1.0)
        weights = hard + soft - soft.detach()
        return weights @ memory.annotations, weights

    def unroll(self, memory: Memory, x_TBG: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Go step by step: the fast path knows soft weights only."""
        return self.unroll_reference(memory, x_TBG)


def harden(net: RNNsearch) -> RNNsearch:
    """Return a net with the same weights, the very same tensors, that looks hard."""
    net.__class__ = HardSearch
    return net


def soft_and_hard(run: Run, seed: int, rate: float, end: int) -> dict[str, Any]:
    """Train to four fifths with soft weights, then on with soft ones or with hard ones alike."""
    pairs, test = translators.up_to(run, 50), translators.texts(run)["ids"]["test"]
    pieces = translators.texts(run)["pieces"][1]
    articles = [pieces.ids[name] for name in ARTICLES if name in pieces.ids] or [4]
    found: dict[str, Any] = {}
    net = translators.make(run, "search", seed)
    ended = translators.trained(run, net, rate, [end], pairs, seed, (None, harden))
    for name, (_, other) in zip(("soft", "hard"), ended):
        found[name] = {
            "bleu": translators.scores(run, other)["bleu"],
            **_apart(translators.forced(run, other, test, articles)),
        }
        if name == "soft":  # hardened without having learned it
            found["hardened"] = _apart(translators.forced(run, harden(other), test, articles))
    return found


def _apart(found: dict[str, Any]) -> dict[str, Any]:
    return {"articles": found.pop("only"), "all": found}


@claim(
    "C5",
    "§5.2.1, Fig. 3d",
    "Looking at several words at once beats looking at one: le, la, les or l’.",
    quotes="The strength of the soft-alignment, opposed to a hard-alignment, is evident, for "
    "instance, from Fig. 3 (d).",
    asks="The sentence's example is the article, which must agree with the noun after it. "
    "RNNsearch "
    "is trained to 50 words as in C1a, half as long; over the last fifth one copy goes on with "
    "soft "
    "weights, another with hard ones (the largest is 1; its gradient goes straight through), on "
    "the same batches. Accuracy of le, la, les and l’ in the references, given the words before "
    "(pieces that a word ends with, not the la of lancer). "
    "(The hard one may win: an annotation of “the” has read the words behind it.)",
    holds_if="the 95% interval of accuracy with soft weights less hard ones, paired, lies above 0",
    fails_if="it lies below 0",
    full_only=True,
)
def soft_beats_hard(run: Run) -> Finding:
    """Compare soft and hard weights, both learned."""
    end = translators.steps_of(run, "search-50") // 2
    found = [
        run.trial(soft_and_hard, seed=seed, rate=rates(run, ("search",))["search"][0], end=end)
        for seed in run.seeds(run.pick(test=2, default=3))
    ]

    def of(name: str, part: str, score: str = "accuracy") -> list[float]:
        return [each[name][part][score] for each in found]

    gain = paired(of("soft", "articles"), of("hard", "articles"))
    raw = paired(of("soft", "articles"), of("hardened", "articles"))
    bleu = paired([each["soft"]["bleu"] for each in found], [e["hard"]["bleu"] for e in found])
    nats = paired(of("hard", "all", "nats"), of("soft", "all", "nats"))
    count = found[0]["soft"]["articles"]["count"]
    return Finding(
        judge(gain, above=0.0, paper_regime=False),
        ours=f"{100 * gain.mean:.1f} [{100 * gain.low:.1f}, {100 * gain.high:.1f}] points of "
        "accuracy",
        ran=protocol(run) + f"Here {end:,} steps; {count:,.0f} articles.",
        measured=f"Articles right: soft {100 * interval(of('soft', 'articles')).mean:.1f}%, hard "
        f"{100 * interval(of('hard', 'articles')).mean:.1f}%, a difference of "
        f"{100 * gain.mean:.1f} [{100 * gain.low:.1f}, {100 * gain.high:.1f}] points; soft weights "
        f"hardened afterwards lose {100 * raw.mean:.1f}. In all, hard weights cost "
        f"{nats.text(3)} nats a piece and {bleu.text(1)} BLEU.",
        numbers={
            "articles": {name: [100 * v for v in of(name, "articles")]
                         for name in ("soft", "hard", "hardened")},
            "difference": [100 * v for v in (gain.mean, gain.low, gain.high)],
            "hardened": [100 * v for v in (raw.mean, raw.low, raw.high)],
            "nats": [nats.mean, nats.low, nats.high], "bleu": [bleu.mean, bleu.low, bleu.high],
        },
        between=BETWEEN + "; hard weights learned straight through, for a fifth of the training.",
        would_decide=would_decide(gain, 0.0),
    )  # fmt: skip


def untrained(run: Run, seed: int) -> dict[str, Any]:
    """Return what annotations depend on before any training."""
    return focus(run, translators.make(run, "search", seed).eval(), seed)


def draw_focus(figure, numbers) -> None:
    """Draw how much an annotation depends on words to its left and right."""
    figure.set_size_inches(6.4, 2.6)
    axes = figure.subplots()
    shares = numbers["by distance"]
    half = len(shares) // 2
    where = range(-half, half + 1)
    colors = [BLUE if abs(k) <= AROUND else MUTED for k in where]
    axes.bar(where, [100 * share for share in shares], color=colors)
    axes.set(xlabel="place of the piece, from the annotation's own", ylabel="% of the slope")


@claim(
    "C6",
    "§3.2",
    "An annotation is focused on the words around it.",
    draw_focus,
    quotes="Due to the tendency of RNNs to better represent recent inputs, the annotation hj will "
    "be focused on the words around xj.",
    asks="RNNsearch-50 of C1a, test texts cut to 25 pieces, their middle third: how much h_j "
    "depends on the embedding of each piece (the norm of the Jacobian, as a share of the sum). "
    "Focused: more than half of it within three pieces to either side, which are 28% of all. "
    "(Beside it the same nets before training: how much is the tendency of RNNs alone.)",
    holds_if="the 95% interval over seeds of that share lies above ½",
    fails_if="it lies below",
    full_only=True,
)
def focused(run: Run) -> Finding:
    """Measure what an annotation depends on."""
    found = runs_of(run, "search-50")
    share = interval(last(found, lambda s: s["focus"]["around"]))
    before = interval([run.trial(untrained, seed=seed)["around"] for seed in run.seeds(len(found))])
    even = found[0][-1]["focus"]["even"]
    curve = [
        interval(values).mean
        for values in zip(*(seed[-1]["focus"]["by distance"] for seed in found))
    ]
    return Finding(
        judge(share, above=0.5, paper_regime=False),
        ours=f"{100 * share.mean:.1f}% [{100 * share.low:.1f}, {100 * share.high:.1f}]",
        ran=protocol(run) + "Jacobians along four random directions.",
        measured=f"{100 * share.mean:.1f}% [{100 * share.low:.1f}, {100 * share.high:.1f}] of the "
        f"slope within {AROUND} pieces to either side, which are {100 * even:.0f}% of all; the "
        f"piece itself {100 * curve[len(curve) // 2]:.1f}%. Before training "
        f"{100 * before.mean:.1f}%.",
        numbers={
            "percent": [100 * v for v in (share.mean, share.low, share.high)],
            "of all, percent": 100 * even,
            "before training, percent": [100 * v for v in (before.mean, before.low, before.high)],
            "by distance": curve,
        },
        between=BETWEEN + ".",
        would_decide=would_decide(share, 0.5),
    )
