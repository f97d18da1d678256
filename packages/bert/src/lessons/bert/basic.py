"""Cut a text into words, before word pieces are looked for (the released code's basic tokenizer).

Controls go, blanks separate, each Chinese character and each mark of punctuation is a word, and in
an uncased model letters become small and lose their accents. The paper cites WordPiece (Wu et al.
2016) and describes none of it; the source is google-research/bert, ``tokenization.py``.
"""

import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

# Blocks of Chinese characters: first and last code point. Japanese and Korean letters are written
# with blanks between words, or not at all, and are no part of them.
CHINESE = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip


class Word(NamedTuple):
    """A word, and where each of its characters stands in the text."""

    text: str
    places: list[int]


def is_control(character: str) -> bool:
    """Return whether a character is dropped: controls, but for those that are blanks."""
    return character not in "\t\n\r" and unicodedata.category(character) in ("Cc", "Cf")


def is_punctuation(character: str) -> bool:
    """Return whether a character is a word by itself: also ASCII's symbols, such as $ and ^."""
    if character < "\x7f":
        return "!" <= character <= "~" and not character.isalnum()
    return unicodedata.category(character).startswith("P")


def is_chinese(character: str) -> bool:
    """Return whether a character is a word by itself, being Chinese."""
    return any(first <= ord(character) <= last for first, last in CHINESE)


def words_of(text: str, lowercase: bool = True, strip_accents: bool | None = None) -> list[Word]:
    """Return a text's words.

    Args:
        text: any.
        lowercase: make letters small.
        strip_accents: drop accents; None: where letters are made small, as in the released code.
    """
    strip_accents = lowercase if strip_accents is None else strip_accents
    found = []
    for word in _runs(text):
        word = _lowered(word) if lowercase else word
        word = _stripped(word) if strip_accents else word
        found += _cut(word)
    return found


def _runs(text: str) -> Iterator[Word]:
    """Yield what stands between blanks, without controls, each Chinese character by itself."""
    letters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        if character in "\0\ufffd" or is_control(character):
            continue
        alone = is_chinese(character)
        if letters and (alone or character.isspace()):
            yield Word("".join(letters), places)
            letters, places = [], []
        if alone:
            yield Word(character, [place])
        elif not character.isspace():
            letters.append(character)
            places.append(place)
    if letters:
        yield Word("".join(letters), places)


def _lowered(word: Word) -> Word:
    """Return a word in small letters: of the word, as a sigma at its end is another letter."""
    lengths = [len(character.lower()) for character in word.text]
    places = [place for place, n in zip(word.places, lengths) for _ in range(n)]
    return Word(word.text.lower(), places)


def _stripped(word: Word) -> Word:
    """Return a word without accents: letters are decomposed, and marks without width go."""
    pairs = [
        (part, place)
        for character, place in zip(*word)
        for part in unicodedata.normalize("NFD", character)
        if unicodedata.category(part) != "Mn"
    ]
    return Word("".join(part for part, _ in pairs), [place for _, place in pairs])


def _cut(word: Word) -> Iterator[Word]:
    """Yield the parts of a word, each mark of punctuation by itself."""
    start = 0
    for i, character in enumerate(word.text):
        if is_punctuation(character):
            if start < i:
                yield Word(word.text[start:i], word.places[start:i])
            yield Word(character, [word.places[i]])
            start = i + 1
    if start < len(word.text):
        yield Word(word.text[start:], word.places[start:])
