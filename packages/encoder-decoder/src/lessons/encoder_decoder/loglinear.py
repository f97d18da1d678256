"""The log-linear model of statistical translation (eq. 9), and the tuning of its weights.

Shapes: S sentences, N candidates of each, F features, Q quantities that a measure is made of.
"""

from collections.abc import Callable, Sequence

import numpy as np

Measure = Callable[[np.ndarray], np.ndarray]


class LogLinear:
    """log p(f | e) = Σ w_n f_n(f, e), up to what does not depend on f (eq. 9).

    Args:
        names: of the features.
        weights: one for each; None: all 1.

    Raises:
        ValueError: other numbers of names and weights, or a weight that is not finite.
    """

    def __init__(self, names: Sequence[str], weights: Sequence[float] | None = None) -> None:
        self.names = list(names)
        self.weights = np.ones(len(names)) if weights is None else np.array(weights, dtype=float)
        if self.weights.shape != (len(self.names),):
            raise ValueError(
                f"weights must have one number for each of {len(self.names)} features, "
                f"got shape {self.weights.shape}"
            )
        if not np.isfinite(self.weights).all():
            bad = self.names[int(np.flatnonzero(~np.isfinite(self.weights))[0])]
            raise ValueError(f"the weight of {bad} is not finite")

    def score(self, features_NF: np.ndarray, sentence: int = 0) -> np.ndarray:
        """Return the score of each candidate of a sentence (N,).

        Raises:
            ValueError: another number of features, or one that is not finite; names it.
        """
        features_NF = np.asarray(features_NF, dtype=float)
        if features_NF.ndim != 2 or features_NF.shape[1] != len(self.names):
            raise ValueError(
                f"features of sentence {sentence} must have shape (candidates, "
                f"{len(self.names)}), got {features_NF.shape}"
            )
        wrong = np.argwhere(~np.isfinite(features_NF))
        if len(wrong):
            n, f = wrong[0]
            raise ValueError(
                f"{self.names[f]} of candidate {n}, sentence {sentence} is {features_NF[n, f]}"
            )
        return features_NF @ self.weights

    def choose(self, features: Sequence[np.ndarray]) -> list[int]:
        """Return the number of the best candidate of each sentence; the first of equals."""
        return [int(self.score(x, i).argmax()) for i, x in enumerate(features)]

    def fit(
        self,
        features: Sequence[np.ndarray],
        quantities: Sequence[np.ndarray],
        measure: Measure,
        restarts: int = 3,
        generator: np.random.Generator | None = None,
        fixed: Sequence[str] = (),
    ) -> float:
        """Find the weights whose choices have the best measure; return it.

        A stand-in for minimum error rate training: along one weight at a time, from the present
        weights and from random ones. On each line the scores are linear in the weight, so a
        sentence's choice changes only where two candidates cross; a grid finds those stretches.

        Args:
            features: (N, F) of each sentence.
            quantities: (N, Q) of each sentence: what each candidate adds to the measure's sums.
            measure: of sums (…, Q), such as `bleu.from_counts`; larger is better.
            restarts: random beginnings, beside the present weights.
            generator: their randomness.
            fixed: features whose weights stay: a scale that choices do not depend on.

        Raises:
            ValueError: unequal numbers of sentences or candidates, no sentence, features that do
                not fit.
        """
        if len(features) != len(quantities) or not len(features):
            raise ValueError(
                f"features and quantities must be of equally many sentences, at least one, "
                f"got {len(features)} and {len(quantities)}"
            )
        for i, (x, q) in enumerate(zip(features, quantities)):
            if len(x) != len(q) or not len(x):
                raise ValueError(
                    f"sentence {i} has {len(x)} candidates with features and {len(q)} with "
                    "quantities"
                )
            self.score(x, i)
        unknown = sorted(set(fixed) - set(self.names))
        if unknown:
            raise ValueError(f"no feature {unknown[0]!r}; there are {', '.join(self.names)}")
        x_SNF, q_SNQ, real_SN = _stacked(features, quantities)
        free = [i for i, name in enumerate(self.names) if name not in fixed]
        generator = np.random.default_rng(0) if generator is None else generator
        starts = [self.weights.copy()]
        for _ in range(restarts):
            starts.append(self.weights.copy())
            starts[-1][free] *= np.exp(generator.normal(0, 1, len(free)))
        found = [_climb(start, x_SNF, q_SNQ, real_SN, measure, free) for start in starts]
        best, self.weights = max(found, key=lambda pair: pair[0])
        return best


def _stacked(features, quantities):
    """Return features (S, N, F), quantities (S, N, Q) and which candidates are real (S, N)."""
    n = max(len(x) for x in features)
    fill = lambda rows: np.stack(  # noqa: E731
        [np.pad(np.asarray(x, float), ((0, n - len(x)), (0, 0)), mode="edge") for x in rows]
    )
    real = np.arange(n) < np.array([len(x) for x in features])[:, None]
    return fill(features), fill(quantities), real


def _climb(weights, x_SNF, q_SNQ, real_SN, measure, free) -> tuple[float, np.ndarray]:
    """Climb a weight at a time until none helps; return the measure and the weights."""
    rows = np.arange(len(x_SNF))

    def of(score_SN: np.ndarray) -> float:
        best = np.where(real_SN, score_SN, -np.inf).argmax(1)
        return float(measure(q_SNQ[rows, best].sum(0)))

    score_SN = x_SNF @ weights
    best = of(score_SN)
    for _ in range(20):
        before = best
        for f in free:
            scale = max(abs(weights[f]), 0.05)
            wide = np.geomspace(0.02, 4, 12)
            steps = scale * np.concatenate([-wide[::-1], wide])
            tried = [of(score_SN + step * x_SNF[:, :, f]) for step in steps]
            k = int(np.argmax(tried))
            if tried[k] > best + 1e-9:
                best, weights = tried[k], weights + steps[k] * np.eye(len(weights))[f]
                score_SN = x_SNF @ weights
        if best <= before + 1e-9:
            break
    return best, weights
