"""Position embeddings: what they tell, and how they move to another grid."""

import dataclasses

import numpy as np
import pytest
import scipy.ndimage
import torch
import torch.nn.functional as F

from lessons.vision_transformer import (
    PositionEmbedding,
    VisionTransformer,
    ViTConfig,
    interpolate_positions,
    resized,
    sincos_2d,
)


def table(grid, width=6, prefix=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, prefix + grid[0] * grid[1], width, generator=generator)


@pytest.mark.parametrize("new", [(5, 5), (2, 2), (3, 7), (1, 4)])
def test_corners_is_the_released_codes_zoom(new):
    old = table((3, 3))
    grid = old[0, 1:].reshape(3, 3, 6).numpy()
    zoomed = scipy.ndimage.zoom(grid, (new[0] / 3, new[1] / 3, 1), order=1)
    assert zoomed.shape == (*new, 6)
    got = interpolate_positions(old, (3, 3), new)
    np.testing.assert_allclose(got[0, 1:].reshape(*new, 6).numpy(), zoomed, atol=1e-5)
    assert torch.equal(got[:, 0], old[:, 0]), "the class token's stays"


def test_every_second_patch_keeps_its_vector_with_corners_only():
    """From 4 to 7 rows: "corners" puts one between each two; areas of 4/7 lie elsewhere."""
    old = table((4, 4))
    for mode, same in (("corners", True), ("bilinear", False), ("bicubic", False)):
        new = interpolate_positions(old, None, (7, 7), mode)[0, 1:].reshape(7, 7, 6)
        kept = new[::2, ::2].flatten(0, 1)
        assert torch.allclose(kept, old[0, 1:], atol=1e-6) == same, mode


def test_bicubic_with_antialiasing_is_another_filter_even_when_enlarging():
    old = table((14, 14))
    with_it = interpolate_positions(old, None, (24, 24), "bicubic", antialias=True)
    without = interpolate_positions(old, None, (24, 24), "bicubic")
    assert 0.05 < (with_it - without).abs().max() < 1
    linear = [interpolate_positions(old, None, (24, 24), "bilinear", a) for a in (True, False)]
    torch.testing.assert_close(*linear)


def test_a_plane_stays_a_plane():
    """Vectors that grow evenly with the row and the column: values between are between."""
    rows, columns = torch.meshgrid(torch.arange(4.0), torch.arange(4.0), indexing="ij")
    cells = torch.stack([rows, columns], -1).reshape(1, 16, 2)
    new = interpolate_positions(cells, (4, 4), (7, 7), prefix=0).reshape(7, 7, 2)
    torch.testing.assert_close(new[:, 3, 0], torch.arange(7.0) / 2)
    torch.testing.assert_close(new[2, :, 1], torch.arange(7.0) / 2)


def test_2d_embeddings_share_rows_and_columns():
    embedding = PositionEmbedding("2d", (3, 4), 8)
    embedding.reset_parameters(torch.Generator().manual_seed(0))
    cells = embedding()[0, 1:].reshape(3, 4, 8)
    assert torch.equal(cells[:, 0, :4], embedding.rows)
    assert torch.equal(cells[1, :, 4:], embedding.columns)
    assert torch.equal(cells[0, 2, :4], cells[0, 3, :4])
    assert not embedding()[0, 0].any(), "the class token is learned itself"
    assert sum(p.numel() for p in embedding.parameters()) == (3 + 4) * 4


def test_sincos_tells_rows_from_columns_and_needs_no_parameters():
    fixed = sincos_2d((3, 4), 8)[0]
    cells = fixed[1:].reshape(3, 4, 8)
    assert torch.equal(cells[0, :, :4], cells[2, :, :4])
    assert torch.equal(cells[:, 0, 4:], cells[:, 3, 4:])
    torch.testing.assert_close(cells[0, 3, 0], torch.tensor(3.0).sin())
    torch.testing.assert_close(cells[2, 0, 7], torch.tensor(0.02).cos())
    assert not fixed[0].any()
    assert not list(PositionEmbedding("sincos", (3, 4), 8).parameters())


@pytest.mark.parametrize("positions", ["1d", "2d", "sincos", "none"])
@pytest.mark.parametrize("place", ["stem", "layers"])
def test_resized_keeps_the_weights_and_moves_positions(positions, place):
    if positions == "none":
        place = "stem"
    config = ViTConfig(
        image_size=8, patch_size=2, hidden_size=8, mlp_dim=8, num_layers=2, num_heads=2,
        num_classes=3, positions=positions, position_place=place,
    )  # fmt: skip
    model = VisionTransformer(config, torch.Generator().manual_seed(0))
    torch.nn.init.normal_(model.head.weight, generator=torch.Generator().manual_seed(1))
    same, wider = resized(model, 8), resized(model, (8, 14), interpolation="bicubic")
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(same(images), model(images))
    assert wider(F.pad(images, (0, 6))).shape == (2, 3)
    assert torch.equal(wider.blocks[1].mlp.fc1.weight, model.blocks[1].mlp.fc1.weight)
    assert wider.blocks[1].mlp.fc1.weight.data_ptr() != model.blocks[1].mlp.fc1.weight.data_ptr()
    if positions == "none":
        return
    old = model.positions or model.layer_positions[1]
    new = wider.positions or wider.layer_positions[1]
    if positions == "1d":
        expected = interpolate_positions(old.table, (4, 4), (4, 7), "bicubic")
    elif positions == "sincos":
        expected = sincos_2d((4, 7), 8)
    else:
        expected = torch.zeros(1, 29, 8)
        stretched = F.interpolate(old.columns.T[None, :, None], (1, 7), mode="bicubic")[0, :, 0].T
        cells = torch.cat([old.rows[:, None].expand(4, 7, 4), stretched[None].expand(4, 7, 4)], -1)
        expected[0, 1:] = cells.flatten(0, 1)
    torch.testing.assert_close(new(), expected)


BAD = [
    ((table((3, 4)), None, (2, 2)), {}, "12 positions are no square"),
    ((table((3, 4)), (3, 3), (2, 2)), {}, r"old_grid \(3, 3\) has 9 cells, table 12"),
    ((table((3, 3)), None, (0, 2)), {}, "new_grid must be at least 1 by 1"),
    ((table((3, 3)), None, (2, 2)), {"mode": "nearest"}, "mode must be"),
    ((table((3, 3)), None, (2, 2)), {"antialias": True}, "antialias needs mode"),
    ((table((3, 3))[0], None, (2, 2)), {}, r"table must have shape \(1, S, D\)"),
]


@pytest.mark.parametrize(("args", "kwargs", "message"), BAD)
def test_positions_that_do_not_fit_are_refused(args, kwargs, message):
    with pytest.raises(ValueError, match=message):
        interpolate_positions(*args, **kwargs)


def test_resized_refuses_relative_positions_and_other_changes():
    config = ViTConfig(image_size=8, patch_size=4, hidden_size=8, mlp_dim=8, num_layers=1,
                       num_heads=2, positions="relative")  # fmt: skip
    with pytest.raises(ValueError, match="relative positions cannot be moved"):
        resized(VisionTransformer(config), 16)
    plain = dataclasses.replace(config, positions="1d")
    with pytest.raises(ValueError, match="changes may be interpolation and antialias"):
        resized(VisionTransformer(plain), 16, num_classes=3)
    with pytest.raises(ValueError, match="not divisible by patches"):
        resized(VisionTransformer(plain), 18)
