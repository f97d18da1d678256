"""C3: noisy targets, and what the best decay gains (§4, Fig. 1)."""

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, MUTED, RED
from ..lab.statistics import HOLDS, NOT_SEEN
from ..theory import LinearTeacherStudent, generalization_error
from .averages import generator, mean, standard_error

ALPHAS = [0.125, 0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 1.75, 2.0]
CURVES = {"λ = σ² = 0.2": (0.2, 0.2, BLUE, "-"), "λ → 0": (0.0, 0.2, RED, "--"),
          "λ → 0, no noise": (0.0, 0.0, MUTED, ":")}  # fmt: skip


def figure_1(run, alpha, lam, sigma2, draws):
    """Return F of each draw."""
    errors = []
    for seed in run.seeds(draws):
        n = run.pick(test=40, default=200)
        one = LinearTeacherStudent(n, alpha, sigma2, generator=generator(seed))
        errors.append(one.gen_error(one.solution(lam)))
    return errors


def draw_figure_1(figure, numbers):
    """Draw Fig. 1: the exact curves for N → ∞ and what was measured."""
    axes = figure.subplots()
    grid = [i / 100 for i in range(1, 201)]
    for name, (lam, sigma2, color, style) in CURVES.items():
        values = [min(generalization_error(a, lam, sigma2), 10) for a in grid]
        axes.plot(grid, values, style, color=color, label=name)
        dots = numbers[name]
        axes.plot(ALPHAS, [dot["mean"] for dot in dots], "o", ms=4, color=color)
    axes.set(xlabel="patterns per input, p/N", ylabel="generalization error F", ylim=(0, 1.5))
    axes.legend()


@claim(
    "C3",
    "§4, Fig. 1",
    "With noisy targets the error diverges without decay; the best decay improves it dramatically.",
    draw_figure_1,
    asks="With noise on the targets the error without decay grows without bound at p = N; the "
    "best decay improves it dramatically.",
)
def dramatic_improvement(run):
    """Compare draws with the exact curves for N → ∞."""
    draws = run.pick(test=4, default=20, full=40)
    numbers, worst = {}, 0.0
    for name, (lam, sigma2, _, _) in CURVES.items():
        numbers[name] = []
        for alpha in run.track(ALPHAS, name):
            values = run.trial(figure_1, alpha=alpha, lam=lam, sigma2=sigma2, draws=draws)
            exact = generalization_error(alpha, lam, sigma2)
            numbers[name].append({"mean": mean(values), "exact": exact, "alpha": alpha})
            numbers[name][-1]["median"] = sorted(values)[len(values) // 2]
            # Without decay the draws near the pole have no finite variance: no error to compare by.
            if name == "λ = σ² = 0.2" or abs(alpha - 1) >= 0.25:
                gap = abs(mean(values) - exact)
                # 1/N: what a finite N differs from the limit by.
                worst = max(worst, (gap - 2 / run.pick(test=40, default=200))
                            / max(standard_error(values), 1e-9))  # fmt: skip
    ours, plain = ({d["alpha"]: d for d in numbers[k]} for k in list(CURVES)[:2])
    gain = [plain[a]["median"] / ours[a]["mean"] for a in (0.5, 1.0, 2.0)]
    # 33 comparisons: one beyond three standard errors would be chance once in twelve.
    holds = worst < 3 and gain[1] > 10 and min(gain) > 1
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"N = {run.pick(test=40, default=200)}, {len(ALPHAS)} ratios p/N, {draws} "
        "draws, against the exact F for N → ∞; away from p = N where λ = 0.",
        measured=f"The means lie within {max(worst, 0):.1f} standard errors of the curves (apart "
        f"from 2/N for the finite size). Median F without decay over F with it: {gain[0]:.2f} at "
        f"p/N = 0.5, {gain[1]:.0f} at 1, {gain[2]:.2f} at 2; the curves have 1.13, ∞ and 1.35.",
        numbers=numbers,
        between="N is finite",
    )
