#!/usr/bin/env bash
# tokenizers: a WordPiece tokenizer trained twice on the same text cuts text in two ways.
#
# A WordPiece model is trained 40 times on one sentence, in one process, and each time encodes
# another sentence. Training draws no random number: it counts pairs and joins the most frequent.
# Expected, and done by the BPE trainer of the same library: 40 equal models.
# Seen, without an error or a warning: several vocabularies, and more than one way to cut the
# sentence. The pieces beginning with ## get their numbers in the order of a hash table, which is
# another each time, and pairs that are equally frequent are joined in the order of these numbers.
# The documentation does not speak of it, and there is no seed. A known issue: 1794, open.
# What to do: train once, keep the file, and never train again to get "the same" tokenizer.
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


def different(model, trainer):
    """Return how many vocabularies and how many ways to cut a sentence 40 trainings give."""
    vocabularies, cuts = set(), set()
    for _ in range(40):
        tokenizer = Tokenizer(model())
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer.train_from_iterator(
            ["Wel come to the Tok en izers libr ary."],  # codespell:ignore wel
            trainer(special_tokens=["[UNK]"], show_progress=False),
        )
        vocabularies.add(tuple(sorted(tokenizer.get_vocab().items())))
        cuts.add(" ".join(tokenizer.encode("Welcome to the Tokenizers library.").tokens))
    print(f"{trainer.__name__}: {len(vocabularies)} vocabularies, {len(cuts)} ways to cut")
    for cut in sorted(cuts):
        print(f"  {cut}")
    return len(vocabularies), len(cuts)


bpe = different(lambda: models.BPE(unk_token="[UNK]"), trainers.BpeTrainer)
wordpiece = different(lambda: models.WordPiece(unk_token="[UNK]"), trainers.WordPieceTrainer)
if bpe != (1, 1) or min(wordpiece) < 2:
    raise SystemExit("CHANGED: this is not what was found")
print("as found: the same text gives different tokenizers")
PYTHON
