"""Weights, losses, deformations, scores, made-up cells and training (§3, §3.1, §4); bad input."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lessons.u_net import (
    Augmentation,
    Match,
    Tiles,
    UNet,
    UNetConfig,
    boundary_iou,
    components,
    dice,
    dice_loss,
    elastic_deform,
    fit,
    generate,
    gray_jitter,
    iou,
    make_optimizer,
    match_cells,
    nuclei,
    pixel_error,
    rand_error,
    random_rot90_flip,
    separate,
    weight_map,
    weighted_cross_entropy,
)
from lessons.u_net.augment import displacements, warp


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def labels(*rows):
    """Cells from a drawing: a digit is a cell, a point background."""
    return torch.tensor([[0 if c == "." else int(c) for c in row] for row in rows])


TOUCHING = labels("111222", "111222", "......", "333...")


# The line between cells (Fig. 3c)


def test_touching_cells_get_a_line_of_background_and_others_stay_as_they_are():
    assert separate(TOUCHING).tolist() == labels("11..22", "11..22", "......", "333...").tolist()
    assert separate(labels("12", "21")).sum() == 0
    assert separate(labels("1.", ".2")).sum() == 0  # they touch at a corner


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from([0, 1, 2, 3]), st.booleans())
def test_the_line_turns_with_the_image(seed, turns, flip):
    cells = torch.randint(0, 3, (2, 6, 5), generator=rng(seed))

    def turned(m):
        m = torch.rot90(m, turns, (-2, -1))
        return m.flip(-1) if flip else m

    assert torch.equal(separate(turned(cells)), turned(separate(cells)))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_pieces_of_separated_cells_belong_to_one_cell(seed):
    cells = separate(torch.randint(0, 4, (9, 9), generator=rng(seed)))
    pieces = components(cells > 0)
    for piece in range(1, int(pieces.max()) + 1):
        assert len(cells[pieces == piece].unique()) == 1


# The map of weights (eq. 2)


def test_weights_are_those_of_equation_2():
    cells = labels("1..2", "....", "....", "....")
    weight = weight_map(cells, w0=10, sigma=2, class_balance=False)
    for (y, x), first, second in (((0, 1), 1, 2), ((2, 2), 5**0.5, 8**0.5), ((1, 0), 1, 10**0.5)):
        expected = 1 + 10 * math.exp(-((first + second) ** 2) / (2 * 2**2))
        assert weight[y, x].item() == pytest.approx(expected, rel=1e-6)
    assert weight[0, 0] == weight[0, 3] == 1  # cells have no border term


def test_the_class_balance_gives_both_classes_the_same_total_over_the_whole_set():
    cells = torch.stack((TOUCHING, torch.zeros_like(TOUCHING)))
    weight = weight_map(cells, w0=0)
    assert weight[cells > 0].sum() == pytest.approx(weight[cells == 0].sum())
    assert weight.mean() == pytest.approx(1)
    assert len(weight.unique()) == 2  # not another balance in each image


def test_a_line_between_cells_weighs_more_the_nearer_they_are():
    lines = []
    for gap in (1, 3, 7):
        cells = torch.zeros(9, 20, dtype=torch.long)
        cells[:, :5], cells[:, 5 + gap : 10 + gap] = 1, 2
        lines.append(weight_map(cells, 10, 3, class_balance=False)[4, 5 + gap // 2].item())
    assert lines[0] > lines[1] > lines[2] > 1
    assert lines[0] == pytest.approx(1 + 10 * math.exp(-4 / 18))


def test_one_cell_alone_gives_no_border():
    cells = labels("2..", "...")
    assert torch.equal(weight_map(cells, class_balance=False), torch.ones(2, 3))


@pytest.mark.parametrize("cells", [torch.zeros(1, 8, 8).long(), torch.full((2, 8, 8), 3)])
def test_the_balance_of_one_class_is_one(cells):
    assert torch.equal(weight_map(cells, w0=0), torch.ones(cells.shape))


@pytest.mark.parametrize("cells", [TOUCHING > 0, (TOUCHING > 0).long()])
def test_a_mask_instead_of_numbers_is_warned_of(cells):
    with pytest.warns(UserWarning, match="needs instance labels"):
        weight_map(cells)


# The loss (eq. 1)


def test_the_loss_is_minus_the_weighted_sum_of_log_probabilities():
    scores = torch.randn(2, 3, 4, 5, generator=rng(), dtype=torch.float64)
    target = torch.randint(0, 3, (2, 4, 5), generator=rng(1))
    weight = torch.rand(2, 4, 5, generator=rng(2), dtype=torch.float64)
    expected = 0.0
    for n, y, x in np.ndindex(2, 4, 5):
        exponentials = [math.exp(s) for s in scores[n, :, y, x]]
        p = exponentials[int(target[n, y, x])] / sum(exponentials)
        expected -= weight[n, y, x].item() * math.log(p)
    total = weighted_cross_entropy(scores, target, weight)
    assert total.item() == pytest.approx(expected, rel=1e-12)
    mean = weighted_cross_entropy(scores, target, weight, "mean")
    assert mean.item() == pytest.approx(expected / weight.sum().item(), rel=1e-12)
    each = weighted_cross_entropy(scores, target, weight, "none")
    assert each.shape == target.shape
    assert each.sum().item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("balanced", "w0", "needed"), [(False, 0, 0.5), (True, 0, 0.8), (True, 10, 0.272)]
)
def test_weights_decide_how_certain_a_border_has_to_be(balanced, w0, needed):
    """The README's numbers: a fifth of the image is cells; a border pixel at distances 1 and 2."""
    cell, border = (0.5 / 0.2, 0.5 / 0.8) if balanced else (1, 1)
    border += w0 * math.exp(-((1 + 2) ** 2) / (2 * 3**2))
    assert w0 == 0 or border == pytest.approx(6.69, abs=0.005)
    for share in (needed - 0.01, needed + 0.01):  # of such pixels that are background
        weight = torch.tensor([[[share * border, (1 - share) * cell]]], dtype=torch.float64)
        score = torch.zeros((), dtype=torch.float64, requires_grad=True)  # the same for both
        scores = torch.stack((-score, score)).view(1, 2, 1, 1).expand(1, 2, 1, 2)
        weighted_cross_entropy(scores, torch.tensor([[[0, 1]]]), weight).backward()
        assert (score.grad > 0) == (share > needed)  # down, to background, is the way


def test_weight_two_is_the_pixel_twice():
    scores = torch.randn(1, 2, 1, 2, generator=rng(), dtype=torch.float64)
    target, weight = torch.tensor([[[0, 1]]]), torch.tensor([[[2.0, 1.0]]], dtype=torch.float64)
    thrice = weighted_cross_entropy(scores[..., [0, 0, 1]], target[..., [0, 0, 1]])
    assert weighted_cross_entropy(scores, target, weight).item() == pytest.approx(thrice.item())


def test_losses_have_the_gradients_of_finite_differences():
    scores = torch.randn(1, 2, 2, 3, generator=rng(), dtype=torch.float64, requires_grad=True)
    target = torch.tensor([[[0, 1, 1], [1, 0, 0]]])
    weight = torch.rand(1, 2, 3, generator=rng(), dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda s: weighted_cross_entropy(s, target, weight), (scores,))
    assert torch.autograd.gradcheck(lambda s: dice_loss(s, target), (scores,))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_losses_of_half_precision_are_those_of_single(dtype):
    scores = torch.randn(1, 2, 512, 512, generator=rng()).to(dtype)
    target = torch.zeros(1, 512, 512, dtype=torch.long)
    weight = torch.ones(1, 512, 512, dtype=dtype)
    for loss in (
        dice_loss, weighted_cross_entropy, lambda s, t: weighted_cross_entropy(s, t, weight, "mean")
    ):  # fmt: skip
        exact = loss(scores.double(), target).item()
        assert loss(scores, target).item() == pytest.approx(exact, rel=1e-4)
        with torch.autocast("cpu", torch.bfloat16):
            assert loss(scores, target).item() == pytest.approx(exact, rel=1e-4)


def test_weights_of_nothing_are_a_loss_of_nothing():
    scores = torch.randn(1, 2, 2, 3, generator=rng(), requires_grad=True)
    target = torch.zeros(1, 2, 3, dtype=torch.long)
    loss = weighted_cross_entropy(scores, target, torch.zeros(1, 2, 3), "mean")
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(scores.grad, torch.zeros_like(scores))


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int16, torch.int32, torch.int64])
def test_classes_may_be_any_integers(dtype):
    scores = torch.randn(1, 2, 2, 3, generator=rng())
    target = torch.tensor([[[0, 1, 1], [1, 0, 0]]])
    for loss in (weighted_cross_entropy, dice_loss):
        assert loss(scores, target.to(dtype)) == loss(scores, target)


def test_dice_loss_is_near_zero_for_the_truth_and_near_one_for_its_opposite():
    target = torch.tensor([[[0, 1, 1], [1, 0, 0]]])
    truth = 50 * torch.stack((1.0 - 2 * target, 2.0 * target - 1), 1)
    assert dice_loss(truth, target) < 1e-6
    assert dice_loss(-truth, target, smooth=1e-6) > 1 - 1e-6


# Deformations (§3.1)


def test_displacements_have_the_papers_deviation_at_the_points_of_the_grid():
    fields = torch.stack([displacements((41, 61), 3, 10.0, rng(s)) for s in range(400)])
    nodes = fields[:, :, ::20, ::30]
    assert nodes.std().item() == pytest.approx(10, rel=0.05)
    assert abs(nodes.mean().item()) < 0.7
    # Between the points a field is smooth: neighbours hardly differ.
    assert fields.diff(dim=-1).abs().max() < 5


def test_without_displacement_nothing_changes_and_whole_pixels_move_whole_pixels():
    image, cells = torch.rand(2, 7, 9, generator=rng()), torch.arange(63).view(7, 9)
    same = elastic_deform(image, cells, image[0], sigma=0.0)
    assert torch.allclose(same[0], image, atol=1e-5)
    assert torch.equal(same[1], cells)
    field = torch.zeros(2, 7, 9)
    field[0], field[1] = 2, -1
    moved = warp(image, field)
    assert torch.allclose(moved[:, :5, 1:], image[:, 2:, :-1], atol=1e-5)
    assert torch.allclose(moved[:, 5:, 1:], image[:, [5, 4], :-1], atol=1e-5)  # mirrored below


def test_image_labels_and_weights_are_deformed_alike():
    cells = torch.zeros(40, 50, dtype=torch.long)
    cells[10:30, 15:40] = 7
    image = (cells > 0).float()[None]
    deformed, moved, weight = elastic_deform(image, cells, image[0], sigma=4.0, generator=rng(3))
    assert set(moved.unique().tolist()) == {0, 7}
    assert not torch.equal(moved, cells)
    assert ((deformed[0] > 0.5) != (moved > 0)).float().mean() < 0.01  # ties on the rim
    assert torch.equal(deformed[0], weight)


def test_the_same_generator_deforms_the_same():
    image, cells = torch.rand(1, 20, 20, generator=rng()), torch.zeros(20, 20, dtype=torch.long)
    a, b, c = (elastic_deform(image, cells, image[0], generator=rng(s))[0] for s in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_turning_gives_all_eight_ways_and_keeps_the_maps_together():
    cells = torch.tensor([[1, 2], [3, 4]])
    seen, generator = set(), rng()
    for _ in range(200):
        a, b = random_rot90_flip(cells, 10 * cells[None], generator=generator)
        assert torch.equal(10 * a, b[0])
        seen.add(tuple(a.flatten().tolist()))
    assert len(seen) == 8


def test_gray_values_change_by_a_straight_line():
    image = torch.linspace(0, 1, 5)
    steps = gray_jitter(image, 0.2, 0.3, rng()).diff()
    assert torch.allclose(steps, steps[0].expand(4), atol=1e-6)
    assert not torch.allclose(steps[0], torch.tensor(0.25), atol=1e-3)


# Scores


def test_iou_and_dice_of_small_masks():
    a, b = torch.tensor([1, 1, 1, 0]).bool(), torch.tensor([0, 1, 1, 1]).bool()
    assert (iou(a, b), dice(a, b)) == (0.5, pytest.approx(4 / 6))
    none = torch.zeros(4).bool()
    assert (iou(none, none), dice(none, none), iou(a, none)) == (1, 1, 0)


def test_the_boundary_iou_leaves_out_the_inside():
    true = torch.zeros(40, 40).bool()
    true[5:35, 5:35] = True
    shifted = torch.roll(true, 2, 0)
    assert boundary_iou(true, true) == 1
    assert iou(shifted, true) > 0.85 > 0.6 > boundary_iou(shifted, true)
    hollow = true.clone()
    hollow[8:32, 8:32] = False
    assert boundary_iou(hollow, true, 3) > 0.99  # its rim is 3 pixels wide on all sides


def test_components_hang_together_by_sides_not_by_corners():
    mask = labels("11.1", "1..1", ".1.1", "1111") > 0
    assert components(mask).max() == 2
    assert components(torch.zeros(3, 3).bool()).max() == 0
    assert components(torch.ones(3, 3).bool()).unique().tolist() == [1]


def test_a_merged_a_split_a_missed_and_a_found_cell():
    cells = labels("11.22", "11.22", ".....", "33.44", "33.44")
    found = match_cells(labels("11111", "11111", ".....", "2..33", "2..33"), cells)
    assert found == Match(cells=4, objects=3, found=1, merged=1, split=0)
    assert match_cells(labels("11.33", ".....", ".....", ".....", "22..."), cells).found == 0
    torn = match_cells(labels("1..22", "3..22", ".....", ".....", "....."), cells)
    assert (torn.split, torn.merged, torn.found) == (1, 0, 1)
    right = match_cells(cells > 0, cells)
    assert (right.share, right.f1, right.merged, right.split) == (1, 1, 0, 0)
    assert found + right == Match(8, 7, 5, 1, 0)
    assert match_cells(cells * 0, cells * 0).share == 1


def test_the_rand_error_counts_pairs_of_pixels():
    cells = labels("112", "1.2", "332")
    mask = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 1, 0]])
    objects = components(mask > 0)
    places = [p for p in np.ndindex(3, 3) if cells[p] > 0]
    both = found = true = 0
    for p in places:
        for q in places:
            same = p == q or (objects[p] == objects[q] and objects[p] > 0)
            both += bool(same and cells[p] == cells[q])
            found += bool(same)
            true += bool(cells[p] == cells[q])
    error = rand_error(0.5 * mask.float(), cells)  # above .5 nothing is foreground
    assert error == pytest.approx(1 - 2 * both / (found + true))
    apart = labels("1.2", "1.2")
    assert rand_error((apart > 0).float(), apart) == 0


def test_errors_are_those_of_the_best_of_ten_thresholds():
    truth = labels("11..") > 0
    assert pixel_error(torch.tensor([[0.35, 0.33, 0.25, 0.05]]), truth) == 0
    assert pixel_error(torch.tensor([[0.35, 0.15, 0.25, 0.05]]), truth) == 0.25


# Images


def test_made_up_cells_touch_and_are_told_apart_by_the_line():
    images, cells = generate(40, 0)
    counts = [len(c.unique()) - 1 for c in cells]
    assert images.shape == cells.shape == (40, 128, 128)
    assert 13 < np.mean(counts) < 17
    assert 0.17 < (cells > 0).float().mean() < 0.25
    touching = [int(components(c > 0).max()) for c in cells]
    assert np.mean(touching) < 0.65 * np.mean(counts)
    assert [int(components(c > 0).max()) for c in separate(cells)] == counts


def test_made_up_cells_come_from_their_seed():
    (a, ca), (b, cb), (c, _) = generate(2, 5), generate(2, 5), generate(2, 6)
    assert torch.equal(a, b)
    assert torch.equal(ca, cb)
    assert not torch.equal(a, c)


def test_the_image_of_nuclei_is_checked(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(OSError, match=r"no img2d.tif in .*pip download --no-deps stardist"):
        nuclei(tmp_path)
    (tmp_path / "img2d.tif").write_bytes(b"another")
    with pytest.raises(ValueError, match="is not the image meant, whose SHA-256 is f9ccc157"):
        nuclei(tmp_path)


def have_nuclei():
    try:
        nuclei()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not have_nuclei(), reason="needs the two files of the real image")
def test_the_image_of_nuclei_has_125_nuclei():
    image, cells = nuclei()
    assert image.shape == cells.shape == (512, 512)
    assert (len(cells.unique()) - 1, image.max().item()) == (125, 1)
    assert image[cells > 0].mean() > 2 * image[cells == 0].mean()


# Training (§3)


def test_a_tile_has_its_context_its_classes_and_its_weights():
    images, cells = generate(2, 0)
    plain = Augmentation(elastic=0, turn=False, sigma=3)
    tiles = Tiles(images[:, None], cells, border=20, size=64, augmentation=plain, generator=rng())
    whole = {tuple(m.flatten().tolist()) for c in cells for m in [(separate(c) > 0).long()]}
    image, target, weight = tiles.draw()
    assert (image.shape, target.shape, weight.shape) == (
        (1, 1, 104, 104),
        (1, 64, 64),
        (1, 64, 64),
    )
    # The tile's middle is a piece of one of the images, and the classes are that piece's.
    found = [
        (i, y, x)
        for i in range(2)
        for y in range(65)
        for x in range(65)
        if images[i, y, x] == image[0, 0, 20, 20]
    ]
    (i, y, x) = found[0]
    assert torch.equal(images[i, y : y + 64, x : x + 64], image[0, 0, 20:84, 20:84])
    inner = (separate(cells[i]) > 0)[y + 1 : y + 63, x + 1 : x + 63]
    assert torch.equal(inner.long(), target[0, 1:63, 1:63])
    assert torch.equal(weight[0], tiles.weights[i, y : y + 64, x : x + 64])
    assert len(whole) == 2


def test_training_on_one_tile_learns_it_and_ends_in_evaluation():
    images, cells = generate(1, 0, size=64)
    model = UNet(UNetConfig(channels=(4, 8), dropout=0.0), rng())
    how = Augmentation(elastic=0, turn=False, w0=0)
    tiles = Tiles(images[:, None], cells, model.config.border, 64, how, rng())
    losses = fit(model, tiles, torch.optim.Adam(model.parameters(), 1e-2), 60)
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])
    assert not model.training
    again = UNet(UNetConfig(channels=(4, 8), dropout=0.0), rng())
    tiles = Tiles(images[:, None], cells, model.config.border, 64, how, rng())
    optimizer = torch.optim.Adam(again.parameters(), 1e-2)
    assert fit(again, tiles, optimizer, 60) == losses
    assert optimizer.param_groups[0]["lr"] == 1e-2


def test_the_optimizer_is_the_papers():
    group = make_optimizer(UNet(UNetConfig(channels=(1, 1))), 1e-3).param_groups[0]
    assert (group["lr"], group["momentum"], group["nesterov"]) == (1e-3, 0.99, False)


# Bad input

SCORES = torch.zeros(1, 2, 4, 4)
TARGET = torch.zeros(1, 4, 4, dtype=torch.long)
CELLS = torch.zeros(1, 64, 64, dtype=torch.long)


@pytest.mark.parametrize(
    ("error", "make", "says"),
    [
        (ValueError, lambda: weighted_cross_entropy(SCORES, torch.zeros(1, 188, 188).long()),
         r"shape \(1, 4, 4\), as the scores have, got \(1, 188, 188\): 92 and 92 too many"),
        (ValueError, lambda: weighted_cross_entropy(SCORES, TARGET + 2), "from 0 to 1, got 2 to 2"),
        (TypeError, lambda: weighted_cross_entropy(SCORES, TARGET.float()), "target must be integ"),
        (ValueError, lambda: weighted_cross_entropy(SCORES, TARGET, SCORES), "weight must have sh"),
        (ValueError, lambda: weighted_cross_entropy(SCORES, TARGET, reduction="max"), "got 'max'"),
        (ValueError, lambda: dice_loss(SCORES, TARGET - 1), "from 0 to 1, got -1 to -1"),
        (TypeError, lambda: separate(torch.zeros(3, 3)), "cells must be integers, .*float32"),
        (ValueError, lambda: separate(TARGET[None]), r"\(H, W\) or \(N, H, W\), got \(1, 1, 4"),
        (ValueError, lambda: weight_map(TARGET, w0=-1), "w0 must be at least 0 .* got -1 and 5.0"),
        (ValueError, lambda: weight_map(TARGET, sigma=0), "sigma above 0, got 10.0 and 0"),
        (TypeError, lambda: elastic_deform(SCORES[0], SCORES[0, 0], SCORES[0, 0]), "labels must"),
        (ValueError, lambda: elastic_deform(SCORES[0], CELLS[0], SCORES[0, 0]),
         r"labels must have shape \(4, 4\), as the image has"),
        (ValueError, lambda: displacements((9, 9), 1), "grid must be 2 or more .* got 1"),
        (ValueError, lambda: match_cells(TARGET[0], CELLS[0]), r"shape \(64, 64\), .* \(4, 4\)"),
        (ValueError, lambda: Augmentation(elastic=-1), "elastic and w0 must be at least 0"),
        (ValueError, lambda: Tiles(CELLS.float(), CELLS, 20, 64, Augmentation()), "images must"),
        (ValueError, lambda: Tiles(CELLS[None].float(), CELLS, 20, 65, Augmentation()),
         r"65 pixels a side, .* got \(64, 64\)"),
        (ValueError, lambda: Tiles(CELLS[None].float(), CELLS, 64, 64, Augmentation()), "of 64"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:weight_map needs")
def test_bad_arguments_are_named(error, make, says):
    with pytest.raises(error, match=says):
        make()


def test_masks_of_other_numbers_than_0_and_1_are_refused():
    mask = torch.tensor([[0, 255], [255, 0]], dtype=torch.uint8)
    for measure in (iou, dice):
        assert measure(mask // 255, mask > 0) == 1
        with pytest.raises(ValueError, match="true must be a mask of True and False, or 1 and 0"):
            measure(mask > 0, mask)
