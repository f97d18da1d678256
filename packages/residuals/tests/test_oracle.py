"""Equality with torchvision, timm and Hugging Face on the same weights, and their checkpoints."""

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode
from transformers import ResNetConfig as HFConfig
from transformers import ResNetForImageClassification

from lessons.residuals import (
    CifarResNet,
    ResNet,
    from_hf,
    from_timm,
    from_torchvision,
    load,
    load_hf,
    load_timm,
    load_torchvision,
    to_hf,
    to_timm,
    to_torchvision,
)

TORCHVISION = [f"resnet{depth}" for depth in (18, 34, 50, 101, 152)]
TORCHVISION += ["wide_resnet50_2", "resnext50_32x4d"]
X = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def randomized(model, seed=0):
    """Return the model with random norms, so that a swapped name shows."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in model.state_dict().items():
        if "running_var" in name or (tensor.ndim == 1 and name.endswith("weight")):
            tensor.uniform_(0.5, 1.0, generator=generator)
        elif tensor.ndim == 1:
            tensor.normal_(0, 0.1, generator=generator)
    return model


def close(ours, theirs, tolerance=1e-5):
    return (ours - theirs).abs().max() <= tolerance * theirs.abs().max()


# §4.1 compares with 15.3 and 19.6 billion: the convolutions of the one, all layers of the other.
@pytest.mark.parametrize(
    ("name", "convolutions", "whole"),
    [("vgg16", 15_346_630_656, 15_470_264_320), ("vgg19", 19_508_428_800, 19_632_062_464)],
)
def test_of_the_vggs_that_the_paper_compares_with_one_is_counted_whole(name, convolutions, whole):
    with torch.device("meta"):
        net = getattr(torchvision.models, name)().eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            net(torch.empty(1, 3, 224, 224))
    counts = counter.get_flop_counts()["Global"]
    assert counts[torch.ops.aten.convolution] == 2 * convolutions
    assert counter.get_total_flops() == 2 * whole


@pytest.mark.parametrize("name", TORCHVISION)
def test_names_and_their_order_are_torchvisions(name):
    with torch.device("meta"):
        ours, theirs = ResNet.from_preset(name), getattr(torchvision.models, name)()
    assert [(k, v.shape) for k, v in ours.state_dict().items()] == [
        (k, v.shape) for k, v in theirs.state_dict().items()
    ]


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext50_32x4d"])
def test_outputs_are_torchvisions(name):
    theirs = randomized(getattr(torchvision.models, name)()).eval()
    ours = ResNet.from_preset(name).eval()
    load_torchvision(ours, theirs.state_dict())
    made = from_torchvision(theirs.state_dict())
    assert made.config == ours.config
    with torch.no_grad():
        assert close(ours(X), theirs(X))
        assert torch.equal(made(X), ours(X))
        assert close(ours.double()(X.double()), theirs.double()(X.double()), 1e-10)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_training_outputs_and_gradients_are_torchvisions(name):
    theirs = getattr(torchvision.models, name)(num_classes=10).double().train()
    ours = ResNet.from_preset(name, num_classes=10).double().train()
    ours.load_state_dict(theirs.state_dict())
    y = torch.tensor([1, 7])
    for model in (ours, theirs):
        torch.nn.functional.cross_entropy(model(X.double()), y).backward()
    pairs = zip(ours.parameters(), theirs.parameters())
    assert all(close(a.grad, b.grad, 1e-10) for a, b in pairs)
    pairs = zip(ours.buffers(), theirs.buffers())
    assert all(torch.allclose(a, b) for a, b in pairs)


def test_dilated_outputs_are_torchvisions():
    theirs = torchvision.models.resnet50(replace_stride_with_dilation=[False, True, True]).eval()
    ours = ResNet.from_preset("resnet50", dilate=(False, True, True)).eval()
    load_torchvision(ours, randomized(theirs).state_dict())
    made = from_torchvision(theirs.state_dict(), dilate=(False, True, True))
    with torch.no_grad():
        assert close(ours(X), theirs(X))
        assert torch.equal(made(X), ours(X))


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_preactivation_outputs_are_timms(name):
    theirs = randomized(timm.create_model(name.replace("resnet", "resnetv2_"))).eval()
    ours = ResNet.from_preset(f"preact_{name}").eval()
    load_timm(ours, theirs.state_dict())
    made = from_timm(theirs.state_dict())
    assert made.config == ours.config
    with torch.no_grad():
        assert close(ours(X), theirs(X))
        assert torch.equal(made(X), ours(X))
    back = to_timm(ours)
    assert all(torch.equal(back[k], v) for k, v in theirs.state_dict().items())


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnet50_v1"])
def test_outputs_are_hugging_faces(name):
    basic = name == "resnet18"
    config = HFConfig(
        layer_type="basic" if basic else "bottleneck",
        depths=[2, 2, 2, 2] if basic else [3, 4, 6, 3],
        hidden_sizes=[64, 128, 256, 512] if basic else [256, 512, 1024, 2048],
        downsample_in_bottleneck=name.endswith("_v1"),
        num_labels=1000,
    )
    theirs = randomized(ResNetForImageClassification(config)).eval()
    ours = ResNet.from_preset(name).eval()
    load_hf(ours, theirs.state_dict())
    made = from_hf(theirs.state_dict(), stride_in_1x1=config.downsample_in_bottleneck)
    assert made.config == ours.config
    with torch.no_grad():
        assert close(ours(X), theirs(X).logits)
        assert torch.equal(made(X), ours(X))
    back = to_hf(ours)
    assert set(back) == set(theirs.state_dict())
    assert all(torch.equal(back[k], v) for k, v in theirs.state_dict().items())


def test_small_nets_are_torchvisions_blocks_put_together_by_hand():
    block = torchvision.models.resnet.BasicBlock
    ours = randomized(CifarResNet.from_preset("cifar_resnet20", shortcut="B")).eval()
    state, x = ours.state_dict(), X[:, :, :32, :32]

    def part(prefix, module):
        module.load_state_dict(
            {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
        )
        return module.eval()

    with torch.no_grad():
        x = torch.nn.functional.conv2d(x, state["conv1.weight"], padding=1)
        x = part("bn1.", torch.nn.BatchNorm2d(16))(x).relu()
        channels = 16
        for stage, width in enumerate((16, 32, 64), 1):
            for i in range(3):
                stride, down = (2, True) if stage > 1 and i == 0 else (1, False)
                projection = torch.nn.Sequential(
                    torch.nn.Conv2d(channels, width, 1, 2, bias=False), torch.nn.BatchNorm2d(width)
                )
                theirs = block(channels, width, stride, projection if down else None)
                x = part(f"layer{stage}.{i}.", theirs)(x)
                channels = width
        expected = x.mean((2, 3)) @ state["fc.weight"].T + state["fc.bias"]
        assert close(ours(X[:, :, :32, :32]), expected)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_checkpoint_is_read_from_its_file(tmp_path, suffix):
    theirs = randomized(torchvision.models.resnet18(num_classes=3)).eval()
    path = tmp_path / f"resnet18{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(theirs.state_dict(), path)
    ours = ResNet.from_preset("resnet18", num_classes=3).eval()
    load_torchvision(ours, load(path))
    with torch.no_grad():
        assert torch.equal(ours(X), theirs(X))
    assert all(torch.equal(to_torchvision(ours)[k], v) for k, v in theirs.state_dict().items())


@pytest.mark.parametrize(
    ("loader", "changes", "says"),
    [
        (load_hf, {}, r"no 'resnet.embedder.*, which is our 'conv1.weight'"),
        (load_timm, {}, "no 'stem.conv.weight'"),
        (load_torchvision, {"num_classes": 10}, "num_classes is 10 here and 1000 there"),
        (load_torchvision, {"layers": (1, 1, 1, 1)}, "tensors too many, the first is 'layer1.1"),
    ],
)  # fmt: skip
def test_a_checkpoint_of_another_kind_is_named(loader, changes, says):
    state = torchvision.models.resnet18().state_dict()
    model = ResNet.from_preset("resnet18", **changes)
    before = model.conv1.weight.clone()
    with pytest.raises(ValueError, match=says):
        loader(model, state)
    assert torch.equal(model.conv1.weight, before)


def test_checkpoints_from_before_num_batches_tracked_load():
    state = torchvision.models.resnet18().state_dict()
    old = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    load_torchvision(ResNet.from_preset("resnet18"), old)
