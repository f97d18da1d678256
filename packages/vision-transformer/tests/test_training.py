"""Recipes, masked patches, few examples: §4.1, B.1."""

import math

import pytest
import torch
from sklearn.linear_model import Ridge

from lessons.vision_transformer import (
    FINE_TUNING,
    RECIPES,
    MaskedPatchPrediction,
    Recipe,
    VisionTransformer,
    ViTConfig,
    few_shot_linear,
    fine_tuning_optimizer,
    pretraining_optimizer,
    rate,
)


def tiny(**changes):
    sizes = {"image_size": 16, "patch_size": 4, "hidden_size": 8, "mlp_dim": 8, "num_layers": 1,
             "num_heads": 2, "num_classes": 3}  # fmt: skip
    return VisionTransformer(ViTConfig(**(sizes | changes)), torch.Generator().manual_seed(0))


def test_rates_rise_linearly_and_fall_to_zero():
    assert [rate(s, 10, 4) for s in (0, 1, 4, 7, 10, 12)] == [0, 0.25, 1, 0.5, 0, 0]
    assert rate(7, 10, 4, "cosine") == pytest.approx(0.5)
    assert rate(5, 10, 4, "cosine") == pytest.approx(0.5 * (1 + math.cos(math.pi / 6)))
    assert rate(0, 10) == 1


def test_table_3_and_4():
    assert RECIPES["JFT-300M", "H/14"] == Recipe(14, 3e-4, "linear", 0.1, 0.0, 4096, 10_000, None)
    assert RECIPES["ImageNet", "any"] == Recipe(300, 3e-3, "cosine", 0.3, 0.1, clip=1.0)
    assert FINE_TUNING["VTAB"] == (2500, (0.01,))
    model = tiny()
    adam, sgd = pretraining_optimizer(model, 1e-3, 0.1), fine_tuning_optimizer(model, 0.03)
    assert adam.defaults["betas"] == (0.9, 0.999)
    assert adam.defaults["weight_decay"] == 0.1
    assert (sgd.defaults["momentum"], sgd.defaults["weight_decay"]) == (0.9, 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rate(0, 10, 10), "warmup must be in 0 … 9"),
        (lambda: rate(0, 10, decay="root"), "decay must be"),
        (lambda: Recipe(1, 1e-3, "root", 0.1, 0.0), "decay must be"),
    ],
)
def test_wrong_schedules_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_half_of_the_embeddings_are_corrupted_in_three_ways():
    task = MaskedPatchPrediction(tiny(image_size=80), generator=torch.Generator().manual_seed(0))
    patches = torch.arange(400.0)[None, :, None].expand(50, 400, 8).clone()
    changed, chosen = task.corrupt(patches, torch.Generator().manual_seed(0))
    assert (chosen.sum(1) == 200).all(), "exactly half of each picture"
    assert torch.equal(changed[~chosen], patches[~chosen])
    got, was = changed[chosen], patches[chosen]
    masked = (got == task.mask_token).all(1)
    same = (got == was).all(1)
    other = ~masked & ~same
    shares = [x.double().mean().item() for x in (masked, same, other)]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.015)
    assert (got[other, 0] % 1 == 0).all(), "another patch's, whole"


def test_targets_are_mean_colours_of_three_bits():
    images = torch.full((1, 3, 16, 16), -1.0)
    images[0, 0] = 1.0  # red 7
    images[0, 1, :, 8:] = 0.01  # green 4 on the right
    images[0, 2, :4, :4] = -0.49  # blue 2 in the first patch
    wanted = MaskedPatchPrediction(tiny()).targets(images)
    assert wanted.shape == (1, 16)
    assert wanted[0, 0] == 7 * 64 + 2
    assert wanted[0, 1] == 7 * 64
    assert wanted[0, 2] == 7 * 64 + 4 * 8
    grid = MaskedPatchPrediction(tiny(), "grid").targets(images)
    assert grid.shape == (1, 16, 16)
    assert (grid[0, 2] == 7 * 64 + 4 * 8).all()
    checker = -torch.ones(1, 3, 16, 16)
    checker[..., ::2] = 1  # each part is one pixel, the patch's mean between
    assert set(MaskedPatchPrediction(tiny(), "grid").targets(checker)[0, 0].tolist()) == {0, 511}
    assert MaskedPatchPrediction(tiny()).targets(checker)[0, 0] == 4 * 73
    grey = MaskedPatchPrediction(tiny(in_channels=1))
    assert grey.predict.out_features == 8
    assert MaskedPatchPrediction(tiny()).predict.out_features == 512


@pytest.mark.parametrize("target", ["mean", "grid", "pixels"])
def test_masked_patches_are_learned(target):
    """Pictures of one colour each: the patches that are left tell it."""
    task = MaskedPatchPrediction(
        tiny(in_channels=1), target, generator=torch.Generator().manual_seed(0)
    )
    optimizer = torch.optim.Adam(task.parameters(), 0.02)
    generator = torch.Generator().manual_seed(1)
    losses = []
    for _ in range(60):
        shade = torch.rand(32, 1, 1, 1, generator=generator) * 2 - 1
        loss = task(shade.expand(32, 1, 16, 16), generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
    assert task.model.head.weight.grad is None, "the head has no part in it"


def test_masked_patches_have_the_positions_of_their_own_grid():
    task = MaskedPatchPrediction(tiny(dynamic_size=True)).eval()
    generator = torch.Generator().manual_seed(0)
    for size in ((32, 8), (16, 24)):  # as many patches as the model's own grid, and more
        seen = []
        hook = task.model.positions.register_forward_hook(lambda _, __, out: seen.append(out))  # noqa: B023
        assert task(torch.randn(2, 3, *size, generator=generator), generator).isfinite()
        hook.remove()
        torch.testing.assert_close(seen[0], task.model.positions((size[0] // 4, size[1] // 4)))
    with pytest.raises(ValueError, match="images must be one or more, got none"):
        task(torch.zeros(0, 3, 16, 16))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"target": "median"}, "target must be"),
        ({"corruption": 1.0}, r"corruption must be in \(0, 1\)"),
        ({"bits": 0}, "bits must be at least 1"),
        ({"low": 1.0}, "low < high"),
    ],
)
def test_wrong_masked_tasks_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        MaskedPatchPrediction(tiny(), **kwargs)
    with pytest.raises(ValueError, match="without a backbone"):
        MaskedPatchPrediction(tiny(image_size=32, patch_size=2, backbone=(1,), backbone_width=8))
    with pytest.raises(ValueError, match="divisible by 4, got"):
        MaskedPatchPrediction(tiny(patch_size=2), "grid")


def test_few_shot_is_ridge_regression_onto_plus_and_minus_one():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(30, 6, generator=generator).double()
    labels = torch.arange(30) % 4
    weight, bias = few_shot_linear(features, labels, 4, ridge=0.3)
    targets = torch.where(torch.arange(4) == labels[:, None], 1.0, -1.0)
    theirs = Ridge(0.3).fit(features.numpy(), targets.numpy())
    torch.testing.assert_close(weight, torch.from_numpy(theirs.coef_))
    torch.testing.assert_close(bias, torch.from_numpy(theirs.intercept_))
    far = torch.eye(4)[labels] * 5 + 0.1 * features[:, :4]
    weight, bias = few_shot_linear(far, labels, 4)
    assert ((far @ weight.T + bias).argmax(1) == labels).all()


BAD = [
    ((torch.zeros(3, 2), torch.tensor([0, 1]), 2), "features must be"),
    ((torch.zeros(2, 2), torch.tensor([0, 2]), 2), "labels must be in 0 … 1"),
    ((torch.zeros(2, 2), torch.tensor([0, 2]), 3), r"there is none of \[1\]"),
    ((torch.full((2, 2), torch.nan), torch.tensor([0, 1]), 2), "features must be finite"),
    ((torch.zeros(2, 2), torch.tensor([0, 1]), 2, 0.0), "ridge must be positive"),
    ((torch.zeros(0, 2), torch.zeros(0, dtype=torch.long), 2), "at least one"),
]


@pytest.mark.parametrize(("args", "message"), BAD)
def test_examples_that_do_not_fit_are_refused(args, message):
    with pytest.raises(ValueError, match=message):
        few_shot_linear(*args)
