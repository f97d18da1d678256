"""Intervals, and the one function that turns an interval and a line into a verdict.

The same in every package: copied from the template under papers/, never edited in the package.
Intervals are 95% and, over seeds, Student's t: with three seeds 4.3 standard errors to each side,
with five 2.8.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

HOLDS, REFUTED, NOT_SEEN, UNDECIDED = VERDICTS = (
    "holds", "refuted", "not seen at this scale", "undecided",
)  # fmt: skip
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95% interval, from n values.

    Attributes:
        mean: the estimate. low, high: the interval's ends. n: how many values it rests on.
    """

    mean: float
    low: float
    high: float
    n: int

    def text(self, digits: int | None = None, unit: str = "") -> str:
        """Return "0.31 ± 0.08 points", or "1.42 [1.30, 1.55]" where the sides are unequal.

        Args:
            digits: after the decimal point; by default as many as the half width has two of.
            unit: set behind the number.
        """
        down, up = self.mean - self.low, self.high - self.mean
        if digits is None:
            width = (down + up) / 2
            digits = max(0, 1 - math.floor(math.log10(width))) if width > 0 else 4
        # A minus sign, not a hyphen; and no "-0.00".
        low, mean, high = (f"{round(x, digits) + 0.0:.{digits}f}".replace("-", "−")
                           for x in (self.low, self.mean, self.high))  # fmt: skip
        if abs(up - down) < 0.05 * (up + down) or up == down:
            shown = f"{mean} ± {(down + up) / 2:.{digits}f}"
        else:
            shown = f"{mean} [{low}, {high}]"
        return f"{shown} {unit}".strip()

    def __str__(self) -> str:
        """Return the interval as text."""
        return self.text()


@dataclass(frozen=True)
class Judgement:
    """A verdict and what it rests on: an interval, and the line that it was held against.

    Attributes:
        verdict: one of VERDICTS.
        interval: None for an exact statement.
        side: "above", "below" or "within", the claim's side of the line; "" for an exact one.
        line: the number, for "within" the two, that the interval was held against.
    """

    verdict: str
    interval: Interval | None = None
    side: str = ""
    line: float | tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict must be one of {VERDICTS}, got {self.verdict!r}")


def interval(values: Sequence[float]) -> Interval:
    """Return the mean of independent runs with its interval by Student's t.

    Raises:
        ValueError: fewer than two values, or one that is not finite: a run that diverged has no
            place in a mean, and the experiment has to say what it counts for.
    """
    values = finite("values", values, at_least=2)
    mean = math.fsum(values) / len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    half = t_quantile(len(values) - 1) * math.sqrt(variance / len(values))
    return Interval(mean, mean - half, mean + half, len(values))


def paired(ours: Sequence[float], theirs: Sequence[float]) -> Interval:
    """Return the mean of ours[i] − theirs[i], for runs that share their data and first weights.

    Raises:
        ValueError: unequal numbers of runs, fewer than two, or a value that is not finite.
    """
    return interval([a - b for a, b in zip(*pairs(ours, theirs))])


def unpaired(ours: Sequence[float], theirs: Sequence[float]) -> Interval:
    """Return the difference of two means of independent runs (Welch's t).

    Raises:
        ValueError: fewer than two runs on a side, or a value that is not finite.
    """
    means, errors, freedoms = [], [], []
    for name, values in (("ours", ours), ("theirs", theirs)):
        values = finite(name, values, at_least=2)
        mean = math.fsum(values) / len(values)
        variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
        means.append(mean)
        errors.append(variance / len(values))
        freedoms.append(len(values) - 1)
    total, difference = sum(errors), means[0] - means[1]
    # Welch and Satterthwaite's degrees of freedom; without any spread the number is idle.
    freedom = total**2 / sum(e**2 / f for e, f in zip(errors, freedoms)) if total else min(freedoms)
    half = t_quantile(freedom) * math.sqrt(total)
    return Interval(difference, difference - half, difference + half, sum(freedoms) + 2)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Interval:
    """Return the geometric mean of ours[i] / theirs[i], paired, with the interval of its logarithm.

    Raises:
        ValueError: as for `paired`, or a value that is not positive.
    """
    ours, theirs = pairs(ours, theirs)
    if min(*ours, *theirs) <= 0:
        raise ValueError(f"a ratio needs positive values, got {ours} and {theirs}")
    logs = interval([math.log(a / b) for a, b in zip(ours, theirs)])
    return Interval(math.exp(logs.mean), math.exp(logs.low), math.exp(logs.high), logs.n)


def proportion(successes: int, n: int) -> Interval:
    """Return a share of n independent trials with its exact interval (Clopper and Pearson).

    Raises:
        ValueError: n below one, or successes outside 0 … n.
    """
    from scipy.stats import binomtest

    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"successes must lie in 0 … n and n be at least 1, got {successes} of {n}")
    found = binomtest(successes, n).proportion_ci(LEVEL, method="exact")
    return Interval(successes / n, float(found.low), float(found.high), n)


def slope(x: Sequence[float], y: Sequence[float]) -> Interval:
    """Return the slope of the line of least squares through n points, t with n − 2.

    Raises:
        ValueError: unequal lengths, fewer than three points, x all equal, or not finite.
    """
    from scipy.stats import linregress

    x, y = pairs(x, y, at_least=3)
    if min(x) == max(x):
        raise ValueError(f"x must not be all equal, got {x[0]!r} {len(x)} times")
    fit = linregress(x, y)
    half = t_quantile(len(x) - 2) * float(fit.stderr)
    return Interval(float(fit.slope), float(fit.slope) - half, float(fit.slope) + half, len(x))


def judge(
    interval: Interval,
    *,
    above: float | None = None,
    below: float | None = None,
    within: tuple[float, float] | None = None,
    paper_regime: bool,
) -> Judgement:
    """Hold an interval against the line of a claim; the verdict of every measured claim.

    The whole interval on the claim's side: holds. The whole interval on the other side: refuted in
    the paper's own regime (its data, size and length of training), else not seen at this scale.
    The line within the interval: undecided.

    Args:
        interval: of the quantity that the claim is about.
        above: the line that the claim wants the interval above.
        below: the line that it wants it below.
        within: the two lines that it wants it between. Exactly one of the three is given.
        paper_regime: whether this was measured in the paper's own regime.

    Raises:
        ValueError: not exactly one line, or the two of ``within`` in the wrong order.
    """
    given = {"above": above, "below": below, "within": within}
    given = {side: line for side, line in given.items() if line is not None}
    if len(given) != 1:
        raise ValueError(f"exactly one of above, below and within is needed, got {given}")
    ((side, line),) = given.items()
    lower = within[0] if within else -math.inf if above is None else above
    upper = within[1] if within else math.inf if below is None else below
    if not lower < upper:
        raise ValueError(f"within must be (lower, upper), got {within}")
    if lower < interval.low and interval.high < upper:
        verdict = HOLDS
    elif interval.high < lower or interval.low > upper:
        verdict = REFUTED if paper_regime else NOT_SEEN
    else:
        verdict = UNDECIDED
    return Judgement(verdict, interval, side, line)


def exact(statement: bool) -> Judgement:
    """Return the verdict of a statement that admits no exception: one counterexample refutes it."""
    return Judgement(HOLDS if statement else REFUTED)


def every(judgements: Sequence[Judgement]) -> Judgement:
    """Return the judgement of a statement about all of several: that of the worst of them.

    Worst is refuted, then not seen, then undecided, then holds; among equals the one whose interval
    lies nearest to its line. That the statement is about *all* must be in the paper's words: two
    statements are two claims.

    Raises:
        ValueError: no judgement given.
    """
    if not judgements:
        raise ValueError("every needs at least one judgement, got none")
    order = (REFUTED, NOT_SEEN, UNDECIDED, HOLDS)
    return min(judgements, key=lambda judged: (order.index(judged.verdict), distance(judged)))


def distance(judged: Judgement) -> float:
    """Return how far the estimate is from the nearest line, in half widths of its interval."""
    if judged.interval is None or judged.line is None:
        return math.inf
    lines = judged.line if isinstance(judged.line, tuple) else (judged.line,)
    half = (judged.interval.high - judged.interval.low) / 2
    nearest = min(abs(judged.interval.mean - line) for line in lines)
    return nearest / half if half else math.inf


def seeds_needed(interval: Interval, line: float) -> int | None:
    """Return about how many seeds would take the line out of an interval over seeds.

    The spread and the mean are taken as they are; None where the mean lies on the line, or so near
    that a million would not do.
    """
    gap = abs(interval.mean - line)
    spread = (interval.high - interval.low) / 2 / t_quantile(interval.n - 1)
    spread *= math.sqrt(interval.n)
    n = 2
    while t_quantile(n - 1) * spread / math.sqrt(n) >= gap:
        n += 1 + n // 50
        if n > 1e6:
            return None
    return n


def t_quantile(freedom: float) -> float:
    """Return how many standard errors the interval reaches to each side."""
    from scipy.stats import t

    return float(t.ppf((1 + LEVEL) / 2, freedom))


def finite(name: str, values: Sequence[float], at_least: int) -> list[float]:
    """Return the values as floats; a ValueError names what is wrong with them."""
    values = [float(value) for value in values]
    if len(values) < at_least:
        raise ValueError(f"{name}: at least {at_least} are needed for an interval, got {values}")
    if not all(math.isfinite(value) for value in values):
        raise ValueError(f"{name} must be finite, got {values}")
    return values


def pairs(
    ours: Sequence[float], theirs: Sequence[float], at_least: int = 2
) -> tuple[list[float], list[float]]:
    """Return two lists of equal length; a ValueError says why they are not."""
    if len(ours) != len(theirs):
        raise ValueError(f"pairs are needed, got {len(ours)} and {len(theirs)} values")
    return finite("ours", ours, at_least), finite("theirs", theirs, at_least)
