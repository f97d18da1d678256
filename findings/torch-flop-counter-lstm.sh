#!/usr/bin/env bash
# torch: the flop counter finds a float32 nn.LSTM free of cost on the CPU.
#
# An LSTM of 64 units reads 10 steps of 64 features, batch 8. Its matrix products alone cost
# 2 · 8 · 10 · 4 · 64 · (64 + 64) = 5,242,880 operations.
# Expected, and counted in float64 and on the meta device: that number.
# Seen in float32 on the CPU, without a warning: 0, since the whole layer is one fused operator
# that the counter has no formula for.
# What to do: count on the meta device.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0 numpy
"$folder/venv/bin/python" - <<'PYTHON'
import platform

import torch
from torch.utils.flop_counter import FlopCounterMode

print(f"torch {torch.__version__}, Python {platform.python_version()}, {platform.machine()}")


def counted(device, dtype):
    lstm = torch.nn.LSTM(64, 64, device=device, dtype=dtype)
    steps = torch.zeros(10, 8, 64, device=device, dtype=dtype)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        lstm(steps)
    return counter.get_total_flops()


found = {
    "cpu, float32": counted("cpu", torch.float32),
    "cpu, float64": counted("cpu", torch.float64),
    "meta, float32": counted("meta", torch.float32),
}
for where, flops in found.items():
    print(f"{where}: {flops:,}")
if list(found.values()) != [0, 5_242_880, 5_242_880]:
    raise SystemExit("CHANGED: this is not what was found")
print("as found: in float32 on the CPU the LSTM is counted as free")
PYTHON
