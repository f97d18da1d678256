"""Equality with torchvision, torch and scikit-learn; torchvision's and Caffe's checkpoints."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
import torchvision.transforms.functional as TF
from safetensors.torch import save_file
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from torch import nn

from lessons.alex_net import (
    AlexNet,
    AlexSGD,
    LocalResponseNorm,
    PlateauByHand,
    fit_rgb_pca,
    from_caffe,
    from_torchvision,
    load,
    load_caffe,
    load_torchvision,
    local_response_norm_reference,
    preprocess,
    retrieve,
    ten_crop,
    to_caffe,
    to_torchvision,
)


def random(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def close(ours, theirs, tolerance=1e-5):
    return (ours - theirs).abs().max() <= tolerance * theirs.abs().max()


@pytest.fixture(scope="module")
def pair():
    torch.manual_seed(0)
    theirs = torchvision.models.alexnet(num_classes=10)
    ours = AlexNet.from_preset("alexnet_owt", num_classes=10)
    load_torchvision(ours, theirs.state_dict())
    assert from_torchvision(theirs.state_dict()).config == ours.config
    return ours, theirs


# torchvision


def test_the_state_dict_has_torchvisions_names_and_shapes():
    with torch.device("meta"):
        ours, theirs = AlexNet.from_preset("alexnet_owt"), torchvision.models.alexnet()
    state = to_torchvision(ours)
    assert len(state) == 16
    assert [(k, v.shape) for k, v in state.items()] == [
        (k, v.shape) for k, v in theirs.state_dict().items()
    ]


def test_outputs_are_torchvisions(pair):
    ours, theirs = (net.eval() for net in pair)
    with torch.no_grad():
        for size in (224, 63, 300):
            x = random(1, 3, size, size)
            assert close(ours(x), theirs(x))


def test_outputs_and_gradients_in_training_are_torchvisions_with_the_same_dropout(pair):
    ours, theirs = (net.double().train() for net in pair)
    x, y = random(2, 3, 96, 96, dtype=torch.float64), torch.tensor([1, 7])
    outputs = []
    for net in (ours, theirs):
        torch.manual_seed(5)
        outputs.append(net(x))
        F.cross_entropy(outputs[-1], y).backward()
    assert close(*outputs, 1e-10)
    pairs = zip(ours.parameters(), theirs.parameters())
    assert all(close(a.grad, b.grad, 1e-10) for a, b in pairs)
    for net in pair:
        net.float().zero_grad(set_to_none=True)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_checkpoint_is_read_from_its_file(tmp_path, suffix, pair):
    path = tmp_path / f"alexnet{suffix}"
    state = pair[1].state_dict()
    (save_file if suffix == ".safetensors" else torch.save)(state, path)
    assert all(torch.equal(state[name], tensor) for name, tensor in load(path).items())


def test_a_checkpoint_of_another_net_is_named():
    with torch.device("meta"):
        state = torchvision.models.alexnet().state_dict()
        for preset, changes, says in (
            ("alexnet", {}, r"features.0.weight, our conv1.weight, must have shape \(96, 3, 11, 11"
             r"\), got \(64, 3, 11, 11\); torchvision's alexnet is the preset alexnet_owt"),
            ("alexnet_owt", {"num_classes": 10},
             r"classifier.6.weight, our fc8.weight, must .*: num_classes is 10 here and 1000"),
        ):  # fmt: skip
            with pytest.raises(ValueError, match=says):
                load_torchvision(AlexNet.from_preset(preset, **changes), state)
        model = AlexNet.from_preset("alexnet_owt")
        with pytest.raises(ValueError, match=r"no 'classifier.6.bias', which is our 'fc8.bias'"):
            load_torchvision(model, {k: v for k, v in state.items() if k != "classifier.6.bias"})
        with pytest.raises(ValueError, match="1 tensors too many, the first is 'extra'"):
            load_torchvision(model, state | {"extra": torch.zeros(1)})


# Caffe


def test_caffes_blobs_load_with_red_and_blue_exchanged():
    sizes = {"hidden": (16, 8), "num_classes": 4, "init": "he"}
    generator = torch.Generator().manual_seed(0)
    # It stands for the net in Caffe, which sees BGR.
    theirs = AlexNet.from_preset("caffe_alexnet", generator, **sizes).eval()
    blobs = {}
    for name in (*theirs.conv_names, *theirs.fc_names):
        weight, bias = (p.detach().numpy() for p in getattr(theirs, name).parameters())
        if name == "fc6":  # as in files of 2012
            weight, bias = weight[None, None], bias[None, None, None]
        blobs[name] = [weight, bias]
    ours = AlexNet.from_preset("caffe_alexnet", **sizes).eval()
    load_caffe(ours, blobs)
    rgb = 100 * random(1, 3, 227, 227)  # as pixels are, so that normalization does something
    with torch.no_grad():
        expected = theirs(rgb.flip(1))
        assert close(ours(rgb), expected)
        assert close(from_caffe(blobs)(rgb), expected)
        assert close(from_caffe(to_caffe(ours))(rgb), expected)
        assert not close(from_caffe(blobs, "caffenet")(rgb), expected, 1e-2)  # of the same shapes
    with torch.device("meta"):
        caffenet = AlexNet.from_preset("caffenet")
    with pytest.raises(ValueError, match=r"fc6.weight must have shape \(4096, 9216\), got \(16, 9"):
        load_caffe(caffenet, blobs)


# torch


def test_normalization_is_torchs_with_alpha_times_n():
    x = 30 * random(2, 96, 5, 5, dtype=torch.float64).relu()
    theirs = F.local_response_norm(x, 5, alpha=5e-4, beta=0.75, k=2)
    for ours in (LocalResponseNorm()(x), local_response_norm_reference(x)):
        assert (ours - theirs).abs().max() < 1e-13
    undivided = F.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=2)
    assert (LocalResponseNorm()(x) - undivided).abs().max() > 1


def test_a_grouped_convolution_is_two():
    model = AlexNet.from_preset("small")
    x, layer = random(2, 16, 9, 9), model.conv2
    halves = [
        F.conv2d(part, weight, bias, padding=2)
        for part, weight, bias in zip(x.chunk(2, 1), layer.weight.chunk(2), layer.bias.chunk(2))
    ]
    assert close(layer(x), torch.cat(halves, 1))


def test_steps_are_torchs_until_the_rate_falls():
    weights = [nn.Parameter(random(20, dtype=torch.float64)) for _ in range(2)]
    ours = AlexSGD([weights[0]], lr=0.01)
    theirs = torch.optim.SGD([weights[1]], lr=0.01, momentum=0.9, weight_decay=5e-4)

    def steps(count, seed):
        for i in range(count):
            for w, optimizer in zip(weights, (ours, theirs)):
                w.grad = random(20, seed=seed + i, dtype=torch.float64)
                optimizer.step()

    steps(30, 1)
    assert close(*weights, 1e-12)
    velocity = ours.state[weights[0]]["velocity"]
    assert close(velocity, -0.01 * theirs.state[weights[1]]["momentum_buffer"], 1e-12)
    for optimizer in (ours, theirs):
        optimizer.param_groups[0]["lr"] = 0.001
    steps(1, 50)
    step = weights[0] - weights[1]
    assert close(step, 0.9 * velocity_before(velocity, weights[0]) * 0.9, 1e-6)


def velocity_before(velocity, w):
    """The velocity before the last step, of which torch takes a tenth and the paper all."""
    last = random(20, seed=50, dtype=torch.float64)
    before = w - velocity  # the weights that the step started from
    return (velocity + 0.001 * last + 0.001 * 5e-4 * before) / 0.9


@pytest.mark.parametrize("patience", [0, 1, 3])
def test_the_rate_falls_when_torchs_scheduler_would_lower_it(patience):
    errors = (torch.rand(60, generator=torch.Generator().manual_seed(patience)) * 20).round()
    optimizers = [torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0) for _ in range(2)]
    ours = PlateauByHand(optimizers[0], patience, drops=99)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizers[1], factor=0.1, patience=patience, threshold=0.0, eps=0.0
    )
    for error in errors.tolist():
        ours.step(error)
        theirs.step(error)
        assert optimizers[0].param_groups[0]["lr"] == optimizers[1].param_groups[0]["lr"]
    assert optimizers[0].param_groups[0]["lr"] < 1e-3


# Images


def test_ten_crops_are_torchvisions():
    x = random(2, 3, 32, 40)
    theirs = torch.stack(TF.ten_crop(x, [24, 24]))
    # It cuts the corners from the mirrored image, so its left ones are our right ones mirrored.
    assert torch.equal(ten_crop(x, 24), theirs[[0, 1, 2, 3, 4, 6, 5, 8, 7, 9]])


def test_preprocessing_is_torchvisions():
    image = (torch.rand(3, 300, 400, generator=torch.Generator().manual_seed(0)) * 255).byte()
    theirs = TF.center_crop(TF.resize(image.float(), [256], antialias=True), [256, 256])
    assert torch.allclose(preprocess(image), theirs, atol=1e-3)


def test_the_components_of_colour_are_scikit_learns():
    x = random(9, 3, 6, 6) * torch.tensor([3.0, 2, 1])[:, None, None]
    theirs = PCA(3).fit(x.permute(0, 2, 3, 1).reshape(-1, 3).numpy())
    eigvecs, eigvals = fit_rgb_pca(x)
    assert np.allclose(eigvals, theirs.explained_variance_, rtol=1e-4)
    assert np.allclose(eigvecs.T.abs().numpy(), np.abs(theirs.components_), atol=1e-4)


def test_neighbours_are_scikit_learns():
    query, gallery = random(5, 8), random(40, 8, seed=1)
    distances, indices = NearestNeighbors(n_neighbors=6).fit(gallery).kneighbors(query)
    found = retrieve(query, gallery)
    assert np.array_equal(found.indices, indices)
    assert np.allclose(found.distances, distances, atol=1e-4)
