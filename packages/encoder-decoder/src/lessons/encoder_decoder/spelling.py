"""From letters to phones: the alphabets of g2p_en's released model, and how to ask a model.

Phones are ARPAbet's as in the CMU dictionary, vowels with their stress.
"""

import torch

from .decoding import beam_search
from .model import RNNEncoderDecoder

_VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW"
_CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH"
LETTERS = ("<pad>", "<unk>", "</s>", *"abcdefghijklmnopqrstuvwxyz")
# As in the release: its one vowel without stress is "UW".
PHONES = (
    "<pad>", "<unk>", "<s>", "</s>",
    *sorted([f"{v}{stress}" for v in _VOWELS.split() for stress in "012"]
            + [*_CONSONANTS.split(), "UW"]),
)  # fmt: skip
END = LETTERS.index("</s>")


def letters_to_ids(word: str) -> list[int]:
    """Return a word's letters as ids, with the end mark.

    Raises:
        ValueError: no word, or signs other than a to z.
    """
    word = word.strip().lower()
    other = sorted(set(word) - set(LETTERS[3:]))
    if not word or other:
        raise ValueError(f"a word of the letters a to z is asked for, got {word!r}")
    return [*(LETTERS.index(letter) for letter in word), END]


def phones_to_ids(phones: list[str]) -> list[int]:
    """Return phones as ids, with the end mark.

    Raises:
        ValueError: a phone that is none.
    """
    for phone in phones:
        if phone not in PHONES[4:]:
            raise ValueError(f"no phone {phone!r}; there are {', '.join(PHONES[4:])}")
    return [*map(PHONES.index, phones), PHONES.index("</s>")]


def say(model: RNNEncoderDecoder, word: str, beam: int = 1) -> list[str]:
    """Return the phones that a model of letters and phones says for a word.

    Args:
        model: such as `from_g2p` returns.
        word: of the letters a to z.
        beam: beginnings kept; 1: greedy.

    Raises:
        ValueError: no word, other signs, a model of other alphabets, or a beam below 1.
    """
    sizes = model.config.source_vocab_size, model.config.target_vocab_size
    if sizes != (len(LETTERS), len(PHONES)):
        raise ValueError(
            f"a model of {len(LETTERS)} letters and {len(PHONES)} phones is asked for, "
            f"got one of {sizes[0]} and {sizes[1]}"
        )
    src = torch.tensor([letters_to_ids(word)], device=model.encoder.embedding.weight.device)
    ids = beam_search(model, src, beam=beam, max_len=20).ids[0].tolist()
    end = model.config.eos_id
    return [PHONES[i] for i in (ids[: ids.index(end)] if end in ids else ids)]
