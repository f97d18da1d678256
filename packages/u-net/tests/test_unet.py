"""Figure 1 and Figure 2: sizes, parameters, arithmetic, receptive fields, tiles; bad input."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from lessons.u_net import (
    PRESETS,
    SlidingWindow,
    UNet,
    UNetConfig,
    border,
    center_crop,
    output_size,
    rotations_mean,
    tile_predict,
    valid_sizes,
)
from lessons.u_net.sliding import windows_at
from lessons.u_net.tiles import mirror

NARROW = (2, 3, 4, 5, 6)  # five levels as in the paper, but cheap


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def net(**changes):
    return UNet(UNetConfig(**({"channels": NARROW, "dropout": 0.0} | changes)), rng())


def images(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=rng(seed), dtype=dtype)


def parameters(model):
    return sum(p.numel() for p in model.parameters())


# Sizes (Fig. 1)

PARAMETERS = {
    "unet_paper": 31_030_658,
    "unet_release": 31_100_354,
    "unet_milesial": 31_037_698,
    "unet_milesial_bilinear": 17_263_042,
    "unet_brain": 7_763_041,
    "unet_small": 29_330,
}


def test_every_preset_has_a_size_to_check():
    assert set(PARAMETERS) == set(PRESETS)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_exact(name):
    with torch.device("meta"):
        assert parameters(UNet.from_preset(name)) == PARAMETERS[name]


@pytest.mark.parametrize(
    ("into", "classes", "count"), [(3, 2, 31_031_810), (3, 1, 31_031_745), (1, 1, 31_030_593)]
)
def test_other_numbers_of_channels(into, classes, count):
    with torch.device("meta"):
        model = UNet.from_preset("unet_paper", in_channels=into, num_classes=classes)
    assert parameters(model) == count


def test_the_paper_has_23_convolutional_layers():
    with torch.device("meta"):
        model = UNet.from_preset("unet_paper")
    kernels = [m.kernel_size for m in model.modules() if isinstance(m, nn.Conv2d)]
    ups = [m for m in model.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert (kernels.count((3, 3)), kernels.count((1, 1)), len(ups)) == (18, 1, 4)
    assert sum(map(parameters, ups)) == 2_786_240


def test_maps_have_the_sizes_of_figure_1_and_the_arithmetic_is_150_billion():
    with torch.device("meta"):
        model = UNet.from_preset("unet_paper").eval()
        sizes = []
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                module.register_forward_hook(lambda m, i, o: sizes.append(o.shape[-1]))
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            scores = model(torch.empty(1, 1, 572, 572))
    down = [570, 568, 282, 280, 138, 136, 66, 64, 30, 28]
    up = [56, 54, 52, 104, 102, 100, 200, 198, 196, 392, 390, 388]
    assert sizes == [*down, *up, 388]
    assert tuple(scores.shape) == (1, 2, 388, 388)
    assert counter.get_total_flops() // 2 == 150_428_424_448


def test_copies_are_cropped_by_4_16_40_and_88_pixels_a_side(monkeypatch):
    from lessons.u_net import unet

    crops, numbers = [], []

    def noted(x, size):
        crops.append((x.shape[-1] - size[1]) // 2)
        numbers.append(x.numel())
        return center_crop(x, size)

    monkeypatch.setattr(unet, "center_crop", noted)
    with torch.device("meta"):
        UNet(UNetConfig())(torch.empty(1, 1, 572, 572))
    assert crops == [4, 16, 40, 88]
    assert sum(numbers) == 37_515_264  # 150 MB in single precision


def test_sizes_that_fit_are_16k_plus_60():
    assert valid_sizes(0, 600) == [16 * k + 60 for k in range(8, 34)]
    assert (valid_sizes(0, 190), output_size(188), output_size(572)) == ([188], 4, 388)
    assert [border(d) for d in (1, 2, 3, 4)] == [8, 20, 44, 92]
    assert output_size(48, 4, "same") == 48


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_exactly_those_sizes_fit(depth):
    """Walk through the layers with each size, and see where a pooling meets an odd one."""

    def walk(n):
        skipped = []
        for _ in range(depth):
            n -= 4
            if n < 2 or n % 2:
                return None
            skipped.append(n)
            n //= 2
        n -= 4
        for copy in reversed(skipped):
            n = 2 * n - 4
            if n < 1 or (copy - n) % 2:
                return None
        return n

    for size in range(1, 160):
        if size in valid_sizes(0, 160, depth):
            assert walk(size) == output_size(size, depth)
        else:
            assert walk(size) is None
            with pytest.raises(ValueError, match="nearest"):
                output_size(size, depth)


def test_the_output_is_never_a_multiple_of_16():
    """So that outputs laid side by side do not begin at multiples of 16."""
    assert {output_size(n) % 16 for n in valid_sizes(0, 3000)} == {4}


# What a pixel sees


def support(model, size, outputs):
    """How many input rows each output pixel of a row depends on, with nothing hidden by chance."""
    x = torch.ones(1, 1, size, size, dtype=torch.float64, requires_grad=True)
    scores = model(x)
    found = []
    for place in outputs:
        (gradient,) = torch.autograd.grad(scores[0, 0, place, place], x, retain_graph=True)
        rows = gradient[0, 0].abs().sum(1).nonzero()
        found.append(int(rows[-1] - rows[0]) + 1)
    return found


def test_an_output_pixel_sees_188_or_204_pixels_which_hangs_on_its_phase(monkeypatch):
    model = net(channels=(1,) * 5).double()
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.5)
    monkeypatch.setattr(F, "max_pool2d", F.avg_pool2d)  # every pixel counts
    seen = support(model, 252, range(16))
    assert sorted(set(seen)) == [188, 204]
    assert (seen.count(188), seen.count(204)) == (4, 12)


def test_a_unit_at_the_bottom_sees_140_pixels():
    assert SlidingWindow(UNetConfig(channels=NARROW)).window == 140
    assert SlidingWindow(UNetConfig(channels=(2, 3, 4))).window == 32


# Layers


def test_the_up_convolution_is_a_convolution_behind_inserted_zeros_not_repeated_pixels():
    x = images(1, 3, 4, 5, dtype=torch.float64)
    up = nn.ConvTranspose2d(3, 2, 2, stride=2).double()
    spread = torch.zeros(1, 3, 9, 11, dtype=torch.float64)
    spread[:, :, 1::2, 1::2] = x  # a zero between any two pixels, and around
    flipped = up.weight.transpose(0, 1).flip(-2, -1)
    assert torch.allclose(F.conv2d(spread, flipped, up.bias), up(x)[:, :, :, :])
    repeated = F.pad(F.interpolate(x, scale_factor=2), (0, 1, 0, 1))
    assert not torch.allclose(F.conv2d(repeated, flipped, up.bias), up(x))


def test_variants_run_and_differ():
    x = images(1, 1, 188, 188)
    outputs = [net(up=up)(x) for up in ("transpose", "upsample_conv", "bilinear")]
    assert all(o.shape == (1, 2, 4, 4) for o in outputs)
    assert not torch.allclose(outputs[0], outputs[1])
    assert (net(upconv_relu=True)(x) - outputs[0]).abs().max() > 1e-3
    widths = {"channels": (8, 16, 32)}
    plain, copied = net(skips=False, **widths), net(**widths)
    # 3x3 convolutions at both levels see half as many maps.
    assert parameters(copied) - parameters(plain) == 9 * (8 * 8 + 16 * 16)


def test_without_copies_nothing_fine_gets_through():
    """A plain net's output is made of 4x4 blocks of pixels before its last convolutions."""
    model, x = net(channels=(1, 1, 1), skips=False).double(), images(1, 1, 44, 44).double()
    skipping = net(channels=(1, 1, 1)).double()
    for m in (model, skipping):
        for parameter in m.parameters():
            nn.init.constant_(parameter, 0.2)
    stripes = torch.zeros_like(x)
    stripes[..., ::2] = 1  # alternating columns, equal in every 2x2 window's maximum
    before, after = model(stripes), model(torch.roll(stripes, 1, -1))
    assert torch.allclose(before, after)
    assert not torch.allclose(skipping(stripes), skipping(torch.roll(stripes, 1, -1)))


def test_gradients_are_those_of_finite_differences():
    model = net(channels=(2, 3)).double()
    x = images(1, 1, 20, 20, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: model(x)[..., 1, 2], (x,), eps=1e-7, atol=1e-5)


def test_dropout_rests_in_evaluation_and_is_at_the_two_lowest_levels_only():
    model = net(dropout=0.5)
    x = images(1, 1, 188, 188)
    assert [level.dropout.p for level in model.down] == [0, 0, 0, 0.5, 0.5]
    assert all(level.dropout.p == 0 for level in model.merge)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


def test_weights_are_drawn_with_two_over_the_incoming_nodes():
    model = UNet.from_preset("unet_paper", rng())
    for module, incoming in (
        (model.down[1].conv1, 576),  # the paper's example: 9 · 64
        (model.merge[0].conv1, 9 * 1024),
        (model.up[0], 1024),  # one pixel of 1024 channels, whatever the stride
        (model.score, 64),
    ):
        std = math.sqrt(2 / incoming)
        count = module.weight.numel()
        assert abs(module.weight.std().item() / std - 1) < 4 / math.sqrt(2 * count)
        assert module.bias.abs().sum() == 0


def test_the_largest_of_four_triples_the_mean_square_of_rectified_noise():
    noise = images(1, 16, 200, 200).relu()
    ratio = F.max_pool2d(noise, 2).square().mean() / noise.square().mean()
    assert ratio.item() == pytest.approx(3.1, abs=0.1)


def test_the_same_generator_gives_the_same_net():
    a, b = (net().state_dict() for _ in range(2))
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_checkpointing_and_channels_last_change_nothing():
    x = images(1, 1, 188, 188, dtype=torch.float64)
    model, saving = net().double(), net(grad_checkpointing=True).double()
    for m in (model, saving):
        m(x).square().sum().backward()
    pairs = zip(model.parameters(), saving.parameters())
    assert all(torch.equal(a.grad, b.grad) for a, b in pairs)
    last = net().double().to(memory_format=torch.channels_last)
    again = last(x.to(memory_format=torch.channels_last))
    assert torch.allclose(again, model(x), rtol=1e-10, atol=1e-12)


def test_checkpointing_moves_the_statistics_once():
    x = images(2, 1, 64, 64)
    shape = {"padding": "same", "norm": "batch"}
    model, saving = net(**shape), net(**shape, grad_checkpointing=True)
    for m in (model, saving):
        m.train()(x).square().sum().backward()
    for (key, one), other in zip(model.named_buffers(), saving.buffers()):
        assert torch.equal(one, other), key
    assert saving.down[0].norm1.num_batches_tracked == 1


def test_bfloat16_autocast_and_compilation():
    model, x = net(channels=(4, 8, 16)).eval(), images(1, 1, 44, 44)
    with torch.no_grad():
        exact = model(x)
        with torch.autocast("cpu", torch.bfloat16):
            assert (model(x) - exact).abs().max() < 0.05 * exact.abs().max()
        traced = torch.compile(model, fullgraph=True, backend="eager")
        assert torch.allclose(traced(x), exact, atol=1e-5)


# Tiles (Fig. 2)


def one_pass(model, image):
    """The scores from a single pass over the whole image with mirrored borders."""
    config, (height, width) = model.config, image.shape[-2:]
    fits = [
        next(n for n in valid_sizes(0, 4000, config.depth) if config.output_size(n) >= side)
        for side in (height, width)
    ]
    y, x = (mirror(torch.arange(n) - config.border, side) for n, side in zip(fits, (height, width)))
    with torch.no_grad():
        return model(image[:, y[:, None], x][None])[0, :, :height, :width]


@settings(max_examples=12, deadline=None)
@given(
    height=st.integers(45, 150),
    width=st.integers(45, 150),
    tile=st.sampled_from(valid_sizes(100, 200, 3)),
    batch=st.integers(1, 4),
)
def test_tiles_fit_together_without_a_seam(height, width, tile, batch):
    model = net(channels=(2, 3, 4, 5)).double().eval()
    image = images(1, height, width, dtype=torch.float64)
    tiled = tile_predict(model, image, tile, batch)
    assert torch.allclose(tiled, one_pass(model, image), rtol=0, atol=1e-12)


def test_tiles_of_the_papers_depth_fit_in_single_precision():
    model, image = net(channels=(4, 8, 16, 32, 64)).eval(), images(1, 230, 301)
    whole = one_pass(model, image)
    for tile in (204, 220, 316):
        assert (tile_predict(model, image, tile) - whole).abs().max() <= 1e-5 * whole.std()


def test_tiles_at_other_places_do_not_fit_since_poolings_pair_other_pixels():
    """Outputs of 388 pixels side by side, as the paper's sizes suggest, are not seamless."""
    model, image = net().double().eval(), images(1, 1, 188 + 16, 188 + 16, dtype=torch.float64)
    with torch.no_grad():
        whole = model(image)[0]
        for shift in (4, 8, 16):  # 20 pixels of output, of which the tile has 4
            part = model(image[:, :, shift : shift + 188, shift : shift + 188])[0]
            same = torch.allclose(part, whole[:, shift : shift + 4, shift : shift + 4], atol=1e-12)
            assert same == (shift == 16)


def test_padding_makes_seams():
    model = net(padding="same", channels=(4, 8, 16)).eval()
    image = images(1, 64, 64)
    with torch.no_grad():
        whole = model(image[None])[0]
    error = (tile_predict(model, image, 32) - whole).abs()
    assert error.max() > 0.1 * whole.std()
    assert tile_predict(model, image, 64).equal(whole)


class Largest(TorchDispatchMode):
    """Notes the bytes of the largest memory that any operation asks for."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        def memories(tree):
            found = (leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor))
            return {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in found}

        result = function(*args, **(kwargs or {}))
        old = memories((args, kwargs))
        new = [size for place, size in memories(result).items() if place not in old]
        self.bytes = max([self.bytes, *new])
        return result


def test_memory_beside_image_and_output_does_not_grow_with_the_image():
    model = net(channels=(2, 3, 4)).eval()
    largest = []
    for side in (96, 192, 384):
        image, out = images(1, side, side), torch.empty(2, side, side)
        with Largest() as mode:
            assert tile_predict(model, image, 84, out=out) is out
        largest.append(mode.bytes)
    assert largest[0] == largest[1] == largest[2] < 4 * 384 * 384


def test_a_small_image_is_not_computed_in_a_large_tile():
    model, seen = net(channels=(2, 3, 4)).eval(), []
    model.register_forward_pre_hook(lambda m, args: seen.append(tuple(args[0].shape[-2:])))
    tile_predict(model, images(1, 30, 50), 572 // 4 * 4)
    assert seen == [(72, 92)]


def test_an_image_and_an_output_may_be_mapped_files(tmp_path):
    size = (1, 100, 120)
    shared = torch.from_file(str(tmp_path / "image"), True, 12_000).view(size)
    out = torch.from_file(str(tmp_path / "scores"), True, 24_000).view(2, 100, 120)
    model = net(channels=(2, 3, 4)).eval()
    shared.copy_(images(*size))
    tile_predict(model, shared, 84, out=out)
    assert torch.equal(out, tile_predict(model, images(*size), 84))


def test_mirroring_does_not_repeat_the_edge():
    assert mirror(torch.arange(-3, 7), 4).tolist() == [3, 2, 1, 0, 1, 2, 3, 2, 1, 0]


def test_the_mean_over_rotations_does_not_turn_with_the_image():
    model = net(channels=(2, 3, 4)).eval()
    image = images(1, 41, 52)

    def predict(image):
        return tile_predict(model, image, 84).softmax(0)

    mean = rotations_mean(predict, image)
    turned = rotations_mean(predict, torch.rot90(image, 1, (-2, -1)))
    assert torch.allclose(torch.rot90(mean, 1, (-2, -1)), turned, atol=1e-6)
    assert not torch.allclose(mean, predict(image), atol=1e-3)
    assert torch.allclose(mean.sum(0), torch.ones(41, 52), atol=1e-5)


# The method before


def test_all_windows_at_once_give_the_scores_of_each():
    model = SlidingWindow(UNetConfig(channels=(2, 3, 4)), rng()).double()
    image = images(1, 40, 37, dtype=torch.float64)
    dense = model.dense(image[None])[0]
    y, x = (i.flatten() for i in torch.meshgrid(torch.arange(9), torch.arange(6), indexing="ij"))
    each = model(windows_at(image, y, x, 32))
    assert torch.allclose(dense.flatten(1).T, each, atol=1e-12)


def test_a_window_costs_as_much_as_its_part_of_the_contracting_path():
    with torch.device("meta"):
        model = SlidingWindow(PRESETS["unet_paper"]).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(torch.empty(1, 1, 140, 140))
    a_pass, windows = 150_428_424_448, 388 * 388 * (counter.get_total_flops() // 2)
    assert windows / a_pass > 1000


# Bad input


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: UNet.from_preset("unet"), "name must be one of unet_paper, unet_release"),
        (lambda: UNetConfig(padding="full"), "padding must be one of 'valid', 'same', got 'full'"),
        (lambda: UNetConfig(up="nearest"), "up must be one of 'transpose', 'upsample_conv'"),
        (lambda: UNetConfig(norm="layer"), "norm must be one of None, 'batch', got 'layer'"),
        (lambda: UNetConfig(channels=(64,)), "two or more positive, rising numbers"),
        (lambda: UNetConfig(channels=(64, 32)), r"rising numbers, got \(64, 32\)"),
        (lambda: UNet.from_preset("unet_paper", channels=(0, 1)), "positive, rising numbers"),
        (lambda: UNetConfig(num_classes=0), "numbers of channels must be positive"),
        (lambda: UNetConfig(dropout=1.0), r"dropout must be in \[0, 1\), got 1.0"),
        (lambda: UNetConfig(up="bilinear", last_up_channels=9), "needs up='transpose'"),
        (lambda: output_size(500), "16k \\+ 60, k ≥ 8, got 500; the nearest are 492 and 508"),
        (lambda: output_size(60), "got 60; the nearest are 188 and 204"),
        (lambda: output_size(30, 4, "same"), "multiple of 16, got 30; the nearest are 16 and 32"),
        (lambda: net()(images(1, 1, 188, 200)), "x's width must be .*nearest are 188 and 204"),
        (lambda: net(padding="same")(images(1, 1, 24, 32)), "x's height must be a multiple of 16"),
        (lambda: net()(images(1, 3, 188, 188)), r"\(N, C, H, W\) = \(N, 1, H, W\), got \(1, 3, 1"),
        (lambda: net()(images(1, 188, 188)), r"\(N, 1, H, W\), got \(1, 188, 188\)"),
        (lambda: center_crop(images(4, 4), (3, 2)), r"\(4, 4\) less an even border, got \(3, 2\)"),
        (lambda: center_crop(images(4, 4), (6, 4)), "less an even border"),
        (lambda: tile_predict(net(), images(1, 200, 200)), "evaluation mode"),
        (lambda: tile_predict(net().eval(), images(1, 1, 200, 200)), r"image must .*\(1, H, W\)"),
        (lambda: tile_predict(net().eval(), images(2, 200, 200)), r"got \(2, 200, 200\)"),
        (lambda: tile_predict(net().eval(), images(1, 92, 200)), "more than 92 pixels a side"),
        (lambda: tile_predict(net().eval(), images(1, 200, 200), 180), "tile must be of the form"),
        (lambda: tile_predict(net().eval(), images(1, 200, 200), 188), "leave 16 pixels of output"),
        (lambda: tile_predict(net().eval(), images(1, 99, 99), out=images(2, 9, 9)), "out must"),
        (lambda: SlidingWindow(UNetConfig(padding="same")), "padding='valid', got 'same'"),
        (lambda: SlidingWindow(UNetConfig(channels=NARROW))(images(1, 1, 9, 9)), "be 140 by 140"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(make, says):
    with pytest.raises(ValueError, match=says):
        make()
