#!/usr/bin/env bash
# gensim: word2vec trains on the first 10,000 words of a sentence only.
#
# A corpus of one sentence: 10,000 words of "a b c", then 15,000 words of "x y z", as when a whole
# document, or a corpus without line ends such as text8, is passed as one list.
# Expected: all 25,000 words are trained on; all are counted for the vocabulary.
# Seen, without an error or a warning: train() returns 10,000 of 25,000 words, and x, y and z, which
# are in the vocabulary with 5,000 occurrences each, keep the random vectors they began with.
# The documentation says so in half a sentence, at the argument batch_words, and nowhere at the
# argument that takes the sentences. A known issue: 2880, open since 2020.
# What to do: cut long texts into pieces of at most 10,000 words before passing them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q gensim==4.4.0 numpy==2.4.6 scipy==1.17.1
"$folder/venv/bin/python" - <<'PYTHON'
import platform

import gensim
import numpy as np
from gensim.models import Word2Vec

print(f"gensim {gensim.__version__}, numpy {np.__version__}, Python {platform.python_version()}")
words = ["abc"[i % 3] for i in range(10_000)] + ["xyz"[i % 3] for i in range(15_000)]


def trained(sentences):
    """Return how many words were trained on, of how many, and the words whose vectors moved."""
    model = Word2Vec(vector_size=8, min_count=1, sample=0, workers=1, seed=1)
    model.build_vocab(sentences)
    before = model.wv.vectors.copy()
    counts = model.train(sentences, total_examples=len(sentences), epochs=1)
    moved = np.abs(model.wv.vectors - before).max(axis=1) > 0
    return counts, "".join(sorted(word for word in "abcxyz" if moved[model.wv.key_to_index[word]]))


whole = trained([words])
cut = trained([words[:10_000], words[10_000:20_000], words[20_000:]])
print(f"one sentence:  {whole[0]}, moved: {whole[1]}\nthree of them: {cut[0]}, moved: {cut[1]}")
if whole != ((10_000, 25_000), "abc") or cut != ((25_000, 25_000), "abcxyz"):
    raise SystemExit("CHANGED: this is not what was found")
print("as found: 15,000 of 25,000 words were left out without a word")
PYTHON
