#!/usr/bin/env bash
# editdistance: −1 and −2 are the same symbol.
#
# Two sequences of numbers are compared, as label ids in which −1 marks a blank and −2 padding, or
# as bins that may be negative: [7, -1, 7] against [7, -2, 7].
# Expected: one substitution, a distance of 1, as for any other two numbers.
# Seen, without an error or a warning: 0. Elements are compared by their hashes alone, and in
# CPython hash(-1) is hash(-2), since −1 tells of an error there; hash(0) is hash(2**61 - 1).
# The documentation says that any iterable of hashable objects will do, and not that equal hashes
# are taken for equal objects. Known in general: issue 37, open, of objects with one hash.
# What to do: renumber the symbols from 0, or take rapidfuzz, which tells −1 from −2 since 2022.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q editdistance==0.8.1 rapidfuzz==3.14.6
"$folder/venv/bin/python" - <<'PYTHON'
import platform
from importlib.metadata import version

import editdistance
from rapidfuzz.distance import Levenshtein

print(f"editdistance {version('editdistance')}, rapidfuzz {version('rapidfuzz')}, "
      f"{platform.python_implementation()} {platform.python_version()}")
found = {}
for one, other in [(-3, -2), (-1, -2), (0, 2**61 - 1)]:
    pair = [7, one, 7], [7, other, 7]
    found[one, other] = editdistance.eval(*pair), Levenshtein.distance(*pair)
    print(f"{pair[0]} and {pair[1]}: editdistance {found[one, other][0]}, "
          f"rapidfuzz {found[one, other][1]}")
if found[-3, -2] != (1, 1) or found[-1, -2] != (0, 1) or found[0, 2**61 - 1][0] != 0:
    raise SystemExit("CHANGED: this is not what was found")
print("as found: -1 and -2 are taken for the same")
PYTHON
