"""On par with training everything (abstract, Tables 2 to 4 and 16)."""

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, RED
from ..lab.run import Run
from ..lab.statistics import interval, judge, paired, seeds_needed
from .learning import BETWEEN, EPOCHS, protocol, scores

SEEDS = 8


def decide(found, line: float) -> str:
    """Say how many seeds would take a line out of an interval."""
    count = seeds_needed(found, line)
    return f"about {count:,} seeds" if count else "no number of seeds: the mean is on the line"


def draw_par(figure, numbers) -> None:
    """Draw both methods' accuracies, seed by seed."""
    axes = figure.subplots()
    for name, color in (("full", RED), ("q,v", BLUE)):
        label = "all weights" if name == "full" else "LoRA, q and v, r 8"
        axes.plot(numbers[name], "o", color=color, label=label)
    axes.set(xlabel="seed", ylabel="right (%)")
    axes.legend()


@claim(
    "C1", "abstract", "LoRA is on par with training all weights.", draw_par,
    quotes="LoRA performs on-par or better than finetuning in model quality on RoBERTa, DeBERTa, "
    "GPT-2, and GPT-3, despite having fewer trainable parameters",
    asks="MiniLM on the sentiment of film reviews: LoRA on q and v, r 8, 73,728 numbers, against "
    "all weights. Table 2 marks 85.4 against 86.4 as a loss: one point is what “on par” may cost.",
    holds_if="the 95% interval of LoRA − all, paired over 8 seeds, lies above −1.0 points",
    fails_if="it lies below −1.0 points",
    paper="87.2 against 86.4 (RoBERTa base, mean of GLUE)",
    full_only=True,
)  # fmt: skip
def on_par(run: Run) -> Finding:
    """Judge LoRA against full training."""
    both = {name: scores(run, name, SEEDS) for name in ("full", "q,v")}
    found = paired(both["q,v"], both["full"])
    return Finding(
        judge(found, above=-1.0, paper_regime=False),
        ours=f"{found.text(1)} points, {found.n} seeds", ran=protocol(run),
        measured=f"All weights {interval(both['full']).text(1)}%, LoRA "
        f"{interval(both['q,v']).text(1)}%: a difference of {found.text(2)} points.",
        numbers=both, between=BETWEEN, would_decide=decide(found, -1.0),
    )  # fmt: skip


def draw_few(figure, numbers) -> None:
    """Draw the difference against the number of examples."""
    axes = figure.subplots()
    for n, values in numbers["differences"].items():
        found = interval(values)
        ends = [[found.mean - found.low], [found.high - found.mean]]
        axes.errorbar(int(n), found.mean, ends, fmt="o", color=BLUE, capsize=2)
    axes.axhline(0, color=RED, linewidth=1)
    axes.set(xscale="log", xlabel="examples", ylabel="LoRA − all (points)")


@claim(
    "C2", "App. F.3, Table 16", "From few examples LoRA learns better than all weights do.",
    draw_few,
    quotes="LoRA achieves better performance than fine-tuning on both MNLI-100 and MNLI-Full",
    asks="The first half: 125 examples, 12 passes (and 500, 4 passes, between that and C1's "
    "2,000). Rates are those chosen at 2,000, as the paper kept one rate for all.",
    holds_if="the 95% interval of LoRA − all at 125 examples, paired over 5 seeds, lies above 0",
    fails_if="it lies below 0", paper="63.8 against 60.2 (MNLI-100)", full_only=True,
)  # fmt: skip
def few(run: Run) -> Finding:
    """Judge at 125 examples; the trend beside."""
    differences = {}
    for n in EPOCHS:
        ours, theirs = (scores(run, name, 5, n) for name in ("q,v", "full"))
        differences[str(n)] = [a - b for a, b in zip(ours, theirs)]
    found = interval(differences["125"])
    told = ", ".join(f"{n}: {interval(v).text(2)}" for n, v in differences.items())
    return Finding(
        judge(found, above=0.0, paper_regime=False),
        ours=f"{found.text(1)} points at 125 examples, {found.n} seeds", ran=protocol(run),
        measured=f"LoRA − all in points, by the number of examples: {told}.",
        numbers={"differences": differences}, between=BETWEEN, would_decide=decide(found, 0.0),
    )  # fmt: skip
