"""Rollout, attention distance, similarities, filters: small cases by hand."""

import math

import pytest
import torch

from lessons.vision_transformer import (
    VisionTransformer,
    ViTConfig,
    attention_distance,
    attention_rollout,
    embedding_filters,
    position_similarity,
)


def maps(layers=3, heads=2, length=5, batch=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    draws = torch.randn(layers, batch, heads, length, length, generator=generator).double()
    return list(draws.softmax(-1))


def test_rollout_by_hand():
    look = torch.tensor([[0.5, 0.5], [0.0, 1.0]])[None, None].double()
    back = torch.tensor([[0.0, 1.0], [1.0, 0.0]])[None, None].double()
    # Mixed with the identity: [[.75, .25], [0, 1]], then [[.5, .5], [.5, .5]].
    assert attention_rollout([look, back])[0].tolist() == [[0.375, 0.625]] * 2
    assert attention_rollout([look, back], residual=False)[0].tolist() == [[0, 1], [0.5, 0.5]]


def test_rollout_keeps_rows_that_sum_to_one_and_follows_who_passes_on():
    rolled = attention_rollout(maps())
    torch.testing.assert_close(rolled.sum(-1), torch.ones(2, 5).double())
    eye = torch.eye(5).double().expand(2, 2, 5, 5)
    torch.testing.assert_close(attention_rollout([eye] * 4), eye[:, 0])
    # Token 0 looks at 1 only, and 1 looked at 2 only: what 0 has at the end comes from 2.
    first, second = torch.eye(3).double(), torch.eye(3).double()
    first[1], second[0] = torch.tensor([0.0, 0, 1]), torch.tensor([0.0, 1, 0])
    pair = [m.expand(1, 1, 3, 3) for m in (first, second)]
    assert attention_rollout(pair, residual=False)[0, 0].tolist() == [0, 0, 1]


def test_attention_distance_of_heads_that_look_at_one_thing():
    grid, n = (2, 3), 6
    itself = torch.eye(1 + n)
    even = torch.full((1 + n, 1 + n), 1 / (1 + n))
    corner = torch.zeros(1 + n, 1 + n)
    corner[:, 1] = 1  # the patch above on the left
    heads = torch.stack([itself, even, corner])[None].double()
    (found,) = attention_distance([heads], grid, 4).tolist()
    places = [(4 * r, 4 * c) for r in range(2) for c in range(3)]
    away = [[math.dist(a, b) for b in places] for a in places]
    expected = [0, sum(map(sum, away)) / n**2, sum(away[0]) / n]
    assert found == pytest.approx(expected)
    (wide,) = attention_distance([heads], grid, (4, 8)).tolist()
    assert wide[2] > found[2], "pixels of wider patches"


def test_the_class_token_is_left_out_of_the_distance():
    grid = (2, 2)
    heads = maps(1, 2, 5)
    more = heads[0].clone()
    more[..., 0] *= 9  # all look at the class token more: the others' shares stay
    torch.testing.assert_close(
        attention_distance([more], grid, 4), attention_distance(heads, grid, 4)
    )


def test_similarity_is_the_cosine_of_two_patches():
    table = torch.randn(1, 7, 8, generator=torch.Generator().manual_seed(0))
    tiles = position_similarity(table, (2, 3))
    assert tiles.shape == (2, 3, 2, 3)
    expected = torch.cosine_similarity(table[0, 1 + 4], table[0, 1 + 2], dim=0)
    torch.testing.assert_close(tiles[1, 1, 0, 2], expected)
    torch.testing.assert_close(tiles[1, 2, 1, 2], torch.tensor(1.0))


def test_the_first_filters_span_what_the_patches_are_projected_on():
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(12, 2, generator=generator)).Q.T
    weight = torch.randn(50, 2, generator=generator) * torch.tensor([3.0, 1.0]) @ basis
    filters = embedding_filters(weight.view(50, 3, 2, 2), 2)
    flat = filters.flatten(1)
    torch.testing.assert_close(flat @ flat.T, torch.eye(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(flat @ basis.T @ basis, flat, atol=1e-5, rtol=0)
    assert (flat @ basis.T)[0].abs()[0] > 0.9, "the stronger one first"
    assert (flat.gather(1, flat.abs().argmax(1, keepdim=True)) > 0).all()


def test_maps_of_a_model_go_through():
    config = ViTConfig(image_size=(8, 12), patch_size=4, hidden_size=8, mlp_dim=8, num_layers=2,
                       num_heads=2)  # fmt: skip
    model = VisionTransformer(config, torch.Generator().manual_seed(0))
    found = model.attention_maps(torch.randn(3, 3, 8, 12))
    assert attention_rollout(found).shape == (3, 7, 7)
    distances = attention_distance(found, config.grid, 4)
    assert distances.shape == (2, 2)
    assert (distances > 0).all()


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="maps must be one or more"):
        attention_rollout([])
    with pytest.raises(ValueError, match="maps must be one or more"):
        attention_rollout([torch.zeros(1, 2, 5, 5), torch.zeros(1, 2, 4, 4)])
    with pytest.raises(ValueError, match=r"grid \(2, 3\) has 6 patches, the maps have 4"):
        attention_distance(maps(), (2, 3), 4)
    with pytest.raises(ValueError, match=r"grid \(2, 2\) has 4 patches, table 6"):
        position_similarity(torch.zeros(1, 7, 8), (2, 2))
    with pytest.raises(ValueError, match="count must be 1 to 4, got 5"):
        embedding_filters(torch.zeros(9, 1, 2, 2), 5)
