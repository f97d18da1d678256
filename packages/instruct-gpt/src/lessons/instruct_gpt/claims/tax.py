"""Claims C3: what alignment costs elsewhere, and two ways to pay less."""

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, MUTED, RED
from ..lab.run import Run
from ..lab.statistics import HOLDS, every, interval, judge, paired
from .headline import BETWEEN, length, wins
from .outcomes import gamma, outcomes, seeds_of, told
from .steps import BETA, sizes


def losses(trials: list[dict]) -> list[float]:
    """Return the loss of the held-out text, by seed."""
    return [t["loss"] for t in trials]


def rewards(trials: list[dict]) -> list[float]:
    """Return the mean true reward, by seed."""
    return [sum(t["reward"]) / len(t["reward"]) for t in trials]


def betas(run: Run) -> list[float]:
    """Return larger prices: up to 2.0, 100 times the default, as in appendix E.6."""
    return [BETA * times for times in run.pick(test=[100], default=[10, 100], full=[5, 25, 100])]


@claim(
    "C3a",
    "Ouyang §1",
    "PPO-ptx takes back what PPO costs on the pretraining text.",
    quotes="We can greatly reduce the performance regressions on these datasets by mixing PPO "
    "updates with updates that increase the log likelihood of the pretraining distribution",
    asks="Loss of held-out text after PPO and after PPO-ptx from the same weights, smallest size. "
    "The text stands for the public data sets. γ is tuned on prompts for development.",
    holds_if="the 95% interval of (PPO-ptx − PPO) lies below 0 nats a token",
    fails_if="it lies above",
    paper="SQuADv2, few-shot F1 at 1.3B: 48.1 to 58.3, GPT-3's 58.9 (Table 14)",
)
def tax_is_less(run: Run) -> Finding:
    """Compare the losses of text."""
    n, size = seeds_of(run), sizes(run)[0]
    by = {kind: losses(outcomes(run, kind, size, n)) for kind in ("gpt", "sft", "ppo", "ptx")}
    found = paired(by["ptx"], by["ppo"])
    means = ", ".join(f"{kind} {sum(v) / n:.3f}" for kind, v in by.items())
    return Finding(
        judge(found, below=0, paper_regime=False),
        ours=f"{found.text(unit='nats')} a token",
        ran=f"{told(run)}; γ = {gamma(run):g}",
        measured=f"The loss differs by {found.text(unit='nats')} a token. Means: {means}.",
        numbers={"losses": by},
        between=BETWEEN,
        would_decide="twenty seeds",
    )


@claim(
    "C3b",
    "Ouyang §1",
    "PPO-ptx is preferred about as often as PPO.",
    quotes="… mixing PPO updates with updates that increase the log likelihood of the pretraining "
    "distribution (PPO-ptx), without compromising labeler preference scores",
    asks="Win rate of PPO-ptx over PPO by the true reward, smallest size.",
    holds_if="the 95% interval of the win rate lies above 46% (the paper's bars are ± 4)",
    fails_if="it lies below",
    paper="no large change (§4.1)",
)
def preference_stays(run: Run) -> Finding:
    """Compare the responses."""
    n, size = seeds_of(run), sizes(run)[0]
    ours, theirs = outcomes(run, "ptx", size, n), outcomes(run, "ppo", size, n)
    rates = wins(ours, theirs)
    found = interval(rates)
    return Finding(
        judge(found, above=46, paper_regime=False),
        ours=f"preferred {found.text(unit='%')} of the time",
        ran=f"{told(run)}; γ = {gamma(run):g}",
        measured=f"PPO-ptx wins {found.text(unit='%')} over PPO. Words in a response: "
        f"{length(ours)} against {length(theirs)}.",
        numbers={"wins": rates},
        between=BETWEEN,
        would_decide="twenty seeds",
    )


def draw_tax(figure, numbers) -> None:
    """Draw reward against the loss of text, for γ and for larger prices of KL."""
    axes = figure.subplots()
    for name, (loss, reward) in numbers["points"].items():
        color = RED if name == "PPO-ptx" else MUTED if name.startswith(("SFT", "GPT")) else BLUE
        axes.plot(loss, reward, "o", color=color)
        axes.annotate(name, (loss, reward), textcoords="offset points", xytext=(6, 4), fontsize=8)
    axes.margins(0.15)
    axes.set(xlabel="loss of held-out text (nats a token)", ylabel="mean true reward")


@claim(
    "C3c",
    "Ouyang §4.2",
    "Mixing in pretraining does better than a larger price of KL.",
    draw_tax,
    quotes="Mixing in pretraining updates performs better than the simpler solution of increasing "
    "the KL coefficient.",
    asks="PPO with larger β against PPO-ptx: loss of held-out text, and mean true reward.",
    holds_if="at every β one 95% interval favours PPO-ptx: that of (its loss − theirs) lies below "
    "0, or that of (its reward − theirs) above",
    fails_if="at some β both lie on the other side",
    paper="β up to 2.0, 100 times the default, never recovers (Figure 34)",
    full_only=True,
)
def beats_larger_beta(run: Run) -> Finding:
    """Compare with each larger price."""
    n, size = seeds_of(run), sizes(run)[0]
    ptx = outcomes(run, "ptx", size, n)
    points = {"PPO-ptx": (sum(losses(ptx)) / n, sum(rewards(ptx)) / n)}
    for kind, name in (("gpt", "GPT"), ("sft", "SFT"), ("ppo", f"PPO, β {BETA:g}")):
        each = outcomes(run, kind, size, n)
        points[name] = (sum(losses(each)) / n, sum(rewards(each)) / n)
    judged, said = [], []
    for beta in betas(run):
        other = outcomes(run, "ppo", size, n, beta)
        loss, gain = paired(losses(ptx), losses(other)), paired(rewards(ptx), rewards(other))
        both = [judge(loss, below=0, paper_regime=False), judge(gain, above=0, paper_regime=False)]
        both.sort(key=lambda j: (j.verdict != HOLDS, j.verdict != "undecided"))
        judged.append(both[0])
        said.append(f"β {beta:g}: loss {loss.text()}, reward {gain.text()}")
        points[f"PPO, β {beta:g}"] = (sum(losses(other)) / n, sum(rewards(other)) / n)
    held = sum(each.verdict == HOLDS for each in judged)
    return Finding(
        every(judged),
        ours=f"better in loss or reward at {held} of {len(judged)} β",
        ran=f"{told(run)}; β {', '.join(f'{b:g}' for b in betas(run))}; γ = {gamma(run):g}",
        measured=f"PPO-ptx minus PPO with a larger price. {'; '.join(said)}.",
        numbers={"points": points},
        between=BETWEEN,
        would_decide="twenty seeds",
    )
