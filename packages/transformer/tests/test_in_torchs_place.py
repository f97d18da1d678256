"""Beside torch's own layers: its test inputs, and the tools that its layers stand."""

import copy
import dataclasses
import functools
import itertools
import pickle
import re
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call, grad, jvp, vmap

from lessons.transformer import (
    LabelSmoothingLoss,
    MultiHeadAttention,
    Transformer,
    TransformerConfig,
    beam_search,
    from_marian,
    from_torch_transformer,
    greedy,
    to_marian,
    to_torch_transformer,
)
from lessons.transformer.attention import KeyValueCache

SMALL = TransformerConfig(
    vocab_size=20, d_model=16, d_ff=24, num_heads=4, num_encoder_layers=2, num_decoder_layers=2
)


def torchs_inputs(name):
    """Return (constructor's arguments, forward's) with which torch tests a module.

    They are read from torch's source: to import it takes packages that nothing else here needs,
    and changes flags of torch's for all tests that follow.
    """
    source = (Path(torch.__file__).parent / "testing/_internal/common_modules.py").read_text()
    function = f"module_inputs_torch_nn_{name}"
    found = re.search(rf"^def {function}\(.*?(?=^[^\s#])", source, re.MULTILINE | re.DOTALL)
    names = {
        "torch": torch, "F": nn.functional, "partial": functools.partial, "itertools": itertools,
        "make_tensor": torch.testing.make_tensor, "no_batch_dim_reference_fn": print,
        "no_batch_dim_reference_mha": print,
        "FunctionInput": lambda *args, **kwargs: (args, kwargs),
        "ModuleInput": lambda constructor_input, forward_input, **_:
            (constructor_input, forward_input),
    }  # fmt: skip
    exec(found[0], names)
    torch.manual_seed(0)
    return names[function](None, "cpu", torch.float64, False, True)


STACKS, ATTENTIONS = torchs_inputs("Transformer"), torchs_inputs("MultiheadAttention")


def close(got, want):
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


def gradients(y, *inputs):
    dy = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view(y.shape)
    return torch.autograd.grad((y * dy).sum(), inputs, retain_graph=True)


def shaken(module):
    generator = torch.Generator().manual_seed(1)
    for parameter in module.parameters():  # torch's biases are zero at first, its gains one
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator).double()
    return module


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
@pytest.mark.parametrize("n", range(len(STACKS)))
def test_torchs_inputs_of_its_transformer(n):
    (_, sizes), (inputs, masks) = STACKS[n]
    theirs = shaken(nn.Transformer(**sizes, dtype=torch.float64))
    if not sizes["bias"]:  # eq. 2 has biases in the feed-forward net, and norms have theirs
        with pytest.raises(ValueError, match=r"missing .*linear1\.bias"):
            from_torch_transformer(theirs)
        return
    encoder, decoder = from_torch_transformer(theirs)
    src, tgt = (x.detach().requires_grad_() for x in inputs)
    causal = torch.ones(3, 3, dtype=torch.bool).triu(1)  # ours always is; True hides, at torch's
    causal = causal if masks["tgt_mask"] is None else causal | masks["tgt_mask"]
    want = theirs(src, tgt, **masks | {"tgt_mask": causal})

    def batched(x):
        return x[None] if x.ndim == 2 else x if sizes["batch_first"] else x.transpose(0, 1)

    def seen(name, of_keys):
        mask, keys = masks[name], masks[of_keys]
        mask = torch.zeros(3, 3, dtype=torch.bool) if mask is None else mask
        return ~mask if keys is None else ~(mask | keys.view(-1, 1, 1, 3))

    memory = encoder(batched(src), seen("src_mask", "src_key_padding_mask"))
    got = decoder(batched(tgt), memory, None, seen("tgt_mask", "tgt_key_padding_mask"))
    close([got], [batched(want)])
    close(gradients(got, src, tgt), gradients(batched(want), src, tgt))
    first, second = "encoder.layers.0.linear1.weight", "decoder.layers.0.multihead_attn.in_proj_"
    for name in (first, f"{second}weight", f"{second}bias"):
        ours = dict(
            zip(
                to_torch_transformer(encoder, decoder),
                [*encoder.parameters(), *decoder.parameters()],
            )
        )
        close(gradients(got, ours[name]), gradients(batched(want), theirs.get_parameter(name)))


@pytest.mark.parametrize("n", [
    n for n, ((_, made), _) in enumerate(ATTENTIONS)
    if not made["add_bias_kv"] and not made["add_zero_attn"]  # which the paper has not
])  # fmt: skip
def test_torchs_inputs_of_its_attention(n):
    (_, made), ((query, memory, _), masks) = ATTENTIONS[n]
    theirs = shaken(nn.MultiheadAttention(**made, dtype=torch.float64))
    ours = MultiHeadAttention(3, 3, bias=made["bias"]).double()
    state = theirs.state_dict()
    ours.load_state_dict({n.replace("in_proj_", "in_proj."): t for n, t in state.items()})
    want, weights = theirs(query, memory, memory, average_attn_weights=False, **masks)
    hidden = torch.zeros(3, 3, 3, dtype=torch.bool)
    hidden = hidden if masks["attn_mask"] is None else masks["attn_mask"]
    hidden = hidden if masks["key_padding_mask"] is None else hidden | masks["key_padding_mask"]
    maps = []
    close([ours(query[None], memory[None], ~hidden[None], maps=maps)[0]], [want])
    close([maps[0][0]], [weights])
    close([ours(query[None], memory[None], ~hidden[None])[0]], [want])


def model(seed=0, **changes):
    generator = torch.Generator().manual_seed(seed)
    return Transformer(dataclasses.replace(SMALL, **changes), generator).eval()


def ids(*shape, seed=0):
    return torch.randint(3, 20, shape, generator=torch.Generator().manual_seed(seed))


def test_batches_of_none():
    net = model()
    for src, tgt in ((ids(0, 5), ids(0, 4)), (ids(2, 5), ids(2, 0))):
        logits = net(src, tgt)
        assert logits.shape == (*tgt.shape, 20)
        logits.sum().backward()
    assert all(p.grad is None or not p.grad.any() for p in net.parameters())
    nothing = net(ids(2, 0), ids(2, 4))  # no source to look at: zeros come from it, and no NaN
    assert nothing.isfinite().all()
    assert LabelSmoothingLoss()(net(ids(0, 5), ids(0, 4)), ids(0, 4)) == 0
    attention = MultiHeadAttention(8, 2)
    for shape in ((0, 3, 8), (2, 0, 8)):
        x = torch.randn(shape, requires_grad=True)
        y = attention(x, is_causal=True)
        y.sum().backward()
        assert y.shape == shape


@pytest.mark.parametrize("view", [
    lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    lambda x: torch.stack([x, x], -1)[..., 0],
    lambda x: x[:1].expand(x.shape),
    lambda x: x[:, :, :1].expand(x.shape),
])  # fmt: skip
def test_any_strides(view):
    net = model().double()
    x = view(torch.randn(3, 5, 16, dtype=torch.float64))
    hidden = view((ids(3, 1, 5) > 6).expand(3, 5, 5))[:, None]
    for module in (net.encoder, net.decoder.layers[0].self_attention):
        close([module(x, mask=hidden)], [module(x.contiguous(), mask=hidden.contiguous())])
    close([net.decoder(x, x, hidden)], [net.decoder(x.contiguous(), x.contiguous(), hidden)])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype):
    net = model()
    src, tgt = ids(3, 6), ids(3, 5)
    src[1, 3:] = src[2] = 0  # a source of padding only, too
    want = net(src, tgt)
    half = copy.deepcopy(net).to(dtype)
    got = half(src, tgt)
    assert got.dtype is dtype
    torch.testing.assert_close(got.float(), want, rtol=0.05, atol=0.05)
    LabelSmoothingLoss()(got, ids(3, 5)).backward()
    assert all(p.grad.isfinite().all() for p in half.parameters())
    for decode in (greedy, lambda *given, **how: beam_search(*given, **how).ids):
        for each in (half, net):
            with torch.autocast("cpu", dtype, enabled=each is net):
                cached, plain = (
                    decode(each, src[:2], max_len=3, use_cache=c) for c in (True, False)
                )
            assert cached.shape == plain.shape


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_loss_over_many_tokens_stays_finite_in_half_precision(dtype):
    logits = torch.randn(40_000, 7, generator=torch.Generator().manual_seed(0))
    target = torch.randint(0, 7, (40_000,), generator=torch.Generator().manual_seed(1))
    want = LabelSmoothingLoss()(logits, target)
    got = LabelSmoothingLoss()(logits.to(dtype), target)  # the sum is above 65,504
    assert got.dtype is dtype
    torch.testing.assert_close(got.float(), want, rtol=0.01, atol=0.01)


def test_copies_compute_alike():
    net, src, tgt = model(norm="pre"), ids(2, 5), ids(2, 4)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(twin(src, tgt), net(src, tgt))
        assert twin.config == net.config


def test_hooks_are_called_once():
    net, calls = model(), []
    layer = net.encoder.layers[1].self_attention
    layer.register_forward_pre_hook(lambda *_: calls.append("before"))
    layer.register_forward_hook(lambda *_: calls.append("after"))
    layer.register_full_backward_hook(lambda *_: calls.append("back"))
    net(ids(2, 5), ids(2, 4)).sum().backward()
    assert calls == ["before", "after", "back"]


def test_torch_func_maps_and_differentiates():
    net = model().double()
    src, tgt = ids(3, 5), ids(3, 4)
    src[1, 3:] = 0
    weights = dict(net.named_parameters())

    def loss(weights, src, tgt):
        return functional_call(net, weights, (src[None], tgt[None])).square().sum()

    each = vmap(grad(loss), in_dims=(None, 0, 0))(weights, src, tgt)
    net(src, tgt).square().sum().backward()
    for name, weight in weights.items():
        close([each[name].sum(0)], [weight.grad])
    x, dx = torch.randn(2, 3, 5, 16, dtype=torch.float64)
    layer = net.encoder.layers[0].self_attention
    step = 1e-6
    for call in (layer, lambda x: layer(x, is_causal=True), lambda x: net.encoder(x)):
        _, change = jvp(call, (x,), (dx,))
        numeric = (call(x + step * dx) - call(x - step * dx)) / (2 * step)
        torch.testing.assert_close(change, numeric, rtol=1e-6, atol=1e-7)
    close(
        [vmap(net.encoder)(torch.stack([x, dx]))], [torch.stack([net.encoder(x), net.encoder(dx)])]
    )


class Stacks(nn.Module):
    def __init__(self):
        super().__init__()
        net = model(activation_dropout=0.5).double()
        self.encoder, self.decoder = net.encoder, net.decoder

    def forward(self, src, tgt, mask):
        return self.decoder(tgt, self.encoder(src, mask), mask)


def test_fx_traces_stacks_in_a_model():
    net = Stacks()
    src, tgt = torch.randn(2, 3, 5, 16, dtype=torch.float64)
    mask = (ids(3, 1, 1, 5) > 6) | (torch.arange(5) == 0)
    traced = torch.fx.symbolic_trace(net)
    close([traced.eval()(src, tgt, mask)], [net.eval()(src, tgt, mask)])
    assert not torch.equal(traced.train()(src, tgt, mask), traced(src, tgt, mask))
    with pytest.raises(ValueError, match="traced as a part of a model only"):
        torch.fx.symbolic_trace(MultiHeadAttention(8, 2))


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_export_with_a_dynamic_batch_and_lengths(norm):
    net = model(norm=norm)
    batch, s, t = (torch.export.Dim(name, min=2, max=100) for name in ("batch", "s", "t"))
    dynamic = ({0: batch, 1: s}, {0: batch, 1: t})
    program = torch.export.export(net, (ids(3, 5), ids(3, 4)), dynamic_shapes=dynamic, strict=False)
    src, tgt = ids(7, 9), ids(7, 6)
    src[1, 3:] = src[2] = 0
    torch.testing.assert_close(program.module()(src, tgt), net(src, tgt))


def test_a_cache_that_is_full_says_so():
    attention = MultiHeadAttention(8, 2)
    cache = KeyValueCache(1, 4, attention)
    attention(torch.randn(1, 3, 8), is_causal=True, cache=cache)
    with pytest.raises(ValueError, match="room for 4 positions, not for 5"):
        attention(torch.randn(1, 2, 8), is_causal=True, cache=cache)


MARIAN = to_marian(
    Transformer(
        dataclasses.replace(
            SMALL, attention_bias=True, output_bias=True, position_layout="concat",
            num_encoder_layers=1, num_decoder_layers=1,
        )
    ),
    max_positions=8,
)  # fmt: skip


def mutated(draw, state):
    """Return a state dict with one thing wrong, or two."""
    for name in draw(st.lists(st.sampled_from(sorted(state)), min_size=1, max_size=2, unique=True)):
        tensor = MARIAN[name]
        state.pop(name, None)
        other = draw(st.sampled_from([
            tensor, None, 3.0, tensor[0], tensor[:0], tensor[..., :1], tensor[:-1], tensor.double(),
            tensor.bfloat16(), tensor.int(), tensor.bool(), tensor.to(torch.complex64),
            tensor.to_sparse(), tensor.to("meta"), tensor[None], torch.tensor(1.0),
            tensor * torch.nan,
        ]))  # fmt: skip
        names = [
            name, "module." + name, name + "_", name.replace("0", "1000000000"),
            name.replace("model.", ""), name.replace("encoder", "decoder"),
            name.replace("weight", "bias"),
        ]  # fmt: skip
        if other is not None:
            state[draw(st.sampled_from(names))] = other
    return state


@given(data=st.data())
@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow])
def test_a_mutated_state_dict_loads_or_raises_a_value_error(data):
    state = mutated(data.draw, dict(MARIAN))
    try:
        from_marian(state, num_heads=4)
    except ValueError as error:
        assert str(error)  # noqa: PT017


def test_the_state_that_was_not_mutated_loads():
    assert from_marian(MARIAN, num_heads=4)(ids(1, 3), ids(1, 2)).isfinite().all()
