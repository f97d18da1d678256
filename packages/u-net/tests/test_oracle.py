"""Equality with independent implementations, and checkpoints of three other programs.

No package on the index has the paper's net without padding, so that it is computed again here from
its weights, call by call, in the order of Fig. 1. The two later nets are written down from the
layout of their state dicts, with torch's own modules.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from scipy import ndimage
from torch import nn

from lessons.u_net import (
    UNet,
    UNetConfig,
    boundary_iou,
    components,
    from_brain,
    from_milesial,
    from_release,
    generate,
    load,
    load_brain,
    load_milesial,
    load_release,
    separate,
    to_brain,
    to_milesial,
    to_release,
    weight_map,
)
from lessons.u_net.augment import displacements, warp
from lessons.u_net.cells import blur
from lessons.u_net.weighting import nearest_two
from lessons.u_net.weights import RELEASE, _to

NARROW = (2, 3, 4, 5, 6)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def close(ours, theirs, tolerance=1e-12):
    return (ours - theirs).abs().max() <= tolerance * theirs.abs().max()


def randomized(model, seed=0):
    """Give norms and biases random values, so that a swapped name shows."""
    generator = rng(seed)
    for name, tensor in model.state_dict().items():
        if "running_var" in name or (tensor.ndim == 1 and "norm" in name and "weight" in name):
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif tensor.ndim == 1:
            tensor.normal_(0, 0.2, generator=generator)
    return model


def caffe(weights, x, skip_first, relu):
    """The net of Fig. 1 from arrays with the release's names, one call after the other."""

    def conv(name, x):
        return F.conv2d(x, weights[f"{name}/0"], weights[f"{name}/1"])

    d = {}
    for level in range(5):
        x = conv(f"conv_d{level}a-b", x if level == 0 else F.max_pool2d(x, 2)).relu()
        d[level] = x = conv(f"conv_d{level}b-c", x).relu()
    for level, up in zip((3, 2, 1, 0), ("d4c_u3a", "u3d_u2a", "u2d_u1a", "u1d_u0a")):
        x = F.conv_transpose2d(x, weights[f"upconv_{up}/0"], weights[f"upconv_{up}/1"], stride=2)
        x = x.relu() if relu else x
        cut = (d[level].shape[-1] - x.shape[-1]) // 2
        copied = d[level][..., cut:-cut, cut:-cut]
        x = torch.cat((copied, x) if skip_first else (x, copied), 1)
        x = conv(f"conv_u{level}b-c", x).relu()
        x = conv(f"conv_u{level}c-d", x).relu()
    return conv("conv_u0d-score", x)


@pytest.mark.parametrize("name", ["unet_paper", "unet_release"])
def test_outputs_and_gradients_are_those_of_functional_calls(name):
    model = UNet.from_preset(name, rng(), channels=NARROW, dropout=0.0).double()
    if name == "unet_release":
        model = UNet.from_preset(name, rng(), channels=NARROW, last_up_channels=4, dropout=0.0)
        model = model.double()
    randomized(model)
    x = torch.randn(2, 1, 188, 204, generator=rng(), dtype=torch.float64)
    named = _to(model, RELEASE._replace(form={}))  # the paper's net has no ReLU there
    state = {k: v.clone().requires_grad_() for k, v in named.items()}
    theirs = caffe(state, x, skip_first=False, relu=name == "unet_release")
    assert close(model(x), theirs)
    model(x).square().sum().backward()
    theirs.square().sum().backward()
    first = state["conv_d0a-b/0"].grad
    assert first is not None
    assert close(model.down[0].conv1.weight.grad, first)


def test_the_released_order_of_maps_is_not_ours_and_a_wrong_order_shows():
    model = UNet.from_preset("unet_release", rng(), channels=NARROW, last_up_channels=2).eval()
    x = torch.randn(1, 1, 188, 188, generator=rng())
    with torch.no_grad():
        right = caffe(to_release(model), x, skip_first=False, relu=True)
        wrong = caffe(to_release(model), x, skip_first=True, relu=True)
    assert close(model(x), right, 1e-5)
    assert not close(model(x), wrong, 1e-2)


def test_the_release_has_these_names_and_its_arrays_load():
    model = UNet.from_preset("unet_release", channels=NARROW, last_up_channels=4)
    arrays = {k: v.numpy().copy() for k, v in to_release(randomized(model)).items()}
    levels = [f"conv_d{i}{part}" for i in range(5) for part in ("a-b", "b-c")]
    ups = ["upconv_d4c_u3a", "upconv_u3d_u2a", "upconv_u2d_u1a", "upconv_u1d_u0a"]
    merges = [f"conv_u{i}{part}" for i in range(4) for part in ("b-c", "c-d")]
    layers = {*levels, *ups, *merges, "conv_u0d-score"}
    assert set(arrays) == {f"{layer}/{blob}" for layer in layers for blob in (0, 1)}
    again = UNet.from_preset("unet_release", channels=NARROW, last_up_channels=4)
    load_release(again, arrays)
    made = from_release(arrays)
    assert made.config == model.config
    for net in (again, made):
        pairs = zip(model.parameters(), net.parameters())
        assert all(torch.equal(a, b) for a, b in pairs)


def double(channels, out, middle=None):
    middle = middle or out
    return nn.Sequential(
        nn.Conv2d(channels, middle, 3, padding=1, bias=False), nn.BatchNorm2d(middle), nn.ReLU(),
        nn.Conv2d(middle, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(),
    )  # fmt: skip


class Part(nn.Module):
    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)


class Milesial(nn.Module):
    def __init__(self, bilinear, widths):
        super().__init__()
        a, b, c, d, e = widths
        e = e // 2 if bilinear else e
        self.inc = Part(double_conv=double(3, a))
        for i, (into, out) in enumerate(((a, b), (b, c), (c, d), (d, e)), 1):
            down = nn.Sequential(nn.MaxPool2d(2), Part(double_conv=double(into, out)))
            self.add_module(f"down{i}", Part(maxpool_conv=down))
        below = e
        for i, (skip, over) in enumerate(((d, c), (c, b), (b, a), (a, a)), 1):
            if bilinear:
                up, conv = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), None
                conv = double(skip + below, over, (skip + below) // 2)
                below = over
            else:
                up = nn.ConvTranspose2d(below, skip, 2, 2)
                conv, below = double(2 * skip, skip), skip
            self.add_module(f"up{i}", Part(up=up, conv=Part(double_conv=conv)))
        self.outc = Part(conv=nn.Conv2d(a, 2, 1))

    def forward(self, x):
        maps = [self.inc.double_conv(x)]
        for i in range(1, 5):
            pool, block = getattr(self, f"down{i}").maxpool_conv
            maps.append(block.double_conv(pool(maps[-1])))
        x = maps.pop()
        for i in range(1, 5):
            part = getattr(self, f"up{i}")
            x = part.conv.double_conv(torch.cat([maps.pop(), part.up(x)], 1))
        return self.outc.conv(x)


@pytest.mark.parametrize("bilinear", [False, True])
def test_milesials_state_dict_loads_and_gives_its_outputs(bilinear):
    widths = (4, 8, 12, 16, 32)
    theirs = randomized(Milesial(bilinear, widths)).eval()
    name = "unet_milesial_bilinear" if bilinear else "unet_milesial"
    ours = UNet.from_preset(name, channels=(*widths[:4], 16 if bilinear else 32)).eval()
    load_milesial(ours, theirs.state_dict())
    made = from_milesial(theirs.state_dict())
    assert made.config == ours.config
    x = torch.randn(1, 3, 48, 64, generator=rng())
    with torch.no_grad():
        assert close(ours(x), theirs(x), 1e-5)
        assert torch.equal(made(x), ours(x))
    back = to_milesial(ours)
    assert set(back) == set(theirs.state_dict())
    assert all(torch.equal(back[k], v) for k, v in theirs.state_dict().items())


@pytest.mark.parametrize("bilinear", [False, True])
def test_milesials_full_size_has_as_many_parameters(bilinear):
    with torch.device("meta"):
        theirs = Milesial(bilinear, (64, 128, 256, 512, 1024))
        ours = UNet.from_preset("unet_milesial_bilinear" if bilinear else "unet_milesial")
    assert {k: v.shape for k, v in to_milesial(ours).items()} == {
        k: v.shape for k, v in theirs.state_dict().items()
    }


class Brain(nn.Module):
    def __init__(self, f):
        super().__init__()

        def block(into, out, name):
            return Part(
                **{
                    f"{name}conv1": nn.Conv2d(into, out, 3, padding=1, bias=False),
                    f"{name}norm1": nn.BatchNorm2d(out),
                    f"{name}conv2": nn.Conv2d(out, out, 3, padding=1, bias=False),
                    f"{name}norm2": nn.BatchNorm2d(out),
                }
            )

        for i in range(4):
            into = 3 if i == 0 else f * 2 ** (i - 1)
            self.add_module(f"encoder{i + 1}", block(into, f * 2**i, f"enc{i + 1}"))
        self.bottleneck = block(8 * f, 16 * f, "bottleneck")
        for i in (4, 3, 2, 1):
            width = f * 2 ** (i - 1)
            self.add_module(f"upconv{i}", nn.ConvTranspose2d(2 * width, width, 2, 2))
            self.add_module(f"decoder{i}", block(2 * width, width, f"dec{i}"))
        self.conv = nn.Conv2d(f, 1, 1)

    def forward(self, x):
        def run(block, x):
            conv1, norm1, conv2, norm2 = block.children()
            return norm2(conv2(norm1(conv1(x)).relu())).relu()

        maps = []
        for i in range(1, 5):
            maps.append(run(getattr(self, f"encoder{i}"), x))
            x = F.max_pool2d(maps[-1], 2)
        x = run(self.bottleneck, x)
        for i in (4, 3, 2, 1):
            x = torch.cat((getattr(self, f"upconv{i}")(x), maps.pop()), 1)
            x = run(getattr(self, f"decoder{i}"), x)
        return torch.sigmoid(self.conv(x))


def test_torch_hubs_state_dict_loads_and_gives_its_outputs():
    theirs = randomized(Brain(4)).eval()
    ours = UNet.from_preset("unet_brain", channels=(4, 8, 16, 32, 64)).eval()
    load_brain(ours, theirs.state_dict())
    made = from_brain(theirs.state_dict())
    assert made.config == ours.config
    x = torch.randn(1, 3, 32, 48, generator=rng())
    with torch.no_grad():
        assert close(ours(x).sigmoid(), theirs(x), 1e-5)
        assert torch.equal(made(x), ours(x))
    back = to_brain(ours)
    assert all(torch.equal(back[k], v) for k, v in theirs.state_dict().items())
    with torch.device("meta"):
        assert sum(p.numel() for p in Brain(32).parameters()) == 7_763_041


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_checkpoint_is_read_from_its_file(tmp_path, suffix):
    theirs = randomized(Milesial(False, (2, 2, 2, 2, 2)))
    state = dict(theirs.state_dict())
    path = tmp_path / f"unet{suffix}"
    if suffix == ".pth":
        state["mask_values"] = [0, 1]
    (save_file if suffix == ".safetensors" else torch.save)(state, path)
    ours = UNet.from_preset("unet_milesial", channels=(2, 2, 2, 2, 2))
    load_milesial(ours, load(path))
    assert torch.equal(ours.score.weight, theirs.outc.conv.weight)


def test_a_checkpoint_of_another_kind_is_named():
    state = Milesial(False, NARROW).state_dict()
    paper = UNet.from_preset("unet_paper", in_channels=3, channels=NARROW)
    before = paper.score.weight.clone()
    with pytest.raises(ValueError, match=r"no 'inc.double_conv.0.bias', which is our 'down.0.conv"):
        load_milesial(paper, state)
    with pytest.raises(ValueError, match="no 'conv_d0a-b/0', which is our"):
        load_release(paper, state)
    wide = UNet.from_preset("unet_milesial", channels=(3, 3, 4, 5, 6))
    says = r"our down.0.conv1.weight, must have shape \(3, 3, 3, 3\), got \(2, 3, 3, 3\)"
    with pytest.raises(ValueError, match=says):
        load_milesial(wide, state)
    shallow = UNet.from_preset("unet_milesial", channels=(2, 3, 4, 5, 6))
    with pytest.raises(ValueError, match="1 tensors too many, the first is 'extra'"):
        load_milesial(shallow, state | {"extra": torch.zeros(1)})
    assert torch.equal(paper.score.weight, before)


# SciPy


@pytest.fixture(scope="module")
def cells():
    return separate(generate(1, 3, size=96)[1][0])


def test_distances_are_scipys(cells):
    numbers = cells.unique()[1:].tolist()
    theirs = np.sort([ndimage.distance_transform_edt(cells.numpy() != n) for n in numbers], 0)
    first, second = nearest_two(cells, 200)
    assert np.allclose(first, theirs[0], atol=1e-12)
    assert np.allclose(second, theirs[1], atol=1e-12)


def test_weights_are_equation_2_of_scipys_distances(cells):
    numbers, inside = cells.unique()[1:].tolist(), cells.numpy() > 0
    d = np.sort([ndimage.distance_transform_edt(cells.numpy() != n) for n in numbers], 0)
    balance = np.where(inside, 0.5 / inside.mean(), 0.5 / (1 - inside.mean()))
    expected = balance + 10 * np.exp(-((d[0] + d[1]) ** 2) / (2 * 3**2)) * ~inside
    assert np.allclose(weight_map(cells, 10, 3), expected, rtol=1e-6)


def test_components_are_scipys():
    mask = torch.rand(60, 70, generator=rng()) < 0.6
    labelled, count = ndimage.label(mask.numpy())
    ours = components(mask)
    assert int(ours.max()) == count
    pairs = np.unique(np.stack((ours.numpy().ravel(), labelled.ravel())), axis=1)
    assert pairs.shape[1] == count + 1  # one of ours to one of theirs, background too


def test_the_rim_is_scipys_erosion(cells):
    mask, other = cells > 0, torch.roll(cells, 1, 0) > 0
    square = np.ones((7, 7))
    rims = [
        m.numpy() & ~ndimage.binary_erosion(m.numpy(), square, border_value=1)
        for m in (mask, other)
    ]
    expected = (rims[0] & rims[1]).sum() / (rims[0] | rims[1]).sum()
    assert boundary_iou(mask, other, 3) == pytest.approx(expected)


def test_warped_images_are_scipys():
    image = torch.rand(30, 40, generator=rng(), dtype=torch.float64)
    field = displacements((30, 40), 3, 4.0, rng(1)).double()
    where = np.mgrid[:30, :40] + field.numpy()
    expected = ndimage.map_coordinates(image.numpy(), where, order=1, mode="mirror")
    assert np.allclose(warp(image[None], field)[0], expected, atol=1e-9)


def test_displacements_are_like_a_cubic_spline_between_the_points():
    """Bicubic kernels differ (torch's has a = -0.75), so that they agree roughly only."""
    field = displacements((41, 41), 3, 10.0, rng(2))[0].double().numpy()
    y, x = np.mgrid[:41, :41] / 20
    spline = ndimage.map_coordinates(field[::20, ::20], [y, x], order=3, mode="mirror")
    assert np.abs(spline - field)[::20, ::20].max() < 1e-5  # at the points both are the vectors
    assert np.corrcoef(spline.ravel(), field.ravel())[0, 1] > 0.97


def test_blur_is_scipys():
    image = torch.rand(40, 50, generator=rng(), dtype=torch.float64)
    expected = ndimage.gaussian_filter(image.numpy(), 0.8, mode="mirror")
    assert np.allclose(blur(image, 0.8), expected, atol=1e-12)


def test_config_is_hashable_and_frozen():
    assert len({UNetConfig(), UNetConfig(), UNetConfig(padding="same")}) == 2
