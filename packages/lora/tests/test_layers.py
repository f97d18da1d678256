"""The paper's equations and properties, for every kind of layer; bad input."""

import copy
import math
import pickle

import pytest
import torch
from torch import nn

from lessons.lora import GPT2, GPT2Config, LoRAConfig, adapt
from lessons.lora.config import PRESETS, scale
from lessons.lora.gpt2 import Conv1D
from lessons.lora.layers import LoRALinear, LoRAPacked


def filled(layer, name="default", seed=1, size=0.3):
    """Return a layer whose A and B are drawn, so that the update is not zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for store in (layer.lora_A, layer.lora_B):
            store[name].normal_(0, size, generator=generator)
    return layer


def layer_of(module, enable=None, r=2, alpha=6.0, name="default", **choices):
    layer = adapt(module, enable)
    config = LoRAConfig(r, alpha, ("x",), enable=enable, **choices)
    layer.add(name, config, generator=torch.Generator().manual_seed(0))
    layer.active = (name,)
    return layer


KINDS = {
    "linear": (lambda: nn.Linear(5, 7), None, (3, 4, 5)),
    "linear without bias": (lambda: nn.Linear(5, 7, bias=False), None, (5,)),
    "conv1d of gpt-2": (lambda: Conv1D(7, 5), None, (3, 5)),
    "packed": (lambda: nn.Linear(5, 12), (True, False, True), (2, 3, 5)),
    "packed conv1d of gpt-2": (lambda: Conv1D(12, 5), (False, True, True), (2, 3, 5)),
    "conv 1": (lambda: nn.Conv1d(4, 6, 3, padding=1), None, (2, 4, 9)),
    "conv 2": (lambda: nn.Conv2d(4, 6, (3, 2), stride=2, dilation=2), None, (2, 4, 9, 8)),
    "conv 2, no batch": (lambda: nn.Conv2d(4, 6, 3), None, (4, 9, 8)),
    "conv 2, circular": (
        lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular"), None, (2, 4, 9, 8),
    ),
    "conv 2, groups": (lambda: nn.Conv2d(4, 6, 3, groups=2), None, (2, 4, 9, 8)),
    "conv 3": (lambda: nn.Conv3d(2, 6, 2), None, (2, 2, 4, 4, 4)),
}  # fmt: skip


@pytest.fixture(params=KINDS, ids=list(KINDS))
def kind(request):
    make, enable, shape = KINDS[request.param]
    torch.manual_seed(0)
    return make().double(), enable, torch.randn(shape, dtype=torch.float64)


def test_at_first_nothing_changes_to_the_bit(kind):
    module, enable, x = kind
    assert torch.equal(layer_of(copy.deepcopy(module), enable)(x), module(x))


def test_the_branch_is_the_scaled_product_and_merging_changes_nothing(kind):
    # Eq. 3: h = W0 x + (alpha/r) BAx, and W = W0 + (alpha/r) BA gives the same.
    module, enable, x = kind
    layer = filled(layer_of(copy.deepcopy(module), enable)).eval()
    before = module.weight.clone()
    y = layer(x)
    assert (y - module(x)).abs().max() > 0.1, "the update shows"
    changed = copy.deepcopy(module)
    with torch.no_grad():
        changed.weight += 3.0 * layer.product("default")
    torch.testing.assert_close(y, changed(x))
    torch.testing.assert_close(layer.weight, changed.weight)
    layer.merge()
    torch.testing.assert_close(layer(x), y, rtol=1e-12, atol=1e-12)
    layer.unmerge()
    torch.testing.assert_close(layer.base.weight, before, rtol=1e-12, atol=1e-12)
    layer.merge(keep=True)
    layer.unmerge()
    assert not torch.equal(layer.weight, layer.base.weight)


def test_a_kept_copy_brings_back_every_bit():
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        layer = filled(layer_of(nn.Linear(40, 30).to(dtype)), size=3.0).eval()
        before = layer.base.weight.clone()
        layer.merge(keep=True)
        assert not torch.equal(layer.base.weight, before)
        layer.unmerge()
        assert torch.equal(layer.base.weight, before)


def test_subtracting_brings_back_single_precision_to_a_millionth():
    layer = filled(layer_of(nn.Linear(40, 30))).eval()
    before = layer.base.weight.clone()
    layer.merge()
    layer.unmerge()
    assert (layer.base.weight - before).abs().max() <= 1e-6


def test_the_update_has_rank_r(kind):
    module, enable, _ = kind
    layer = filled(layer_of(module, enable))
    product = layer.product("default").flatten(1)
    parts = sum(enable) if enable else 1
    assert torch.linalg.matrix_rank(product) == 2 * parts


def test_packed_matrices_that_are_not_enabled_stay():
    layer = filled(layer_of(nn.Linear(5, 12), (True, False, True)))
    change = layer.product("default")
    assert not change[4:8].any()
    assert change[:4].any()
    assert change[8:].any()
    # Each has its own pair: 2 d r numbers a matrix (§5.1), not a shared A.
    assert layer.lora_A["default"].shape == (2, 2, 5)
    assert layer.lora_B["default"].shape == (2, 4, 2)


def test_only_b_moves_in_the_first_step_and_a_from_the_second_on():
    # dL/dA = (alpha/r) B^T (dL/dh) x^T, and B is zero.
    layer = layer_of(nn.Linear(5, 7))
    x = torch.randn(3, 5, generator=torch.Generator().manual_seed(2))
    optimizer = torch.optim.SGD([*layer.lora_A.values(), *layer.lora_B.values()], 0.1)
    first_A = layer.lora_A["default"].detach().clone()
    for step in (1, 2):
        optimizer.zero_grad()
        layer(x).square().sum().backward()
        assert layer.base.weight.grad is None
        moved = layer.lora_A["default"].grad.abs().max() > 0
        assert moved == (step == 2)
        optimizer.step()
        assert torch.equal(layer.lora_A["default"], first_A) == (step == 1)
        assert layer.lora_B["default"].abs().max() > 0


def test_the_step_computed_by_hand_in_the_readme():
    # W0 = I (3 x 3), A = (1, 0, 1), B = 0, alpha = r = 1, x = (1, 2, 3), target (3, 2, 3).
    layer = layer_of(nn.Linear(3, 3, bias=False), r=1, alpha=1.0)
    with torch.no_grad():
        layer.base.weight.copy_(torch.eye(3))
        layer.lora_A["default"].copy_(torch.tensor([[1.0, 0, 1]]))
    x, target = torch.tensor([1.0, 2, 3]), torch.tensor([3.0, 2, 3])
    loss = 0.5 * (layer(x) - target).square().sum()
    assert loss == 2.0
    loss.backward()
    assert layer.lora_B["default"].grad.flatten().tolist() == [-8, 0, 0]
    with torch.no_grad():
        layer.lora_B["default"] -= 1 / 16 * layer.lora_B["default"].grad
    assert layer.product("default").tolist() == [[0.5, 0, 0.5], [0, 0, 0], [0, 0, 0]]
    assert layer(x).tolist() == [3, 2, 3]
    layer.eval().merge()
    assert layer.base.weight.tolist() == [[1.5, 0, 0.5], [0, 1, 0], [0, 0, 1]]
    assert layer(x).tolist() == [3, 2, 3]


def test_gradients_are_right(kind):
    module, enable, x = kind
    layer = filled(layer_of(module, enable))

    def forward(A, B):
        layer.lora_A["default"].data, layer.lora_B["default"].data = A, B
        return torch.func.functional_call(
            layer, {"lora_A.default": A, "lora_B.default": B}, (x,), strict=False
        )

    given = [store["default"].detach().clone().requires_grad_() for store in
             (layer.lora_A, layer.lora_B)]  # fmt: skip
    assert torch.autograd.gradcheck(forward, given)


def test_scaling_by_alpha_over_r_and_over_its_root():
    assert scale(32, 4, "alpha/r") == 8
    assert scale(32, 4, "alpha/sqrt(r)") == 16
    x = torch.eye(5)
    plain, stable = (
        filled(layer_of(nn.Linear(5, 7, bias=False), r=4, alpha=8.0, scaling=kind))
        for kind in ("alpha/r", "alpha/sqrt(r)")
    )
    one, two = (layer(x) - layer.base(x) for layer in (plain, stable))
    torch.testing.assert_close(two, 2 * one)
    assert LoRAConfig(r=3).alpha_of("x") == 3, "the paper sets alpha to the first r"


def test_first_a_is_gaussian_or_kaiming_and_b_zero():
    for init, std in (("gaussian", 1 / math.sqrt(400)), ("kaiming", 1 / math.sqrt(3 * 400))):
        layer = layer_of(nn.Linear(400, 300), r=100, init=init)
        A = layer.lora_A["default"]
        assert A.std().item() == pytest.approx(std, rel=0.02)
        assert not layer.lora_B["default"].any()
        if init == "kaiming":
            assert A.abs().max() <= 1 / math.sqrt(400)


def test_an_embeddings_a_is_zero_instead_of_b():
    module = nn.Embedding(11, 6, padding_idx=0).double()
    ids = torch.tensor([[1, 2, 0], [10, 0, 1]])
    layer = layer_of(copy.deepcopy(module))
    assert torch.equal(layer(ids), module(ids))
    assert not layer.lora_A["default"].any()
    assert layer.lora_B["default"].any()
    filled(layer).eval()
    y = layer(ids)
    assert not y[ids == 0].any(), "padding stays zero"
    assert (y - module(ids))[ids != 0].abs().max() > 0.01
    layer.merge()
    torch.testing.assert_close(layer(ids), y)


def test_an_embeddings_dropout_drops_ids_whole():
    module = nn.Embedding(11, 6).double()
    layer = filled(layer_of(copy.deepcopy(module), dropout=0.5))
    ids = torch.arange(11).repeat(40)
    full = layer.eval()(ids) - module(ids)
    torch.manual_seed(0)
    got = layer.train()(ids) - module(ids)
    dropped = got.abs().amax(1) < 1e-12
    assert 0.4 < dropped.double().mean() < 0.6
    torch.testing.assert_close(got[~dropped], 2 * full[~dropped])


def test_sizes_are_the_bases():
    for module in (nn.Linear(5, 4), nn.Embedding(7, 4, padding_idx=0)):
        layer = layer_of(module)
        for name in ("in_features", "out_features", "num_embeddings", "embedding_dim"):
            assert getattr(layer, name, None) == getattr(module, name, None)


def test_dropout_is_of_the_updates_input_and_of_training_only():
    layer = filled(layer_of(nn.Linear(50, 7), dropout=0.5))
    x = torch.randn(3, 50, generator=torch.Generator().manual_seed(2))
    torch.manual_seed(0)
    one, two = layer(x), layer(x)
    assert not torch.equal(one, two)
    many = torch.stack([layer(x) for _ in range(4000)]).mean(0)
    layer.eval()
    torch.testing.assert_close(many, layer(x), rtol=0, atol=0.15)
    assert torch.equal(layer(x), layer(x))
    layer.train()
    with pytest.raises(RuntimeError, match="dropout"):
        layer.merge()
    with pytest.raises(RuntimeError, match="dropout"):
        layer.weight  # noqa: B018


def test_half_precision_merges_in_single():
    # The sum is rounded once; added piece by piece in bfloat16 small updates would be lost.
    torch.manual_seed(0)
    for dtype in (torch.bfloat16, torch.float16):
        layer = filled(layer_of(nn.Linear(64, 64, bias=False).to(dtype)), size=0.02).eval()
        assert layer.lora_A["default"].dtype == torch.float32
        wanted = (layer.base.weight.float() + layer.delta("default")).to(dtype)
        x = torch.randn(3, 64, dtype=dtype)
        y = layer(x)
        assert y.dtype == dtype
        layer.merge()
        assert torch.equal(layer.base.weight, wanted)
        torch.testing.assert_close(layer(x).float(), y.float(), rtol=0.05, atol=0.05)


def test_autocast_and_half_inputs():
    layer = filled(layer_of(nn.Linear(8, 8)))
    x = torch.randn(3, 8)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16


def test_dora_begins_as_the_base_and_keeps_lengths_of_its_own():
    for module in (nn.Linear(5, 7), Conv1D(7, 5)):
        module = module.double()
        layer = layer_of(copy.deepcopy(module), use_dora=True)
        x = torch.randn(3, 5, dtype=torch.float64)
        torch.testing.assert_close(layer(x), module(x))
        filled(layer).eval()
        with torch.no_grad():
            layer.magnitude["default"] *= 1.5
        y, before = layer(x), layer.base.weight.clone()
        lengths = layer.row_lengths(layer.weight).double()
        torch.testing.assert_close(lengths, layer.magnitude["default"], rtol=1e-6, atol=1e-6)
        layer.merge()
        torch.testing.assert_close(layer(x), y)
        layer.unmerge()
        torch.testing.assert_close(layer.base.weight, before)


ENCODER = {"batch_first": True, "dropout": 0.0}


def test_multihead_attention_inside_torchs_encoder():
    # torch's encoder reads weights itself on its fast path: there, too, the sum must act.
    from lessons.lora import inject, merge

    torch.manual_seed(0)
    plain = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, **ENCODER), 2).eval()
    net = copy.deepcopy(plain)
    names = ("self_attn", "out_proj", "linear1")
    inject(net, LoRAConfig(2, 8, names))
    for module in net.modules():
        if hasattr(module, "lora_A"):
            filled(module)
    x = torch.randn(3, 4, 8)
    slow = net(x)
    with torch.no_grad():
        fast = net.eval()(x)
    assert (slow - plain(x)).abs().max() > 0.1
    torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-5)
    merge(net)
    with torch.no_grad():
        torch.testing.assert_close(net(x), slow, rtol=1e-4, atol=1e-5)
    attention = net.layers[0].self_attn
    assert attention.product("default")[8:16].abs().max() == 0, "q and v, not k"


def test_copies_pickles_and_state_dicts(kind):
    module, enable, x = kind
    layer = filled(layer_of(module, enable)).eval()
    y = layer(x)
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(other(x), y)
        other.merge(keep=True)
        again = copy.deepcopy(other)
        again.unmerge()
        assert torch.equal(again.base.weight, layer.base.weight)
    fresh = layer_of(copy.deepcopy(module), enable).eval()
    fresh.load_state_dict(layer.state_dict())
    assert torch.equal(fresh(x), y)


def test_compiled_and_exported():
    model = filled(layer_of(nn.Linear(6, 6))).eval()
    x = torch.randn(4, 6)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), model(x))
    batch = torch.export.Dim("batch", min=2, max=64)
    program = torch.export.export(model, (x,), dynamic_shapes=({0: batch},))
    other = torch.randn(9, 6)
    torch.testing.assert_close(program.module()(other), model(other))


def test_vmap_jvp_and_empty_batches():
    layer = filled(layer_of(nn.Linear(6, 6))).eval()
    x = torch.randn(4, 6)
    torch.testing.assert_close(torch.vmap(layer)(x), layer(x))
    _, tangent = torch.func.jvp(layer, (x,), (x,))
    torch.testing.assert_close(tangent, x @ layer.weight.T)
    assert layer(x[:0]).shape == (0, 6)


def test_sliced_and_transposed_inputs(kind):
    module, enable, x = kind
    layer = filled(layer_of(module, enable))
    wide = torch.stack([x, x], -1)[..., 0]
    assert not wide.is_contiguous()
    torch.testing.assert_close(layer(wide), layer(x))


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ({"r": 0}, "r must be"), ({"r": 2.0}, "2.0"), ({"r": True}, "True"),
        ({"alpha": 0}, "alpha must be above 0, got 0"), ({"alpha": -1.0}, "-1.0"),
        ({"alpha": math.nan}, "nan"), ({"dropout": 1.0}, "1.0"), ({"dropout": -0.1}, "-0.1"),
        ({"bias": "some"}, "'some'"), ({"scaling": "r"}, "'r'"), ({"init": "zero"}, "'zero'"),
        ({"tied": "keep"}, "'keep'"), ({"enable": (False, False)}, "enable"),
        ({"target_modules": ()}, "target_modules"), ({"modules_to_save": "head"}, "'head'"),
        ({"rank_pattern": {"q": 0}}, "r must be"),
    ],
)  # fmt: skip
def test_wrong_choices_are_named(choices, says):
    with pytest.raises(ValueError, match=says):
        LoRAConfig(**choices)


def test_wrong_layers_are_named():
    with pytest.raises(TypeError, match="LayerNorm cannot be adapted"):
        adapt(nn.LayerNorm(4))
    with pytest.raises(ValueError, match="r \\(6\\) must be at most 5"):
        layer_of(nn.Linear(5, 7), r=6)
    with pytest.raises(ValueError, match="enable \\(3\\) must divide the outputs \\(7\\)"):
        LoRAPacked(nn.Linear(5, 7), (True, False, True))
    layer = layer_of(nn.Linear(5, 7))
    with pytest.raises(ValueError, match="'default' already"):
        layer.add("default", LoRAConfig())
    with pytest.raises(ValueError, match=r"'a\.b'"):
        layer.add("a.b", LoRAConfig())
    with pytest.raises(RuntimeError, match="nothing is merged"):
        layer.unmerge()
    layer.eval().merge()
    with pytest.raises(RuntimeError, match="merged already"):
        layer.merge()
    with pytest.raises(RuntimeError, match="no gradient"):
        layer.train()(torch.randn(2, 5))
    with pytest.raises(ValueError, match="use_dora"):
        layer_of(nn.Conv1d(4, 6, 3), use_dora=True)
    with pytest.raises(ValueError, match="MultiheadAttention"):
        layer_of(nn.MultiheadAttention(4, 2), dropout=0.1)
    with pytest.raises(TypeError, match="kdim"):
        adapt(nn.MultiheadAttention(4, 2, kdim=3))
    with pytest.raises(ValueError, match="max_norm"):
        layer_of(nn.Embedding(9, 4, max_norm=1.0)).eval().merge()


def test_an_integer_weight_is_adapted_and_not_merged():
    class Quantized(nn.Linear):
        """A linear layer of 8-bit integers, as libraries subclass it."""

        def __init__(self, base):
            super().__init__(base.in_features, base.out_features)
            step = base.weight.abs().max() / 127
            self.weight = nn.Parameter((base.weight / step).round().to(torch.int8), False)
            self.bias.data.copy_(base.bias)
            self.step = step.detach()

        def forward(self, input):
            return nn.functional.linear(input, self.weight.float() * self.step, self.bias)

    layer = filled(layer_of(Quantized(nn.Linear(5, 7))))
    x = torch.randn(3, 5)
    torch.testing.assert_close(layer(x), layer.base(x) + 3 * layer.branch(x, "default"))
    layer(x).sum().backward()
    assert layer.lora_A["default"].grad is not None
    with pytest.raises(TypeError, match="int8"):
        layer.eval().merge()


def test_the_papers_settings_fit_their_hosts():
    assert PRESETS["gpt2-medium"].alpha == 32
    assert PRESETS["roberta-large"].alpha == 16
    net = GPT2(GPT2Config(11, 8, 12, 1, 2))
    layer = adapt(net.transformer["h"][0].attn.c_attn, PRESETS["gpt2-medium"].enable)
    assert isinstance(layer, LoRAPacked)
    assert isinstance(layer, LoRALinear)
