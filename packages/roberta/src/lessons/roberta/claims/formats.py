"""Claims C4a to C4c and D3: the four formats, with NSP and without (§4.2, Table 2)."""

from ..lab.claim import Finding, claim, demonstration
from ..lab.run import Run
from .contest import contest, draw_rows, finding, held, nats, points, protocol, table, told
from .pretraining import DYNAMIC, FULL

SEGMENT, SENTENCE = DYNAMIC, DYNAMIC.but(format="sentence+nsp")
ALONE, DOC = DYNAMIC.but(format="segment"), DYNAMIC.but(format="doc")
FORMATS = {
    "SEGMENT-PAIR+NSP": SEGMENT, "SENTENCE-PAIR+NSP": SENTENCE,
    "SEGMENT-PAIR, no loss": ALONE, "FULL-SENTENCES": FULL, "DOC-SENTENCES": DOC,
}  # fmt: skip
SAME = (
    "Dynamic masks, small batch, one unit of tokens each, on a tenth of the texts; pairs have two "
    "separators between, and no format has segment embeddings. "
)


@claim(
    "C4a",
    "§4.2, Table 2",
    "Pairs of single sentences are worse than pairs of segments.",
    draw_rows,
    quotes="We find that using individual sentences hurts performance on downstream tasks, which "
    "we hypothesize is because the model is not able to learn long-range dependencies.",
    asks=SAME + "Both with NSP; the batch is filled up to equally many tokens, as in the paper.",
    holds_if="the 95% interval of SENTENCE-PAIR − SEGMENT-PAIR, paired, lies below 0 points",
    fails_if="it lies above 0",
    paper="−2.5 on SQuAD 2.0, −1.1 on MNLI, −0.8 on SST-2",
)
def single_sentences(run: Run) -> Finding:
    """Judge sentences against segments, and draw all five."""
    found = points(run, SENTENCE, SEGMENT)
    rows = table(run, FORMATS if run.scale == "full" else dict([*FORMATS.items()][:2]))
    return finding(
        run, held(run, found, below=0.0), "points",
        f"Medians: {told(rows)}. Sentence pairs less segment pairs: {found.text(2)} points, "
        f"{nats(run, SENTENCE, SEGMENT).text(3)} nats on texts apart.",
        {"table": rows}, protocol(run, SEGMENT, SENTENCE),
    )  # fmt: skip


@claim(
    "C4b",
    "§4.2, Table 2",
    "Without NSP, on blocks of a document: as good or slightly better.",
    draw_rows,
    quotes="removing the NSP loss matches or slightly improves downstream task performance, in "
    "contrast to Devlin et al. (2019).",
    asks=SAME
    + "DOC-SENTENCES, with which the paper's sentence is about, against SEGMENT-PAIR+NSP. "
    "“Matches” is drawn from Table 2: DOC-SENTENCES' largest loss is 0.2 points (SST-2). The line "
    "was −0.4 at first, FULL-SENTENCES' loss there; it was corrected before any run.",
    holds_if="the 95% interval of DOC-SENTENCES − SEGMENT-PAIR+NSP, paired, lies above −0.2 points",
    fails_if="it lies below −0.2",
    paper="+0.7 on MNLI, −0.2 on SST-2, +1.0 on SQuAD 2.0",
)
def without_nsp(run: Run) -> Finding:
    """Judge blocks of one document against BERT's format."""
    return contest(run, ("DOC-SENTENCES", DOC), ("SEGMENT-PAIR+NSP", SEGMENT), line=-0.2)


@claim(
    "C4c",
    "§4.2, Table 2",
    "Inputs from one document are slightly better than across documents.",
    draw_rows,
    quotes="restricting sequences to come from a single document (DOC-SENTENCES) performs slightly "
    "better than packing sequences from multiple documents (FULL-SENTENCES).",
    asks=SAME + "Equally many tokens a step.",
    holds_if="the 95% interval of DOC-SENTENCES − FULL-SENTENCES, paired, lies above 0 points",
    fails_if="it lies below 0",
    paper="+0.6 on SQuAD 2.0, 0 on MNLI, +0.2 on SST-2",
    full_only=True,
)
def one_document(run: Run) -> Finding:
    """Judge DOC against FULL."""
    return contest(run, ("DOC-SENTENCES", DOC), ("FULL-SENTENCES", FULL))


@demonstration(
    "D3",
    "Segment pairs without NSP's loss, against those with it.",
    draw_rows,
    source="§4.2",
    asks=SAME + "The paper supposes that BERT's authors dropped only the loss and kept the pairs, "
    "which only they can confirm. This shows what doing so costs here. It was a claim (C4d) with a "
    "rule until it was seen that the sentence is a guess about others' code; no run had been made.",
    full_only=True,
)
def loss_alone(run: Run) -> Finding:
    """Measure segment pairs without the loss against those with it."""
    found = points(run, ALONE, SEGMENT)
    rows = table(run, {k: FORMATS[k] for k in ("SEGMENT-PAIR+NSP", "SEGMENT-PAIR, no loss")})
    return Finding(
        None,
        ours=f"{found.text(2)} points, {found.n} seeds",
        ran=protocol(run, SEGMENT, ALONE),
        measured=f"Medians: {told(rows)}. Without the loss less with it: {found.text(2)} points.",
        numbers={"difference": [found.mean, found.low, found.high], "table": rows},
    )
