#!/usr/bin/env bash
# torch: momentum without a gradient never becomes zero, and makes each step slower.
#
# A weight matrix is trained for one step and has a gradient of exactly 0 from then on, as the
# weights into a rectifier that is dead, or into one that a pruning mask holds at 0.
# Expected: after n steps the momentum is 0.95^n of what it was, which is 0 in float32 from some
# 2,000 steps on, and costs what zeros cost.
# Seen: it stops at 9 units of the smallest subnormal number, 1.3e-44, for ever, since 0.95 of 9
# units is rounded to 9 units again. Many processors compute with such numbers far more slowly: a
# step of torch.optim.SGD took 7 to 9 times as long where we saw it, on x86-64 (the times printed
# are those of the machine at hand, and are not judged).
# What to do: torch.set_flush_denormal(True) before training on a CPU.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import platform
import time

import torch

torch.set_num_threads(1)
print(f"torch {torch.__version__}, Python {platform.python_version()}, {platform.machine()}")


def left(steps, size=1000):
    """Return the momentum after so many steps without gradient, and seconds of 200 more."""
    weight = torch.nn.Parameter(torch.zeros(size, size))
    optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.95)
    weight.grad = torch.ones_like(weight)
    optimizer.step()
    weight.grad.zero_()
    for _ in range(steps):
        optimizer.step()
    began = time.process_time()
    for _ in range(200):
        optimizer.step()
    return optimizer.state[weight]["momentum_buffer"].max().item(), time.process_time() - began


stuck, slow = left(4000)
torch.set_flush_denormal(True)
zero, quick = left(4000)
print(f"after 4,200 steps: {stuck:.3g} ({stuck / 2**-149:.0f} units of 2^-149), {slow:.2f} s for "
      f"200 steps; with set_flush_denormal(True): {zero:g}, {quick:.2f} s")
if stuck != 9 * 2**-149 or zero != 0:
    raise SystemExit("CHANGED: this is not what was found")
print("as found: the momentum never became zero")
PYTHON
