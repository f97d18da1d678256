"""The paper's statements about its net: sizes, arithmetic, order of layers, towers; bad input."""

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from lessons.alex_net import (
    PRESETS,
    AlexNet,
    AlexNetConfig,
    Conv,
    TwoTowers,
    change,
    conv1_filters,
    local_response_norm_reference,
    retrieve,
)
from lessons.alex_net.net import PAPER, map_sizes


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def images(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def small(**changes):
    torch.manual_seed(0)
    return AlexNet.from_preset("small", **changes).double().eval()


# Sizes and arithmetic (§3.5, Fig. 2)

SIZES = {
    "alexnet": 60_965_224,
    "alexnet_224": 60_965_224,
    "one_gpu": 59_798_312,
    "ungrouped": 62_378_344,
    "small": 140_266,
    "caffe_alexnet": 60_965_224,
    "caffenet": 60_965_224,
    "alexnet_owt": 61_100_840,
}
LAYERS = {
    "conv1": (34_944, 105_415_200),
    "conv2": (307_456, 223_948_800),
    "conv3": (885_120, 149_520_384),
    "conv4": (663_936, 112_140_288),
    "conv5": (442_624, 74_760_192),
    "fc6": (37_752_832, 37_748_736),
    "fc7": (16_781_312, 16_777_216),
    "fc8": (4_097_000, 4_096_000),
}


@pytest.mark.parametrize("name", PRESETS)
def test_parameters_are_exact(name):
    with torch.device("meta"):
        assert parameters(AlexNet.from_preset(name)) == SIZES[name]


def multiply_adds(model, size):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(torch.empty(1, 3, size, size, device="meta"))
    return counter.get_total_flops() // 2


def test_parameters_and_arithmetic_of_each_layer_are_exact():
    with torch.device("meta"):
        model = AlexNet.from_preset("alexnet")
    found = {}
    before = 0
    for name, module in model.named_children():
        if name in LAYERS:
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                model.eval().features(torch.empty(1, 3, 227, 227, device="meta"), name)
            total = counter.get_total_flops() // 2
            found[name] = (parameters(module), total - before)
            before = total
    assert found == LAYERS
    assert before == 724_406_816
    with torch.device("meta"):
        assert multiply_adds(AlexNet.from_preset("alexnet_224"), 224) == 724_406_816
        assert multiply_adds(AlexNet.from_preset("alexnet_owt"), 224) == 714_188_480


def test_footnote_2_the_net_for_one_gpu_has_about_as_many_parameters():
    assert SIZES["one_gpu"] / SIZES["alexnet"] == pytest.approx(0.98, abs=0.002)
    # Had layer 5 been halved too, fc6 would have half the inputs.
    convs = change(PRESETS["one_gpu"].convs, 5, kernels=128)
    with torch.device("meta"):
        halved = parameters(AlexNet.from_preset("one_gpu", convs=convs))
    assert halved / SIZES["alexnet"] < 0.68


@pytest.mark.parametrize(("name", "size"), [("alexnet", 227), ("alexnet_224", 224)])
def test_maps_shrink_as_in_figure_2(name, size):
    assert map_sizes(PRESETS[name], size, size) == [(n, n) for n in (27, 13, 13, 13, 6)]
    unpooled = change(PRESETS[name].convs, pool=False)
    first = dataclasses.replace(PRESETS["alexnet_owt"], convs=unpooled[:1])
    assert map_sizes(first, size, size) == [(55, 55)]
    assert PRESETS[name].flat_features == 9216


def test_224_pixels_do_not_give_the_55_places_of_the_paper_without_padding():
    assert (224 - 11) / 4 + 1 == 54.25
    assert (227 - 11) / 4 + 1 == (224 + 2 * 2 - 12) / 4 + 1 == 55


def test_the_paper_prints_the_neurons_of_its_first_layer_wrongly():
    maps = [(conv.kernels, size) for conv, size in zip(PAPER, (55, 27, 13, 13, 13))]
    neurons = [kernels * size * size for kernels, size in maps] + [4096, 4096, 1000]
    assert sum(neurons) == 659_272  # "650,000" in the abstract
    printed = [253_440, 186_624, 64_896, 64_896, 43_264, 4096, 4096, 1000]
    assert neurons[1:] == printed[1:]
    assert neurons[0] == 290_400
    assert printed[0] == 55 * 48 * 96
    assert sum(printed) == 622_312


def test_each_convolutional_layer_but_two_has_less_than_a_hundredth_of_the_parameters():
    shares = [100 * LAYERS[f"conv{i}"][0] / SIZES["alexnet"] for i in range(1, 6)]
    assert [round(share, 2) for share in shares] == [0.06, 0.50, 1.45, 1.09, 0.73]
    assert round(100 * LAYERS["fc6"][0] / SIZES["alexnet"], 1) == 61.9
    layers = sum(LAYERS[f"fc{i}"][0] for i in (6, 7, 8))
    assert round(100 * layers / SIZES["alexnet"]) == 96
    hidden = LAYERS["fc6"][0] + LAYERS["fc7"][0]
    assert round(10 * hidden / SIZES["alexnet"]) == 9
    arithmetic = sum(LAYERS[f"conv{i}"][1] for i in range(1, 6))
    assert round(100 * arithmetic / 724_406_816) == 92


def test_the_training_took_5_times_10_to_the_17_operations():
    operations = 90 * 1.2e6 * 3 * 2 * 724_406_816
    assert round(operations / 1e17, 1) == 4.7


# The order of the layers


@pytest.mark.parametrize("pool_before_norm", [False, True])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_net_is_its_layers_in_the_papers_order(pool_before_norm, activation):
    model = small(pool_before_norm=pool_before_norm, activation=activation)
    act = torch.relu if activation == "relu" else torch.tanh
    x = images(2, 3, 23, 23, dtype=torch.float64)
    expected = x

    def pool(maps):
        return F.max_pool2d(maps, 3, 2)

    for i, conv in enumerate(model.config.convs, 1):
        layer = getattr(model, f"conv{i}")
        expected = F.conv2d(expected, layer.weight, layer.bias, 1, conv.padding, groups=conv.groups)
        expected = act(expected)
        if conv.norm:
            constants = model.config.lrn
            if pool_before_norm:
                expected = local_response_norm_reference(pool(expected), *constants)
            else:
                expected = pool(local_response_norm_reference(expected, *constants))
        elif conv.pool:
            expected = pool(expected)
        with torch.no_grad():
            assert torch.allclose(model.features(x, f"conv{i}"), expected, atol=1e-12)
    expected = expected.flatten(1)
    for i in (6, 7):
        expected = act(getattr(model, f"fc{i}")(expected))
    assert torch.allclose(model.features(x, "fc7"), expected, atol=1e-12)
    assert torch.allclose(model(x), model.fc8(expected), atol=1e-12)


@pytest.mark.parametrize("first", [False, True])
def test_dropout_is_on_the_outputs_of_the_two_hidden_layers_or_on_their_inputs(first):
    model = small(dropout_first=first, hidden=(4000, 4000))
    x = images(1, 3, 23, 23, dtype=torch.float64)
    whole = model.features(x, "fc6")
    model.train()
    dropped = model.features(x, "fc6")
    zeros = [(units == 0).double().mean().item() for units in (whole, dropped)]
    if first:
        assert zeros[1] == pytest.approx(zeros[0], abs=0.1)
    else:
        kept = (dropped != 0) & (whole != 0)
        assert torch.allclose(dropped[kept], 2 * whole[kept])  # torch scales in training
        assert 1 - zeros[1] == pytest.approx((1 - zeros[0]) / 2, abs=0.03)


def test_initialization_is_that_of_section_5():
    model = AlexNet.from_preset("alexnet", hidden=(512, 512))
    for name in (*model.conv_names, *model.fc_names):
        layer = getattr(model, name)
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.03)
        one = name in ("conv2", "conv4", "conv5", "fc6", "fc7")
        assert (layer.bias == float(one)).all()


def test_he_initialization_keeps_the_size_of_the_signal():
    model = small()
    conv = model.conv3
    expected = math.sqrt(2 / conv.weight[0].numel())
    assert conv.weight.std().item() == pytest.approx(expected, rel=0.05)
    assert all(parameter.abs().sum() == 0 for parameter in (conv.bias, model.fc6.bias))


def test_channels_last_changes_nothing():
    model, x = small(), images(2, 3, 23, 23, dtype=torch.float64)
    with torch.no_grad():
        expected = model(x)
        last = model.to(memory_format=torch.channels_last)
        assert torch.allclose(last(x.to(memory_format=torch.channels_last)), expected, atol=1e-12)


def test_it_compiles_whole_and_runs_in_bfloat16():
    model, x = small().float(), images(2, 3, 23, 23)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    assert torch.allclose(compiled(x), model(x), atol=1e-5)
    gradients = []
    for net in (compiled, model):
        model.zero_grad()
        net(x).square().sum().backward()
        gradients.append(model.conv1.weight.grad.clone())
    assert torch.allclose(*gradients, rtol=1e-3, atol=1e-4)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert model(x).dtype == torch.bfloat16
        assert torch.allclose(model(x).float(), gradients_free(model, x), atol=0.2)


def gradients_free(model, x):
    with torch.autocast("cpu", enabled=False):
        return model(x)


# Two towers (§3.2)


@pytest.mark.parametrize("layers", ["small", "published order"])
def test_two_towers_are_the_grouped_net(layers):
    config = dataclasses.replace(PRESETS["small"], lrn_groups=2, hidden=(32, 48))
    if layers == "published order":  # kernels and strides as published, a quarter as many
        convs = tuple(dataclasses.replace(conv, kernels=conv.kernels // 4) for conv in PAPER)
        config = dataclasses.replace(config, convs=convs, in_size=227)
    torch.manual_seed(0)
    net = AlexNet(config).double().eval()
    towers = TwoTowers(config).double().eval().copy_from(net)
    x = images(2, 3, config.in_size, config.in_size, dtype=torch.float64)
    assert torch.allclose(towers(x), net(x), atol=1e-12)
    for model in (towers, net):
        model(x).square().sum().backward()
    both = torch.cat([tower.conv3.weight.grad for tower in towers.towers])
    assert torch.allclose(both, net.conv3.weight.grad, atol=1e-10)
    assert torch.allclose(towers.first.fc8.weight.grad, net.fc8.weight.grad, atol=1e-10)
    assert parameters(towers) == parameters(net)


def test_the_towers_exchange_less_than_a_quarter_of_what_they_would_ungrouped():
    published = dataclasses.replace(PRESETS["alexnet"], lrn_groups=2)
    with torch.device("meta"):
        towers = TwoTowers(published, ("meta", "meta"))
        assert parameters(towers) == SIZES["alexnet"]
        assert towers.exchanged() == 128 * 13 * 13 + 128 * 6 * 6 + 2048 + 2048 == 30_336
        everything = dataclasses.replace(published, convs=change(PAPER, groups=1))
        ungrouped = TwoTowers(everything, ("meta", "meta")).exchanged()
    assert ungrouped == 130_224
    assert round(100 * 30_336 / ungrouped) == 23


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "lrn_groups must be 2 for two towers, got 1"),
        ({"lrn_groups": 2, "hidden": (15, 16)}, r"hidden must be even .* got \(15, 16\)"),
        ({"lrn_groups": 2, "convs": (Conv(9, 3),)}, "an even number of kernels"),
    ],
)
def test_what_cannot_be_split_in_two_is_named(changes, says):
    with pytest.raises(ValueError, match=says):
        TwoTowers(dataclasses.replace(PRESETS["small"], **changes))


def test_towers_take_weights_of_their_own_shape_only():
    config = dataclasses.replace(PRESETS["small"], lrn_groups=2)
    with pytest.raises(ValueError, match="model must have the config"):
        TwoTowers(config).copy_from(AlexNet.from_preset("small"))


# What it has learned (§6.1)


def test_the_nearest_are_found_in_order():
    gallery = torch.tensor([[0.0, 0], [3, 4], [1, 0], [0, 9]])
    found = retrieve(torch.tensor([[0.0, 1]]), gallery, k=3)
    assert found.indices.tolist() == [[0, 2, 1]]
    assert torch.allclose(found.distances, torch.tensor([[1.0, 2, 18]]).sqrt())


def test_the_picture_of_the_filters_shows_each_kernel_and_grey_for_zero():
    model = small()
    with torch.no_grad():
        model.conv1.weight[3] = 0
        model.conv1.weight[3, 0, 1, 2] = -7
    picture = conv1_filters(model, columns=8)
    assert picture.shape == (3, 2 * 6, 8 * 6)
    tile = picture[:, :5, 18:23]
    assert tile[0, 1, 2] == 0
    assert tile[1, 1, 2] == 0.5
    assert picture.min() == 0
    assert picture.max() == 1


# Bad input


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: AlexNet.from_preset("vgg"), "name must be one of alexnet, .*got 'vgg'"),
        (lambda: Conv(96, 3, groups=5), r"kernels \(96\) must be divisible by groups \(5\)"),
        (
            lambda: AlexNetConfig(change(PAPER, 1, groups=2)),
            r"groups \(2\) of conv1 must divide its 3 input maps",
        ),
        (lambda: AlexNetConfig(in_size=40), "images of 40 by 40 pixels are too small: conv5"),
        (lambda: AlexNetConfig(activation="gelu"), "activation must be one of relu, tanh"),
        (lambda: AlexNetConfig(init="xavier"), "init must be one of paper, he, torch"),
        (lambda: AlexNetConfig(dropout=1), r"dropout must be in \[0, 1\), got 1"),
        (lambda: small().features(images(1, 3, 23, 23), "fc9"), "layer must be one of conv1"),
        (lambda: retrieve(torch.zeros(1, 3), torch.zeros(9, 2)), "shapes .*1, 3.* and .*9, 2"),
        (lambda: retrieve(torch.zeros(1, 3), torch.zeros(4, 3)), "the gallery's 4 images, got 6"),
    ],
)
def test_bad_arguments_are_named(make, says):
    with pytest.raises(ValueError, match=says):
        make()


@pytest.mark.parametrize(
    ("preset", "shape", "says"),
    [
        ("alexnet", (3, 227, 227), r"x must have shape \(N, 3, H, W\), got \(3, 227, 227\)"),
        ("alexnet", (1, 1, 227, 227), r"x must have shape \(N, 3, H, W\), got \(1, 1,"),
        ("alexnet", (1, 3, 224, 224), "227 by 227 pixels, got 224 by 224: they flatten to 6400 "
         "features, and fc6 has 9216"),
        ("alexnet_224", (1, 3, 256, 256), "224 by 224 pixels, got 256 by 256: .* to 12544 "),
        ("alexnet_owt", (1, 3, 62, 62), "images of 62 by 62 pixels are too small: conv5"),
    ],
)  # fmt: skip
def test_bad_images_are_named_with_both_shapes(preset, shape, says):
    with torch.device("meta"):
        model = AlexNet.from_preset(preset)
        with pytest.raises(ValueError, match=says):
            model(torch.empty(shape))


def test_63_pixels_are_enough_for_one_tower():
    with torch.device("meta"):
        assert AlexNet.from_preset("alexnet_owt")(torch.empty(1, 3, 63, 63)).shape == (1, 1000)


def test_bytes_are_refused():
    with pytest.raises(TypeError, match=r"floating point .*, got torch.uint8"):
        small()(torch.zeros(1, 3, 23, 23, dtype=torch.uint8))


@pytest.mark.parametrize("preset", ["small", "alexnet_owt"])
def test_no_images_give_no_logits(preset):
    net = AlexNet.from_preset(preset, hidden=(8, 8), num_classes=5)
    none = torch.empty(0, 3, net.config.in_size, net.config.in_size)
    for x in (none, none.to(memory_format=torch.channels_last)):
        assert net.train()(x).shape == (0, 5)
        net(x).sum().backward()
        with torch.no_grad():
            assert net.eval()(x).shape == (0, 5)
