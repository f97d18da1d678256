"""Every task as text in, text out (Raffel et al. 2020, §2.4, Appendix D), and mixtures of them."""

import dataclasses
import re
from collections.abc import Mapping, Sequence

Answer = str | float | bool | None


@dataclasses.dataclass(frozen=True)
class Task:
    """How an example of a task is written as text, and how an answer is read.

    Attributes:
        prefix: what the input begins with, which says which task it is.
        fields: the example's fields in the order in which they are written, each behind its name;
            one that is named "" is written alone.
        labels: words of a classification, in the order of their numbers; None: any text.
        number: whether the answer is a similarity from 1 to 5 in steps of 0.2.

    Source: Appendix D.
    """

    prefix: str
    fields: tuple[str, ...] = ("",)
    labels: tuple[str, ...] | None = None
    number: bool = False

    def to_text(self, example: Mapping[str, object]) -> str:
        """Return the input: "stsb sentence1: … sentence2: …".

        Raises:
            ValueError: a field is missing.
        """
        missing = [name for name in self.fields if (name or "text") not in example]
        if missing:
            want = ", ".join(name or "text" for name in self.fields)
            raise ValueError(f"example must have the fields {want}, got {', '.join(example)}")
        parts = [
            f"{name}: {example[name]}" if name else str(example["text"]) for name in self.fields
        ]
        return " ".join([self.prefix, *parts] if self.prefix else parts)

    def to_target(self, target: object) -> str:
        """Return the text to be written for an answer: a label's word, "3.8", or the text itself.

        Raises:
            ValueError: a label's number that there is not, or a similarity outside 1 … 5.
        """
        if self.labels is not None:
            if isinstance(target, str) and target in self.labels:
                return target
            if not isinstance(target, int) or not 0 <= target < len(self.labels):
                raise ValueError(
                    f"target must be 0 … {len(self.labels) - 1} or one of "
                    f"{', '.join(self.labels)}; got {target!r}"
                )
            return self.labels[int(target)]
        return similarity_text(target) if self.number else str(target)

    def from_text(self, text: str) -> Answer:
        """Return the answer in a text that the model wrote; None, which is wrong, if it is none.

        "We always count the model's output as wrong" (§2.4) where it is no label, or no number
        from 1 to 5: it is no error.
        """
        text = text.strip()
        if self.labels is not None:
            return text if text in self.labels else None
        if not self.number:
            return text
        if not re.fullmatch(r"\d+(\.\d+)?", text):
            return None
        return float(text) if 1 <= float(text) <= 5 else None


def similarity_text(score: object) -> str:
    """Return a similarity as text, in steps of 0.2: 2.57 is "2.6" (§2.4).

    Raises:
        ValueError: no number from 1 to 5. (STS-B's own scores begin at 0: clip them.)
    """
    if not isinstance(score, int | float) or not 1 <= score <= 5:
        raise ValueError(f"a similarity must be a number from 1 to 5, got {score!r}")
    return f"{round(score * 5) / 5:.1f}"


_ENTAILMENT = ("entailment", "not_entailment")
_THREE = ("entailment", "neutral", "contradiction")
_PAIR = ("sentence1", "sentence2")
_TRUTH = ("False", "True")

TASKS = {
    "cola": Task("cola", ("sentence",), ("unacceptable", "acceptable")),
    "sst2": Task("sst2", ("sentence",), ("negative", "positive")),
    "mrpc": Task("mrpc", _PAIR, ("not_equivalent", "equivalent")),
    "qqp": Task("qqp", ("question1", "question2"), ("not_duplicate", "duplicate")),
    "stsb": Task("stsb", _PAIR, number=True),
    # §2.4 prints "mnli premise: … hypothesis: …"; Appendix D and the released code, this.
    "mnli": Task("mnli", ("hypothesis", "premise"), _THREE),
    "qnli": Task("qnli", ("question", "sentence"), _ENTAILMENT),
    "rte": Task("rte", _PAIR, _ENTAILMENT),
    "boolq": Task("boolq", ("question", "passage"), _TRUTH),
    "cb": Task("cb", ("hypothesis", "premise"), ("entailment", "contradiction", "neutral")),
    "copa": Task("copa", ("choice1", "choice2", "premise", "question"), _TRUTH),
    "multirc": Task("multirc", ("question", "answer", "paragraph"), _TRUTH),
    "wic": Task("wic", ("pos", "sentence1", "sentence2", "word"), _TRUTH),
    "wsc": Task("wsc:"),
    "squad": Task("", ("question", "context")),
    "cnn_dailymail": Task("summarize:"),
    "wmt_en_de": Task("translate English to German:"),
    "wmt_en_fr": Task("translate English to French:"),
    "wmt_en_ro": Task("translate English to Romanian:"),
}


def highlight(text: str, start: int, pronoun: str) -> str:
    """Return a text with one of its words marked, *they*, which the task asks about (§2.4).

    Args:
        text: the passage.
        start: number of the pronoun's first word, counted from 0, words being what spaces part.
        pronoun: as it stands there.

    Raises:
        ValueError: it does not stand there.
    """
    words, wanted = text.split(" "), pronoun.split(" ")
    if words[start : start + len(wanted)] != wanted or not pronoun:
        got = " ".join(words[start : start + len(wanted)])
        raise ValueError(f"word {start} of the text must be {pronoun!r}, got {got!r}")
    rest = words[start + len(wanted) :]
    return " ".join([*words[:start], f"*{pronoun}*", *rest])


def refers(answer: str, candidate: str) -> bool:
    """Say whether a referent that was written is the candidate: either's words hold the other's.

    Source: §2.4, of WSC, with articles left out.
    """
    a, b = (
        {word for word in re.findall(r"\w+", text.lower()) if word not in ("a", "an", "the")}
        for text in (answer, candidate)
    )
    return bool(a and b) and (a <= b or b <= a)


def mixing_rates(
    sizes: Sequence[int], limit: float | None = None, temperature: float = 1.0
) -> list[float]:
    r"""Return the share of each task in a mixture: $r_m \propto \min(e_m, K)^{1/T}$.

    Args:
        sizes: examples of each task, $e_m$.
        limit: K, the largest size that counts; None: none.
        temperature: T; 1 is proportional to the sizes, ∞ makes all tasks equal.

    Raises:
        ValueError: no tasks, one without examples, or a limit or temperature that is not positive.

    Source: §3.5.2.
    """
    if not sizes or min(sizes) < 1:
        raise ValueError(f"sizes must be at least 1 each, got {list(sizes)}")
    for name, value in (("limit", limit), ("temperature", temperature)):
        if value is not None and not value > 0:
            raise ValueError(f"{name} must be positive, got {value}")
    weights = [min(size, limit or float("inf")) ** (1 / temperature) for size in sizes]
    total = sum(weights)
    return [weight / total for weight in weights]
