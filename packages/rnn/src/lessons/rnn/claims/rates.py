"""Which rate of learning a contender gets: the middle of those at which most nets learn."""

from collections.abc import Callable

RATES = [0.5, 1.0, 2.0, 4.0, 8.0]  # of learning while running
STARTS = [0.0625, 0.125, 0.25, 0.5, 1.0, 2.0]  # of learning in episodes, whose gradients are sums
MOST = 9  # rates in all


def best(counts: dict[float, int]) -> list[float]:
    """Return the rates at which most nets learn."""
    most = max(counts.values())
    return sorted(rate for rate, count in counts.items() if count == most)


def middle(counts: dict[float, int]) -> float:
    """Return the middle one of the rates at which most nets learn; if none does, of all.

    Of an even number the higher of the two in the middle.
    """
    tied = best(counts)
    return tied[len(tied) // 2]


def tune(
    count: Callable[[list[float]], list[int]], grid: list[float]
) -> tuple[float, dict[float, int]]:
    """Return the rate that a contender gets, and how many nets learned at each.

    Rates differ by a factor of two. One or two best rates that reach the grid's edge are none: the
    grid goes on there, unless it has one rate only, or nothing was learned at any.

    Args:
        count: how many nets learn at each of some rates.
        grid: the rates to begin with.
    """
    counts: dict[float, int] = {}
    new = list(grid)
    while new:
        counts |= dict(zip(new, count(new)))
        tied, new = best(counts), []
        if max(counts.values()) > 0 and len(tied) < 3 and 1 < len(counts) < MOST:
            new += [tied[0] / 2] if tied[0] == min(counts) else []
            new += [tied[-1] * 2] if tied[-1] == max(counts) else []
    return middle(counts), counts
