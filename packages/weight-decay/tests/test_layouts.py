"""Right steps whatever the strides of parameters, gradients and state are, fused or not."""

import copy

import pytest
import torch
from torch import nn, optim

from lessons.weight_decay import SGDW, AdamL2, AdamW, WeightDecay

MAKERS = {
    "SGDW": lambda p, **fast: SGDW(p, 0.1, momentum=0.9, weight_decay=0.3, **fast),
    "AdamL2": lambda p, **fast: AdamL2(p, 0.1, weight_decay=0.3, amsgrad=True, **fast),
    "AdamW": lambda p, **fast: AdamW(p, 0.1, weight_decay=0.3, **fast),
    "L2 by hand around fused": lambda p, fused=True, fast=False: WeightDecay(
        optim.SGD(p, 0.1, momentum=0.9, fused=fused), 0.3, fast=fast
    ),
    "around fused Adagrad": lambda p, fused=True, fast=True: WeightDecay(
        optim.Adagrad(p, 0.1, fused=fused), 0.3, fast=fast
    ),
}
READABLE = {"fused": False, "fast": False}
LAYOUTS = {
    "contiguous": lambda x: x.contiguous(),
    "channels_last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "transposed": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "turned round": lambda x: x.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0),
    "with gaps": lambda x: torch.stack([x, x], -1)[..., 0],
}


def noise(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(4, 3, 2, 5, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("make", [AdamW, AdamL2, SGDW])
def test_a_step_moves_the_number_that_has_the_gradient(make):
    w = nn.Parameter(torch.zeros(2, 2).t())
    w.grad = torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    make([w], lr=0.5, weight_decay=0).step()
    assert torch.allclose(w, torch.tensor([[0.0, -0.5], [0.0, 0.0]]))


@pytest.mark.parametrize("of_gradient", LAYOUTS)
@pytest.mark.parametrize("of_weight", LAYOUTS)
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_any_layout_gives_the_readable_steps_and_keeps_the_gradient(make, of_weight, of_gradient):
    right, w = nn.Parameter(noise(0)), nn.Parameter(LAYOUTS[of_weight](noise(0)))
    optimizers = make([right], **READABLE), make([w])
    for t in range(1, 4):
        right.grad, grad = noise(t), LAYOUTS[of_gradient](noise(t))
        w.grad, before = grad, grad.clone()
        for optimizer in optimizers:
            optimizer.step()
        assert w.grad is grad
        assert torch.equal(grad, before)
    assert torch.allclose(w, right, rtol=1e-12, atol=1e-13)
    if "fused" in optimizers[1].param_groups[0]:
        assert optimizers[1].param_groups[0]["fused"]  # again, after a step that could not be


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("resumed", [False, True])
def test_a_model_turned_channels_last_between_two_steps_goes_on_alike(make, resumed):
    nets = [nn.Conv2d(3, 4, (2, 5), bias=False, dtype=torch.float64) for _ in range(2)]
    with torch.no_grad():
        for net in nets:
            net.weight.copy_(noise(0))
    right, optimizer = make(nets[0].parameters(), **READABLE), make(nets[1].parameters())
    for t in range(1, 7):
        if t == 4:
            saved = copy.deepcopy(optimizer.state_dict())
            nets[1].to(memory_format=torch.channels_last)
            if resumed:  # a checkpoint of contiguous state
                optimizer = make(nets[1].parameters())
                optimizer.load_state_dict(saved)
        for net in nets:
            net.weight.grad = noise(t)
        right.step()
        optimizer.step()
    assert torch.allclose(nets[1].weight, nets[0].weight, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_gradient_that_comes_later_than_the_others_is_taken(make):
    ends = []
    for options in ({}, READABLE):
        early, late = nn.Parameter(noise(0)), nn.Parameter(noise(1))
        optimizer = make([early, late], **options)
        for t in range(5):
            early.grad = noise(10 + t) if t != 3 else None
            late.grad = noise(20 + t) if t > 1 else None
            optimizer.step()
        ends.append((early.detach(), late.detach()))
    for fast, readable in zip(*ends):
        assert torch.allclose(fast, readable, rtol=1e-12, atol=1e-13)
