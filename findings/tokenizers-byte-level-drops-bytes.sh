#!/usr/bin/env bash
# tokenizers: a byte-level BPE tokenizer drops what it did not see in training.
#
# A BPE model with the byte-level pre-tokenizer is trained without initial_alphabet on text that
# holds no digits but 1 and 0. It then encodes "the price is 25 euros".
# Expected: any text comes back from decode, which is what byte level is for: there are 256 bytes
# and no unknown token. Or else an error.
# Seen, without an error or a warning: decode gives the sentence without the number. The alphabet is
# made of the bytes seen, and a BPE model without an unknown token skips what it does not know.
# The documentation of initial_alphabet says only that it adds characters not seen in training.
# Known: Hugging Face's own course trains without it (huggingface/course, issue 775, open); that
# unknown symbols are skipped is issue 517 of tokenizers (closed).
# What to do: BpeTrainer(initial_alphabet=ByteLevel.alphabet()).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q tokenizers==0.23.3
"$folder/venv/bin/python" - <<'PYTHON'
import platform

import tokenizers
from tokenizers import Tokenizer, decoders, models, trainers
from tokenizers.pre_tokenizers import ByteLevel

print(f"tokenizers {tokenizers.__version__}, Python {platform.python_version()}")
text = "the price is 25 euros"


def there_and_back(alphabet):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(["the price is 10 euros"] * 3, trainer)
    return tokenizer.decode(tokenizer.encode(text).ids)


plain, with_alphabet = there_and_back([]), there_and_back(ByteLevel.alphabet())
print(f"without the alphabet: {plain!r}\nwith it:              {with_alphabet!r}")
if plain != "the price is  euros" or with_alphabet != text:
    raise SystemExit("CHANGED: this is not what was found")
print("as found: the number is gone without a word")
PYTHON
