"""How sure a count makes us."""

import math


def wilson(successes: int, n: int, z: float = 1.96) -> tuple[float, float]:
    r"""Return Wilson's interval for a rate of which ``successes`` of ``n`` were seen.

    $$ \frac{\hat p + z^2/2n \pm z \sqrt{\hat p (1-\hat p)/n + z^2/4n^2}}{1 + z^2/n} $$

    Unlike the textbook's it is of use at 0 and n: after 100 successes of 100 the rate is between
    .963 and 1.

    Args:
        successes: how many were seen.
        n: of how many.
        z: 1.96 for 95%.

    Raises:
        ValueError: no trials, or more successes than trials.
    """
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"successes must be between 0 and n ≥ 1, got {successes} of {n}")
    rate = successes / n
    middle = rate + z * z / (2 * n)
    spread = z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return max((middle - spread) / (1 + z * z / n), 0), min((middle + spread) / (1 + z * z / n), 1)
