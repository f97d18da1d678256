"""Equality with torch.nn and timm: outputs, gradients, state dicts."""

import pytest
import timm.layers
import timm.models
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence
from transformers import (
    BertConfig,
    BertModel,
    CLIPTextConfig,
    GPT2Config,
    GPT2Model,
    RobertaConfig,
    T5Config,
    ViTConfig,
)

from lessons.layer_norm import (
    EPS,
    GroupNorm,
    LayerNorm,
    LayerNorm2d,
    LayerNormFunction,
    LayerNormGRUCell,
    LayerNormLSTM,
    LayerNormLSTMCell,
    RMSNorm,
    recurrent,
)

CASES = [((4, 512), 512), ((2, 3, 64), 64), ((2, 3, 64), (3, 64)), ((5,), 5)]
CASES += [((2, 3, 4, 5), (3, 4, 5))]


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def pair(ours, theirs, dtype=torch.float64):
    """Return both with the same random parameters, loaded through their state dicts."""
    generator = torch.Generator().manual_seed(0)
    for p in ours.parameters():
        p.data = torch.randn(p.shape, generator=generator)
    theirs.load_state_dict(ours.state_dict())
    ours.load_state_dict(theirs.state_dict())
    return ours.to(dtype), theirs.to(dtype)


def compare(ours, theirs, x, tolerance, gradient_tolerance):
    """Compare outputs, and gradients of everything for a random direction."""
    outs = [module(x) for module in (ours, theirs)]
    assert (outs[0] - outs[1]).abs().max() <= tolerance
    dy = normal(*outs[0].shape, seed=9, dtype=x.dtype)
    both = [
        torch.autograd.grad(out, [x, *module.parameters()], dy)
        for out, module in zip(outs, (ours, theirs))
    ]
    for a, b in zip(*both):
        assert (a - b).abs().max() <= gradient_tolerance * max(1, b.abs().max())


@pytest.mark.parametrize(("size", "shape"), CASES)
@pytest.mark.parametrize("options", [{}, {"bias": False}, {"elementwise_affine": False}])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-6)])
def test_layer_norm_is_torchs(size, shape, options, dtype, tolerance):
    ours, theirs = pair(LayerNorm(shape, **options), nn.LayerNorm(shape, **options), dtype)
    assert repr(ours) == repr(theirs)
    compare(ours, theirs, normal(*size, dtype=dtype).requires_grad_(), tolerance, tolerance)


@pytest.mark.parametrize(("size", "shape"), CASES)
def test_the_gradient_by_hand_is_torchs(size, shape):
    norm = nn.LayerNorm(shape).double()
    norm.weight.data, norm.bias.data = (normal(*norm.weight.shape, seed=s) for s in (1, 2))
    x, dy = normal(*size).requires_grad_(), normal(*size, seed=3)
    ours = LayerNormFunction.apply(x, norm.weight, norm.bias, norm.eps)
    got = torch.autograd.grad(ours, [x, norm.weight, norm.bias], dy)
    want = torch.autograd.grad(norm(x), [x, norm.weight, norm.bias], dy)
    for a, b in zip(got, want):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("size", "shape"), CASES)
@pytest.mark.parametrize("options", [{}, {"eps": 1e-6}, {"elementwise_affine": False}])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 4e-6)])
@pytest.mark.parametrize("many", [0, 1 << 16])  # from how many numbers on our own path is taken
def test_rms_norm_is_torchs(size, shape, options, dtype, tolerance, many, monkeypatch):
    monkeypatch.setattr("lessons.layer_norm.rms.MANY", many)
    ours, theirs = pair(RMSNorm(shape, **options), nn.RMSNorm(shape, **options), dtype)
    compare(ours, theirs, normal(*size, dtype=dtype).requires_grad_(), tolerance, tolerance)


def test_rms_norm_in_half_precision_is_torchs():
    ours, theirs = pair(RMSNorm(64), nn.RMSNorm(64), torch.bfloat16)
    x = normal(8, 64).bfloat16()
    assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize("size", [(2, 6), (2, 6, 5), (2, 6, 4, 3), (2, 6, 2, 2, 2)])
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_group_norm_is_torchs(size, groups):
    if size == (2, 6) and groups == 6:
        return  # one number a group: torch refuses it in training
    ours, theirs = pair(GroupNorm(groups, 6), nn.GroupNorm(groups, 6))
    compare(ours, theirs, normal(*size).requires_grad_(), 1e-12, 1e-12)


def test_layer_norm_2d_is_timms():
    ours, theirs = pair(LayerNorm2d(6, eps=1e-6), timm.layers.LayerNorm2d(6))
    compare(ours, theirs, normal(2, 6, 4, 3).requires_grad_(), 1e-12, 1e-12)


def test_without_norms_the_lstm_cell_is_torchs():
    ours, theirs = pair(LayerNormLSTMCell(3, 5, variant="none"), nn.LSTMCell(3, 5))
    x, state = normal(2, 3), (normal(2, 5, seed=1), normal(2, 5, seed=2))
    torch.testing.assert_close(ours(x, state), theirs(x, state), rtol=0, atol=1e-12)
    torch.testing.assert_close(ours(x[0]), theirs(x[0]), rtol=0, atol=1e-12)


def test_with_norms_replaced_by_the_identity_the_full_cell_is_torchs(monkeypatch):
    monkeypatch.setattr(
        recurrent, "layer_norm", lambda x, shape, g, b, eps: x * g + (0 if b is None else b)
    )
    ours, theirs = LayerNormLSTMCell(3, 5).double(), nn.LSTMCell(3, 5).double()
    kept = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert kept.missing_keys == ["gain_ih", "gain_hh", "gain_c", "bias_c"]
    assert kept.unexpected_keys == []
    x, state = normal(2, 3), (normal(2, 5, seed=1), normal(2, 5, seed=2))
    torch.testing.assert_close(ours(x, state), theirs(x, state), rtol=0, atol=1e-12)


def test_with_norms_replaced_by_the_identity_the_gru_is_torchs_with_its_gate_turned(monkeypatch):
    monkeypatch.setattr(recurrent, "layer_norm", lambda x, shape, g, b, eps: x * g + b)
    ours, theirs = LayerNormGRUCell(3, 5).double(), nn.GRUCell(3, 5).double()
    state = theirs.state_dict()
    for tensor in state.values():
        tensor[5:10].neg_()  # σ(−a) = 1 − σ(a)
    ours.load_state_dict(state, strict=False)
    for tensor in state.values():
        tensor[5:10].neg_()
    x, h = normal(2, 3), normal(2, 5, seed=1)
    torch.testing.assert_close(ours(x, h), theirs(x, h), rtol=0, atol=1e-12)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("packed", [False, True])
def test_without_norms_the_network_is_torchs(bidirectional, layers, packed):
    sizes = {"num_layers": layers, "bidirectional": bidirectional, "batch_first": True}
    ours, theirs = pair(LayerNormLSTM(3, 5, variant="none", **sizes), nn.LSTM(3, 5, **sizes))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x = normal(4, 6, 3)
    first = layers * (1 + bidirectional)
    state = (normal(first, 4, 5, seed=1), normal(first, 4, 5, seed=2))
    if packed:
        x = pack_padded_sequence(x, torch.tensor([2, 6, 3, 6]), True, enforce_sorted=False)
    (got, last), (want, end) = ours(x, state), theirs(x, state)
    torch.testing.assert_close(got.data if packed else got, want.data if packed else want)
    torch.testing.assert_close(last, end)


def test_the_epsilons_are_those_of_the_released_models():
    from_configs = {
        "bert": BertConfig().layer_norm_eps,
        "roberta": RobertaConfig().layer_norm_eps,
        "gpt2": GPT2Config().layer_norm_epsilon,
        "clip": CLIPTextConfig().layer_norm_eps,
        "t5": T5Config().layer_norm_epsilon,
        "vit": ViTConfig().layer_norm_eps,
    }
    with torch.device("meta"):
        vit = timm.models.VisionTransformer(embed_dim=8, depth=1, num_heads=1)
    theirs = from_configs | {"vit (timm)": vit.norm.eps}
    assert theirs == EPS


def test_bert_base_and_the_smallest_gpt_2_have_25_layer_norms():
    with torch.device("meta"):
        nets = BertModel(BertConfig(), add_pooling_layer=False), GPT2Model(GPT2Config())
    for net in nets:
        assert sum(isinstance(module, nn.LayerNorm) for module in net.modules()) == 25
