"""Errata: slips in the paper's print, with the computation."""

from ..lab.claim import Finding, erratum
from ..lab.run import Run
from ..training import PreTraining

# Table 5: LTR & No NSP, and with a BiLSTM.
TABLE_5 = {"MNLI": (82.1, 82.1), "QNLI": (84.3, 84.1), "MRPC": (77.5, 75.7), "SST-2": (92.1, 91.6)}
# Table 6's columns of accuracy, and its first and last row.
TABLE_6 = {"MNLI": (77.9, 86.6), "MRPC": (79.8, 87.8), "SST-2": (88.4, 93.7)}
WORDS = 3.3e9


@erratum(
    "E1",
    "A.2",
    "A batch of pre-training has 131,072 tokens, not 128,000.",
    quotes="256 sequences * 512 tokens = 128,000 tokens/batch",
)
def tokens(run: Run) -> Finding:
    """Multiply."""
    del run
    recipe = PreTraining()
    product = recipe.batch_size * recipe.lengths[-1][1]
    return Finding(
        None,
        ours=f"{recipe.batch_size} × {recipe.lengths[-1][1]} = {product:,}",
        ran="A product.",
        measured=f"{recipe.batch_size} times {recipe.lengths[-1][1]} is {product:,}.",
        numbers={"product": product},
    )


@erratum(
    "E2",
    "§5.2, Table 6",
    "Table 6 has three datasets, not four.",
    quotes="We can see that larger models lead to a strict accuracy improvement across all four "
    "datasets",
)
def datasets(run: Run) -> Finding:
    """Count the columns."""
    del run
    return Finding(
        None,
        ours=f"{len(TABLE_6)} columns of accuracy: {', '.join(TABLE_6)}",
        ran="The table.",
        measured=f"Table 6 has {len(TABLE_6)} columns of accuracy: {', '.join(TABLE_6)}. Each "
        f"rises "
        "from row to row. The fourth column is the perplexity of hidden words.",
        numbers={"columns": list(TABLE_6), "first and last row": TABLE_6},
    )


@erratum(
    "E3",
    "§5.1, Table 5",
    "On MNLI the BiLSTM changes nothing.",
    quotes="The BiLSTM hurts performance on the GLUE tasks.",
)
def unhurt(run: Run) -> Finding:
    """Compare two rows of Table 5."""
    del run
    changes = {task: round(after - before, 1) for task, (before, after) in TABLE_5.items()}
    told = ", ".join(f"{task} {change:+.1f}" for task, change in changes.items()).replace("-", "−")
    return Finding(
        None,
        ours=f"MNLI {TABLE_5['MNLI'][0]} and {TABLE_5['MNLI'][1]}",
        ran="Two rows of the table.",
        measured=f"With the BiLSTM: {told.replace('SST−2', 'SST-2')} points.",
        numbers={"changes": changes},
    )


@erratum(
    "E4",
    "A.2",
    "With short inputs for nine tenths of the steps it is 13 epochs.",
    quotes="1,000,000 steps, which is approximately 40 epochs over the 3.3 billion word corpus",
)
def epochs(run: Run) -> Finding:
    """Add up the tokens of both phases."""
    del run
    recipe = PreTraining()
    read = sum(share * length for share, length in recipe.lengths) * recipe.batch_size
    passes = recipe.steps * read / WORDS
    long = recipe.steps * recipe.batch_size * recipe.lengths[-1][1] / WORDS
    return Finding(
        None,
        ours=f"{passes:.1f} epochs, where {long:.1f} are those of 512 throughout",
        ran="The steps of A.2 at either length, and as many tokens as words.",
        measured=f"The same appendix has inputs of 128 tokens for 90% of the steps: 256 × (0.9 × "
        f"128 + 0.1 × 512) = {read:,.0f} tokens a step, {passes:.1f} times the corpus's words in a "
        f"million steps. {long:.1f} would be right if all inputs had 512. Words have more than one "
        "piece on average, so that in fact it is less.",
        numbers={"tokens a step": read, "epochs": passes, "all of 512": long},
    )
