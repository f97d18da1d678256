"""Demonstration D4, and the nets of C2b and C2c: phrases that are made up, and units without gates.

The default run has no real text.
"""

from collections.abc import Callable
from typing import Any

from ..config import EncoderDecoderConfig, count_parameters
from ..lab.claim import Finding, demonstration
from ..lab.run import Run
from ..phrases import END, Shortlist
from . import made_up, nets, probing
from .gates import draw_losses
from .telling import mean_of

SIZES = {"embedding_size": 32, "hidden_size": 64, "maxout_size": 32, "output_rank": None}
PHRASES = {"test": 60, "default": 6000}
STEPS = {"test": 3, "default": 500, "full": 1000}
KINDS = ("gru", "update gate only", "reset gate only", "tanh", "tanh, as many weights")


def splits(run: Run) -> tuple[dict[str, list], tuple[Shortlist, Shortlist], EncoderDecoderConfig]:
    """Return made-up pairs of words, the words, and the sizes of the nets."""
    made = made_up.phrases(run.pick(**PHRASES), 0)
    cut = (3 * len(made)) // 4, (5 * len(made)) // 6
    lists = Shortlist((e for e, _ in made), 40), Shortlist((f for _, f in made), 40)
    parts = {"train": made[: cut[0]], "dev": made[cut[0] : cut[1]], "test": made[cut[1] :]}
    sizes: dict[str, Any] = run.pick(
        test={"embedding_size": 4, "hidden_size": 6, "maxout_size": 3, "output_rank": None},
        default=SIZES,
    )
    return parts, lists, EncoderDecoderConfig(len(lists[0]), len(lists[1]), **sizes, eos_id=END)


def learn_made_up(run: Run, kind: str, seed: int, share: float = 1.0) -> dict[str, Any]:
    """Train one net on made-up phrases; return its loss on others, and what C2 asks of it.

    Args:
        run: for its scale.
        kind: of `nets.KINDS`.
        seed: of weights and batches.
        share: of the phrases to train.
    """
    parts, lists, config = splits(run)
    parts["train"] = parts["train"][: round(share * len(parts["train"]))]
    ids = {n: [(lists[0].ids(e), lists[1].ids(f)) for e, f in p] for n, p in parts.items()}
    net = nets.make(kind, config, seed)
    nets.train(run, net, ids["train"], 3e-3, run.pick(**STEPS), seed)
    found = {"nats": nets.nats(net, ids["test"]), "weights": count_parameters(net.config)}
    if kind == "gru":
        found["patterns"] = probing.patterns(run, net, [e for e, _ in parts["test"]], lists[0])
        found["order"] = probing.order(net, parts["test"], lists)
    return found


def gated(run: Run) -> list[dict[str, Any]]:
    """Return what nets with both gates learned of made-up phrases."""
    count = run.pick(test=2, default=3, full=5)
    return [run.trial(learn_made_up, kind="gru", seed=seed, share=1.0) for seed in run.seeds(count)]


def by_phrases(run: Run, score: Callable[[dict[str, Any]], float]) -> str:
    """Tell a number of one net at three sizes of the training, for as many steps."""
    whole, told = len(splits(run)[0]["train"]), []
    for share in (0.25, 0.5, 1.0):
        net = run.trial(learn_made_up, kind="gru", seed=run.seed, share=share)
        told.append(f"{round(share * whole):,}: {score(net):.2f}")
    return f" By phrases of the training, one net each: {'; '.join(told)}."


def told(run: Run, count: int) -> str:
    """Return what was trained on made-up phrases."""
    parts, _, config = splits(run)
    return (
        f"{len(parts['train']):,} made-up phrases of 1 to 6 words to train, {len(parts['test']):,} "
        f"to test; {config.hidden_size} units, {count} seeds, {run.pick(**STEPS):,} steps of "
        f"{nets.BATCH} with Adam at 0.003. "
    )


@demonstration(
    "D4",
    "On made-up phrases: both gates, one of them, or none.",
    draw_losses,
    asks="Phrases of 1 to 6 made-up words, adjectives before nouns in one language and behind "
    "them in the other; 6,000, three quarters to train, a sixth to test. One rate for all, 0.003: "
    "an illustration, tuned for none.",
    source="§2.3",
)
def made_up_gates(run: Run) -> Finding:
    """Train each on the same phrases."""
    seeds = run.seeds(run.pick(test=2, default=2, full=3))
    found = {k: [run.trial(learn_made_up, kind=k, seed=s, share=1.0) for s in seeds] for k in KINDS}
    table = {k: mean_of(x["nats"] for x in rows) for k, rows in found.items()}
    sizes = {k: rows[0]["weights"] for k, rows in found.items()}
    return Finding(
        None,
        ours=f"{table['gru'][0]:.2f} nats with both gates, {table['tanh'][0]:.2f} with none",
        ran=told(run, len(seeds)),
        measured="Nats per word: "
        + ", ".join(f"{k} {v[0]:.3f} ({sizes[k]:,} weights)" for k, v in table.items())
        + ".",
        numbers={"loss": table, "weights": sizes},
    )
