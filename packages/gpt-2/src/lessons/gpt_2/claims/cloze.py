"""Questions in the form of two test sets, made of text that no net trains on.

The Children's Book Test (Hill et al. 2015, arXiv 1511.02301): twenty sentences, a twenty-first
without one of its words, ten words of its kind from the text before. And last words, as in LAMBADA.
"""

import dataclasses
import math
import random
import re
from collections import Counter

import torch

from ..bpe import ByteLevelBPE
from ..lab.run import Run
from ..last_word import STOP_WORDS, next_words
from ..model import GPT2
from . import corpus

SENTENCE = re.compile(r"(?<=[.!?])[”\"’')]* +(?=[“\"‘'(]*[A-Z])|\n+")
WORD = re.compile(r"[A-Za-z]+")
TITLES = {"Mr", "Mrs", "Miss", "Sir", "Lady", "Dr", "Captain", "Colonel", "I"}


@dataclasses.dataclass(frozen=True)
class Question:
    """A text with a gap: what stands before and after it, and ten words, the first the right."""

    before: str
    after: str
    choices: list[str]
    seen: list[int]  # how often each choice is in the twenty sentences


@dataclasses.dataclass(frozen=True)
class Passage:
    """A text whose last word is wanted."""

    before: str
    word: str


def sentences(run: Run) -> list[list[str]]:
    """Return the sentences of each document of the unseen novels."""
    return [
        [part for part in SENTENCE.split(text) if part.strip()]
        for text in corpus.documents(run, "austen")
    ]


def kinds(run: Run, texts: list[list[str]]) -> dict[str, frozenset[str]]:
    """Return the words that are names, and those that are common nouns."""
    small, capital = Counter(), Counter()
    for text in texts:
        for sentence in text:
            words = WORD.findall(sentence)
            small.update(word.lower() for word in words if word.islower())
            capital.update(word for word in words[1:] if word[0].isupper())
    names = {w for w, n in capital.items() if n >= 2 and n > 9 * small[w.lower()]} - TITLES
    if run.scale == "test":
        return dict.fromkeys(("names", "nouns"), frozenset(w for w in small if len(w) > 4))
    return {"names": frozenset(names), "nouns": corpus.common_nouns(run.data)}


def questions(run: Run, kind: str, count: int, tokens: ByteLevelBPE, room: int) -> list[Question]:
    """Return questions about names or nouns, the same in each run.

    Args:
        run: whose.
        kind: "names" or "nouns".
        count: at most so many.
        tokens: of the nets that will be asked.
        room: tokens that they read: each choice with the rest of its sentence must be fewer.
    """
    texts = sentences(run)
    wanted = kinds(run, texts)[kind]
    draw, made = random.Random(0), []
    places = [(t, s) for t, text in enumerate(texts) for s in range(20, len(text))]
    draw.shuffle(places)
    for t, s in places:
        query, context = texts[t][s], texts[t][s - 20 : s]
        there = Counter(w for part in context for w in WORD.findall(part) if w in wanted)
        gaps = [m for m in WORD.finditer(query) if m[0] in there and m.start() > 0]
        if not gaps or not 8 <= len(WORD.findall(query)) <= 60:
            continue
        gap = draw.choice(gaps)
        others: dict[str, None] = {}
        for part in reversed(texts[t][max(s - 200, 0) : s]):  # the nearest first
            others |= dict.fromkeys(w for w in WORD.findall(part) if w in wanted and w != gap[0])
        choices = [gap[0], *others][:10]
        if len(choices) == 10:
            before = "\n".join([*context, query[: gap.start()]]).rstrip(" ")
            rest = len(tokens.encode(query[gap.end() :]))
            fits = rest + max(len(tokens.encode(f" {word}")) for word in choices) < room
            if fits and query[gap.start() - 1] == " ":  # the blank belongs to the word
                made.append(
                    Question(before, query[gap.end() :], choices, [there[w] for w in choices])
                )
        if len(made) == count:
            break
    if not made:
        raise ValueError(f"the text has no sentence to ask about {kind}")
    return made


def passages(run: Run, count: int) -> list[Passage]:
    """Return passages of about 80 words before the last word of a sentence, the same each run."""
    texts, made = sentences(run), []
    draw = random.Random(1)
    places = [(t, s) for t, text in enumerate(texts) for s in range(5, len(text))]
    draw.shuffle(places)
    for t, s in places:
        last = re.fullmatch(r"(.*\S) ([A-Za-z]{3,})[.!?]?", texts[t][s], flags=re.S)
        if last and len(last[1].split()) >= 8:
            before = " ".join([*texts[t][s - 5 : s], last[1]])
            made.append(Passage(" ".join(before.split()[-80:]), last[2]))
        if len(made) == count:
            break
    return made


def anywhere(run: Run, count: int) -> list[Passage]:
    """Return passages of 80 words before a word anywhere in the novels, the same each run."""
    draw, made = random.Random(2), []
    texts = [text.split(" ") for text in corpus.documents(run, "austen")]
    while len(made) < count:
        text = draw.choices(texts, [len(text) for text in texts])[0]
        at = draw.randrange(min(80, len(text) - 1), len(text))
        word = WORD.match(text[at])  # without the comma behind it
        if word and text[at - 1]:
            made.append(Passage(" ".join(text[max(at - 80, 0) : at]), word[0]))
    return made


def most_frequent(asked: list[Question]) -> float:
    """Return the share right of the choice that is most frequent in the context, ties shared."""
    right = [
        (q.seen[0] == max(q.seen)) / sum(n == max(q.seen) for n in q.seen) for q in asked
    ]  # fmt: skip
    return sum(right) / len(right)


@torch.no_grad()
def share_right(model: GPT2, tokens: ByteLevelBPE, asked: list[Question]) -> float:
    """Return the share of questions whose right choice gives the likeliest sentence (§3.2).

    As `score_choices` has it, with the ten choices of a question in one batch.
    """
    right = 0
    for q in asked:
        before, after = tokens.encode(q.before), tokens.encode(q.after) if q.after else []
        rows = [[*before, *tokens.encode(f" {word}"), *after] for word in q.choices]
        longest = max(map(len, rows))
        cut = max(longest - model.config.n_positions, 0)  # the same beginning is lost by all
        ids = torch.tensor([row[cut:] + [0] * (longest - len(row)) for row in rows])
        at = len(before) - cut
        if at < 1:
            raise ValueError(f"choice and end have {longest - len(before)} tokens, too many")
        states = model.states(ids[:, :-1].to(model.wte.weight.device))[:, at - 1 :]
        log_p = model.project(states).log_softmax(-1)
        target = ids[:, at:].to(log_p.device)
        picked = log_p.gather(2, target[..., None])[..., 0]
        lengths = torch.tensor([len(row) - cut - at for row in rows], device=log_p.device)
        known = torch.arange(picked.shape[1], device=log_p.device) < lengths[:, None]
        right += int(picked.where(known, 0).sum(1).argmax()) == 0
    return right / len(asked)


def answers(
    model: GPT2, tokens: ByteLevelBPE, asked: list[Passage]
) -> tuple[list[float], list[bool], list[bool]]:
    """Return the probability of each last word, whether it is right, and whether it is filtered."""
    shares, right, filtered = [], [], []
    for passage in asked:
        words = next_words(model, tokens, passage.before, beams=6, most=5)
        shares.append(round(min(math.exp(words[0][1]), 1.0), 4))
        right.append(words[0][0] == passage.word)
        allowed = [word for word, _ in words if word.lower() not in STOP_WORDS]
        filtered.append((allowed or [""])[0] == passage.word)
    return shares, right, filtered
