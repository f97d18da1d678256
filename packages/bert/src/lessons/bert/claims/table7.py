"""Claims C6a and C6b, and D2: BERT's layers as fixed features (Table 7)."""

from typing import Any

from ..lab.claim import Finding, claim, demonstration
from ..lab.figures import BLUE, GREEN, MUTED, RED
from ..lab.run import Run
from ..lab.statistics import paired
from .contest import apart, finding, held, points, protocol
from .finetuning import scores, steps_of
from .layers import KINDS, features, rate_for
from .pretraining import config_of, grid
from .world import world

BERT = "MLM + NSP"
ELMO = "from the left and from the right, all next to each other"
BEST = "concat_last_four"
PAPER = {"embeddings": 91.0, "second_to_last": 95.6, "last": 94.9, "weighted_all": 95.5,
         "concat_last_four": 96.1, "fine-tuned": 96.4, "ELMo": 95.7}  # fmt: skip


def measured(run: Run) -> dict[str, list[float]]:
    """Return accuracies on tags by seed, in per cent: every kind of features, and fine-tuning."""
    fine = scores(run, BERT, "tags")
    seeds = run.seeds(len(fine))
    found = {kind: features(run, kind, [BERT], seeds) for kind in KINDS}
    found["ELMo"] = features(run, BEST, ["LTR", "RTL"], seeds)
    return {k: [100 * x for x in v] for k, v in (found | {"fine-tuned": fine}).items()}


def setting(run: Run) -> str:
    """Tell what was trained."""
    layers = config_of(run).num_hidden_layers
    n = len(world(run).task("tags", run.seed).train.ids)
    return (
        f"A bidirectional LSTM of two layers on fixed states of {layers} layers and the embeddings "
        f"(“last four”: with {layers} layers the embeddings are among them), {steps_of(run, n)} "
        f"steps, the rate {grid(*rate_for(run, [BERT]))} for BERT and "
        f"{grid(*rate_for(run, ['LTR', 'RTL']))} for the one-sided nets. "
        f"{protocol(run, BERT, tasks=('tags',))}"
    )


@claim(
    "C6a",
    "§5.3, Table 7",
    "Fixed features do nearly as well as fine-tuning.",
    quotes="is only 0.3 F1 behind fine-tuning the entire model",
    asks="Tags of words. The states of all layers, next to each other and fixed, in a new BiLSTM "
    "of "
    "two layers, against fine-tuning the net with one new layer. Each with its rate; equal "
    "examples and steps. “Only” is the paper's number.",
    holds_if="the 95% interval of fine-tuning − features, paired over seeds, lies below 0.3 points",
    fails_if="it lies above 0.3",
    paper="0.3 points of F1: 96.4 against 96.1",
    full_only=True,
)
def behind(run: Run) -> Finding:
    """Judge features against fine-tuning."""
    all_of = measured(run)
    found = paired(all_of["fine-tuned"], all_of[BEST])
    return finding(
        run, found, held(run, found, below=0.3),
        f"Fine-tuned {points_of(all_of['fine-tuned'])}, features {points_of(all_of[BEST])}: "
        f"fine-tuning is ahead by {found.text(2)} points.",
        {"accuracy": all_of}, setting(run), line=0.3,
    )  # fmt: skip


@claim(
    "C6b",
    "§5.3, Table 7",
    "As fixed features, BERT's layers serve better than those of ELMo's kind.",
    quotes="This demonstrates that BERT is effective for both fine-tuning and feature-based "
    "approaches.",
    asks="“Effective” is drawn from Table 7, whose first row is ELMo: BERT's features are above it "
    "(96.1 against 95.7 on dev). Ours of ELMo's kind are a net from the left and one from the "
    "right "
    "that read what BERT read, layer by layer next to each other: twice as many features. The same "
    "BiLSTM on both, each with its rate.",
    holds_if="the 95% interval of BERT's features − those of both one-sided nets, paired over "
    "seeds, lies above 0 points",
    fails_if="it lies below 0",
    paper="96.1 against ELMo's 95.7",
    full_only=True,
)
def effective(run: Run) -> Finding:
    """Judge BERT's features against those of two one-sided nets."""
    all_of = measured(run)
    found = paired(all_of[BEST], all_of["ELMo"])
    return finding(
        run, found, held(run, found, above=0.0),
        f"BERT's features {points_of(all_of[BEST])}, those of ELMo's kind "
        f"{points_of(all_of['ELMo'])}: {found.text(2)} points.",
        {"accuracy": all_of}, setting(run),
    )  # fmt: skip


def points_of(values: list[float]) -> str:
    """Tell a mean of percentages."""
    return f"{points([x / 100 for x in values]).text(1)}%"


def draw_kinds(figure, numbers: dict[str, Any]) -> None:
    """Draw ours and the paper's rows of Table 7."""
    figure.set_size_inches(6.4, 2.9)
    ours, paper = figure.subplots(1, 2, sharey=True)
    names = [*KINDS, "ELMo", "fine-tuned"]
    labels = [KINDS.get(name, name) for name in names]
    colors = [*[BLUE] * len(KINDS), RED, GREEN]
    for i, (name, color) in enumerate(zip(names, colors)):
        mean, low, high = numbers["rows"][name]
        ours.errorbar([mean], [i], xerr=[[mean - low], [high - mean]], fmt="o", color=color,
                      capsize=2, markersize=5)  # fmt: skip
        paper.plot([PAPER[name]], [i], "o", color=color, markersize=5)
    ours.set_yticks(range(len(names)), labels)
    ours.set_ylim(len(names) - 0.5, -0.5)
    ours.set(xlabel="words right (%)", title="ours, tags")
    paper.set(xlabel="F1 on dev", title="Table 7, names")
    for axes in (ours, paper):
        axes.grid(visible=True, axis="x", color=MUTED, alpha=0.3)


@demonstration(
    "D2",
    "Which layers serve best as fixed features.",
    draw_kinds,
    source="§5.3, Table 7",
    asks="Rows of Table 7 on our tags, beside fine-tuning and features of ELMo's kind. “Last four” "
    "and “all” are one for three layers and the embeddings.",
    full_only=True,
)
def kinds(run: Run) -> Finding:
    """Tell all rows."""
    all_of = measured(run)
    rows = {}
    for name, values in all_of.items():
        one = points([x / 100 for x in values])
        rows[name] = [one.mean, one.low, one.high]
    best = max(KINDS, key=lambda name: rows[name][0])
    told = ", ".join(f"{KINDS.get(name, name)} {row[0]:.1f}" for name, row in rows.items())
    return Finding(
        None,
        ours=f"best: {KINDS[best]}, {rows[best][0]:.1f}%; embeddings {rows['embeddings'][0]:.1f}%",
        ran=f"{setting(run)} Between this and the paper: {apart(run)}.",
        measured=f"Words right, in per cent: {told}.",
        numbers={"rows": rows, "paper": PAPER},
    )
