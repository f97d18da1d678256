"""The paper's claims, re-tested: what is run, the most important first."""

from . import (
    bigger,
    budgets,
    compute,
    contest,
    errata,
    glyphs,
    higher,
    look,
    looks,
    places,
    pooling,
    pretext,
    reader,
)

CLAIMS = [
    budgets.same_budget, budgets.less_compute, budgets.hybrids,
    contest.mid_sized, contest.small_sets, contest.plateau, contest.overtaking,
    bigger.larger_worse, bigger.larger_overtakes,
    places.none, places.alike, places.closer, places.rows_and_columns,
    looks.local_heads, looks.farther,
    pooling.similarly, pooling.other_rate,
    pretext.over_scratch, pretext.behind_labels, looks.shifts,
    glyphs.places, compute.exaflops, higher.higher, reader.shipped,
    looks.global_heads, errata.all_tasks, errata.large, errata.two_tables,
]  # fmt: skip
COMMANDS = look.Pictures(PICTURE=look.main)
