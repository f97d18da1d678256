"""Images in folders, a folder for each class: read, prepared, and in an order that can be resumed.

``DATA/train/<class>/*.jpg`` and ``DATA/val/<class>/*.jpg``, as ImageNet's are usually unpacked.
Whatever is random about an image follows from the seed, the epoch and the image alone, so it does
not matter which process or worker prepares it, or what ran before.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from .augment import (
    center_crop,
    fit_rgb_pca,
    pca_color_augment,
    preprocess,
    random_crop_flip,
    ten_crop,
)
from .files import load, save

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm"}


class Folder(NamedTuple):
    """The images of one split."""

    classes: list[str]
    paths: list[Path]
    labels: list[int]


def scan(folder: Path) -> Folder:
    """Return the images in a folder of folders, in the order of their names.

    Raises:
        ValueError: there is no such folder, or no image in one of its classes.
    """
    if not folder.is_dir():
        raise ValueError(f"data must have a folder {folder}, with a folder for each class")
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
    found = Folder(classes, [], [])
    for label, name in enumerate(classes):
        paths = sorted(p for p in (folder / name).iterdir() if p.suffix.lower() in SUFFIXES)
        if not paths:
            raise ValueError(f"{folder / name} has no image ({', '.join(sorted(SUFFIXES))})")
        found.paths.extend(paths)
        found.labels.extend([label] * len(paths))
    if not classes:
        raise ValueError(f"{folder} has no folders: there has to be one for each class")
    return found


def read(path: Path) -> Tensor:
    """Return an image file's pixels, uint8 (3, H, W), upright as its EXIF data say.

    Of 16 bits the upper 8 are kept.

    Raises:
        OSError: it is not an image that can be read; says which.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):  # 16 bits: a conversion would cut off at 255
                gray = (np.asarray(upright).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
                upright = Image.fromarray(gray)
            pixels = np.array(upright.convert("RGB"))
    except (OSError, SyntaxError) as error:
        raise OSError(f"{path} cannot be read as an image: {error}") from error
    return torch.from_numpy(pixels).permute(2, 0, 1)


class Statistics(NamedTuple):
    """What is known of the training images' pixels, on their scale of 0 to 255."""

    mean: Tensor  # (3, size, size), §2: "the mean activity over the training set"
    std: Tensor  # of all pixels, a number
    eigvecs: Tensor  # of their colours, §4.1
    eigvals: Tensor


def measure(folder: Folder, size: int, images: int) -> Statistics:
    """Return the statistics of up to ``images`` training images, taken at equal distances."""
    count = min(images or len(folder.paths), len(folder.paths))
    chosen = [folder.paths[i * len(folder.paths) // count] for i in range(count)]
    total, squares, colors = torch.zeros(3, size, size, dtype=torch.float64), 0.0, []
    for path in chosen:
        image = preprocess(read(path), size)
        total += image
        squares += image.double().square().mean().item()
        colors.append(image[:, :: max(1, size // 16), :: max(1, size // 16)])
    mean = total / count
    std = torch.tensor(squares / count - mean.mean().item() ** 2).sqrt()
    return Statistics(mean.float(), std.float(), *fit_rgb_pca(torch.stack(colors)))


def load_statistics(path: Path) -> Statistics:
    """Return the statistics in a file; a ValueError says that there is something else in it."""
    state = load(path)
    if set(state) != set(Statistics._fields):
        want = ", ".join(Statistics._fields)
        raise ValueError(f"{path} holds {', '.join(sorted(state))}; expected {want}")
    return Statistics(**state)


def save_statistics(path: Path, statistics: Statistics) -> None:
    """Write them, so that a kill leaves no file or a whole one."""
    save(path, statistics._asdict())


def mix(*numbers: int) -> int:
    """Return a seed that depends on all the numbers."""
    digest = hashlib.blake2b(repr(numbers).encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big")


class Images(Dataset):
    """Prepared images and their labels.

    Args:
        folder: of `scan`.
        statistics: of the training images.
        size: the shorter side is scaled to it, and the central square taken.
        crop: what the net sees.
        scale: pixels are multiplied by it, once the mean is subtracted.
        mode: "train" (a random crop, perhaps mirrored, its colours shifted), "center" or "ten".
        seed: of what is random.
    """

    def __init__(self, folder, statistics, size, crop, scale=1.0, mode="train", seed=0) -> None:
        self.folder, self.statistics, self.size, self.crop = folder, statistics, size, crop
        self.scale, self.mode, self.seed = scale, mode, seed

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.folder.paths)

    def __getitem__(self, index: tuple[int, int]) -> tuple[Tensor, int]:
        """Return image number ``index[0]`` as it looks in epoch ``index[1]``, and its label."""
        image, epoch = index
        statistics = self.statistics
        x_1CHW = preprocess(read(self.folder.paths[image]), self.size, statistics.mean)[None]
        if self.mode == "train":
            generator = torch.Generator().manual_seed(mix(self.seed, epoch, image))
            x_1CHW = random_crop_flip(x_1CHW, self.crop, generator)
            # On pixels of 0 to 255 the paper's eigenvalues would drown the image: see augment.py.
            colors = (statistics.eigvecs, statistics.eigvals)
            x_1CHW = pca_color_augment(x_1CHW, *colors, generator=generator, magnitude="std")
        elif self.mode == "center":
            x_1CHW = center_crop(x_1CHW, self.crop)
        else:
            x_1CHW = ten_crop(x_1CHW, self.crop)
        return x_1CHW.squeeze(-4) * self.scale, self.folder.labels[image]


class Batches(Sampler):
    """The batches of an epoch for one of several processes, from a step on.

    Args:
        images: how many there are.
        batch: images in a batch, of all processes together; what remains in an epoch is left out.
        epoch: orders the images anew, with the seed.
        first: the step to begin with.
        rank: of this process. world: the number of processes.
    """

    def __init__(self, images, batch, seed, epoch, first=0, rank=0, world=1) -> None:
        self.images, self.batch, self.seed, self.epoch = images, batch, seed, epoch
        self.first, self.rank, self.world = first, rank, world

    def __len__(self) -> int:
        """Return the number of steps left."""
        return self.images // self.batch - self.first

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """Yield each step's images of this process."""
        generator = torch.Generator().manual_seed(mix(self.seed, self.epoch))
        order = torch.randperm(self.images, generator=generator).tolist()
        for step in range(self.first, self.images // self.batch):
            whole = order[step * self.batch : (step + 1) * self.batch]
            yield [(index, self.epoch) for index in whole[self.rank :: self.world]]
