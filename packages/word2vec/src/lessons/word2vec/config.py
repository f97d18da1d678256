"""Settings of training, and those of the papers and of the released code."""

import dataclasses
import math
import numbers

LOSSES = ("neg", "nce", "hs", "softmax")


@dataclasses.dataclass(frozen=True)
class Word2VecConfig:
    """Settings, by the names that the released code and gensim have for them.

    Attributes:
        vector_size: dimensions.
        window: c, words to each side at most.
        sg: 1 is skip-gram, 0 CBOW (gensim's default).
        hs: 1 trains a hierarchical softmax. With ``negative`` above 0 as well both are trained, as
            in the released code.
        negative: noise words a pair; 0: no negative sampling.
        loss: "neg", "nce", "hs" or "softmax" alone; None is what ``hs`` and ``negative`` say.
        ns_exponent: the noise distribution is U(w) to this power.
        cbow_mean: 1 averages the context, 0 adds it up. Either way each word of it gets the whole
            step, as in the released code; gensim divides the step of a sum by the number of words.
        sample: t of subsampling; 0 keeps all words. subsample: "paper" (eq. 5) or "c".
        alpha, min_alpha: the rate falls from one to the other, linearly in words.
        epochs: passes.
        min_count: rarer words are left out. max_vocab: so many words are kept at most.
        shrink_windows: each window is drawn from 1 … c; else c.
        engine: "fast" (`lessons.word2vec.fast`) or "exact" (`lessons.word2vec.exact`).
        seed: of everything random.
    """

    vector_size: int = 100
    window: int = 5
    sg: int = 1
    hs: int = 0
    negative: int = 5
    loss: str | None = None
    ns_exponent: float = 0.75
    cbow_mean: int = 1
    sample: float = 1e-3
    subsample: str = "paper"
    alpha: float = 0.025
    min_alpha: float = 1e-4
    epochs: int = 5
    min_count: int = 5
    max_vocab: int | None = None
    shrink_windows: bool = True
    engine: str = "fast"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        for name in ("vector_size", "window", "epochs", "negative", "min_count", "seed"):
            if not isinstance(getattr(self, name), numbers.Integral):
                raise ValueError(f"{name} must be a whole number, got {getattr(self, name)!r}")
        for name in ("alpha", "min_alpha", "sample", "ns_exponent"):
            if not isinstance(getattr(self, name), numbers.Real):
                raise ValueError(f"{name} must be a number, got {getattr(self, name)!r}")
        if not -(2**63) <= self.seed < 2**63 - 1:
            raise ValueError(f"seed must have less than 64 bits, got {self.seed}")
        if self.shrink_windows not in (True, False):
            raise ValueError(f"shrink_windows must be True or False, got {self.shrink_windows!r}")
        if not math.isfinite(self.ns_exponent):
            raise ValueError(f"ns_exponent must be finite, got {self.ns_exponent}")
        for name in ("vector_size", "window", "epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.negative < 0:
            raise ValueError(f"negative must be at least 0, got {self.negative}")
        for name in ("alpha", "min_alpha", "sample"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")
        if self.min_alpha > self.alpha:
            raise ValueError(f"min_alpha ({self.min_alpha}) must not be above alpha ({self.alpha})")
        for name in ("sg", "hs", "cbow_mean"):
            if getattr(self, name) not in (0, 1):
                raise ValueError(f"{name} must be 0 or 1, got {getattr(self, name)!r}")
        for name, among in (("engine", ("fast", "exact")), ("subsample", ("paper", "c"))):
            if getattr(self, name) not in among:
                raise ValueError(f"{name} must be one of {among}, got {getattr(self, name)!r}")
        if self.loss is not None and self.loss not in LOSSES:
            raise ValueError(f"loss must be one of {LOSSES} or None, got {self.loss!r}")
        if self.hs and self.loss not in (None, "hs"):
            raise ValueError(f"hs = 1 contradicts loss = {self.loss!r}")
        if not self.losses:
            raise ValueError("hs = 0 and negative = 0 leave nothing to train")
        if self.negative == 0 and self.loss in ("neg", "nce"):
            raise ValueError(f"loss = {self.loss!r} needs negative of at least 1, got 0")
        if self.engine == "exact" and set(self.losses) - {"neg", "hs"}:
            raise ValueError(f"engine = 'exact' has the losses 'neg' and 'hs', not {self.loss!r}")

    @property
    def losses(self) -> tuple[str, ...]:
        """Return what is trained."""
        if self.loss is not None:
            return (self.loss,)
        return ("hs",) * self.hs + ("neg",) * (self.negative > 0)


PRESETS = {
    # 2013a, §3.2, §4.2: "we use C = 10", three passes (one in half of Table 5 and in Table 6), rate
    # .025, Huffman tree, Google News restricted to the "1 million most frequent words".
    "2013a-skip-gram": Word2VecConfig(
        vector_size=300, window=10, hs=1, negative=0, sample=0, epochs=3, max_vocab=1_000_000
    ),
    # 2013a, §3.1: four words of history and four of the future, always.
    "2013a-cbow": Word2VecConfig(
        vector_size=300, window=4, sg=0, hs=1, negative=0, sample=0, epochs=3,
        shrink_windows=False, max_vocab=1_000_000,
    ),
    # 2013b, §3 and Table 1: windows of 5 (§4.1), words that occur 5 times or more. It does not say
    # how many passes; one, as in the larger runs of 2013a.
    "2013b-neg-5": Word2VecConfig(vector_size=300, sample=1e-5, epochs=1),
    "2013b-neg-15": Word2VecConfig(vector_size=300, negative=15, sample=1e-5, epochs=1),
    "2013b-hs": Word2VecConfig(vector_size=300, hs=1, negative=0, sample=1e-5, epochs=1),
    "2013b-nce-5": Word2VecConfig(vector_size=300, loss="nce", sample=0, epochs=1),
    # Defaults of the code's first release and of its last.
    "code-first": Word2VecConfig(
        hs=1, negative=0, sample=0, epochs=1, cbow_mean=0, min_alpha=0.025 * 1e-4
    ),
    "code-last": Word2VecConfig(sg=0, alpha=0.05, subsample="c", min_alpha=0.05 * 1e-4),
}  # fmt: skip
