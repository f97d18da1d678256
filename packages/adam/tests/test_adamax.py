"""The statements of §7.1 about AdaMax."""

import copy

import pytest
import torch

from lessons.adam import AdaMax, adamax_


def run(make, gradients, **options):
    """Return the iterates of an optimizer that is fed the rows of ``gradients``."""
    x, iterates = torch.zeros_like(gradients[0]).requires_grad_(), [torch.zeros_like(gradients[0])]
    optimizer = make([x], **options)
    for gradient in gradients:
        x.grad = gradient.clone()
        optimizer.step()
        iterates.append(x.detach().clone())
    return torch.stack(iterates)


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_adamax_follows_algorithm_2():
    gradients, m, u, x = noise(40).tolist(), 0.0, 0.0, 0.0
    ours = run(AdaMax, torch.tensor(gradients, dtype=torch.float64)[:, None], lr=0.1)
    for t, g in enumerate(gradients, 1):
        m, u = 0.9 * m + 0.1 * g, max(0.999 * u, abs(g))
        x -= 0.1 / (1 - 0.9**t) * m / u
        assert ours[t].item() == pytest.approx(x, rel=0, abs=1e-13)


def test_adamax_is_the_limit_of_the_p_norm_update():
    # Eqs. 6-12: u = lim (v)^{1/p}, with the decay rate β₂ᵖ.
    gradients, beta2 = noise(20).tolist(), 0.9
    v, p = 0.0, 400
    u = torch.zeros(1, dtype=torch.float64)
    for t, g in enumerate(gradients, 1):
        v = beta2**p * v + (1 - beta2**p) * abs(g) ** p
        x, m = (torch.zeros(1, dtype=torch.float64) for _ in range(2))
        adamax_([x], [torch.tensor([g]).double()], [m], [u], [t], lr=0.1, betas=(0.9, beta2))
        assert v ** (1 / p) == pytest.approx(u.item(), rel=0.02)


def test_adamax_does_not_move_what_never_had_a_gradient():
    gradients = torch.tensor([[0.0, 1.0], [0.0, 1.0], [2.0, 1.0]], dtype=torch.float64)
    iterates = run(AdaMax, gradients, lr=0.1)
    assert iterates[2, 0] == 0
    assert torch.isfinite(iterates).all()
    assert iterates[3, 0] < 0


def test_it_can_be_copied_and_goes_on_with_a_step_that_is_an_int():
    x = torch.zeros(3, requires_grad=True)
    optimizer = AdaMax([x])
    x.grad = torch.ones(3)
    optimizer.step()
    state = copy.deepcopy(optimizer).state_dict()
    state["state"][0]["step"] = 1  # as torch before 1.12 wrote it
    del state["param_groups"][0]["maximize"]
    twin = torch.nn.Parameter(x.detach().clone())
    other = AdaMax([twin])
    other.load_state_dict(state)
    twin.grad = x.grad.clone()
    optimizer.step()
    other.step()
    assert torch.equal(x, twin)
