"""Zero-shot against nets of the domain's own text (abstract, §3.1, Table 3)."""

from typing import Any

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, COLORS, MUTED
from ..lab.run import Run
from ..lab.statistics import Interval, interval, judge, paired, seeds_needed
from . import nets

BETWEEN = (
    "the paper's net is 1,600 wide with 48 layers and read 40 GB; ours are at most 192 wide, with "
    "4 layers, and read 2 million tokens"
)
ASKED = (
    "Bits a byte on unseen parts of Jane Austen's novels. Zero-shot: nets 128 wide with 4 layers, "
    "trained on newsgroups, Brown, Shakespeare, King James and manuals, of each at most 1.5 MB. In "
    "domain: nets with the same tokens, of the width, learning rate, length of training and "
    "dropout that are best on a part of Austen kept for that, at most as wide and as long as those "
    "on the web, whose learning rate is tuned. Five seeds."
)


def sizes(run: Run) -> list[int]:
    """Return characters of the domain's own text."""
    return run.pick(test=[2_000, 4_000, 8_000], default=[100_000, 400_000, 1_600_000])


def seeds(run: Run) -> range:
    """Return the seeds of nets that are compared."""
    return run.seeds(run.pick(test=2, default=5))


def zero_shot(run: Run, width: int, count: int | None = None) -> list[dict[str, Any]]:
    """Return what tuned nets of a width can do, one for each seed."""
    if width in nets.widths(run):
        rate, _ = nets.tuned_rate(run, width)
    else:  # the largest is for the trend: the rate of the one below it
        rate, _ = nets.tuned_rate(run, nets.widths(run)[-1])
    asked = run.pick(test=3, default=200)
    chosen = seeds(run)[:count] if count else seeds(run)
    return [
        run.trial(nets.on_the_web, width=width, rate=rate, seed=seed, asked=asked)
        for seed in chosen
    ]


def measure(run: Run) -> dict[str, Any]:
    """Return bits a byte on Austen of nets of the web, by width, and in domain, by size."""
    shot: dict[str, list[float]] = {}
    for width in nets.widths(run):
        shot[str(width)] = [found["austen test"] for found in zero_shot(run, width)]
    if run.scale != "test":
        shot["192"] = [found["austen test"] for found in zero_shot(run, 192, 3)]
    own, chosen = {}, {}
    for size in sizes(run):
        best, tried = nets.tuned_in_domain(run, size)
        chosen[str(size)] = best | {"tried": tried}
        own[str(size)] = [
            run.trial(nets.in_domain, characters=size, seed=seed, **best)["test"]
            for seed in seeds(run)
        ]
    return {"zero-shot": shot, "in domain": own, "chosen": chosen}


def told(numbers: dict[str, Any], width: str) -> str:
    """Say in a sentence what was measured at each size."""
    own, shot = numbers["in domain"], interval(numbers["zero-shot"][width])
    parts = [f"{interval(v).text()} from {int(s) / 1e6:g} MB" for s, v in own.items()]
    return f"Bits a byte on Austen: zero-shot {shot.text()}; in domain {', '.join(parts)}."


def ran(numbers: dict[str, Any]) -> str:
    """Say what the nets in the domain were given."""
    parts = [
        f"{int(size) / 1e6:g} MB: width {best['width']}, rate {best['rate']:g}, "
        f"{best['share']:g} of the steps, dropout {best['dropout']:g}, best of {best['tried']}"
        for size, best in numbers["chosen"].items()
    ]
    return f"In domain, chosen on dev: {'; '.join(parts)}."


def difference(numbers: dict[str, Any], width: str, size: int) -> Interval:
    """Return zero-shot less in domain, bits a byte."""
    return paired(numbers["zero-shot"][width], numbers["in domain"][str(size)])


def signed(value: float, digits: int = 1) -> str:
    """Return a number with its sign, a minus where it is below 0."""
    return f"{value:+.{digits}f}".replace("-", "−")


def needed(found: Interval, line: float) -> str:
    """Say how many seeds would decide."""
    n = seeds_needed(found, line)
    return f"about {n} seeds" if n else "more seeds than can be trained: it lies on the line"


def draw(figure, numbers) -> None:
    """Draw bits a byte against the domain's own text, and the zero-shot nets as lines."""
    axes = figure.subplots()
    own = {int(size): interval(values) for size, values in numbers["in domain"].items()}
    x = [size / 1e6 for size in own]
    y = [found.mean for found in own.values()]
    half = [found.high - found.mean for found in own.values()]
    axes.errorbar(x, y, half, fmt="o-", color=BLUE, capsize=3, label="trained on Austen")
    for color, (width, values) in zip(COLORS[1:], numbers["zero-shot"].items()):
        mean = sum(values) / len(values)
        axes.axhline(mean, color=color, linestyle="--")
        axes.text(x[-1], mean, f"zero-shot, {width} wide", color=color, va="bottom", ha="right")
    axes.set(xscale="log", xlabel="MB of Austen to train on", ylabel="bits a byte, unseen Austen")
    axes.legend(loc="lower left")
    axes.tick_params(colors=MUTED)


@claim(
    "C0a",
    "§3.1",
    quotes="Large improvements are noticed on small datasets such as Penn Treebank and WikiText-2 "
    "which have only 1 to 2 million training tokens.",
    says="On a small domain a net of the web beats nets of that domain.",
    asks=ASKED + " Against 0.1 MB of Austen.",
    holds_if="the 95% interval of zero-shot less in-domain bits a byte lies below 0",
    fails_if="it lies above",
    paper="PTB 35.76, not 46.54",
    draw=draw,
    full_only=True,
)
def small(run: Run) -> Finding:
    """Compare with the smallest domain."""
    numbers = measure(run)
    width, size = str(nets.widths(run)[-1]), sizes(run)[0]
    found = difference(numbers, width, size)
    return Finding(
        judge(found, below=0.0, paper_regime=False),
        ours=f"zero-shot {found.text()} bits a byte",
        ran=ran(numbers),
        measured=f"{told(numbers, width)} Against {size / 1e6:g} MB: {found.text()}.",
        numbers=numbers,
        between=BETWEEN,
        would_decide=needed(found, 0.0),
    )


@claim(
    "C0b",
    "§3.1",
    quotes="Our model is still significantly worse than prior work on the One Billion Word "
    "Benchmark",
    says="On a large domain, nets of that domain beat the net of the web.",
    asks=ASKED + " Against 1.6 MB of Austen.",
    holds_if="the 95% interval of zero-shot less in-domain bits a byte lies above 0",
    fails_if="it lies below",
    paper="1BW 42.16, not 21.8",
    full_only=True,
)
def large(run: Run) -> Finding:
    """Compare with the largest domain."""
    numbers = measure(run)
    width, size = str(nets.widths(run)[-1]), sizes(run)[-1]
    found = difference(numbers, width, size)
    means = {int(s): difference(numbers, width, int(s)).mean for s in numbers["in domain"]}
    between = [f"{a / 1e6:g} and {b / 1e6:g} MB" for a, b in zip(means, list(means)[1:])
               if means[a] * means[b] <= 0]  # fmt: skip
    crossing = f" The sign changes between {between[0]}." if between else " The sign is the same."
    return Finding(
        judge(found, above=0.0, paper_regime=False),
        ours=f"zero-shot {found.text()} bits a byte",
        ran=ran(numbers),
        measured=f"{told(numbers, width)} Against {size / 1e6:g} MB: {found.text()}.{crossing}",
        numbers=numbers,
        between=BETWEEN,
        would_decide=needed(found, 0.0),
    )
