"""The model: equations 1 to 8, every published size, bad input, and what torch does to modules."""

import copy
import dataclasses
import math
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from einops import rearrange
from torch.func import jvp, vmap
from torch.utils.flop_counter import FlopCounterMode

from lessons.vision_transformer import (
    PRESETS,
    Attention,
    VisionTransformer,
    ViTConfig,
    count_operations,
    count_parameters,
    patchify,
    resized,
)
from lessons.vision_transformer.config import pair

TINY = ViTConfig(
    image_size=8, patch_size=4, in_channels=3, num_classes=5, hidden_size=16, mlp_dim=24,
    num_layers=2, num_heads=2,
)  # fmt: skip
HYBRID = dataclasses.replace(TINY, image_size=32, patch_size=2, backbone=(1, 1), backbone_width=8)


def model_of(config=TINY, seed=0, **changes):
    """A model whose every parameter is drawn, zeros of the head and of gains included."""
    generator = torch.Generator().manual_seed(seed)
    model = VisionTransformer(dataclasses.replace(config, **changes), generator)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def pictures(n=3, size=(8, 8), channels=3, seed=1, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, channels, *pair(size), generator=generator, dtype=dtype)


def by_hand(model, images):
    """Equations 1 to 8, a picture, a head and a token at a time."""
    c, results = model.config, []
    (p, q), e = pair(c.patch_size), c.hidden_size // c.num_heads
    kernel = model.patch_embedding.weight.flatten(1)
    for image in images:
        tokens = [model.cls_token[0, 0]]
        for i in range(image.shape[1] // p):
            for j in range(image.shape[2] // q):
                patch = image[:, i * p : (i + 1) * p, j * q : (j + 1) * q].reshape(-1)
                tokens.append(kernel @ patch + model.patch_embedding.bias)
        z = torch.stack(tokens) + model.positions.table[0]  # eq. 1
        for block in model.blocks:
            x = F.layer_norm(z, (c.hidden_size,), block.norm1.weight, block.norm1.bias, c.norm_eps)
            query, key, value = block.attention.qkv(x).chunk(3, -1)  # eq. 5
            heads = []
            for h in range(c.num_heads):
                mine = slice(h * e, (h + 1) * e)
                weights = (query[:, mine] @ key[:, mine].T / math.sqrt(e)).softmax(-1)  # eq. 6
                heads.append(weights @ value[:, mine])  # eq. 7
            z = block.attention.out(torch.cat(heads, -1)) + z  # eq. 8 and 2
            x = F.layer_norm(z, (c.hidden_size,), block.norm2.weight, block.norm2.bias, c.norm_eps)
            inner = block.mlp.fc1(x)
            inner = inner * 0.5 * (1 + torch.erf(inner / math.sqrt(2)))
            z = block.mlp.fc2(inner) + z  # eq. 3
        y = F.layer_norm(z[0], (c.hidden_size,), model.norm.weight, model.norm.bias, c.norm_eps)
        results.append(model.head(y))  # eq. 4
    return torch.stack(results)


@pytest.mark.parametrize(
    "changes",
    [{}, {"image_size": (8, 12)}, {"patch_size": (2, 4)}, {"in_channels": 1}, {"num_heads": 4}],
)
def test_the_model_is_equations_1_to_8(changes):
    model = model_of(**changes).double()
    c = model.config
    images = pictures(2, c.image_size, c.in_channels, dtype=torch.float64)
    torch.testing.assert_close(model(images), by_hand(model, images), rtol=1e-10, atol=1e-10)


def test_the_fast_path_equals_the_one_that_gives_weights():
    for positions in ("1d", "relative"):
        model, maps = model_of(positions=positions).double(), []
        images = pictures(dtype=torch.float64)
        slow = model.forward_features(images, maps)
        torch.testing.assert_close(slow, model.forward_features(images), rtol=1e-11, atol=1e-11)
        assert [m.shape for m in maps] == [(3, 2, 5, 5)] * 2
        torch.testing.assert_close(maps[0].sum(-1), torch.ones(3, 2, 5, dtype=torch.float64))


def test_patches_are_cut_in_raster_order():
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    rows = patchify(image, 2)[0].tolist()
    assert rows == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]


def test_the_embedding_is_a_linear_map_of_flattened_patches():
    model = model_of(image_size=(8, 12)).double()
    images = pictures(2, (8, 12), dtype=torch.float64)
    e, bias = model.patch_embedding.weight.flatten(1), model.patch_embedding.bias
    torch.testing.assert_close(model.embed(images), patchify(images, 4) @ e.T + bias)


def test_a_224_picture_becomes_196_patches_of_768_numbers():
    images = torch.empty(1, 3, 224, 224, device="meta")
    assert patchify(images, 16).shape == (1, 196, 768)
    assert PRESETS["B/16"].sequence_length == 197
    lengths = {"B/32": 50, "H/14": 257, "B/16-384": 577, "B/32-384": 145, "R50+B/16": 197}
    assert {name: PRESETS[name].sequence_length for name in lengths} == lengths


def shuffle(images, order):
    """Move the four patches of a picture of 8 × 8."""
    parts = rearrange(images, "b c (h p) (w q) -> b (h w) c p q", p=4, q=4)[:, order]
    return rearrange(parts, "b (h w) c p q -> b c (h p) (w q)", h=2)


@pytest.mark.parametrize("pool", ["cls", "gap"])
def test_without_positions_a_picture_is_a_bag_of_patches(pool):
    images, order = pictures(dtype=torch.float64), [2, 0, 3, 1]
    bag = model_of(positions="none", pool=pool).double()
    torch.testing.assert_close(bag(shuffle(images, order)), bag(images), rtol=1e-10, atol=1e-10)
    for positions in ("1d", "2d", "relative", "sincos"):
        model = model_of(positions=positions, pool=pool).double()
        assert (model(shuffle(images, order)) - model(images)).abs().max() > 1e-3, positions


def test_gap_is_the_mean_over_patches_without_a_class_token():
    model = model_of(pool="gap")
    features = model.forward_features(pictures())
    assert features.shape == (3, 4, 16)
    assert model.cls_token is None
    torch.testing.assert_close(model(pictures()), model.head(features.mean(1)))


def test_the_pre_training_head_has_a_hidden_layer_with_tanh():
    model = model_of(representation_size=7)
    y = model.forward_features(pictures())[:, 0]
    expected = model.head(torch.tanh(model.pre_logits(y)))
    torch.testing.assert_close(model(pictures()), expected)


def test_reset_head_leaves_one_layer_of_zeros():
    model = model_of(representation_size=7)
    before = model.forward_features(pictures())
    model.reset_head(11)
    assert model.pre_logits is None
    assert model.config.num_classes == 11
    assert torch.equal(model(pictures()), torch.zeros(3, 11))
    torch.testing.assert_close(model.forward_features(pictures()), before)
    model.reset_head(0)
    torch.testing.assert_close(model(pictures()), before[:, 0])


def test_new_weights_are_those_of_the_released_code():
    generator = torch.Generator().manual_seed(0)
    wide = dataclasses.replace(TINY, hidden_size=256, mlp_dim=768, num_heads=4)
    model = VisionTransformer(wide, generator)
    assert not model.head.weight.any()
    assert not model.cls_token.any()
    assert abs(model.positions.table.std().item() - 0.02) < 0.002
    for matrix in model.blocks[0].attention.qkv.weight.chunk(3):  # each 256 × 256 for itself
        bound = math.sqrt(6 / 512)
        assert 0.99 * bound < matrix.abs().max() <= bound
    bound = math.sqrt(6 / (256 + 768))
    assert 0.99 * bound < model.blocks[1].mlp.fc1.weight.abs().max() <= bound
    assert abs(model.patch_embedding.weight.std().item() * math.sqrt(48) - 1) < 0.02
    again = VisionTransformer(wide, torch.Generator().manual_seed(0))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters()))


EXACT = {
    "Ti/16": (5_717_416, None), "S/16": (22_050_664, None), "S/32": (22_878_952, None),
    "B/8": (86_576_872, None), "B/16": (86_567_656, 35_127_656_448),
    "B/32": (88_224_232, 8_818_372_608), "L/16": (304_326_632, 123_109_425_152),
    "L/32": (306_535_400, 30_755_078_144), "H/14": (632_045_800, 334_590_218_240),
    "B/16-384": (86_859_496, 110_968_700_928), "B/32-384": (88_297_192, None),
    "L/16-384": (304_715_752, 382_132_600_832), "L/32-384": (306_632_680, None),
    "L/16-512": (305_174_504, None), "H/14-518": (633_470_440, None),
}  # fmt: skip


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_the_published_size(name):
    config = PRESETS[name]
    with torch.device("meta"):
        model = VisionTransformer.from_preset(name)
    parameters = sum(p.numel() for p in model.parameters())
    if config.backbone is not None:  # the reference's sizes are in test_oracle.py
        with pytest.raises(ValueError, match="plain model"):
            count_parameters(config)
        return
    assert parameters == count_parameters(config) == EXACT[name][0]
    if operations := EXACT[name][1]:
        with FlopCounterMode(display=False) as counter:
            model(torch.empty(1, 3, *pair(config.image_size), device="meta"))
        assert counter.get_total_flops() == count_operations(config) == operations


def test_sizes_without_a_head_and_with_a_hidden_layer():
    def count(name, **changes):
        return count_parameters(dataclasses.replace(PRESETS[name], **changes))

    bare = {"B/16": 85_798_656, "B/32": 87_455_232, "L/16": 303_301_632, "H/14": 630_764_800}
    assert {name: count(name, num_classes=0) for name in bare} == bare
    pre = {"B/16": 86_389_248, "L/16": 304_351_232, "H/14": 632_404_480}
    for name, size in pre.items():
        width = PRESETS[name].hidden_size
        assert count(name, num_classes=0, representation_size=width) == size
    assert count("B/16", num_classes=21_843) == 102_595_923
    changed = dataclasses.replace(TINY, representation_size=7, pool="gap")
    model = VisionTransformer(changed)
    assert sum(p.numel() for p in model.parameters()) == count_parameters(changed)


@pytest.mark.parametrize("positions", ["relative", "none"])
def test_operations_are_counted_with_other_positions(positions):
    config = dataclasses.replace(TINY, positions=positions, representation_size=7)
    with torch.device("meta"):
        model = VisionTransformer(config)
    with FlopCounterMode(display=False) as counter:
        model(torch.empty(1, 3, 8, 8, device="meta"))
    assert counter.get_total_flops() == count_operations(config)


def test_dropout_comes_after_every_dense_layer_but_qkv_and_after_positions():
    model = model_of(dropout=0.5).train()
    seen = []
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Dropout):
            module.register_forward_hook(lambda *_, name=name: seen.append(name))
    model(pictures())
    layer = ["attention.dropout", "mlp.dropout", "mlp.dropout"]
    assert seen == ["dropout", *(f"blocks.{i}.{part}" for i in (0, 1) for part in layer)]


def test_drop_path_leaves_out_whole_branches_and_keeps_their_mean():
    torch.manual_seed(0)
    block = model_of(drop_path=0.4).train().blocks[-1]
    branch = torch.ones(4000, 3, 2)
    dropped = block.drop_path(branch)
    assert set(dropped.unique().tolist()) == {0.0, torch.tensor(1 / 0.6).item()}
    assert torch.equal(dropped, dropped[:, :1, :1].expand_as(dropped))
    assert abs(dropped.mean() - 1) < 0.05
    assert model_of(drop_path=0.4).blocks[0].drop_path.rate == 0


def test_positions_are_added_where_they_are_asked_for():
    images = pictures(dtype=torch.float64)
    stem, shared = (model_of(position_place=p).double() for p in ("stem", "shared"))
    shared.load_state_dict(stem.state_dict())
    z = torch.cat([stem.cls_token.expand(3, -1, -1), stem.embed(images)], 1)
    for block in shared.blocks:
        z = block(z + shared.positions.table)
    torch.testing.assert_close(shared.forward_features(images), shared.norm(z))
    layers = model_of(position_place="layers").double()
    assert len(layers.layer_positions) == 2
    z = torch.cat([layers.cls_token.expand(3, -1, -1), layers.embed(images)], 1)
    for block, own in zip(layers.blocks, layers.layer_positions):
        z = block(z + own.table)
    torch.testing.assert_close(layers.forward_features(images), layers.norm(z))


def test_relative_positions_add_a_score_for_each_offset():
    torch.manual_seed(0)
    attention = Attention(8, 2, relative_length=5).double()
    z, maps = torch.randn(2, 5, 8, dtype=torch.float64), []
    attention(z, maps)
    query, key, _ = attention.qkv(z).unflatten(-1, (3, 2, 4)).unbind(2)
    for i in range(5):
        scores = [
            (query[:, i] * (key[:, j] + attention.offsets[i - j + 4])).sum(-1) / 2 for j in range(5)
        ]
        torch.testing.assert_close(maps[0][:, :, i], torch.stack(scores, -1).softmax(-1))
    with pytest.raises(ValueError, match="are for 5 tokens, got 4"):
        attention(z[:, :4])


def test_a_hybrid_reduces_the_picture_and_then_cuts_patches():
    model = model_of(HYBRID).double()
    images = pictures(2, 32, dtype=torch.float64)
    feature_map = model.backbone(images)
    assert feature_map.shape == (2, 64, 4, 4)  # 32 / 8, and 4 · 2 · 8 channels
    e, bias = model.patch_embedding.weight.flatten(1), model.patch_embedding.bias
    torch.testing.assert_close(model.embed(images), patchify(feature_map, 2) @ e.T + bias)
    assert model(images).shape == (2, 5)
    assert [PRESETS[f"R50+B/{n}"].grid for n in (16, 32)] == [(14, 14), (7, 7)]


def test_standardized_filters_have_mean_0_and_variance_1():
    model = model_of(HYBRID).double()
    unit = model.backbone.stages[0][0].conv2
    x = pictures(1, 6, 8, dtype=torch.float64)
    shifted = copy.deepcopy(unit)
    with torch.no_grad():  # so a filter's scale and mean are of no account
        shifted.weight.mul_(3).add_(2)
    torch.testing.assert_close(shifted(x), unit(x), rtol=1e-3, atol=1e-3)
    flat = unit.weight.flatten(1)
    weight = (flat - flat.mean(1, keepdim=True)) / (flat.std(1, correction=0, keepdim=True) + 1e-5)
    expected = F.conv2d(x, weight.view_as(unit.weight), padding=1)
    torch.testing.assert_close(unit(x), expected)


def test_new_residual_blocks_are_the_identity_behind_a_relu():
    model = VisionTransformer(dataclasses.replace(HYBRID, backbone=(2,)))
    block = model.backbone.stages[0][1]
    x = pictures(1, 6, 32)
    torch.testing.assert_close(block(x), F.relu(x))


# What torch does to modules.


@pytest.mark.parametrize("config", [TINY, dataclasses.replace(TINY, positions="relative"), HYBRID])
def test_compile_export_and_symbolic_trace(config):
    model, images = model_of(config), pictures(3, config.image_size)
    expected = model(images)
    close = {"rtol": 1e-4, "atol": 1e-5}
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(images), expected, **close)
    batch = torch.export.Dim("batch")
    exported = torch.export.export(model, (images,), dynamic_shapes=({0: batch},)).module()
    for n in (1, 2, 5):
        more = pictures(n, config.image_size, seed=n)
        torch.testing.assert_close(exported(more), model(more), **close)
    traced = torch.fx.symbolic_trace(model)
    torch.testing.assert_close(traced(images), expected)


def test_bfloat16_and_autocast_stay_near():
    for config in (TINY, HYBRID):
        model, images = model_of(config), pictures(3, config.image_size)
        expected = model(images)
        with torch.autocast("cpu", torch.bfloat16):
            near = model(images).float()
        half = copy.deepcopy(model).bfloat16()(images.bfloat16()).float()
        for got in (near, half):
            assert (got - expected).norm() < 0.1 * expected.norm()


def test_checkpointing_changes_no_gradient():
    grads = []
    for checkpointing in (False, True):
        model = model_of(gradient_checkpointing=checkpointing).train()
        model(pictures()).square().sum().backward()
        grads.append([p.grad for p in model.parameters()])
    for a, b in zip(*grads):
        torch.testing.assert_close(a, b)


def test_gradients_are_right():
    small = {"hidden_size": 4, "mlp_dim": 6, "num_layers": 1, "image_size": 4, "patch_size": 2}
    for positions in ("1d", "relative"):
        model = model_of(positions=positions, **small).double()
        images = pictures(1, 4, dtype=torch.float64).requires_grad_()
        names, values = zip(*model.named_parameters())

        def run(images, *values, model=model, names=names):
            return torch.func.functional_call(model, dict(zip(names, values)), (images,))

        assert torch.autograd.gradcheck(run, (images, *values), fast_mode=True)


def test_vmap_and_forward_derivatives():
    model, images = model_of().double(), pictures(4, dtype=torch.float64)
    each = vmap(lambda image: model(image[None])[0])(images)
    torch.testing.assert_close(each, model(images))
    tangent = torch.ones_like(images)
    _, along = jvp(model, (images,), (tangent,))
    step = 1e-6
    expected = (model(images + step * tangent) - model(images - step * tangent)) / (2 * step)
    torch.testing.assert_close(along, expected, rtol=1e-6, atol=1e-6)


def test_any_layout_empty_and_single_batches_copies_and_pickles():
    model, images = model_of(), pictures()
    expected = model(images)
    torch.testing.assert_close(model(images.to(memory_format=torch.channels_last)), expected)
    turned = images.transpose(2, 3).contiguous().transpose(2, 3)
    torch.testing.assert_close(model(turned), expected)
    torch.testing.assert_close(model(images[:1]), expected[:1])
    assert model(images[:0]).shape == (0, 5)
    assert torch.equal(copy.deepcopy(model)(images), expected)
    assert torch.equal(pickle.loads(pickle.dumps(model))(images), expected)


def test_dynamic_size_takes_what_resized_takes():
    fixed = model_of()
    dynamic = model_of(dynamic_size=True)
    dynamic.load_state_dict(fixed.state_dict())
    for size in (8, (8, 16), 16):
        images = pictures(2, size)
        torch.testing.assert_close(dynamic(images), resized(fixed, size)(images))


def test_what_is_frozen_stays_frozen_at_another_size():
    model = model_of()
    model.blocks.requires_grad_(False)
    for name, parameter in resized(model, 16).named_parameters():
        assert parameter.requires_grad != name.startswith("blocks."), name


def test_attention_maps_are_those_of_eval_mode():
    model = model_of(dropout=0.3, drop_path=0.3, attention_dropout=0.3).train()
    model.blocks[0].eval()
    first, second = (model.attention_maps(pictures(2, 8)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second))
    assert model.training
    assert model.blocks[1].training
    assert not model.blocks[0].mlp.training, "modes are left as they were"


def test_numpys_whole_numbers_are_sizes():
    size = np.int64(8)
    assert ViTConfig(image_size=size, patch_size=np.int64(4)).grid == (2, 2)


BAD_CONFIGS = [
    ({"image_size": 10}, r"image of \(10, 10\) is not divisible by patches of \(4, 4\)"),
    ({"image_size": 0}, "image_size must be at least 1"),
    ({"image_size": (8, 8, 8)}, "image_size must be a whole number or"),
    ({"image_size": 8.0}, r"image_size must be a whole number or \(height, width\), got 8.0"),
    ({"num_heads": 2.0}, "num_heads must be a whole number, got 2.0"),
    ({"num_heads": 3}, r"hidden_size \(16\) must be divisible by num_heads \(3\)"),
    ({"hidden_size": 0}, "hidden_size must be at least 1, got 0"),
    ({"num_classes": -1}, "num_classes must not be negative"),
    ({"pool": "max"}, "pool must be one of"),
    ({"positions": "3d"}, "positions must be one of"),
    ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
    ({"drop_path": -0.1}, r"drop_path must be in \[0, 1\)"),
    ({"representation_size": 0}, "representation_size must be None or at least 1"),
    ({"positions": "none", "position_place": "layers"}, "needs positions that are added"),
    ({"positions": "relative", "dynamic_size": True}, "other than 'relative'"),
    ({"positions": "sincos", "hidden_size": 6}, "divisible by 4, got 6"),
    ({"backbone": ()}, "backbone must have blocks"),
    ({"backbone": (1,), "backbone_width": 12}, "must divide 32 or be divisible"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_CONFIGS)
def test_sizes_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(TINY, **changes)


def test_pictures_that_do_not_fit_are_refused():
    model = model_of()
    with pytest.raises(ValueError, match=r"images must be \(8, 8\) high and wide, got \(8, 12\)"):
        model(torch.zeros(1, 3, 8, 12))
    with pytest.raises(ValueError, match=r"images must be \(B, 3, H, W\), got \(1, 1, 8, 8\)"):
        model(torch.zeros(1, 1, 8, 8))
    with pytest.raises(ValueError, match=r"images must be \(B, 3, H, W\), got \(3, 8, 8\)"):
        model(torch.zeros(3, 8, 8))
    with pytest.raises(TypeError, match=r"floating-point numbers, got torch\.uint8"):
        model(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
    with pytest.raises(TypeError, match="floating-point numbers, got list"):
        model([1.0])
    with pytest.raises(ValueError, match="not divisible by patches"):
        model_of(dynamic_size=True)(torch.zeros(1, 3, 8, 10))
    with pytest.raises(ValueError, match="H and W divisible by"):
        patchify(torch.zeros(1, 3, 8, 10), 4)
    with pytest.raises(ValueError, match="name must be one of"):
        VisionTransformer.from_preset("G/14")


def test_the_readmes_example_in_numbers():
    image = torch.tensor([[0, 1, 0, 0], [0, 1, 0, 0], [0, 1, 1, 1], [0, 0, 0, 0]]).float()
    patches = patchify(image[None, None], 2)[0]
    assert patches.tolist() == [[0, 1, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 0]]
    e = torch.tensor([[1, 0], [1, 1], [1, 0], [1, 1]]).float()
    assert (patches @ e).tolist() == [[2, 2], [0, 0], [1, 1], [2, 1]]
    z = patches @ e + torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])
    z = torch.cat([torch.tensor([[1.0, 0.0]]), z])
    assert z.tolist() == [[1, 0], [2, 2], [0, 1], [2, 1], [3, 2]]
    scores = z[0] @ z.T / math.sqrt(2)
    assert [round(s, 2) for s in scores.tolist()] == [0.71, 1.41, 0.0, 1.41, 2.12]
    weights = scores.softmax(0)
    assert [round(w, 2) for w in weights.tolist()] == [0.10, 0.21, 0.05, 0.21, 0.43]
    assert [round(v, 2) for v in (weights @ z).tolist()] == [2.22, 1.53]
