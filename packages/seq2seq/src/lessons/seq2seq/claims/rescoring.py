"""Claims C6a and C6b: an even average of two systems' scores (§3.2, Table 2)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..lab.claim import Finding, claim
from ..lab.run import Run
from ..lab.statistics import interval
from ..model import Seq2Seq
from . import baseline
from .baseline import Lists, best_of, described, lists_of, oracle_of
from .beams import TWO as OF_AN_ENSEMBLE
from .beams import numbers_of, together
from .contest import BETWEEN, bounds, lengths_of, nets, protocol, would_decide
from .reversing import AGREE, TWO
from .scoring import bleu_of, bleus
from .sentences import Both, Score, over_sentences, pack, unpack
from .translators import texts

PAPER = {"baseline": 33.30, "forward": 35.61, "reversed": 35.85, "ensemble": 36.5, "oracle": 45.0}
BLEU = Score(bleus)
WEIGHTS = [k / 20 for k in range(21)]  # of the nets, tried on dev


@torch.no_grad()
def logs_of(models: Sequence[Seq2Seq], source: list[int], rows: list[list[int]]) -> Tensor:
    """Return each model's log-probability of each piece of each translation (M, N, T).

    Behind a translation's end they are 0.
    """
    device = models[0].output.weight.device
    src, length = torch.tensor([source], device=device), torch.tensor([len(source)], device=device)
    tgt = torch.full((len(rows), max(map(len, rows))), models[0].config.pad_id)
    for i, row in enumerate(rows):
        tgt[i, : len(row)] = torch.tensor(row)
    tgt, found = tgt.to(device), []
    for model in models:
        state = model.encode(src, length)
        state = tuple(part.expand(-1, len(rows), -1).contiguous() for part in state)
        logits = model.output(model.hidden(state, tgt))  # (T, N, V)
        found.append((logits.gather(-1, tgt.T[..., None])[..., 0] - logits.logsumexp(-1)).T)
    return torch.stack(found).masked_fill(tgt.eq(models[0].config.pad_id), 0.0)


def ensemble_logs(logs: Tensor) -> list[float]:
    """Return log-probabilities of translations (N,) by models whose probabilities are averaged."""
    count = torch.tensor(float(len(logs))).log()
    return (logs.double().logsumexp(0) - count).sum(-1).tolist()


def rescored(
    run: Run, models: Sequence[Seq2Seq], sets: Sequence[Sequence[int]], known: Lists, part: str
) -> list[list[list[float]]]:
    """Return the log-probabilities of lists' translations by several ensembles of models.

    What a set of models thinks of a word is made of what each of them thinks: each runs once.
    """
    pieces = texts(run)["pieces"]
    found: list[list[list[float]]] = [[] for _ in sets]
    for (en, _), some in run.track(list(zip(known.pairs, known.texts)), f"rescoring, {part}"):
        rows = [pieces[1].encode(text) for text in some]
        logs = logs_of(models, pieces[0].encode(en)[:-1], rows)
        for scores, chosen in zip(found, sets):
            scores.append(ensemble_logs(logs[list(chosen)]))
    return found


def chosen_by(weight: float, known: Lists, scores: list[list[float]]) -> Any:
    """Return what the translations add to BLEU that a weighted sum of both scores puts first."""
    found = []
    for rows, theirs, ours in zip(known.counts, known.base, scores):
        sums = weight * np.array(ours) + (1 - weight) * np.array(theirs)
        found.append(rows[int(sums.argmax())])
    return found


def again(run: Run, kind: str, sets: list[list[int]], dev: bool, end: int, seed: int) -> Any:
    """Return what each sentence adds to BLEU after rescoring by sets of a kind's nets.

    Args:
        run: for its nets and lists.
        kind: of the nets.
        sets: numbers of the nets that work together.
        dev: also choose the nets' weight on other lists.
        end: the length of the nets' training.
        seed: of the trial alone: nothing is drawn.
    """
    del seed
    models, known = nets(run, kind, end), lists_of(run, "test")
    test = rescored(run, models, sets, known, "test")
    found: dict[str, Any] = {"even": [pack(chosen_by(0.5, known, one)) for one in test]}
    if dev:
        other = lists_of(run, "apart")
        found["weights"], found["best"] = [], []
        for ours, theirs in zip(test, rescored(run, models, sets, other, "dev")):
            value = {w: bleu_of(chosen_by(w, other, theirs)) for w in WEIGHTS}
            best = max(WEIGHTS, key=lambda w: (value[w], -abs(w - 0.5)))
            found["weights"].append(best)
            found["best"].append(pack(chosen_by(best, known, ours)))
    return found


def sets_of(run: Run, whole: bool) -> list[list[int]]:
    """Return the sets of reversed nets that rescore: each, all, and all but each."""
    every = numbers_of(run)
    sets = [*([i] for i in every), every]
    sets += [[k for k in every if k != i] for i in every] if whole else []
    return [some for k, some in enumerate(sets) if some not in sets[:k]]


def by_reversed(run: Run, end: int) -> dict[tuple[int, ...], dict[str, Any]]:
    """Return the rows of each set of reversed nets, evenly averaged and with dev's weight."""
    whole = end == lengths_of(run)[-1]
    sets = sets_of(run, whole)
    found = run.trial(again, kind="reversed", sets=sets, dev=whole, end=end, seed=run.seed)
    return {
        tuple(some): {
            "even": unpack(found["even"][k]),
            **({"best": unpack(found["best"][k]), "weight": found["weights"][k]} if whole else {}),
        }
        for k, some in enumerate(sets)
    }


def by_forward(run: Run) -> list[Any]:
    """Return the rows of three forward nets, evenly averaged."""
    sets = [[i] for i in numbers_of(run)[:3]]
    found = run.trial(
        again, kind="forward", sets=sets, dev=False, end=lengths_of(run)[-1], seed=run.seed
    )  # fmt: skip
    return [unpack(text) for text in found["even"]]


def summary(run: Run) -> dict[str, Any]:
    """Return BLEU of each row of Table 2, and with dev's weight, with those weights."""
    found, every = by_reversed(run, lengths_of(run)[-1]), numbers_of(run)
    single, whole = [found[i,] for i in every], found[tuple(every)]
    return {
        "baseline": [bleu_of(best_of(run))],
        "forward": bounds([bleu_of(rows) for rows in by_forward(run)]),
        "reversed": bounds([bleu_of(one["even"]) for one in single]),
        "ensemble": [bleu_of(whole["even"])],
        "reversed, weight from dev": bounds([bleu_of(one["best"]) for one in single]),
        "ensemble, weight from dev": [bleu_of(whole["best"])],
        "oracle": [bleu_of(oracle_of(run))],
        "weights": {"reversed": [one["weight"] for one in single], "ensemble": whole["weight"]},
    }


def told(run: Run) -> str:
    """Return the rows as text."""
    rows = summary(run)
    weights = rows.pop("weights")
    single = ", ".join(f"{w:g}" for w in weights["reversed"])
    return (
        "BLEU: " + ", ".join(f"{name} {v[0]:.2f}" for name, v in rows.items())
        + f". (An even average depends on the scale of the other score. Dev's best weights, of "
        f"{len(lists_of(run, 'apart').texts)} sentences that no weight of the baseline was tuned "
        f"on: {single} for the single nets, {weights['ensemble']:g} for all.) "
    )  # fmt: skip


WHAT = f"Lists of {baseline.N_BEST} for 400 test sentences (the paper: 1,000). "


@claim(
    "C6a",
    "§3.2, Table 2",
    "Rescoring a phrase-based system's list with one LSTM raises its BLEU.",
    quotes="we computed the log probability of every hypothesis with our LSTM and took an even "
    "average with their score and the LSTM's score",
    asks="BLEU of the lists' best after the even average with each of five reversed nets, less the "
    "baseline's own. Table 2: 35.85 and 33.30. Beside it stands the weight that is best on dev.",
    holds_if=TWO.format("above 0", "", "paired "),
    fails_if=AGREE.format("below 0"),
    paper="35.85 − 33.30 = 2.55",
    full_only=True,
)
def one_net(run: Run) -> Finding:
    """Rescore with single nets."""
    base, every = np.asarray(best_of(run)), numbers_of(run)

    def gains(end: int) -> list[float]:
        found = by_reversed(run, end)
        return [bleu_of(found[i,]["even"]) - bleu_of(base) for i in every]

    whole = by_reversed(run, lengths_of(run)[-1])
    pairs = [(whole[i,]["even"], base) for i in every]
    sentences = over_sentences(pairs, lambda a, b: a(BLEU) - b(BLEU), seed=run.seed)
    found = Both(interval(gains(lengths_of(run)[-1])), sentences)
    trend = "; ".join(interval(gains(end)).text(2) for end in lengths_of(run))
    return Finding(
        found.judge(above=0.0),
        ours=f"{found.nets.text(2)} BLEU",
        ran=protocol(run, "reversed") + described(run) + WHAT,
        measured=f"{told(run)}Gain {found.text(2)}; after a quarter, a half and the whole of the "
        f"training {trend}.",
        numbers={"table": summary(run), "gain": found.ends(), "paper": PAPER},
        between=BETWEEN + "; a list of 100 in the place of 1,000.",
        would_decide=would_decide(found, 0.0),
    )


@claim(
    "C6b",
    "Abstract, §1, Table 2",
    "Rescoring with the ensemble improves the baseline.",
    quotes="By doing so, we obtained a BLEU score of 36.5, which improves the baseline by 3.2 BLEU "
    "points and is close to the previous best published result on this task",
    asks="BLEU of the lists' best after the even average with five reversed nets together, less "
    "the baseline's own.",
    holds_if=OF_AN_ENSEMBLE.format("above 0"),
    fails_if=AGREE.format("below 0"),
    paper="36.5 − 33.3 = 3.2",
    full_only=True,
)
def all_nets(run: Run) -> Finding:
    """Rescore with the ensemble."""
    base = best_of(run)
    found, trend = together(
        run, lambda which, end: [by_reversed(run, end)[tuple(which)]["even"], base],
        lambda a, b: a - b,
    )  # fmt: skip
    return Finding(
        found.judge(above=0.0),
        ours=f"{found.nets.text(2)} BLEU",
        ran=protocol(run, "reversed") + described(run) + WHAT,
        measured=f"{told(run)}Gain {found.text(2)}. {trend}",
        numbers={"table": summary(run), "gain": found.ends()},
        between=BETWEEN + "; a list of 100 in the place of 1,000.",
        would_decide=would_decide(found, 0.0),
    )
