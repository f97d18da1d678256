"""A real task: dates as people write them in eight languages, into ISO 8601.

Months, weekdays and the order of things are those of the Unicode locale data that Babel carries.
"""

import datetime
import functools
import re
import unicodedata
from collections.abc import Iterable

import torch

from .config import TransformerConfig

LOCALES = ("en", "en_GB", "de", "fr", "es", "it", "pt", "nl", "hu")
# Not "short": 03/06/14 is a day in March in some of these languages and in June in others.
STYLES = ("medium", "long", "full")
FIRST, LAST = datetime.date(1900, 1, 1), datetime.date(2099, 12, 31)
UNREADABLE = "?"

PAD, BOS, EOS = 0, 1, 2
ALPHABET = "".join(
    dict.fromkeys(" 0123456789-.,?abcdefghijklmnopqrstuvwxyzàâäáãçéèêëíìîïóòôöõőúùûüűñ")
)
IDS = {character: i for i, character in enumerate(ALPHABET, start=3)}
LONGEST = 48  # characters of an input

CONFIG = TransformerConfig(
    vocab_size=len(ALPHABET) + 3, d_model=64, d_ff=256, num_heads=4, num_encoder_layers=2,
    num_decoder_layers=2, dropout=0.0,
)  # fmt: skip


def normalize(text: str) -> str:
    """Return text in lower case with single spaces, its accents composed."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text)).strip().lower()


def encode(text: str) -> list[int]:
    """Return a text's ids, with the end mark.

    Raises:
        ValueError: an empty or too long text, or a character outside the alphabet.
    """
    text = normalize(text)
    if not 1 <= len(text) <= LONGEST:
        raise ValueError(f"text must have 1 to {LONGEST} characters, got {len(text)}: {text!r}")
    strange = sorted(set(text) - set(ALPHABET))
    if strange:
        raise ValueError(f"text has characters that no date was written with: {' '.join(strange)}")
    return [*(IDS[character] for character in text), EOS]


def decode(ids: Iterable[int]) -> str:
    """Return the text of ids, up to the end mark."""
    text = ""
    for i in ids:
        if i == EOS:
            break
        text += ALPHABET[i - 3] if i >= 3 else ""
    return text


@functools.cache
def _locale(name: str):
    from babel import Locale  # only training needs it

    return Locale.parse(name)


def write(day: datetime.date, locale: str, style: str) -> str:
    """Return a date as people write it: ``write(day, "fr", "full")`` is "mardi 3 juin 2014"."""
    from babel.dates import format_date

    return normalize(format_date(day, style, _locale(locale)))


def split_days(test_share: float = 0.1) -> tuple[list[datetime.date], list[datetime.date]]:
    """Return the days of two centuries to train on, and those to test on, always the same."""
    count = (LAST - FIRST).days + 1
    order = torch.randperm(count, generator=torch.Generator().manual_seed(2014)).tolist()
    days = [FIRST + datetime.timedelta(days=i) for i in order]
    n_test = round(test_share * count)
    return days[n_test:], days[:n_test]
