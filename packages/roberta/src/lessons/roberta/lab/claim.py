"""What a claim says, when it would hold and when it would fail, and what was found.

The same in every package: copied from the template under papers/, never edited in the package.
A claim's words and rule stand in its decorator, hence in the source before any result. Its
experiment returns a finding, whose verdict `lab.statistics` computed from an interval and a line.
"""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .statistics import NOT_SEEN, UNDECIDED, Judgement

if TYPE_CHECKING:
    from .run import Run

Draw = Callable[[Any, dict], None]


@dataclasses.dataclass(frozen=True)
class Finding:
    """What an experiment found.

    Attributes:
        judgement: from `lab.statistics`; None for demonstrations and errata, which have no verdict.
            (A verdict as a string is that of a package which has yet to be judged anew.)
        ran: data, sizes, seeds, tuning, and how that is scaled down from the paper.
        measured: the result with its numbers, in two or three sentences.
        numbers: all that was measured, for figures and text; same seed: same numbers.
        ours: the result with its interval, at most 15 words: the table's cell.
        between: for "not seen at this scale": what stands between this experiment and the paper's.
        would_decide: for "undecided": how many seeds or steps would decide.
        timings: what differs between machines.
    """

    judgement: Judgement | str | None
    ran: str
    measured: str
    numbers: dict[str, Any]
    timings: dict[str, Any] = dataclasses.field(default_factory=dict)
    between: str = ""
    ours: str = ""
    would_decide: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.judgement, str):
            object.__setattr__(self, "judgement", Judgement(self.judgement))
        if self.verdict == NOT_SEEN and not self.between:
            raise ValueError("between must say what separates this experiment from the paper's")
        if self.verdict == UNDECIDED and not self.would_decide:
            raise ValueError("would_decide must say how many seeds or steps would decide")

    @property
    def verdict(self) -> str | None:
        """One of VERDICTS, or None where none is due."""
        return self.judgement.verdict if isinstance(self.judgement, Judgement) else None


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim of the paper, a demonstration of our own, or an erratum; and its experiment.

    Attributes:
        id: "C1", "C2a" … for claims, "D1" for demonstrations, "E1" for errata.
        source: where in the paper: section, table, figure, equation.
        says: at most 15 words, in ours.
        quotes: the paper's own sentence, hedges included, at most 30 words.
        asks: what is compared, at what size, on what data.
        holds_if, fails_if: the rule, as conditions on an interval; older than the result.
        paper: the paper's number, short; "" if it gives none.
        full_only: whether only a full run tests it: the default run gives no verdict.
    """

    id: str
    source: str
    says: str
    experiment: Callable[["Run"], Finding]
    draw: Draw | None = None
    quotes: str = ""
    asks: str = ""
    holds_if: str = ""
    fails_if: str = ""
    paper: str = ""
    full_only: bool = False

    @property
    def kind(self) -> str:
        """One of "claim", "demonstration" and "erratum"."""
        return {"D": "demonstration", "E": "erratum"}.get(self.id[0], "claim")

    @property
    def words(self) -> dict[str, Any]:
        """All of it that is text, as a record on disk begins."""
        rest = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in ("id", "experiment", "draw")
        }
        return {"id": self.id, "kind": self.kind, **rest}


def claim(
    id: str, source: str, says: str, draw: Draw | None = None, **words: Any
) -> Callable[[Callable[["Run"], Finding]], Claim]:
    """Make an experiment a claim (decorator); ``words`` are the other attributes of `Claim`."""
    return lambda experiment: Claim(id, source, says, experiment, draw, **words)


def demonstration(
    id: str, says: str, draw: Draw | None = None, source: str = "", **words: Any
) -> Callable[[Callable[["Run"], Finding]], Claim]:
    """Make an experiment a demonstration: what the paper does not say, without a verdict."""
    return lambda experiment: Claim(id, source, says, experiment, draw, **words)


def erratum(
    id: str, source: str, says: str, draw: Draw | None = None, **words: Any
) -> Callable[[Callable[["Run"], Finding]], Claim]:
    """Make a computation an erratum: a slip in the paper's print, without a verdict."""
    return lambda experiment: Claim(id, source, says, experiment, draw, **words)
