"""In torch's place: torch's own optimizer inputs, copies, files, empty tensors, half precision."""

import copy
import io
import pickle
import re
from pathlib import Path

import pytest
import torch
from torch import nn, optim

from lessons.weight_decay import SGDW, AdamL2, AdamW, WeightDecay


class Shrunk(optim.SGD):
    """SGD with the decoupled decay written out, which torch does not have."""

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            lam, group["weight_decay"] = group["weight_decay"], 0.0
            for param in group["params"]:
                if param.grad is not None:
                    param.mul_(1 - group["lr"] * lam)
            group["kept"] = lam
        super().step(closure)
        for group in self.param_groups:
            group["weight_decay"] = group.pop("kept")


PAIRS = {  # torch's, ours, the weight_decay that both get where the case names none
    "SGDW": (Shrunk, SGDW, "sgd"),
    "AdamL2": (optim.Adam, AdamL2, "adam"),
    "AdamW": (optim.AdamW, AdamW, "adamw"),
    "L2 around SGD": (
        optim.SGD,
        lambda p, weight_decay=0.0, **kw: WeightDecay(optim.SGD(p, **kw), weight_decay),
        "sgd",
    ),
}
MANY = 70_000  # numbers of a tensor: torch's kernel then takes other paths


def torchs_inputs(name):
    """Return (arguments, description) with which torch tests an optimizer, from its source.

    To import it takes packages that nothing else here needs, and changes torch's global flags.
    """
    source = (Path(torch.__file__).parent / "testing/_internal/common_optimizers.py").read_text()
    names = {
        "torch": torch, "_get_device_type": str, "CUDA_CONFIG_GPUS": (),
        "OptimizerInput": lambda params, kwargs, desc: (kwargs, desc),
    }  # fmt: skip
    for each in ("adam", name):
        function = rf"^def optim_inputs_func_{each}\(.*?(?=^[^\s#)])"
        exec(re.search(function, source, re.MULTILINE | re.DOTALL)[0], names)
    return names[f"optim_inputs_func_{name}"]("cpu")


CASES = pytest.mark.parametrize(("theirs", "ours", "kwargs"), [
    pytest.param(theirs, ours, kwargs, id=f"{name}-{what}")
    for name, (theirs, ours, torchs) in PAIRS.items()
    for kwargs, what in torchs_inputs(torchs)
])  # fmt: skip
OURS = pytest.mark.parametrize("make", [SGDW, AdamL2, AdamW, PAIRS["L2 around SGD"][1]])


def noise(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


@CASES
def test_torchs_own_inputs(theirs, ours, kwargs):
    kwargs = {"weight_decay": 0.2, "lr": 0.01} | kwargs
    shapes = [(3, 4), (), (0, 5), (MANY,), (4, 3, 2, 2)]
    first, second = ([nn.Parameter(noise(*shape)) for shape in shapes] for _ in range(2))
    second[-1].data = second[-1].data.contiguous(memory_format=torch.channels_last)
    torchs, mine = theirs(first, **copy.deepcopy(kwargs)), ours(second, **copy.deepcopy(kwargs))
    for t in range(4):
        for i, (a, b) in enumerate(zip(first, second)):
            a.grad = noise(*a.shape, seed=10 * t + i)
            b.grad = a.grad.clone()
        torchs.step()
        mine.step()
    for a, b in zip(first, second):
        torch.testing.assert_close(b, a, rtol=1e-10, atol=1e-12)


@OURS
def test_copies_and_files_go_on_alike(make):
    def take(optimizer, seed):
        w = optimizer.param_groups[0]["params"][0]
        w.grad = noise(6, seed=seed)
        optimizer.step()
        return w.detach().clone()

    optimizer = make([nn.Parameter(noise(6))], lr=0.1, weight_decay=0.2)
    take(optimizer, 1)
    file = io.BytesIO()
    torch.save(optimizer, file)
    file.seek(0)
    others = [copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))]
    others.append(torch.load(file, weights_only=False))
    want = take(optimizer, 2)
    for other in others:
        assert torch.equal(take(other, 2), want)
        assert other.param_groups is other.inner.param_groups


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("theirs", "ours"), [(optim.AdamW, AdamW), (optim.Adam, AdamL2)])
def test_a_thousand_steps_in_half_precision_are_torchs(theirs, ours, dtype):
    ends = []
    for make in (theirs, ours):
        w = nn.Parameter(noise(50, dtype=dtype))
        optimizer = make([w], lr=1e-2, eps=1e-3, weight_decay=0.1, fused=True)
        for t in range(1000):
            w.grad = w.detach() - noise(50, seed=t % 7, dtype=dtype)
            optimizer.step()
        ends.append(w.detach())
    assert torch.isfinite(ends[0]).all()
    torch.testing.assert_close(*ends, rtol=0.05, atol=0.02)
