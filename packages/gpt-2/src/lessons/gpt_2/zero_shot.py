"""Tasks told in words: what stands before the answer, and where it ends (§3.5 to §3.8)."""

import re
from collections.abc import Iterable, Sequence

TLDR = "\nTL;DR:"  # §3.6: "we add the text TL;DR: after the article"
SENTENCE_END = re.compile(r"(?<=[.!?])[\"”’')\]]*\s+|\n+")


def summarize(article: str, hint: str = TLDR) -> str:
    """Return the prompt for a summary; 100 tokens are drawn with ``top_k=2`` (§3.6).

    The answer is `first_sentences(text, 3)`. Without the hint (``hint=""``): Table 4's "no hint".
    """
    return article.rstrip() + hint


def translate(examples: Iterable[tuple[str, str]], sentence: str) -> str:
    """Return "english = french" a line for each example, then "english =" (§3.7).

    The answer is `first_sentences(text, 1)` of greedy decoding.

    Raises:
        ValueError: a line break in a sentence, which would end its example.
    """
    pairs = list(examples)
    for text in (*(part for pair in pairs for part in pair), sentence):
        if "\n" in text:
            raise ValueError(f"a sentence must not have a line break, got {text!r}")
    lines = [f"{source} = {target}" for source, target in pairs]
    return "\n".join([*lines, f"{sentence} ="])


def answer(document: str, history: Sequence[tuple[str, str]], question: str) -> str:
    """Return a document, the conversation about it and "A:" (§3.5, CoQA); an empty one is left out.

    The paper names "a final token A:" alone; that questions begin with "Q:" is our reading. With
    ``history`` as examples and no document it is §3.8's prompt.
    """
    turns = [f"Q: {q}\nA: {a}" for q, a in history]
    return "\n".join([*([document.rstrip()] if document else []), *turns, f"Q: {question}\nA:"])


def first_sentences(text: str, count: int) -> str:
    """Return the first sentences of what was generated, at most ``count``.

    A sentence ends with a full stop, an exclamation or a question mark before white space, or with
    its line. The paper does not say how it cut; abbreviations end a sentence here.

    Raises:
        ValueError: count below 1.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    text = text.lstrip()
    ends = [match.end() for match in SENTENCE_END.finditer(text)]
    return (text[: ends[count - 1]] if len(ends) >= count else text).rstrip()
