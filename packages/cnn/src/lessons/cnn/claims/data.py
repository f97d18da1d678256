"""The images on which the claims are re-tested: MNIST in a full run, else scikit-learn's digits.

Shapes: N images.
"""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from ..images import fill, normalize
from ..lab.mnist import load
from ..lab.run import Run

Set = tuple[Tensor, Tensor]


@lru_cache(maxsize=4)
def _digits() -> Set:
    """Return scikit-learn's 1,797 digits in a fixed random order, (N, 8, 8) from 0 to 1."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))
    x = torch.from_numpy(pixels).float().view(-1, 8, 8) / 16
    return x[order], torch.from_numpy(labels).long()[order]


@lru_cache(maxsize=4)
def _mnist(split: str, folder) -> Set:
    return load("mnist", split, folder)


def _enlarged(pixels: Tensor, size: int) -> Tensor:
    """Return 8 by 8 digits on size by size pixels, from 0 to 1."""
    return F.interpolate(pixels[:, None], (size, size), mode="bilinear").clamp_(0, 1)[:, 0]


def _split(run: Run, x: Tensor, y: Tensor) -> dict[str, Set]:
    """Return 1,000 digits to train on, 200 to choose learning rates by, 597 to test on."""
    few = run.pick(test=40, default=1000)
    parts = {"train": slice(0, few), "valid": slice(1000, 1200), "test": slice(1200, 1797)}
    return {name: (x[at].to(run.device), y[at].to(run.device)) for name, at in parts.items()}


def for_lenet(run: Run) -> dict[str, Set]:
    """Return images for LeNet-5: digits of 20 by 20 pixels in 32 by 32, as normalized in 1998."""
    if run.scale != "full":
        x, y = _digits()
        return _split(run, normalize(_enlarged(x, 20)), y)
    sets = {split: _mnist(split, run.data) for split in ("train", "test")}
    return {k: (normalize(x).to(run.device), y.to(run.device)) for k, (x, y) in sets.items()}


def for_zip(run: Run) -> dict[str, Set]:
    """Return images for the zip-code net, 16 by 16 in [−1, 1].

    MNIST's digits are made to fill the square, as in 1989: 7,291 to train on, 2,709 to choose by,
    all 10,000 to test on. The 8 by 8 digits are too easy for that: they become 12 by 12 and lie at
    a random place.
    """
    if run.scale == "full":
        (x, y), (x_test, y_test) = (_mnist(split, run.data) for split in ("train", "test"))
        x, y = fill(x[:10_000]).to(run.device), y[:10_000].to(run.device)
        sets = {"train": (x[:7291], y[:7291]), "valid": (x[7291:], y[7291:])}
        return sets | {"test": (fill(x_test).to(run.device), y_test.to(run.device))}
    x, y = _digits()
    place = torch.randint(5, (2, len(x)), generator=torch.Generator().manual_seed(1))
    canvas = torch.full((len(x), 1, 16, 16), -1.0)
    for image, pixels, top, left in zip(canvas, _enlarged(x, 12), *place.tolist()):
        image[0, top : top + 12, left : left + 12] = 2 * pixels - 1
    return _split(run, canvas, y)


def named(run: Run) -> str:
    """Return in words what the images are."""
    return run.pick(test="a few digits", default="scikit-learn's digits", full="MNIST")


def apart(run: Run, full: str) -> str:
    """Return what separates the run's experiment from the paper's; ``full`` is what still does."""
    small = "A thousand digits of 8 by 8 pixels are not the paper's data."
    return run.pick(test=small, default=small, full=full)
