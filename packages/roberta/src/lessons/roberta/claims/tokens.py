"""Claims C9a and C9b, exact: no unknown tokens; what the larger vocabulary costs (§4.4)."""

from ..config import PRESETS, count_parameters
from ..lab.claim import Finding, claim
from ..lab.run import Run
from ..lab.statistics import exact
from ..tokenizer import RobertaTokenizer

TEXT = (
    "A vocabulary of bytes, learned from one sentence of English, writes every other script. " * 4
)


@claim(
    "C9a",
    "§4.4",
    "Byte-level tokens write any text without an unknown one.",
    quotes="that can still encode any input text without introducing any “unknown” tokens.",
    asks="A vocabulary learned from English alone must encode every character of Unicode (all but "
    "halves of surrogate pairs) without ``<unk>``, and give it back. Beside it a vocabulary of the "
    "characters of the same text, BERT's kind, where what it has not seen is unknown.",
    holds_if="every one of 1,112,064 code points comes back, and none is unknown",
    fails_if="one does not",
    paper="no unknown tokens",
)
def no_unknown(run: Run) -> Finding:
    """Encode all of Unicode."""
    tokenizer = RobertaTokenizer.train([TEXT], 300)
    step = run.pick(test=4_096, default=32, full=1, paper=1)
    points = [c for c in range(0, 0x110000, step) if not 0xD800 <= c < 0xE000]
    unknown = wrong = 0
    for at in range(0, len(points), 64):
        text = "".join(map(chr, points[at : at + 64]))
        ids = tokenizer.bpe.encode(text)
        unknown += len(set(ids) & set(tokenizer.special_ids))
        wrong += tokenizer.bpe.decode(ids) != text
    lost = sum(chr(c) not in TEXT for c in points)
    return Finding(
        exact(unknown == wrong == 0),
        ours=f"{unknown} unknown in {len(points):,} code points",
        ran=f"Every {step}. code point, in texts of 64; 300 tokens learned from one sentence.",
        measured=f"{unknown} unknown tokens and {wrong} texts that did not come back, of "
        f"{len(points):,} code points. A vocabulary of that sentence's characters knows all but "
        f"{lost:,} of them.",
        numbers={"code points": len(points), "unknown": unknown, "wrong": wrong, "lost": lost},
    )


@claim(
    "C9b",
    "§4.4",
    "The byte-level vocabulary adds about 15 and 20 million weights.",
    quotes="This adds approximately 15M and 20M additional parameters for BERT-BASE and "
    "BERT-LARGE, respectively.",
    asks="Rows of the embedding: 50,265 less BERT's 30,522, times the width. (That it is slightly "
    "worse on some tasks, the next sentence, is not tested here: two vocabularies at this size "
    "would be two other languages.)",
    holds_if="the differences of the sizes round to 15 and 20 million",
    fails_if="they do not",
    paper="15M and 20M",
)
def added(run: Run) -> Finding:
    """Count."""
    del run
    found = {
        size: count_parameters(PRESETS[f"roberta-{size}"])
        - count_parameters(PRESETS[f"ablation-{size}"])
        for size in ("base", "large")
    }
    return Finding(
        exact([round(n / 1e6) for n in found.values()] == [15, 20]),
        ours=f"{found['base']:,} and {found['large']:,}",
        ran="The presets' sizes, from the formula that the tests hold against the nets.",
        measured=f"{found['base']:,} and {found['large']:,} weights.",
        numbers=found,
    )
