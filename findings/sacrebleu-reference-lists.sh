#!/usr/bin/env bash
# sacrebleu: one list of references per sentence scores the first sentences only.
#
# corpus_bleu wants one list per set of references: [[ref of sentence 1, ref of sentence 2, …]].
# Given one list per sentence, as other libraries want it, it takes each list for a set of
# references and stops at the shortest: here every list has one entry, so the first hypothesis
# alone is scored, against all three references. Nothing says so.
# Expected of wrongly shaped input: an error. Seen: 100, though two of three sentences are wrong.
# What to do: list(zip(*references)), and check that each set is as long as the hypotheses.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q sacrebleu==2.6.0
"$folder/venv/bin/python" - <<'PYTHON'
import platform

import sacrebleu

print(f"sacrebleu {sacrebleu.__version__}, Python {platform.python_version()}")
references = [
    ["the cat sat on the mat"], ["it rains in spring"], ["he reads an old letter again"],
]
hypotheses = ["the cat sat on the mat", "we went home by train", "blue is a colour of the sky"]
right = sacrebleu.corpus_bleu(hypotheses, [list(refs) for refs in zip(*references)])
wrong = sacrebleu.corpus_bleu(hypotheses, references)
print(f"a list per set of references: {right.score:.1f}, {right.sys_len} words scored")
print(f"a list per sentence:          {wrong.score:.1f}, {wrong.sys_len} words scored")
if wrong.sys_len != 6 or round(wrong.score) != 100 or right.sys_len != 18 or right.score > 60:
    raise SystemExit("CHANGED: this is not what was found")
print("as found: two of three sentences were left out without a word")
PYTHON
