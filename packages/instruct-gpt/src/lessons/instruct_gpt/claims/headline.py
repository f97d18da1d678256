"""Claims C1, C2: a small model that learned from preferences against a large one that did not."""

from typing import Any

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, INK, MUTED, RED
from ..lab.run import Run
from ..lab.statistics import Interval, interval, judge
from .outcomes import outcomes, seeds_of, told, win_rate
from .steps import sizes

BETWEEN = (
    "models a thousand to a million times smaller than the paper's, one text, and a program that "
    "knows the true reward in the place of forty people"
)
KINDS = {"gpt": "GPT", "prompted": "GPT (prompted)", "sft": "SFT", "ppo": "PPO", "ptx": "PPO-ptx"}


def wins(ours: list[dict], theirs: list[dict]) -> list[float]:
    """Return the win rate of each seed, in per cent."""
    return [win_rate(a, b) for a, b in zip(ours, theirs, strict=True)]


def length(trials: list[dict]) -> str:
    """Return the mean number of words of responses."""
    return f"{sum(t['words'] for t in trials) / len(trials):.1f}"


def draw_sizes(figure, numbers) -> None:
    """Draw Figure 1: win rates against the largest supervised model, by size."""
    axes = figure.subplots()
    colors = {"gpt": MUTED, "prompted": INK, "sft": BLUE, "ppo": "#a3820f", "ptx": RED}
    for kind, points in numbers["against_largest_sft"].items():
        x = [numbers["names"].index(name) for name in points]
        y = [sum(v) / len(v) for v in points.values()]
        axes.plot(x, y, "o-", color=colors[kind], label=KINDS[kind])
        for place, values in zip(x, points.values()):
            axes.plot([place] * len(values), values, ".", color=colors[kind], alpha=0.4)
    axes.axhline(50, color=MUTED, linewidth=0.8, linestyle=":")
    axes.set_xticks(range(len(numbers["names"])), numbers["names"])
    axes.set(xlabel="width/layers", ylabel="% preferred to the largest SFT model")
    axes.legend(fontsize=8)


def contest(run: Run, rival: str) -> tuple[Interval, dict, str]:
    """Return the smallest PPO-ptx's win rate over the largest rival, and what a figure shows."""
    n, small, large = seeds_of(run), sizes(run)[0], sizes(run)[-1]
    ours, theirs = outcomes(run, "ptx", small, n), outcomes(run, rival, large, n)
    trend = {  # PPO without ptx, which is affordable at all sizes
        f"{w}/{l}": wins(outcomes(run, "ppo", (w, l), n), theirs) for w, l in sizes(run)
    }
    rates = wins(ours, theirs)
    said = "; ".join(f"{name} {sum(v) / len(v):.1f}" for name, v in trend.items())
    text = (f"By size PPO wins, in per cent: {said}. Words in a response: {length(ours)} against "
            f"{length(theirs)}.")  # fmt: skip
    return interval(rates), {"wins": rates, "by_size": trend}, text


@claim(
    "C1a",
    "Ouyang, abstract",
    "The smallest model after PPO-ptx is preferred to the largest base model.",
    draw_sizes,
    quotes="outputs from the 1.3B parameter InstructGPT model are preferred to outputs from the "
    "175B GPT-3, despite having 100x fewer parameters",
    asks="Win rate by the true reward, on the same test prompts, over seeds.",
    holds_if="the 95% interval of the win rate lies above 50%",
    fails_if="it lies below",
    paper="preferred (Figure 1)",
)
def beats_larger(run: Run) -> Finding:
    """Compare the smallest with the largest."""
    found, numbers, text = contest(run, "gpt")
    n, largest = seeds_of(run), outcomes(run, "sft", sizes(run)[-1], seeds_of(run))
    numbers["names"] = [f"{w}/{l}" for w, l in sizes(run)]
    numbers["against_largest_sft"] = {
        kind: {
            f"{w}/{l}": wins(outcomes(run, kind, (w, l), n), largest)
            for w, l in (sizes(run)[:1] if kind == "ptx" else sizes(run))
        }
        for kind in KINDS
    }
    return Finding(
        judge(found, above=50, paper_regime=False),
        ours=f"preferred {found.text(unit='%')} of the time",
        ran=told(run),
        measured=f"The smallest PPO-ptx wins {found.text(unit='%')} over the largest GPT. {text}",
        numbers=numbers,
        between=BETWEEN,
        would_decide="twenty seeds, or four times as many prompts",
    )


@claim(
    "C1b",
    "Ouyang §1",
    "That stays so with a few-shot prompt for the large model.",
    quotes="This result holds true even when we add a few-shot prompt to GPT-3 to make it better "
    "at following instructions.",
    asks="As C1a; before each prompt the base reads four good prompts with their responses.",
    holds_if="the 95% interval of the win rate lies above 50%",
    fails_if="it lies below",
    paper="71 ± 4% at equal size, 175B",
)
def beats_prompted(run: Run) -> Finding:
    """Compare the smallest with the largest that reads good examples."""
    found, numbers, text = contest(run, "prompted")
    return Finding(
        judge(found, above=50, paper_regime=False),
        ours=f"preferred {found.text(unit='%')} of the time",
        ran=told(run),
        measured=f"The smallest PPO-ptx wins {found.text(unit='%')} over the largest prompted GPT. "
        f"{text}",
        numbers=numbers,
        between=BETWEEN,
        would_decide="twenty seeds, or four times as many prompts",
    )


def step_up(run: Run, better: str, worse: str) -> Finding:
    """Judge one step of the order of §4.1: the mean win rate over all sizes, by seed."""
    n = seeds_of(run)
    by_size = {
        f"{w}/{l}": wins(outcomes(run, better, (w, l), n), outcomes(run, worse, (w, l), n))
        for w, l in sizes(run)
    }
    means = [sum(rates) / len(rates) for rates in zip(*by_size.values())]
    found = interval(means)
    said = "; ".join(f"{name} {sum(v) / len(v):.1f}" for name, v in by_size.items())
    return Finding(
        judge(found, above=50, paper_regime=False),
        ours=f"preferred {found.text(unit='%')} of the time",
        ran=told(run),
        measured=f"{KINDS[better]} wins {found.text(unit='%')} over {KINDS[worse]} of the same "
        f"size, the mean of all sizes; by size, in per cent: {said}.",
        numbers={"wins": means, "by_size": by_size},
        between=BETWEEN,
        would_decide="twenty seeds, or four times as many prompts",
    )


ORDER = (
    "GPT-3 outputs perform the worst, and one can obtain significant step-size improvements by "
    "using a well-crafted few-shot prompt …, then by training on demonstrations …"
)
RULE: dict[str, Any] = {
    "asks": "Win rates at equal size by the true reward; per seed the mean over the sizes.",
    "holds_if": "the 95% interval of the win rate lies above 50%",
    "fails_if": "it lies below",
}


@claim("C2a", "Ouyang §4.1", "A few-shot prompt makes the base model better.", quotes=ORDER,
       paper="a step up (Figure 1)", **RULE)  # fmt: skip
def prompt_helps(run: Run) -> Finding:
    """The first step."""
    return step_up(run, "prompted", "gpt")


@claim("C2b", "Ouyang §4.1", "Demonstrations make a better model than a few-shot prompt.",
       quotes=ORDER, paper="a step up (Figure 1)", **RULE)  # fmt: skip
def demonstrations_help(run: Run) -> Finding:
    """The second step."""
    return step_up(run, "sft", "prompted")


@claim("C2c", "Ouyang §4.1", "PPO on comparisons makes a better model than demonstrations.",
       quotes="… and finally by training on comparison data using PPO",
       paper="a step up (Figure 1)", **RULE)  # fmt: skip
def comparisons_help(run: Run) -> Finding:
    """The third step."""
    return step_up(run, "ppo", "sft")
