"""Gates: the equations of §2.1, §4 and the appendices A and F, their limits, bad input."""

import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lessons.mixture_of_experts import (
    BatchwiseGate,
    NoisyTopKGate,
    SoftmaxGate,
    balance_loss,
    cv_squared,
    importance,
    keep_top_k,
    load_probability,
    smooth_load,
    softmax_gating,
)
from lessons.mixture_of_experts.gating import kth_excluding


def gate_of(width=5, n=6, k=2, seed=0, **options):
    gate = NoisyTopKGate(width, n, k, **options).double()
    generator = torch.Generator().manual_seed(seed)
    for parameter in gate.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    return gate


def tokens(n=7, width=5, seed=1):
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed)).double()


def dense(gating, tokens, experts):
    """Return a gating's weights as a matrix."""
    gates = torch.zeros(tokens, experts, dtype=gating.weight.dtype)
    return gates.index_put((gating.token, gating.expert), gating.weight)


def test_the_example_of_the_text():
    h = torch.tensor([[1.0, 2.0, 0.5, 1.5]])
    gates = keep_top_k(h, 2).softmax(-1)[0]
    assert [round(v, 3) for v in gates.tolist()] == [0, 0.622, 0, 0.378]
    chance = load_probability(torch.tensor([[1.0, 9, 9, 9]]), h, torch.full((1, 4), math.log(2)), 2)
    assert round(chance[0, 0].item(), 3) == 0.235
    std = torch.nn.functional.softplus(torch.tensor(0.0))
    assert math.isclose(std.item(), math.log(2), rel_tol=1e-6)  # W_noise = 0


def test_eqs_3_to_5_in_training():
    gate, x = gate_of(), tokens()
    gating = gate(x, torch.Generator().manual_seed(3))
    clean, noisy, std = gate.logits(x, torch.Generator().manual_seed(3))
    normal = torch.randn(7, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    torch.testing.assert_close(
        noisy, x @ gate.weight + normal * (x @ gate.noise_weight).exp().log1p()
    )
    torch.testing.assert_close(clean, x @ gate.weight)
    gates = dense(gating, 7, 6)
    torch.testing.assert_close(gates, keep_top_k(noisy, 2).softmax(-1))
    torch.testing.assert_close(gating.importance, importance(gates))
    torch.testing.assert_close(gating.load, smooth_load(clean, noisy, std, 2))


def test_without_training_there_is_no_noise_and_load_is_counted():
    gate, x = gate_of().eval(), tokens()
    gating = gate(x)
    gates = dense(gating, 7, 6)
    torch.testing.assert_close(gates, keep_top_k(x @ gate.weight, 2).softmax(-1))
    torch.testing.assert_close(gating.load, (gates > 0).double().sum(0))


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 7), st.data())
def test_kth_excluding_is_what_it_says(n, data):
    k = data.draw(st.integers(1, n - 1))
    values = data.draw(st.lists(st.integers(-3, 3), min_size=n, max_size=n))  # with ties
    row = torch.tensor([values], dtype=torch.float64)
    want = [sorted(values[:i] + values[i + 1 :], reverse=True)[k - 1] for i in range(n)]
    assert kth_excluding(row, k)[0].tolist() == want


def test_p_is_the_chance_to_be_chosen_when_only_ones_own_noise_is_drawn_anew():
    gate, x = gate_of(n=4, k=2), tokens(1)
    clean, noisy, std = gate.logits(x, torch.Generator().manual_seed(0))
    chance = load_probability(clean, noisy, std, 2)[0]
    draws = torch.randn(200_000, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for i in range(4):
        h = noisy.expand(len(draws), 4).clone()
        h[:, i] = clean[0, i] + draws * std[0, i]
        chosen = (h.topk(2, -1).indices == i).any(-1).double().mean()
        assert abs(chosen - chance[i]) < 0.004


def test_all_experts_chosen_is_certain():
    gate, x = gate_of(k=6), tokens()
    assert gate(x).load.tolist() == [7.0] * 6
    torch.testing.assert_close(gate.eval()(x).weight.view(7, 6).sum(1), torch.ones(7).double())


def test_the_gradients_of_gates_and_loads():
    gate, x = gate_of(n=5, k=2), tokens(4)
    names = [name for name, _ in gate.named_parameters()]

    def run(x, *parameters):
        generator = torch.Generator().manual_seed(5)
        state = dict(zip(names, parameters))
        found = torch.func.functional_call(gate, state, (x, generator))
        return found.weight, found.importance, found.load

    arguments = [x, *(p.detach() for p in gate.parameters())]
    assert torch.autograd.gradcheck(run, [a.requires_grad_() for a in arguments])


def test_cv_is_of_the_values_themselves():
    values = torch.tensor([1.0, 2.0, 3.0, 6.0])
    assert math.isclose(cv_squared(values).item(), (14 / 4) / 9, rel_tol=1e-6)
    assert cv_squared(torch.full((4,), 3.0)) == 0
    assert cv_squared(torch.zeros(4)) == 0  # an empty batch
    loss = balance_loss(values, torch.ones(4), 0.5, 0.1)
    assert math.isclose(loss.item(), 0.5 * 3.5 / 9, rel_tol=1e-6)


def test_a_new_gate_has_no_signal_and_some_noise():
    gate = NoisyTopKGate(5, 50, 4)
    found = gate(torch.randn(4000, 5))
    assert cv_squared(found.load).sqrt() < 0.02
    assert (torch.bincount(found.expert, minlength=50) > 200).all()
    with pytest.warns(UserWarning, match="untrained gate"):
        gate.eval()(torch.randn(3, 5))


def test_the_importance_loss_reaches_the_gate():
    gate, x = gate_of(), tokens(50)
    cv_squared(gate(x).importance).backward()
    assert gate.weight.grad.abs().sum() > 0
    gate.zero_grad()
    cv_squared(gate(x).load).backward()
    assert gate.weight.grad.abs().sum() > 0
    assert gate.noise_weight.grad.abs().sum() > 0


def test_softmax_gating_uses_all_experts():
    gate, x = SoftmaxGate(5, 3).double(), tokens()
    torch.nn.init.normal_(gate.weight)
    found = gate(x)
    torch.testing.assert_close(dense(found, 7, 3), softmax_gating(x, gate.weight))
    assert found.load.tolist() == [7.0] * 3


def test_strict_balance_gives_each_expert_equally_many():
    gate = BatchwiseGate(5, 4, 2, torch.Generator().manual_seed(0)).double()
    x = tokens(10)
    found = gate(x)
    assert torch.bincount(found.expert).tolist() == [5] * 4  # m = k |X| / n
    probability = softmax_gating(x, gate.weight)
    for i in range(4):  # eq. 18
        best = set(probability[:, i].topk(5).indices.tolist())
        assert set(found.token[found.expert == i].tolist()) == best
    chosen = dense(found, 10, 4) > 0
    kept = probability * chosen
    some = chosen.any(1)
    torch.testing.assert_close(dense(found, 10, 4)[some], (kept / kept.sum(1, keepdim=True))[some])


def test_thresholds_learn_to_do_as_the_batch_does():
    gate = BatchwiseGate(5, 4, 2, torch.Generator().manual_seed(0)).double()
    x = tokens(400)
    optimizer = torch.optim.SGD([gate.threshold], 1e-4)
    losses = []
    for _ in range(300):
        optimizer.zero_grad()
        loss = gate(x).loss
        assert loss >= 0
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.02 * losses[0]
    counts = torch.bincount(gate.eval()(x).expert, minlength=4)
    assert (counts - 200).abs().max() <= 3  # eq. 19


def test_bad_input_is_refused():
    for k, n in ((0, 4), (5, 4), (1, 0)):
        with pytest.raises(ValueError, match=rf"k \({k}\).*num_experts \({n}\)"):
            NoisyTopKGate(3, n, k)
    with pytest.raises(ValueError, match="between 1 and"):
        keep_top_k(torch.zeros(2, 3), 4)
    with pytest.raises(ValueError, match="needs noise"):
        smooth_load(torch.zeros(2, 3), torch.zeros(2, 3), None, 2)
    with pytest.raises(ValueError, match="needs noise"):
        smooth_load(torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(2, 3), 2)
    with pytest.raises(ValueError, match="w_load must not be negative, got -1"):
        balance_loss(torch.ones(2), torch.ones(2), 0.1, -1)
    bad = tokens()
    bad[2] = math.nan
    with pytest.raises(ValueError, match="6 of 42 gate logits"):
        gate_of()(bad)
    with pytest.raises(ValueError, match=r"2 · 7.*divisible by num_experts \(4\)"):
        BatchwiseGate(5, 4, 2)(torch.randn(7, 5))
    with pytest.warns(UserWarning, match="k = 1"):
        NoisyTopKGate(3, 4, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NoisyTopKGate(3, 1, 1)


def test_a_choice_is_made_in_single_precision():
    gate = NoisyTopKGate(8, 4, 2).to(torch.bfloat16)
    torch.nn.init.normal_(gate.weight)
    found = gate.eval()(torch.randn(5, 8, dtype=torch.bfloat16))
    assert found.weight.dtype == torch.float32
