"""The last word of a passage, and the filter that knows it is the last (§3.3, LAMBADA).

Shapes: K beams, V vocabulary.
"""

import codecs
import functools
import unicodedata

import torch

from .bpe import ByteLevelBPE
from .model import GPT2

# Words that hardly end a sentence. The paper does not give its list; this one is ours.
STOP_WORDS = frozenset(
    """a about above after again against all also although am among an and another any are as at be
    because been before behind being below between both but by can cannot could did do does doing
    down during each either else even ever every few for from further had has have having he her
    here hers herself him himself his how i if in into is it its itself just like many may me might
    more most much must my myself near neither never no nor not now of off often on once one only or
    other our ours out over own perhaps quite rather same shall she should since so some still such
    than that the their theirs them themselves then there therefore these they this those though
    through thus to too toward towards under until up upon us very was we were what when where
    whether which while who whom whose why will with within without would yet you your
    yours""".split()
)


def next_words(
    model: GPT2, tokenizer: ByteLevelBPE, before: str, *, beams: int = 8, most: int = 6
) -> list[tuple[str, float]]:
    """Return words that may come next, with their log-probability in nats, the likeliest first.

    A word is a blank and letters. It is as likely as its tokens, times the probability that the
    token behind does not go on with letters: "the" is no answer where "there" is meant. Of a word
    that is found in two spellings by tokens, the likelier counts alone; they are not added.

    Args:
        model: in eval mode.
        tokenizer: the model's; its ids may be fewer than the model's.
        before: the text so far, without the blank at its end. Where it is too long for the model
            it loses its beginning.
        beams: beginnings of words that are followed at a time.
        most: tokens of a word.

    Raises:
        ValueError: an empty text, a number below 1, or no room for a word.
    """
    for name, number in (("beams", beams), ("most", most)):
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    room = model.config.n_positions - most
    if room < 1:
        raise ValueError(f"most must be below n_positions={model.config.n_positions}, got {most}")
    ids = tokenizer.encode(before)[-room:]
    if not ids:
        raise ValueError("before must not be empty: the first token has no context")
    begins_V, goes_on_V = _kinds(tokenizer, model.config.vocab_size)
    return _words(model, tokenizer, ids, (begins_V, goes_on_V), beams, most)


@torch.no_grad()
def _words(model, tokenizer, ids, kinds, beams, most) -> list[tuple[str, float]]:
    device = model.wte.weight.device
    begins_V, goes_on_V = (kind.to(device) for kind in kinds)
    cache = model.start_cache(1, len(ids) + most)
    new_KT = torch.tensor([ids], device=device)
    log_K1 = torch.zeros(1, 1, device=device)
    texts: list[list[int]] = [[]]
    found: dict[str, float] = {}
    for step in range(most + 1):
        logits_KV = model.project(model.states(new_KT, cache=cache)[:, -1])
        log_KV = log_K1 + logits_KV.float().log_softmax(-1)
        if step:  # the word may end here
            ends_K = log_KV.masked_fill(goes_on_V, -torch.inf).logsumexp(-1).tolist()
            for text, log_p in zip(texts, ends_K):
                word = tokenizer.decode(text).strip()
                found[word] = max(found.get(word, log_p), log_p)
        if step == most:
            break
        open_KV = log_KV.masked_fill(~(goes_on_V if step else begins_V), -torch.inf)
        best, place = open_KV.flatten().topk(min(beams, open_KV.numel()))
        # One that is already less likely than the best whole words can only lose.
        least = sorted(found.values(), reverse=True)[beams - 1] if len(found) >= beams else -1e9
        kept = [(at, p) for at, p in zip(place.tolist(), best.tolist()) if p > least]
        if not kept:
            break
        rows, tokens = zip(*(divmod(at, open_KV.shape[1]) for at, _ in kept))
        texts = [[*texts[row], token] for row, token in zip(rows, tokens)]
        cache = cache.select(torch.tensor(rows, device=device))
        new_KT = torch.tensor(tokens, device=device)[:, None]
        log_K1 = torch.tensor([[p] for _, p in kept], device=device)
    return sorted(found.items(), key=lambda item: item[1], reverse=True)


def last_word(
    model: GPT2,
    tokenizer: ByteLevelBPE,
    before: str,
    stop_words: frozenset[str] = STOP_WORDS,
    **how: int,
) -> tuple[str, float]:
    """Return the likeliest word that is no stop word, and its log-probability.

    §3.3: the model does not know that the word is the last of its sentence; the filter does. With
    ``stop_words=frozenset()`` it is off. If all that was found are stop words, the likeliest.

    Args:
        model: as for `next_words`.
        tokenizer: the same.
        before: the same.
        stop_words: in small letters.
        how: ``beams`` and ``most`` of `next_words`.
    """
    words = next_words(model, tokenizer, before, **how)
    if not words:
        raise ValueError("tokenizer has no token of a blank and letters: no word can begin")
    return next((word for word in words if word[0].lower() not in stop_words), words[0])


@functools.lru_cache(4)
def _kinds(tokenizer: ByteLevelBPE, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return which tokens begin a word (a blank, letters), and which go on with one (V each)."""
    begins, goes_on = torch.zeros(2, size, dtype=torch.bool)
    for i, raw in tokenizer.tokens.items():
        # Bytes that go on with a character are of a letter, as no other one is begun in a word.
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        text, start = decoder.decode(raw).replace("\ufffd", "a"), decoder.getstate()[0]
        if start:
            text += "a" if _starts_letters(start) else "-"
        begins[i] = text[:1] == " " and text[1:].isalpha()
        goes_on[i] = text.isalpha()
    return begins, goes_on


@functools.cache
def _starts_letters(start: bytes) -> bool:
    """Return whether most characters are letters whose UTF-8 begins so, and is longer.

    C3 begins é and other letters, E2 80 the dashes and quotation marks.
    """
    size = 2 if start[0] < 0xE0 else 3 if start[0] < 0xF0 else 4
    code = start[0] & (0xFF >> (size + 1))
    for byte in start[1:]:
        code = code << 6 | byte & 0x3F
    shift = 6 * (size - len(start))
    low, high = max(code << shift, {2: 0x80, 3: 0x800, 4: 0x10000}[size]), (code + 1) << shift
    kinds = [unicodedata.category(chr(code))[0] for code in range(low, min(high, 0x110000))]
    return 2 * kinds.count("L") > len(kinds) - kinds.count("C")  # C: no character, as a rule
