"""The paper's statements about its nets: sizes, arithmetic, shortcuts, identities; bad input."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lessons.residuals import (
    CIFAR_PRESETS,
    PRESETS,
    BasicBlock,
    Bottleneck,
    CifarResNet,
    CifarResNetConfig,
    PreActBasicBlock,
    PreActBottleneck,
    ResNet,
    ResNetConfig,
    ZeroPadShortcut,
    evaluate_fully_convolutional,
    evaluate_ten_crops,
    fuse_conv_bn,
    recipe,
    ten_crops,
)


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def macs(model, *shape):
    """Multiply-adds of convolutions and the last layer, for one image, on the meta device."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(torch.empty(shape, device="meta"))
    return counter.get_total_flops() // 2


def randomize(model, seed=0):
    """Give norms random weights and statistics, so that an error in them shows."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.running_var):
                if tensor is not None:
                    tensor.data.uniform_(0.5, 1.5, generator=generator)
            for tensor in (module.bias, module.running_mean):
                if tensor is not None:
                    tensor.data.normal_(0, 0.3, generator=generator)
    return model


def images(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


# Sizes and arithmetic (Table 1, §3.2, §4.2, Table 6)

SIZES = {
    "resnet18": (11_689_512, 1_814_073_344),
    "resnet34": (21_797_672, 3_663_761_408),
    "resnet50": (25_557_032, 4_089_184_256),
    "resnet101": (44_549_160, 7_801_405_440),
    "resnet152": (60_192_808, 11_513_626_624),
    "resnet50_v1": (25_557_032, 3_857_973_248),
    "resnet101_v1": (44_549_160, 7_570_194_432),
    "resnet152_v1": (60_192_808, 11_282_415_616),
    "plain18": (11_515_688, None),
    "plain34": (21_623_848, None),
    "resnet200": (64_673_832, None),
    "wide_resnet50_2": (68_883_240, 11_398_021_120),
    "resnext50_32x4d": (25_028_904, 4_230_479_872),
    "preact_resnet18": (11_687_720, None),
    "preact_resnet34": (21_795_880, None),
    "preact_resnet50": (25_549_352, None),
    "preact_resnet101": (44_541_480, None),
    "preact_resnet152": (60_185_128, None),
}
CIFAR_SIZES = {
    "cifar_resnet20": (269_722, 40_551_040),
    "cifar_resnet32": (464_154, None),
    "cifar_resnet44": (658_586, None),
    "cifar_resnet56": (853_018, 125_485_696),
    "cifar_resnet110": (1_727_962, 252_887_680),
    "cifar_resnet1202": (19_421_274, 2_829_238_912),
    "cifar_preact_resnet110": (1_727_962, None),
    "cifar_preact_resnet164": (1_703_258, None),
    "cifar_preact_resnet1001": (10_327_706, None),
}


def test_every_preset_has_a_size_to_check():
    assert set(SIZES) == set(PRESETS)
    plain = {f"cifar_plain{depth}" for depth in (20, 32, 44, 56, 110)}
    assert set(CIFAR_SIZES) | plain == set(CIFAR_PRESETS)


@pytest.mark.parametrize("name", SIZES)
def test_parameters_and_arithmetic_are_exact(name):
    with torch.device("meta"):
        model = ResNet.from_preset(name)
    count, arithmetic = SIZES[name]
    assert parameters(model) == count
    assert arithmetic is None or macs(model, 1, 3, 224, 224) == arithmetic


@pytest.mark.parametrize("name", CIFAR_SIZES)
def test_parameters_and_arithmetic_of_the_small_nets_are_exact(name):
    with torch.device("meta"):
        model = CifarResNet.from_preset(name)
    count, arithmetic = CIFAR_SIZES[name]
    assert parameters(model) == count
    assert arithmetic is None or macs(model, 1, 3, 32, 32) == arithmetic


PRINTED = {"resnet18": 1.8, "resnet34": 3.6, "resnet50": 3.8, "resnet101": 7.6, "resnet152": 11.3}


@pytest.mark.parametrize("name", PRINTED)
def test_table_1_prints_the_arithmetic_of_the_stride_in_the_first_convolution(name):
    deep = f"{name}_v1" in SIZES
    assert abs(SIZES[f"{name}_v1" if deep else name][1] / 1e9 - PRINTED[name]) < 0.1
    assert not deep or SIZES[name][1] / 1e9 - PRINTED[name] > 0.2


@pytest.mark.parametrize(
    ("depth", "printed"),
    [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7), (1202, 19.4)],
)
def test_table_6_prints_these_sizes(depth, printed):
    digits = 2 if printed < 1 else 1
    assert round(CIFAR_SIZES[f"cifar_resnet{depth}"][0] / 1e6, digits) == printed


def test_a_shortcut_of_option_a_costs_nothing():
    with torch.device("meta"):
        for shortcut, extra in (("A", 0), ("B", 2_752)):
            residual = CifarResNet.from_preset("cifar_resnet20", shortcut=shortcut)
            plain = CifarResNet.from_preset("cifar_plain20")
            assert parameters(residual) - parameters(plain) == extra
        assert macs(plain, 1, 3, 32, 32) == SIZES_A
        assert parameters(ResNet.from_preset("resnet34", shortcut="A")) == SIZES["plain34"][0]
        assert parameters(ResNet.from_preset("resnet34", shortcut="C")) == 22_716_840


SIZES_A = CIFAR_SIZES["cifar_resnet20"][1]


@pytest.mark.parametrize("depth", [20, 32, 44, 56, 110])
def test_depth_counts_the_layers_with_weights(depth):
    with torch.device("meta"):
        model = CifarResNet.from_preset(f"cifar_resnet{depth}")
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == depth


def test_maps_shrink_as_in_table_1():
    with torch.device("meta"):
        model = ResNet.from_preset("resnet50")
        maps = model.stages(torch.empty(1, 3, 224, 224))
    shapes = [(256, 56, 56), (512, 28, 28), (1024, 14, 14), (2048, 7, 7)]
    assert [tuple(m.shape[1:]) for m in maps] == shapes


# Equations 1 and 2


def test_a_block_is_relu_of_the_residual_function_plus_the_identity():
    block = randomize(BasicBlock(8, 8)).eval()
    x = images(2, 8, 5, 5)

    def norm(bn, y):
        y = (y - bn.running_mean[:, None, None]) / (bn.running_var + bn.eps).sqrt()[:, None, None]
        return y * bn.weight[:, None, None] + bn.bias[:, None, None]

    def conv(weight, y):  # an independent convolution: unfold, then a product
        columns = F.unfold(y, 3, padding=1)
        return torch.einsum("ok,nkl->nol", weight.flatten(1), columns).view_as(y)

    hidden = norm(block.bn1, conv(block.conv1.weight, x)).relu()
    expected = (norm(block.bn2, conv(block.conv2.weight, hidden)) + x).relu()
    assert torch.allclose(block(x), expected, atol=1e-5)


def test_shortcut_a_takes_every_second_pixel_and_fills_with_zeros():
    x = images(1, 2, 4, 6)
    y = ZeroPadShortcut(2, 6, 2)(x)
    assert torch.equal(y[:, 2:4], x[:, :, ::2, ::2])
    assert y[:, :2].abs().sum() == y[:, 4:].abs().sum() == 0


@pytest.mark.parametrize("make", [BasicBlock, Bottleneck])
def test_with_zero_residual_weights_a_block_is_relu_and_fifty_are_the_identity_on_x_above_zero(
    make,
):
    blocks = nn.Sequential(*[make(16, 16 // make.expansion) for _ in range(50)]).eval()
    for block in blocks:
        last = block.bn2 if make is BasicBlock else block.bn3
        nn.init.zeros_(last.weight)
    x = images(2, 16, 4, 4)
    assert torch.equal(blocks(x), x.relu())


@pytest.mark.parametrize("make", [PreActBasicBlock, PreActBottleneck])
def test_with_zero_residual_weights_fifty_preactivation_blocks_are_exactly_the_identity(make):
    blocks = nn.Sequential(*[make(16, 16 // make.expansion) for _ in range(50)])
    for block in blocks:
        nn.init.zeros_((block.conv2 if make is PreActBasicBlock else block.conv3).weight)
    x = images(2, 16, 4, 4)
    assert torch.equal(blocks(x), x)


def test_preactivation_adds_up_the_residuals_and_passes_the_gradient_unchanged():
    # He et al. 2016b, eqs. 4 and 5.
    blocks = [PreActBasicBlock(4, 4).double().eval() for _ in range(6)]
    x = images(1, 4, 3, 3, dtype=torch.float64).requires_grad_()
    y, residuals = x, []
    for block in blocks:
        residuals.append(block.branch(F.relu(block.bn1(y))))
        y = block(y)
    assert torch.allclose(y, x + sum(residuals), atol=1e-12)
    (gradient,) = torch.autograd.grad(y.sum(), x, retain_graph=True)
    (through,) = torch.autograd.grad(sum(residuals).sum(), x)
    assert torch.allclose(gradient, 1 + through, atol=1e-12)


@pytest.mark.parametrize("make", [BasicBlock, Bottleneck, PreActBasicBlock, PreActBottleneck])
def test_gradients_are_those_of_finite_differences(make):
    block = make(2, 2, stride=2).double().train()
    for module in block.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    x = images(3, 2, 4, 4, dtype=torch.float64, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(block, (x,), eps=1e-7, atol=1e-5)


@pytest.mark.parametrize(("block", "stride"), [("conv1", (1, 1)), ("conv2", (2, 2))])
def test_the_released_bottleneck_has_its_stride_in_the_3x3_convolution(block, stride):
    paper, released = Bottleneck(64, 64, 2, stride_in_1x1=True), Bottleneck(64, 64, 2)
    assert getattr(released, block).stride == stride
    assert getattr(paper, block).stride == ((2, 2) if block == "conv1" else (1, 1))


def test_zero_initialized_residuals_begin_as_the_shortcuts_alone():
    model = ResNet.from_preset("resnet50", zero_init_residual=True)
    for module in model.modules():
        if isinstance(module, Bottleneck):
            assert module.bn3.weight.abs().sum() == 0
            assert module.bn1.weight.abs().sum() > 0


@pytest.mark.parametrize(("name", "last"), [("18", "conv2"), ("50", "conv3")])
def test_zero_initialized_preactivation_blocks_begin_as_the_identity(name, last):
    model = ResNet.from_preset(f"preact_resnet{name}", zero_init_residual=True)
    block, x = model.layer1[-1], images(2, model.layer1[-1].bn1.num_features, 8, 8)
    assert getattr(block, last).weight.abs().sum() == 0
    assert block.conv1.weight.abs().sum() > 0
    assert torch.equal(block(x), x)


def test_initialization_has_the_variance_of_the_fan_out():
    torch.manual_seed(0)
    conv = ResNet.from_preset("resnet18").layer4[1].conv2
    assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / (512 * 9)), rel=0.01)


# Inference


FOLDED = ["resnet18", "resnet50", "preact_resnet18", "preact_resnet50", "plain18"]


@pytest.mark.parametrize("name", FOLDED)
def test_folded_norms_give_the_same_outputs(name):
    model = randomize(ResNet.from_preset(name, num_classes=10)).double().eval()
    fused = fuse_conv_bn(model)
    x = images(2, 3, 64, 64, dtype=torch.float64)
    assert torch.allclose(fused(x), model(x), rtol=1e-9)
    left = [m for m in fused.modules() if isinstance(m, nn.BatchNorm2d)]
    blocks = sum(model.config.layers)
    assert len(left) == (blocks + 1 if name.startswith("preact") else 0)


def test_folded_small_nets_give_the_same_outputs():
    model = randomize(CifarResNet.from_preset("cifar_resnet20")).double().eval()
    x = images(2, 3, 32, 32, dtype=torch.float64)
    assert torch.allclose(fuse_conv_bn(model)(x), model(x), rtol=1e-9)


class PreActBlock(nn.Module):
    """A pre-activation block as others write it: bn1 comes before conv1."""

    def __init__(self):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, padding=1)
        self.bn2, self.conv2 = nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x):
        return x + self.conv2(self.bn2(self.conv1(self.bn1(x).relu())).relu())


class Activated(nn.BatchNorm2d):
    def forward(self, input):
        return super().forward(input).relu()


class Standardized(nn.Conv2d):
    def forward(self, input):
        return F.conv2d(input, self.weight / self.weight.std(), self.bias)


def hooked():
    conv = nn.Conv2d(4, 4, 1)
    conv.register_forward_hook(lambda module, args, output: output * 2)
    return nn.Sequential(conv, nn.BatchNorm2d(4))


def tied():
    net = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1))
    net[2].weight = net[0].weight
    return net


@pytest.mark.parametrize("make", [
    PreActBlock, hooked, tied,
    lambda: nn.Sequential(nn.Conv2d(4, 4, 1), Activated(4)),
    lambda: nn.Sequential(Standardized(4, 4, 1), nn.BatchNorm2d(4)),
    lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 1)),
                          nn.BatchNorm2d(4)),
])  # fmt: skip
def test_what_may_do_more_than_it_seems_is_not_folded(make):
    whole = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4, affine=False), nn.ReLU(), make())
    whole = randomize(whole).double().eval()
    fused, x = fuse_conv_bn(whole), images(2, 4, 6, 6, dtype=torch.float64)
    assert torch.allclose(fused(x), whole(x), rtol=1e-9)
    left = [sum(isinstance(m, nn.BatchNorm2d) for m in net.modules()) for net in (whole, fused)]
    assert left[0] == left[1] + 1
    with pytest.raises(ValueError, match="has no convN and bnN"):
        fuse_conv_bn(make())


def test_channels_last_and_checkpointing_change_nothing():
    x = images(2, 3, 64, 64)
    torch.manual_seed(0)
    model = ResNet.from_preset("resnet18", num_classes=5)
    saving = ResNet.from_preset("resnet18", num_classes=5, grad_checkpointing=True)
    saving.load_state_dict(model.state_dict())
    losses = [net(x).square().sum() for net in (model, saving)]
    for loss in losses:
        loss.backward()
    assert torch.equal(model.conv1.weight.grad, saving.conv1.weight.grad)
    model.eval()
    last = model.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    assert torch.allclose(model(x), last, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["resnet18", "preact_resnet18"])
def test_checkpointing_moves_the_statistics_once(name):
    x = images(2, 3, 64, 64)
    model = randomize(ResNet.from_preset(name, num_classes=5))
    saving = ResNet.from_preset(name, num_classes=5, grad_checkpointing=True)
    saving.load_state_dict(model.state_dict())
    for net in (model, saving):
        loss = net.train()(x).square().sum()
        loss.backward(retain_graph=True)
        loss.backward()
    for (key, one), other in zip(model.named_buffers(), saving.buffers()):
        assert torch.equal(one, other), key
    assert saving.layer1[0].bn1.num_batches_tracked == 1


def test_checkpointing_moves_the_statistics_once_when_compiled():
    saving = ResNet.from_preset("resnet18", layers=(1, 1, 1, 1), grad_checkpointing=True)
    compiled = torch.compile(saving, fullgraph=True, backend="aot_eager")
    compiled(images(2, 3, 32, 32)).sum().backward()
    assert saving.layer1[0].bn1.num_batches_tracked == 1


def test_dilation_keeps_the_maps_large_and_the_weights():
    model = ResNet.from_preset("resnet50", dilate=(False, True, True)).eval()
    plain = ResNet.from_preset("resnet50")
    model.load_state_dict(plain.state_dict())
    with torch.no_grad():
        assert [m.shape[-1] for m in model.stages(images(1, 3, 64, 64))] == [16, 8, 8, 8]


@pytest.mark.parametrize("make", [
    lambda: ResNet.from_preset("resnet18", num_classes=4),
    lambda: ResNet.from_preset("preact_resnet50", num_classes=4),
    lambda: CifarResNet.from_preset("cifar_resnet20"),
])  # fmt: skip
def test_it_compiles_whole_and_runs_in_bfloat16(make):
    torch.manual_seed(0)
    model, x = make().eval(), images(2, 3, 32, 32)
    with torch.no_grad():
        compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
        assert torch.allclose(compiled(x), model(x), atol=1e-5)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.allclose(model(x).float(), model(x.double().float()).float(), atol=0.1)
            assert model(x).dtype == torch.bfloat16


def test_ten_crops_are_the_corners_the_centre_and_their_mirror_images():
    x = torch.arange(36.0).view(1, 1, 6, 6)
    crops = ten_crops(x, 4)
    assert [crop[0, 0, 0, 0].item() for crop in crops[:5]] == [0, 2, 12, 14, 7]
    assert torch.equal(crops[5:], crops[:5].flip(-1))


def test_averaging_scores_over_places_equals_averaging_the_map():
    model = ResNet.from_preset("resnet18", num_classes=5).eval()
    x = images(1, 3, 96, 128)
    with torch.no_grad():
        features = model.forward_features(x)
        everywhere = torch.einsum("bfyx,kf->bkyx", features, model.fc.weight)
        scores = everywhere.mean((2, 3)) + model.fc.bias
        assert torch.allclose(evaluate_fully_convolutional(model, x, [96]), scores, atol=1e-5)
        two = evaluate_fully_convolutional(model, x, [64, 96])
        alone = [evaluate_fully_convolutional(model, x, [size]) for size in (64, 96)]
        assert torch.allclose(two, sum(alone) / 2, atol=1e-6)
        probabilities = evaluate_ten_crops(model, x, 64)
        assert torch.allclose(probabilities.sum(-1), torch.ones(1))


# The recipe


@pytest.mark.parametrize(
    ("iteration", "total", "rate"),
    [(0, 64_000, 0.1), (31_999, 64_000, 0.1), (32_000, 64_000, 0.01), (48_000, 64_000, 0.001),
     (63_999, 64_000, 0.001), (49, 100, 0.1), (50, 100, 0.01), (75, 100, 0.001)],
)  # fmt: skip
def test_the_learning_rate_falls_at_half_and_three_quarters(iteration, total, rate):
    assert recipe.learning_rate(iteration, total) == pytest.approx(rate)


def test_augmentation_shifts_and_mirrors_and_no_more():
    generator = torch.Generator().manual_seed(0)
    x = images(1, 2, 5, 5).expand(200, -1, -1, -1)
    padded = F.pad(x[0], (1,) * 4)
    allowed = {
        (crop.flip(-1) if mirrored else crop).contiguous().numpy().tobytes()
        for crop in (padded[:, i : i + 5, j : j + 5] for i in range(3) for j in range(3))
        for mirrored in (False, True)
    }
    seen = {crop.contiguous().numpy().tobytes() for crop in recipe.augment(x, 1, generator)}
    assert seen == allowed


def test_the_optimizer_is_the_papers():
    group = recipe.make_optimizer(nn.Linear(1, 1)).param_groups[0]
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.1, 0.9, 1e-4)
    assert not group["nesterov"]


@pytest.mark.parametrize("name", ["resnet18", "preact_resnet18"])
def test_no_images_give_no_logits_and_leave_the_statistics(name):
    model = ResNet.from_preset(name, num_classes=5)
    before = [norm.running_mean.clone() for norm in model.modules() if "running_mean" in dir(norm)]
    for net in (model.train(), model.eval()):
        assert net(torch.empty(0, 3, 64, 64)).shape == (0, 5)
    after = [norm.running_mean for norm in model.modules() if "running_mean" in dir(norm)]
    assert all(torch.equal(a, b) for a, b in zip(before, after))


# Bad input


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: CifarResNetConfig(21), r"depth must be 6n\+2, got 21"),
        (lambda: CifarResNetConfig(2), r"depth must be 6n\+2, got 2"),
        (lambda: CifarResNetConfig(21, bottleneck=True), r"depth must be 9n\+2, got 21"),
        (lambda: CifarResNet(CifarResNetConfig(20, shortcut="D")), "one of A, B, C, got 'D'"),
        (lambda: CifarResNet.from_preset("resnet20"), "name must be one of cifar_resnet20"),
        (lambda: ResNet.from_preset("resnet51"), "name must be one of resnet18"),
        (lambda: ResNetConfig("square"), "block must be one of basic"),
        (lambda: ResNetConfig(layers=(1, 0, 1, 1)), "layers must be four positive numbers"),
        (lambda: ResNetConfig(residual=False, zero_init_residual=True), "needs residual=True"),
        (lambda: ResNet.from_preset("resnet18", groups=2), "groups=1 only, got 2"),
        (lambda: ResNet.from_preset("resnet18", width_per_group=128), "width_per_group=64 only"),
        (lambda: ResNet.from_preset("resnet34", dilate=(False, False, True)), "dilation=1 only"),
        (lambda: ResNetConfig("basic", (1,) * 4, dilate=(False, False, True)), "dilation=1 only"),
        (lambda: ResNet.from_preset("resnet18", stride_in_1x1=True), "stride_in_1x1=False only"),
        (lambda: ResNetConfig(shortcut="D"), "one of A, B, C, got 'D'"),
        (lambda: ZeroPadShortcut(64, 32, 1), "from 64 channels to fewer, 32"),
        (lambda: recipe.learning_rate(100, 100), r"iteration must be in \[0, 100\), got 100"),
        (lambda: ten_crops(torch.zeros(1, 3, 100, 300)), "at least 224 pixels .*got 100 by 300"),
        (lambda: evaluate_fully_convolutional(None, torch.zeros(1, 3, 9, 9), []), "sizes must be"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(make, says):
    with pytest.raises(ValueError, match=says):
        make()


@pytest.mark.parametrize("net", ["imagenet", "cifar"])
@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 1, 64, 64), (1, 3, 0, 64)])
def test_bad_images_are_named_with_both_shapes(net, shape):
    imagenet = net == "imagenet"
    make, name = (ResNet, "resnet18") if imagenet else (CifarResNet, "cifar_resnet20")
    with torch.device("meta"):
        model = make.from_preset(name)
        with pytest.raises(ValueError, match=r"x must have shape \(N, 3, H, W\), got \("):
            model(torch.empty(shape))
