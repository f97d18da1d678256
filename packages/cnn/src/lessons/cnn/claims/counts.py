"""What the papers count: units, connections, parameters, multiply-adds."""

from ..count import count
from ..lab.claim import Finding, claim
from ..lab.statistics import HOLDS, REFUTED
from ..lenet import LeNet5
from ..zip_net import ZipNet

# Units, connections, trainable parameters; of the input layer 1989 counts the units.
PUBLISHED: dict[str, tuple[int | None, int, int]] = {
    "1989 h1": (768, 19_968, 1_068),
    "1989 h2": (192, 38_592, 2_592),
    "1989 h3": (30, 5_790, 5_790),
    "1989 out": (10, 310, 310),
    "1989 total": (1_256, 64_660, 9_760),
    "1998 c1": (6 * 28 * 28, 122_304, 156),
    "1998 s2": (6 * 14 * 14, 5_880, 12),
    "1998 c3": (16 * 10 * 10, 151_600, 1_516),
    "1998 s4": (16 * 5 * 5, 2_000, 32),
    "1998 c5": (120, 48_120, 48_120),
    "1998 f6": (84, 10_164, 10_164),
    "1998 total": (None, 340_908, 60_000),
}


def counted() -> dict[str, list[int]]:
    """Return what the built networks have, by year and layer."""
    found = {}
    for year, net, size in (("1989", ZipNet(), 16), ("1998", LeNet5(), 32)):
        layers = count(net, size)
        rows = {n: [c.units, c.connections, c.parameters] for n, c in layers.items()}
        total = [sum(column) for column in zip(*rows.values())]
        total[0] += size * size
        found |= {f"{year} {name}": row for name, row in (rows | {"total": total}).items()}
    return found


@claim(
    "C1a",
    "1989, Fig. 3; 1998, §II-B",
    says="The networks have the published numbers of units, connections and free parameters.",
    asks="The networks have the published numbers of units, connections and free parameters: "
    "64,660 connections from 9,760 parameters in 1989, 340,908 from 60,000 in LeNet-5.",
)
def published_counts(run):
    """Count units, connections and parameters of the built networks, layer by layer."""
    found = counted()
    wrong = [
        name
        for name, row in PUBLISHED.items()
        if any(want not in (None, got) for want, got in zip(row, found[name]))
    ]
    return Finding(
        REFUTED if wrong else HOLDS,
        ran="Both networks built; a connection is counted where changing one input alone changes "
        "a unit's sum.",
        measured=f"{len(PUBLISHED) - len(wrong)} of {len(PUBLISHED)} published rows are exact"
        + (f"; not {', '.join(wrong)}." if wrong else ". ")
        + f"1989: {found['1989 total'][1]:,} connections, {found['1989 total'][2]:,} parameters. "
        f"1998: {found['1998 total'][1]:,} and {found['1998 total'][2]:,}; the connections hold "
        f"the {found['1998 rbf'][1]} of the RBF units, which are fixed.",
        numbers=found,
    )


@claim(
    "C1b",
    "1998, §III-D, Fig. 11",
    says="LeNet-5 takes 401 thousand multiply-accumulates to recognize a character.",
    asks="LeNet-5 takes 401 thousand multiply-accumulates to recognize a character.",
)
def multiply_adds(run):
    """Count the multiply-adds of the built network."""
    found = {name: c.multiply_adds for name, c in count(LeNet5(), 32).items()}
    total = sum(found.values())
    exact = round(total / 1000) == 401
    return Finding(
        HOLDS if exact else REFUTED,
        ran="LeNet-5 as §II-B describes it; a sub-sampling unit adds four numbers and multiplies "
        "once.",
        measured=f"{total:,}: C1 {found['c1']:,}, C3 {found['c3']:,}, C5 {found['c5']:,}, the rest "
        f"{total - found['c1'] - found['c3'] - found['c5']:,}. That is fewer than 401,000, which "
        "even counting every connection does not reach.",
        numbers=found,
    )
