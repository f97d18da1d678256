#!/usr/bin/env bash
# tokenizers: WordPiece knows a letter only in the places where training had it.
#
# A WordPiece model is trained on "quick quiet queen": q stands at the beginning of words, and is
# named in initial_alphabet besides. It then encodes "sequin", each letter of which was seen.
# Expected: a letter of the alphabet is a piece wherever it stands: s, ##e, ##q, ##u, ##i, ##n at
# worst.
# Seen, without an error or a warning: [UNK] for the whole word, since the vocabulary holds "q" and
# not "##q". initial_alphabet adds the form of word beginnings alone, and cannot be given the other:
# of a string of several characters it keeps the first.
# The documentation of initial_alphabet says that it includes characters "even if not seen in the
# training dataset", and nothing about the two forms. A known issue: 1863, open.
# What to do: train on text to which every letter is added once inside a word, or look for the
# letters that lack a form in get_vocab() after training.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q tokenizers==0.23.3
"$folder/venv/bin/python" - <<'PYTHON'
import platform

import tokenizers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

print(f"tokenizers {tokenizers.__version__}, Python {platform.python_version()}")
letters = "aceikmnqstu"


def pieces(texts):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordPieceTrainer(
        initial_alphabet=list(letters), special_tokens=["[UNK]"], vocab_size=60, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer.encode("sequin").tokens, "##q" in tokenizer.get_vocab()


texts = ["quick quiet queen", "a cat sat", "mad sea"] * 3
plain, helped = pieces(texts), pieces([*texts, *(f"{letter}{letter}" for letter in letters)])
print(f"as trained: {plain[0]}\nwith every letter once inside a word: {helped[0]}")
if plain != (["[UNK]"], False) or "[UNK]" in helped[0] or not helped[1]:
    raise SystemExit("CHANGED: this is not what was found")
print("as found: a word of seen letters is unknown")
PYTHON
