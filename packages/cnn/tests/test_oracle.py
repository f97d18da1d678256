"""Equality with torch's and SciPy's operations, with loops, and with the LeNet everybody builds."""

import numpy as np
import pytest
import scipy.signal
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from lessons.cnn import (
    DIGIT_CODES,
    LeNet5,
    LeNet5Config,
    PartialConv2d,
    RBFOutput,
    Subsample,
    ZipNet,
    conv2d,
    from_conv_stack,
    load,
    to_conv_stack,
)
from lessons.cnn.lenet import C3_TABLE


def randn(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.double)


def seeded(make, *args):
    torch.manual_seed(0)
    return make(*args)


def close(ours, theirs, tolerance=1e-12):
    return (ours - theirs).abs().max() <= tolerance


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("shape", [(1, 1, 5, 5), (3, 2, 9, 7), (2, 4, 12, 12)])
@pytest.mark.parametrize("kernel", [(1, 1), (3, 2), (5, 5)])
def test_convolution_from_windows_is_torchs(shape, kernel, stride):
    x, weight, bias = randn(*shape), randn(3, shape[1], *kernel, seed=1), randn(3, seed=2)
    assert close(conv2d(x, weight, bias, stride), F.conv2d(x, weight, bias, stride))


def test_convolution_is_scipys_correlation():
    x, weight = randn(1, 1, 9, 8), randn(1, 1, 3, 4, seed=1)
    expected = scipy.signal.correlate2d(x[0, 0].numpy(), weight[0, 0].numpy(), mode="valid")
    assert np.allclose(conv2d(x, weight)[0, 0].numpy(), expected, atol=1e-12)


def test_a_partial_convolution_is_torchs_with_a_masked_kernel():
    ours = seeded(PartialConv2d, 6, C3_TABLE).double()
    mask = torch.zeros(16, 6, 1, 1, dtype=torch.double)
    for d, row in enumerate(C3_TABLE):
        mask[d, list(row)] = 1
    dense = randn(16, 6, 5, 5)
    with torch.no_grad():
        ours.weight.copy_(torch.stack([dense[d, c] for d, row in enumerate(C3_TABLE) for c in row]))
        ours.bias.copy_(randn(16, seed=1))
    x = randn(2, 6, 14, 14, seed=2)
    assert close(ours(x), F.conv2d(x, dense * mask, ours.bias))
    assert close(ours.dense_weight(), dense * mask, 0)


def test_subsampling_is_four_times_torchs_average():
    ours = Subsample(3).double()
    with torch.no_grad():
        ours.coef.copy_(randn(3))
        ours.bias.copy_(randn(3, seed=1))
    x = randn(2, 3, 6, 8, seed=2)
    expected = 4 * F.avg_pool2d(x, 2) * ours.coef[:, None, None] + ours.bias[:, None, None]
    assert close(ours(x), expected)
    assert close(Subsample(3, trainable=False).double()(x), F.avg_pool2d(x, 2))


def test_rbf_outputs_are_torchs_squared_distances():
    x = randn(5, 84)
    expected = torch.cdist(x, DIGIT_CODES.double()).square()
    assert close(RBFOutput().double()(x), expected, 1e-10)


def test_lenet5_is_the_paper_written_out_in_torchs_operations():
    net = seeded(LeNet5).double()
    w = net.state_dict()

    def f(a):
        return 1.7159 * torch.tanh(2 / 3 * a)

    def s(x, name):
        coef, bias = w[f"{name}.coef"][:, None, None], w[f"{name}.bias"][:, None, None]
        return f(4 * F.avg_pool2d(x, 2) * coef + bias)

    x = randn(2, 1, 32, 32)
    s2 = s(f(F.conv2d(x, w["c1.weight"], w["c1.bias"])), "s2")
    maps, n = [], 0
    for d, row in enumerate(C3_TABLE):
        kernels = w["c3.weight"][n : n + len(row)]
        maps.append(F.conv2d(s2[:, row], kernels[None])[:, 0] + w["c3.bias"][d])
        n += len(row)
    s4 = s(f(torch.stack(maps, 1)), "s4")
    c5 = f(F.linear(s4.flatten(1), w["c5.weight"].flatten(1), w["c5.bias"]))
    f6 = f(F.linear(c5, w["f6.weight"].flatten(1), w["f6.bias"]))
    expected = ((f6[:, None] - w["rbf.centers"]) ** 2).sum(-1)
    assert close(net(x), expected, 1e-10)


def test_the_zip_net_is_a_loop_over_its_units():
    net = seeded(ZipNet).double()
    with torch.no_grad():
        net.h1.bias.copy_(randn(12, 8, 8))
        net.h2.bias.copy_(randn(12, 4, 4, seed=1))
    w = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    image = randn(1, 1, 16, 16, seed=2)

    def f(a):
        return 1.7159 * np.tanh(2 / 3 * a)

    def unit(maps, kernels, bias, row, column):
        """A unit's receptive field, centred on every other pixel, background −1 outside."""
        total = bias
        for pixels, kernel in zip(maps, kernels, strict=True):
            for u in range(5):
                for v in range(5):
                    y, x = 2 * row + u - 2, 2 * column + v - 2
                    inside = 0 <= y < len(pixels) and 0 <= x < len(pixels)
                    total += kernel[u, v] * (pixels[y, x] if inside else -1.0)
        return f(total)

    pixels = image[0, 0].numpy()
    h1 = np.array([[[unit([pixels], [w["h1.weight"][m]], w["h1.bias"][m, r, c], r, c)
                     for c in range(8)] for r in range(8)] for m in range(12)])  # fmt: skip
    h2 = np.array([[[unit([h1[i] for i in net.h2.table[m]], w["h2.weight"][8 * m : 8 * m + 8],
                          w["h2.bias"][m, r, c], r, c)
                     for c in range(4)] for r in range(4)] for m in range(12)])  # fmt: skip
    h3 = f(w["h3.weight"] @ h2.reshape(-1) + w["h3.bias"])
    expected = f(w["out.weight"] @ h3 + w["out.bias"])
    assert np.allclose(net(image)[0].detach().numpy(), expected, atol=1e-12)


class Common(nn.Module):
    """The LeNet-5 of most tutorials, with the names that its checkpoints have."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2).flatten(1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_common_checkpoint_gives_the_same_outputs_and_gradients(tmp_path, suffix):
    theirs = seeded(Common)
    path = tmp_path / f"lenet{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(theirs.state_dict(), path)
    ours = from_conv_stack(load(path)).double()
    theirs = theirs.double()
    x = randn(3, 1, 28, 28)
    framed = F.pad(x, (2, 2, 2, 2))  # with zeros, as their padding has it
    assert close(ours(framed), theirs(x))
    for net, images in ((ours, framed), (theirs, x)):
        F.cross_entropy(net(images), torch.tensor([0, 1, 2])).backward()
    assert close(ours.c1.weight.grad, theirs.conv1.weight.grad)
    assert close(ours.c5.weight.grad.flatten(1), theirs.fc1.weight.grad)
    back = to_conv_stack(ours)
    assert set(back) == set(theirs.state_dict())
    assert all(torch.equal(back[k], v) for k, v in theirs.state_dict().items())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: s.pop("conv2.bias"), "no 'conv2.bias', which is our 'c3.bias'"),
        (lambda s: s.update(extra=torch.zeros(1)), "1 tensors too many, the first is 'extra'"),
        (lambda s: s.update({"fc1.weight": torch.zeros(120, 256)}),
         r"fc1.weight, our c5.weight, must have shape \(120, 400\), got \(120, 256\)"),
    ],
)  # fmt: skip
def test_another_checkpoint_is_refused(change, says):
    state = seeded(Common).state_dict()
    change(state)
    with pytest.raises(ValueError, match=says):
        from_conv_stack(state)


def test_only_the_common_form_is_written_in_the_common_layout():
    with pytest.raises(ValueError, match="lenet5_modern"):
        to_conv_stack(LeNet5(LeNet5Config(output="linear")))
