"""Training runs with any optimizer, and races between optimizers that are tuned alike."""

import math
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

from ..lab.figures import AMBER, BLUE, GREEN, MUTED, PURPLE, RED
from ..lab.run import Run
from ..lab.statistics import NOT_SEEN, UNDECIDED, Judgement, interval, seeds_needed
from ..optimizer import Adam

# The baselines come from torch. Nesterov momentum is .9, RMSProp's memory .99 and AdaDelta's .9,
# torch's defaults and the usual choices; the paper names none of them.
OPTIMIZERS: dict[str, Callable] = {
    "Adam": Adam,
    "SGD, Nesterov": lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9, nesterov=True),
    "AdaGrad": torch.optim.Adagrad,
    "RMSProp": torch.optim.RMSprop,
    "AdaDelta": torch.optim.Adadelta,
}
UNDECAYED = "AdaGrad, α constant"  # its growing sum of squares is a decay by 1/√t already (§5)
COLOR = dict(zip([*OPTIMIZERS, UNDECAYED], (RED, BLUE, GREEN, AMBER, PURPLE, MUTED)))
BATCH = 128  # §6.1 to §6.3
APART = 1000  # between a run's first seed and the first of those on which step sizes are tuned
TUNED = (
    "α tuned for each at full length, on seeds apart from the judged ones, in factors of 2 until "
    "the best has a worse one on either side"
)
Measure = Callable[[dict[str, Any]], float]


def descend(
    run: Run,
    optimizer: torch.optim.Optimizer,
    loss_of: Callable[[Tensor], Tensor],
    examples: int,
    passes: Iterable[int],
    batch: int = BATCH,
    decay: bool = False,
    after_step: Callable[[], None] = lambda: None,
    after_pass: Callable[[], None] = lambda: None,
) -> list[float]:
    """Train; return the mean of the batches' losses in each pass, fewer of them if it diverged.

    ``loss_of`` gives the loss of the examples with these indices. With ``decay`` the step size is
    divided by √t, as in §6.1. Runs of one seed see the examples in one order.
    """
    order = torch.Generator().manual_seed(torch.initial_seed() % 2**31)
    rates, means, t = [group["lr"] for group in optimizer.param_groups], [], 0
    for _ in passes:
        total = torch.zeros((), device=run.device)
        batches = torch.randperm(examples, generator=order).split(batch)
        for indices in batches:
            t += 1
            if decay:
                for group, rate in zip(optimizer.param_groups, rates):
                    group["lr"] = rate / math.sqrt(t)
            optimizer.zero_grad()
            loss = loss_of(indices.to(run.device))
            loss.backward()
            optimizer.step()
            after_step()
            total += loss.detach()
        mean = total.item() / len(batches)
        if not math.isfinite(mean) or (means and mean > 100 * means[0]):
            return means
        means.append(mean)
        after_pass()
    return means


def last(curve: list[float], passes: int, of: int = 3) -> float | None:
    """Return the mean of a curve's last passes; None for a run that did not reach the end."""
    if len(curve) < passes:
        return None
    end = curve[-of:]
    return sum(end) / len(end)


def cost(result: dict[str, Any]) -> float:
    """Return a trial's training cost at the end, infinite if it diverged."""
    return math.inf if result["final"] is None else result["final"]


def mean_cost(result: dict[str, Any]) -> float:
    """Return a trial's mean training cost over all passes, infinite if it diverged.

    The faster a curve falls, the smaller is the area under it.
    """
    return math.inf if result["final"] is None else sum(result["curve"]) / len(result["curve"])


def tuned(
    run: Run,
    trial: FunctionType,
    start: float,
    tuning: tuple[int, ...] = (1,),
    measure: Measure = cost,
    **settings,
) -> dict[float, float]:
    """Return the mean costs by step size, best first, at seeds none of which is judged.

    The grid has a factor of 2 and goes on until the best step size has a worse one on either side:
    an optimizer at the edge of its grid has not been given its best. Each has ``tuning[0]`` seeds,
    those within a factor of ten of the best in the end ``tuning[-1]``.
    """
    costs: dict[float, list[float]] = {}

    def mean(lr: float, count: int = 1) -> float:
        done = costs.setdefault(lr, [])
        for seed in range(APART + run.seed + len(done), APART + run.seed + count):
            done.append(measure(run.trial(trial, lr=lr, **settings, seed=seed)))
        return sum(done) / len(done)

    best = start
    while True:
        for lr in (best,) if run.scale == "test" else (best, best / 2, best * 2):
            mean(lr, tuning[0])
        winner = min(costs, key=mean)
        if winner == best:
            limit = 10 * mean(best)
            for lr in [lr for lr in costs if mean(lr) <= limit]:
                mean(lr, tuning[-1])
            winner = min(costs, key=mean)
        if winner == best:
            return {lr: mean(lr) for lr in sorted(costs, key=mean)}
        if len(costs) > 20:
            raise RuntimeError(f"no best step size between {min(costs)} and {max(costs)}")
        best = winner


def race(
    run: Run,
    trial: FunctionType,
    starts: dict[str, float],
    seeds: int,
    tuning: tuple[int, ...] = (1,),
    measure: Measure = cost,
    after: int = 0,
    **settings,
) -> dict[str, dict[str, Any]]:
    """Return for each optimizer its tuned step size, its grid, and its runs over the seeds.

    They are tuned for what they are judged by: ``measure`` of what a trial returned. The first
    ``after`` seeds are left out.
    """
    result: dict[str, dict[str, Any]] = {}
    for name in run.track(list(starts), "optimizers"):
        grid = tuned(run, trial, starts[name], tuning, measure, optimizer=name, **settings)
        lr = next(iter(grid))
        judged = run.seeds(after + seeds)[after:]
        runs = [run.trial(trial, optimizer=name, lr=lr, **settings, seed=s) for s in judged]
        result[name] = summary(grid, runs, measure)
    return result


def summary(
    grid: dict[float, float], runs: list[dict[str, Any]], measure: Measure = cost
) -> dict[str, Any]:
    """Return an optimizer's best step size, its costs over the seeds, its grid and its runs."""
    finals = [measure(r) for r in runs]
    listed = {f"{lr:g}": value for lr, value in grid.items()}
    found = {"lr": next(iter(grid)), "mean": sum(finals) / len(finals), "finals": finals}
    return found | {"grid": listed, "runs": runs}


def ranking(result: dict[str, dict], digits: int | None = None) -> str:
    """Return the optimizers with their costs, best first, as text."""
    order = sorted(result, key=lambda name: result[name]["mean"])
    return ", ".join(
        f"{name} {interval(result[name]['finals']).text(digits)} (α {result[name]['lr']:g})"
        for name in order
    )


def if_open(judged: Judgement, between: str) -> dict[str, Any]:
    """Return what a finding must add: what stands between, or how many seeds would decide."""
    if judged.verdict == NOT_SEEN:
        return {"between": between}
    if judged.verdict != UNDECIDED or judged.interval is None or judged.line is None:
        return {}
    lines = judged.line if isinstance(judged.line, tuple) else (judged.line,)
    found = judged.interval
    nearest = min(lines, key=lambda line: abs(line - found.mean))
    n = seeds_needed(found, nearest)
    return {
        "would_decide": f"About {n} seeds." if n else "No number of seeds: it lies on the line."
    }


def plain_ticks(axis, powers: Iterable[int]) -> None:
    """Set ticks at powers of ten in view, as text of one size, where exponents would be small."""
    low, high = sorted(axis.get_view_interval())
    ticks = [10.0**k for k in powers if low <= 10.0**k <= high]
    axis.set_ticks(ticks, labels=[f"{t:g}".replace("e-0", "e-").replace("-", "−") for t in ticks])
    axis.set_minor_formatter("")


def draw_curves(axes, result: dict[str, dict]) -> None:
    """Draw the training cost against passes, a line an optimizer, a band over the seeds."""
    for name, of in result.items():
        curves = torch.tensor([r["curve"] for r in of["runs"] if r["final"] is not None])
        if len(curves):
            passes = range(1, curves.shape[1] + 1)
            low, high = curves.amin(0), curves.amax(0)
            axes.fill_between(passes, low, high, color=COLOR[name], alpha=0.2, lw=0)
            axes.plot(passes, curves.mean(0), color=COLOR[name], label=name)
    axes.set(yscale="log", xlabel="passes over the data", ylabel="training cost (nats)")
