#!/usr/bin/env bash
# torch: the fused Adam of the CPU ignores strides.
#
# A parameter of shape (2, 2) that is transposed in memory has the gradient [[0, 1], [0, 0]].
# Adam's first step moves every entry that has a gradient by the learning rate, and no other.
# Expected, and done by fused=False: the entry [0, 1] moves.
# Seen, with fused=True, without an error or a warning: the entry [1, 0] moves.
# Met by model.to(memory_format=torch.channels_last) after some steps, and by resuming a contiguous
# checkpoint in channels_last: gradient and moments then have other strides than the parameter.
# What to do: give the parameter, its gradient and its moments one layout, or leave fused off.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0 numpy
"$folder/venv/bin/python" - <<'PYTHON'
import platform

import torch

print(f"torch {torch.__version__}, Python {platform.python_version()}, {platform.machine()}")


def moved(fused):
    weight = torch.nn.Parameter(torch.zeros(2, 2).t())
    weight.grad = torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    torch.optim.Adam([weight], lr=1.0, fused=fused).step()
    return weight.detach().abs().gt(0.5).nonzero().tolist()


plain, fused = moved(False), moved(True)
print(f"moved without fused: {plain}, with fused: {fused}")
if plain != [[0, 1]] or fused != [[1, 0]]:
    raise SystemExit("CHANGED: this is not what was found")
print("as found: the fused step moved the wrong entry")
PYTHON
