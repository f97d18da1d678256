#!/usr/bin/env bash
# safetensors: a transposed NumPy array comes back scrambled.
#
# save_file writes the array's bytes in the order in which they lie in memory, with the shape of
# the transposed array. Expected, and done by 0.7.0: what was saved is what is loaded.
# Seen with 0.8.0, without an error or a warning: other values at the same places.
# What to do: numpy.ascontiguousarray before saving.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
for version in 0.7.0 0.8.0; do
  "$folder/venv/bin/pip" install -q "safetensors==$version" numpy==2.4.6
  "$folder/venv/bin/python" - "$folder/x.safetensors" <<'PYTHON'
import platform
import sys
from importlib.metadata import version

import numpy as np
from safetensors.numpy import load_file, save_file

now = version("safetensors")
print(f"safetensors {now}, numpy {np.__version__}, Python {platform.python_version()}")
saved = np.arange(6, dtype=np.float32).reshape(2, 3).T
save_file({"x": saved}, sys.argv[1])
loaded = load_file(sys.argv[1])["x"]
print(f"saved  {saved.tolist()}\nloaded {loaded.tolist()}")
if np.array_equal(saved, loaded) != (now == "0.7.0"):
    raise SystemExit("CHANGED: this is not what was found")
PYTHON
done
echo "as found: 0.8.0 scrambles what 0.7.0 keeps"
