"""How much of a test set is in a training set: its own, and the web's (§4, Table 6)."""

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, RED
from ..lab.run import Run
from ..lab.statistics import judge, paired
from ..memorization import BloomFilter, bloom, overlap
from . import corpus
from .domains import needed


class Joined:
    """Several filters as one."""

    def __init__(self, filters: list[BloomFilter]) -> None:
        self.filters = filters

    def __contains__(self, member: object) -> bool:
        """Return whether one of them has it."""
        return any(member in one for one in self.filters)


def shares(run: Run) -> dict[str, dict[str, float]]:
    """Return for each text the share of its test part's 8-grams that are in its own training part.

    And in all other texts. A part has at most two million characters.
    """
    most = run.pick(test=10_000, default=2_000_000)
    cut = {name: corpus.split(run, name) for name in corpus.PARTS}
    train = {name: "\n".join(parts[0])[:most] for name, parts in cut.items()}
    filters = {
        name: bloom([text]) for name, text in run.track(list(train.items()), "filters of texts")
    }
    found = {}
    for name, (_, dev, test) in cut.items():
        asked = ["\n".join([*dev, *test])[: most // 5]]
        rest = Joined([one for other, one in filters.items() if other != name])
        found[name] = {"own": overlap(asked, filters[name]), "others": overlap(asked, rest)}
    return found


def draw(figure, numbers) -> None:
    """Draw Table 6 for our texts."""
    axes = figure.subplots()
    for shift, color, key in ((-0.2, BLUE, "own"), (0.2, RED, "others")):
        axes.bar([i + shift for i in range(len(numbers))],
                 [100 * found[key] for found in numbers.values()], 0.38, color=color,
                 label={"own": "own training part", "others": "all other texts"}[key])  # fmt: skip
    axes.set_xticks(range(len(numbers)), list(numbers), rotation=20)
    axes.set(ylabel="% of the test part's 8-grams")
    axes.legend()


@claim(
    "C6",
    "§4",
    quotes="Somewhat surprisingly, many datasets have larger overlaps with their own training "
    "splits, with an average of 5.9% overlap.",
    says="Test sets overlap more with their own training sets than with the web.",
    asks="8-grams of words, as in §4, in Bloom filters: seven texts, each once as the data set and "
    "the other six as the web; at most 2 million characters of each.",
    holds_if="the 95% interval over texts of own overlap less that with the others lies above 0",
    fails_if="it lies below",
    paper="5.9, not 3.2%",
    draw=draw,
    full_only=True,
)
def own_more(run: Run) -> Finding:
    """Count overlaps."""
    numbers = run.trial(shares)
    own, others = ([100 * found[key] for found in numbers.values()] for key in ("own", "others"))
    found = paired(own, others)
    means = [sum(values) / len(values) for values in (own, others)]
    told = "; ".join(f"{name} {a:.2f} and {b:.2f}" for name, a, b in zip(numbers, own, others))
    return Finding(
        judge(found, above=0.0, paper_regime=False),
        ours=f"{means[0]:.2f}% own, {means[1]:.2f}% others",
        ran=f"{len(numbers)} texts.",
        measured=f"Own {means[0]:.2f}%, others {means[1]:.2f}%: {found.text()} points. {told}.",
        numbers=numbers,
        between="the six other texts have some 11 MB, WebText had 40 GB",
        would_decide=needed(found, 0.0).replace("seeds", "texts"),
    )
