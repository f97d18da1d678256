"""What happens to images (§2, §4.1) and to weights (§5)."""

import pytest
import torch
from torch import nn

from lessons.alex_net import (
    AlexSGD,
    PlateauByHand,
    center_crop,
    fit_rgb_pca,
    pca_color_augment,
    predict_ten_crop,
    preprocess,
    random_crop_flip,
    ten_crop,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def photograph_like(count=200, size=8):
    """Images whose colours vary along one line most, as brightness does in photographs."""
    light = torch.rand(count, 1, size, size, generator=generator(1))
    return (light + 0.1 * torch.rand(count, 3, size, size, generator=generator(2))).clamp(0, 1)


# Images


def test_preprocessing_takes_the_central_square_of_the_shorter_side():
    image = torch.zeros(3, 100, 300)
    image[:, :, 100:200] = 1
    assert torch.equal(preprocess(image, 100), torch.ones(3, 100, 100))
    assert preprocess(image.transpose(1, 2), 50)[:, 1:-1].min() == 1  # antialiased at its edges
    mean = torch.full((3, 100, 100), 0.25)
    assert torch.equal(preprocess(image, 100, mean), torch.full((3, 100, 100), 0.75))


def test_random_crops_are_all_of_the_places_and_both_sides():
    x = torch.arange(2 * 5 * 6.0).view(1, 2, 5, 6)
    crops = random_crop_flip(x.expand(400, -1, -1, -1), 4, generator())
    seen = {crop.contiguous().numpy().tobytes() for crop in crops}
    allowed = {
        (crop.flip(-1) if mirrored else crop).contiguous().numpy().tobytes()
        for crop in (x[0, :, i : i + 4, j : j + 4] for i in range(2) for j in range(3))
        for mirrored in (False, True)
    }
    assert seen == allowed


def test_there_are_2178_crops_and_not_2048():
    places = 256 - 224 + 1
    assert 2 * places**2 == 2178
    assert 2 * 32**2 == 2048
    x = torch.arange(256.0)[None, None, None].expand(500, 1, 224, 256)
    corner = random_crop_flip(x, 224, generator())[:, 0, 0, [0, -1]].amin(1)
    assert corner.unique().tolist() == list(range(33))


def test_the_components_of_colour_are_those_of_its_covariance():
    x = photograph_like()
    eigvecs, eigvals = fit_rgb_pca(x)
    pixels = x.transpose(0, 1).flatten(1)
    assert torch.allclose(eigvecs @ eigvals.diag() @ eigvecs.T, torch.cov(pixels), atol=1e-5)
    assert torch.allclose(eigvecs.T @ eigvecs, torch.eye(3), atol=1e-5)
    assert eigvals.tolist() == sorted(eigvals.tolist(), reverse=True)
    assert eigvecs[:, 0].abs().min() > 0.5  # brightness: all three colours together


@pytest.mark.parametrize(("magnitude", "power"), [("eigenvalue", 1.0), ("std", 0.5)])
def test_an_image_gets_one_colour_along_the_components(magnitude, power):
    x = photograph_like(20_000, 2)
    eigvecs, eigvals = fit_rgb_pca(x)
    y = pca_color_augment(x, eigvecs, eigvals, 0.1, generator(), magnitude)
    added = y - x
    assert torch.allclose(added, added[:, :, :1, :1].expand_as(added), atol=1e-6)
    along = added[:, :, 0, 0] @ eigvecs
    assert torch.allclose(along.std(0), 0.1 * eigvals**power, rtol=0.03)
    assert along.mean(0).abs().max() < 0.01 * eigvals[0] ** power


def test_the_papers_colours_depend_on_the_unit_and_standard_deviations_do_not():
    x = photograph_like()
    sizes = {}
    for magnitude in ("eigenvalue", "std"):
        for unit in (1, 255):
            y = pca_color_augment(x * unit, *fit_rgb_pca(x * unit), 0.1, generator(), magnitude)
            sizes[magnitude, unit] = ((y / unit) - x).std()
    assert torch.allclose(sizes["std", 1], sizes["std", 255], rtol=1e-3)
    assert torch.allclose(255 * sizes["eigenvalue", 1], sizes["eigenvalue", 255], rtol=1e-3)


def test_the_same_generator_gives_the_same_images():
    x = photograph_like(8)
    pca = fit_rgb_pca(x)
    for change in (
        lambda g: random_crop_flip(x, 5, g),
        lambda g: pca_color_augment(x, *pca, generator=g),
    ):
        assert torch.equal(change(generator(3)), change(generator(3)))
        assert not torch.equal(change(generator(3)), change(generator(4)))


def test_ten_crops_are_the_corners_the_centre_and_their_mirror_images():
    x = torch.arange(36.0).view(1, 1, 6, 6)
    crops = ten_crop(x, 4)
    assert [crop[0, 0, 0, 0].item() for crop in crops[:5]] == [0, 2, 12, 14, 7]
    assert torch.equal(crops[5:], crops[:5].flip(-1))
    assert torch.equal(crops[4], center_crop(x, 4))


def test_ten_crops_average_probabilities_and_not_logits():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    x = 5 * torch.randn(2, 1, 6, 6, generator=generator())
    logits = torch.stack([model(crop) for crop in ten_crop(x, 4)])
    found = predict_ten_crop(model, x, 4)
    assert torch.allclose(found, logits.softmax(-1).mean(0))
    assert not torch.allclose(found, logits.mean(0).softmax(-1), atol=1e-2)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: preprocess(torch.zeros(1, 3, 5, 5)), r"image must have shape \(C, H, W\), got"),
        (
            lambda: preprocess(torch.zeros(3, 9, 9), 8, torch.zeros(3, 9, 9)),
            r"mean must have shape \(3, 8, 8\), got \(3, 9, 9\)",
        ),
        (lambda: ten_crop(torch.zeros(1, 3, 100, 300)), r"\(224\) must fit .*, 100 by 300"),
        (lambda: random_crop_flip(torch.zeros(1, 3, 9, 9), 10), r"\(10\) must fit .*, 9 by 9"),
        (lambda: center_crop(torch.zeros(1, 3, 9, 9), 0), r"\(0\) must fit .*, 9 by 9"),
        (lambda: fit_rgb_pca(torch.zeros(2, 1, 9, 9)), r"x must have shape \(N, 3, H, W\), got"),
        (
            lambda: pca_color_augment(torch.zeros(2, 3, 9, 9), torch.eye(3), torch.zeros(3, 1)),
            r"eigvals must have shape \(3,\), got \(3, 1\)",
        ),
        (
            lambda: pca_color_augment(torch.zeros(2, 3, 9, 9), torch.eye(4), torch.zeros(3)),
            r"eigvecs must have shape \(3, 3\), got \(4, 4\)",
        ),
        (
            lambda: pca_color_augment(
                torch.zeros(2, 3, 9, 9), torch.eye(3), torch.zeros(3), magnitude="variance"
            ),
            "magnitude must be eigenvalue or std, got 'variance'",
        ),
    ],
)
def test_bad_images_are_named(make, says):
    with pytest.raises(ValueError, match=says):
        make()


# Weights


def test_a_step_is_the_papers_two_lines():
    w = nn.Parameter(torch.tensor([2.0, -1.0], dtype=torch.float64))
    optimizer, v = AlexSGD([w], lr=0.01), torch.zeros(2, dtype=torch.float64)
    expected = w.detach().clone()
    for g in ([1.0, 3.0], [0.5, -2.0], [0.0, 0.0]):
        g = torch.tensor(g, dtype=torch.float64)
        w.grad = g.clone()
        optimizer.step()
        v = 0.9 * v - 0.0005 * 0.01 * expected - 0.01 * g
        expected = expected + v
        assert torch.allclose(w, expected, rtol=1e-14)


def test_weight_decay_alone_shrinks_weights_to_nothing():
    w = nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimizer = AlexSGD([w], lr=1.0, weight_decay=0.01)
    for _ in range(2000):
        w.grad = torch.zeros(1, dtype=torch.float64)
        optimizer.step()
    assert w.abs() < 1e-6


def test_the_rate_falls_three_times_and_then_training_is_over():
    optimizer = AlexSGD([nn.Parameter(torch.zeros(1))], lr=0.01)
    plateau = PlateauByHand(optimizer, patience=1)
    rates, errors = [], [5, 4, 4, 4, 3, 3, 3, 3, 3, 3, 3]
    for error in errors:
        going = plateau.step(error)
        rates.append(optimizer.param_groups[0]["lr"])
    powers = [round(rate / 0.01, 8) for rate in rates]
    assert powers == [1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001, 0.001]
    assert not going
    assert plateau.finished
    resumed = PlateauByHand(optimizer)
    resumed.load_state_dict(plateau.state_dict())
    assert resumed.finished


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"lr": -1.0}, "lr must not be negative, got -1.0"),
        ({"weight_decay": -1.0}, "weight_decay must not be negative"),
        ({"momentum": 1.0}, r"momentum must be in \[0, 1\), got 1.0"),
    ],
)
def test_bad_options_are_named(options, says):
    with pytest.raises(ValueError, match=says):
        AlexSGD([nn.Parameter(torch.zeros(1))], **options)


def test_a_closure_is_evaluated_with_gradients():
    w = nn.Parameter(torch.ones(1))
    optimizer = AlexSGD([w], lr=0.1, weight_decay=0.0)

    def closure():
        optimizer.zero_grad()
        loss = w.square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 1
    assert w.item() == pytest.approx(0.8)
