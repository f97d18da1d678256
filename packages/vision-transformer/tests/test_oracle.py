"""Equality with timm, Hugging Face and torchvision, on random weights of every parameter."""

import copy

import numpy as np
import pytest
import timm
import torch
import transformers
from safetensors.torch import load_file

from lessons.vision_transformer import (
    PRESETS,
    VisionTransformer,
    ViTConfig,
    from_google,
    from_hugging_face,
    from_timm,
    from_torchvision,
    interpolate_positions,
    load,
    load_npz,
    resized,
    save,
    save_npz,
    to_google,
    to_hugging_face,
    to_timm,
    to_torchvision,
)

CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def drawn(model, seed=0):
    """The model with random numbers in every parameter: zeros would hide what is not used."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def pictures(*size, seed=1):
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(seed))


def timms(name="vit_base_patch16_224", **changes):
    sizes = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 4}
    return drawn(timm.create_model(name, **(sizes | {"num_classes": 7} | changes)))


TIMM = [
    {}, {"img_size": (32, 16)}, {"patch_size": (4, 8)}, {"num_classes": 0},
    {"class_token": False, "global_pool": "avg", "fc_norm": False},
]  # fmt: skip


@pytest.mark.parametrize("changes", TIMM)
def test_equals_timm(changes):
    theirs = timms(**changes)
    size = changes.get("img_size", 32)
    size = (size, size) if isinstance(size, int) else size
    square = size[0] == size[1] and "patch_size" not in changes
    ours = from_timm(theirs.state_dict(), 4, None if square else size)
    images = pictures(*size)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), **CLOSE)
    back = to_timm(ours)
    assert back.keys() == theirs.state_dict().keys()
    theirs.load_state_dict(back, strict=True)


@pytest.mark.parametrize(
    ("name", "preset", "size"),
    [("vit_base_r50_s16_224", "R50+B/16", 64), ("vit_small_r26_s32_224", "R26+S/32", 64)],
)
def test_hybrids_equal_timm(name, preset, size):
    theirs = timms(name, img_size=size, patch_size=1)
    ours = from_timm(theirs.state_dict(), 4)
    assert ours.config.backbone == PRESETS[preset].backbone
    with torch.no_grad():
        images = pictures(size, size)
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-4, atol=1e-4)
    assert to_timm(ours).keys() == theirs.state_dict().keys()


@pytest.mark.parametrize(
    ("name", "preset"),
    [
        ("vit_base_patch16_224", "B/16"), ("vit_large_patch32_384", "L/32-384"),
        ("vit_base_r50_s16_224", "R50+B/16"), ("vit_large_r50_s32_224", "R50+L/32"),
        ("vit_small_r26_s32_224", "R26+S/32"),
    ],
)  # fmt: skip
def test_presets_have_timms_sizes_and_names(name, preset):
    with torch.device("meta"):
        theirs = timm.create_model(name, num_classes=1000).state_dict()
        ours = to_timm(VisionTransformer.from_preset(preset, backbone_numerics="timm"))
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}


def hugging_face(kind=transformers.ViTForImageClassification, **changes):
    config = transformers.ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
        image_size=32, patch_size=8, num_labels=7, **changes,
    )  # fmt: skip
    return drawn(kind(config))


def test_equals_hugging_face_under_the_names_of_files_and_of_memory(tmp_path):
    theirs = hugging_face()
    theirs.save_pretrained(tmp_path)
    released = load_file(tmp_path / "model.safetensors")
    assert "vit.encoder.layer.1.attention.attention.query.weight" in released
    images = pictures(32, 32)
    with torch.no_grad():
        expected = theirs(images).logits
        for state in (released, theirs.state_dict(), load(tmp_path / "model.safetensors")):
            torch.testing.assert_close(from_hugging_face(state, 4)(images), expected, **CLOSE)
    back = to_hugging_face(from_hugging_face(released, 4))
    assert back.keys() == released.keys()
    assert all(torch.equal(back[name], released[name]) for name in back)


def test_the_pooler_is_the_pre_training_head():
    theirs = hugging_face(transformers.ViTModel)
    ours = from_hugging_face(theirs.state_dict(), 4)
    images = pictures(32, 32)
    with torch.no_grad():
        out = theirs(images)
        torch.testing.assert_close(ours(images), out.pooler_output, **CLOSE)
        torch.testing.assert_close(ours.forward_features(images), out.last_hidden_state, **CLOSE)
    assert set(to_hugging_face(ours)) >= {
        "pooler.dense.weight",
        "encoder.layer.0.output.dense.bias",
    }


def test_attention_maps_equal_hugging_faces():
    theirs = hugging_face()
    theirs.set_attn_implementation("eager")
    images = pictures(32, 32)
    with torch.no_grad():
        expected = theirs(images, output_attentions=True).attentions
    assert len(expected) == 2, "sdpa gives none"
    maps = from_hugging_face(theirs.state_dict(), 4).attention_maps(images)
    for ours, other in zip(maps, expected):
        torch.testing.assert_close(ours, other, **CLOSE)


def test_larger_pictures_equal_hugging_faces_and_timms():
    theirs = hugging_face()
    images = pictures(48, 64)
    ours = resized(from_hugging_face(theirs.state_dict(), 4), (48, 64), interpolation="bicubic")
    with torch.no_grad():
        expected = theirs(images, interpolate_pos_encoding=True).logits
        torch.testing.assert_close(ours(images), expected, **CLOSE)
    other = timms(dynamic_img_size=True)
    how = {"interpolation": "bicubic", "antialias": True}
    ours = from_timm(other.state_dict(), 4, dynamic_size=True, **how)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), other(images), **CLOSE)
    table = other.state_dict()["pos_embed"]
    expected = timm.layers.resample_abs_pos_embed(table, [6, 8])
    got = interpolate_positions(table, (4, 4), (6, 8), "bicubic", antialias=True)
    torch.testing.assert_close(got, expected, **CLOSE)


def test_equals_torchvision():
    torchvision = pytest.importorskip("torchvision")
    sizes = {"image_size": 32, "patch_size": 8, "num_layers": 2, "num_heads": 4, "hidden_dim": 32}
    for representation in (None, 10):
        theirs = drawn(
            torchvision.models.VisionTransformer(
                **sizes, mlp_dim=48, num_classes=7, representation_size=representation
            )
        )
        ours = from_torchvision(theirs.state_dict(), 4)
        images = pictures(32, 32)
        with torch.no_grad():
            torch.testing.assert_close(ours(images), theirs(images), **CLOSE)
        theirs.load_state_dict(to_torchvision(ours), strict=True)


@pytest.mark.parametrize("name", ["vit_base_patch16_224", "vit_base_r50_s16_224"])
@pytest.mark.parametrize("prefix", ["", "opt/target/"])
def test_googles_npz_is_read_as_timm_reads_it(name, prefix, tmp_path):
    hybrid = "r50" in name
    patch, size = (1, 64) if hybrid else (8, 32)
    ours = from_timm(timms(name, patch_size=patch, img_size=size).state_dict(), 4)
    arrays = {f"{prefix}{k}": v for k, v in to_google(ours, strict=False).items()}
    if hybrid:  # older files keep the gains of group norm with four axes
        arrays[f"{prefix}gn_root/scale"] = arrays[f"{prefix}gn_root/scale"][None, None, None]
    save_npz(tmp_path / "model.npz", arrays)
    theirs = timms(name, patch_size=patch, img_size=size)
    theirs = drawn(theirs, seed=5)
    theirs.load_pretrained(tmp_path / "model.npz")
    state = load_npz(tmp_path / "model.npz")
    how = {"backbone_numerics": "timm", "approximate_gelu": False}
    again = from_google(state, **how)
    images = pictures(size, size)
    with torch.no_grad():
        torch.testing.assert_close(again(images), ours(images), **CLOSE)
        torch.testing.assert_close(again(images), theirs(images), rtol=1e-4, atol=1e-4)
    assert from_google(state).config.approximate_gelu, "as the released code computes it"
    assert again.config.num_heads == 4
    assert to_google(again, strict=False).keys() == load_npz(tmp_path / "model.npz").keys()


def test_googles_shapes_are_those_of_the_released_files():
    config = ViTConfig(approximate_gelu=True)
    with torch.device("meta"):
        shapes = {k: tuple(v.shape) for k, v in to_google(VisionTransformer(config)).items()}
    block = "Transformer/encoderblock_11"
    assert shapes["embedding/kernel"] == (16, 16, 3, 768)
    assert shapes["Transformer/posembed_input/pos_embedding"] == (1, 197, 768)
    assert shapes[f"{block}/MultiHeadDotProductAttention_1/query/kernel"] == (768, 12, 64)
    assert shapes[f"{block}/MultiHeadDotProductAttention_1/key/bias"] == (12, 64)
    assert shapes[f"{block}/MultiHeadDotProductAttention_1/out/kernel"] == (12, 64, 768)
    assert shapes[f"{block}/MlpBlock_3/Dense_0/kernel"] == (768, 3072)
    assert shapes["head/kernel"] == (768, 1000)


def tiny(**changes):
    config = ViTConfig(image_size=8, patch_size=4, hidden_size=8, mlp_dim=8, num_layers=1,
                       num_heads=2, num_classes=3, **changes)  # fmt: skip
    return VisionTransformer(config)


def test_weights_that_do_not_fit_are_refused(tmp_path):
    good = to_timm(tiny())
    cases = [
        (good | {"reg_token": torch.zeros(1)}, "1 tensors too many, the first is 'reg_token'"),
        ({k: v for k, v in good.items() if k != "norm.bias"}, "no 'norm.bias'"),
        (good | {"blocks.0.attn.proj.bias": torch.zeros(9)}, r"must have shape \(8,\), got \(9,\)"),
        ({}, "state must have 'patch_embed.proj.weight'"),
        (good | {"pos_embed": torch.zeros(1, 7, 8)}, "no square grid of patches: give image_size"),
        (good | {"pos_embed": torch.zeros(7, 8)}, "'pos_embed', a tensor of 3 axes"),
        (good | {"patch_embed.proj.weight": 3}, "int; expected"),
    ]
    for state, message in cases:
        with pytest.raises(ValueError, match=message):
            from_timm(state, 2)
    with pytest.raises(ValueError, match="timm's model has no positions '2d'"):
        to_timm(tiny(positions="2d"))
    with pytest.raises(ValueError, match="Hugging Face's model has no pool 'gap'"):
        to_hugging_face(tiny(pool="gap"))
    with pytest.raises(ValueError, match="no pre-logits layer"):
        to_hugging_face(tiny(representation_size=4, norm_eps=1e-12))
    with pytest.raises(ValueError, match="torchvision's model has no a backbone"):
        to_torchvision(hybrid())
    (tmp_path / "a.npz").write_text("<html>")
    with pytest.raises(ValueError, match=r"a\.npz is no npz file"):
        load_npz(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", embedding=np.array(["a"]))
    with pytest.raises(ValueError, match=r"holds 'embedding' of <U1"):
        load_npz(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", head=np.array([None]))
    with pytest.raises(ValueError, match=r"c\.npz is no npz file of plain arrays"):
        load_npz(tmp_path / "c.npz")
    with pytest.raises(OSError, match="nowhere"):
        load_npz(tmp_path / "nowhere.npz")
    google = to_google(tiny(approximate_gelu=True))
    name = "Transformer/encoderblock_0/MultiHeadDotProductAttention_1/key/kernel"
    with pytest.raises(ValueError, match="must have 3 axes"):
        from_google({k: v for k, v in google.items() if k != name})


@pytest.mark.parametrize("width", sorted({c.hidden_size for c in PRESETS.values()}))
def test_heads_are_the_presets_of_the_width(width):
    preset = next(c for c in PRESETS.values() if c.hidden_size == width)
    sizes = {"embed_dim": width, "depth": 1, "num_heads": preset.num_heads, "mlp_ratio": 1}
    theirs = timms(**sizes)
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            if "norm" in name and name.endswith("weight"):
                parameter.fill_(1)
            elif parameter.dim() == 2:  # scores of about 1, so that attention is not even
                parameter.mul_(5 * width**-0.5)
        images = pictures(32, 32)
        ours = from_timm(theirs.state_dict())
        assert ours.config.num_heads == preset.num_heads
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-4, atol=1e-4)
        wrong = from_timm(theirs.state_dict(), 2 * preset.num_heads)(images)
        assert (wrong - theirs(images)).abs().max() > 0.01, "heads matter"
    same = VisionTransformer(ours.config)
    their_states = (to_hugging_face(same, strict=False), to_torchvision(same))
    for read, state in zip((from_hugging_face, from_torchvision), their_states):
        assert read(state).config.num_heads == preset.num_heads


def test_heads_of_another_width_must_be_given():
    for read, write in ((from_timm, to_timm), (from_torchvision, to_torchvision)):
        with pytest.raises(ValueError, match="num_heads must be given for a width of 8; known"):
            read(write(tiny()))
    with pytest.raises(ValueError, match="num_heads must be given for a width of 8; known"):
        from_hugging_face(to_hugging_face(tiny(norm_eps=1e-12)))


def test_what_would_be_computed_otherwise_is_refused():
    cases = [
        (to_timm, {"approximate_gelu": True}, "timm's model has approximate_gelu False"),
        (to_timm, {"norm_eps": 1e-5}, "timm's model has norm_eps 1e-06, this one 1e-05"),
        (to_hugging_face, {}, "Hugging Face's model has norm_eps 1e-12, this one 1e-06"),
        (to_torchvision, {"approximate_gelu": True}, "torchvision's model has approximate_gelu"),
        (to_google, {}, "Google's model has approximate_gelu True, this one False"),
    ]
    for write, changes, message in cases:
        with pytest.raises(ValueError, match=message):
            write(tiny(**changes))
        assert write(tiny(**changes), strict=False)
    with pytest.raises(ValueError, match="has backbone_numerics 'timm', this one 'google'"):
        to_timm(hybrid())


def test_averages_are_for_timms_model_without_fc_norm():
    how = {"class_token": False, "global_pool": "avg"}
    sizes = {"img_size": 8, "patch_size": 4, "embed_dim": 8, "mlp_ratio": 1, "depth": 1}
    state = to_timm(tiny(pool="gap"))
    timms(**how, **sizes, num_heads=2, num_classes=3, fc_norm=False).load_state_dict(state)
    with pytest.raises(RuntimeError, match="fc_norm"):
        timms(**how, **sizes, num_heads=2, num_classes=3).load_state_dict(state)


def hybrid():
    config = ViTConfig(image_size=32, patch_size=2, hidden_size=8, mlp_dim=8, num_layers=1,
                       num_heads=2, num_classes=3, backbone=(1,), backbone_width=8)  # fmt: skip
    return VisionTransformer(config)


def test_saved_files_are_read_back_whatever_wraps_them(tmp_path):
    model = drawn(tiny())
    save(tmp_path / "m.safetensors", model.state_dict())
    wrapped = {"state_dict": {f"module._orig_mod.{k}": v for k, v in model.state_dict().items()}}
    torch.save(wrapped, tmp_path / "m.pt")
    for name in ("m.safetensors", "m.pt"):
        again = tiny()
        again.load_state_dict(load(tmp_path / name))
        assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters()))
    half = {k: v.bfloat16() for k, v in to_timm(model).items()}
    assert next(from_timm(half, 2).parameters()).dtype == torch.bfloat16
    assert copy.deepcopy(from_timm(half, 2)).training is False
