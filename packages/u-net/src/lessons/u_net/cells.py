"""Images of cells that touch, made up, and one real image of nuclei.

Shapes: N images, H height, W width; cells_NHW numbers the cells of each image from 1.
"""

import hashlib
import os
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

# One fluorescence image of the 2018 nucleus challenge with its 125 nuclei numbered by hand, as it
# comes with StarDist (BSD-3): 16 bits a pixel, not compressed, behind 256 bytes of header.
NUCLEI = {
    "img2d.tif": "f9ccc1571b92c861ff87e28463068b43f61bd47357ed0503f711e5cd1eb97750",
    "mask2d.tif": "59ad5e820b7982ca9d13e946fa6e7f64e2714899e00a2ae6c69aa79aad53d46f",
}
WHERE = "stardist/data/images in the wheel of `pip download --no-deps stardist==0.9.2`"


def generate(count: int, seed: int, size: int = 128, noise: float = 0.06) -> tuple[Tensor, Tensor]:
    """Return images, float32 (N, H, W), and their cells, int64 (N, H, W).

    10 to 20 ellipses with wobbling outlines per 128 by 128 pixels, half of them put beside an
    earlier one so that the two share a border. A cell is textured, somewhat brighter than the
    background, and has a bright membrane; then come blur and noise.

    Args:
        count: of images.
        seed: of all of them.
        size: in pixels, of both sides.
        noise: standard deviation of the noise of each pixel.
    """
    rng = np.random.default_rng(seed)
    pairs = [_image(rng, size, noise) for _ in range(count)]
    images, cells = (torch.stack(parts) for parts in zip(*pairs))
    return images, cells


def _image(rng: np.random.Generator, size: int, noise: float) -> tuple[Tensor, Tensor]:
    ellipses = _place(rng, size)
    cells = _draw(rng, ellipses, size)
    image = 0.35 + _smooth(rng, size, 12, 0.05)
    texture = _smooth(rng, size, 2, 0.05)
    levels = torch.from_numpy(rng.uniform(0.45, 0.7, len(ellipses) + 1))[cells]
    image = torch.where(cells > 0, levels + texture, image)
    numbers = cells[None].double()
    highest = F.max_pool2d(numbers, 3, 1, 1)[0]
    lowest = -F.max_pool2d(-numbers, 3, 1, 1)[0]
    rim = (cells > 0) & (highest != lowest)
    image = blur(image + 0.22 * rim, 0.8)
    image = image + noise * torch.from_numpy(rng.standard_normal((size, size)))
    return image.float(), cells


def _place(rng: np.random.Generator, size: int) -> list[tuple[float, ...]]:
    """Return ellipses: y, x, long and short half-axis, angle."""
    wanted, placed, tries = int(rng.integers(10, 21) * (size / 128) ** 2), [], 0
    while len(placed) < wanted and tries < 200 * wanted:
        tries += 1
        long = rng.uniform(7, 12)
        short, angle = long * rng.uniform(0.65, 1), rng.uniform(0, np.pi)
        radius, partner = (long + short) / 2, None
        if placed and rng.random() < 0.5:
            partner = placed[rng.integers(len(placed))]
            toward = rng.uniform(0, 2 * np.pi)
            far = rng.uniform(0.8, 0.95) * (radius + (partner[2] + partner[3]) / 2)
            y, x = partner[0] + far * np.sin(toward), partner[1] + far * np.cos(toward)
        else:
            y, x = rng.uniform(0, size, 2)
        inside = radius < y < size - radius and radius < x < size - radius
        free = all(
            np.hypot(y - other[0], x - other[1]) > 1.15 * (radius + (other[2] + other[3]) / 2)
            for other in placed
            if other is not partner
        )
        if inside and free:
            placed.append((y, x, long, short, angle))
    return placed


def _draw(rng: np.random.Generator, ellipses: list[tuple[float, ...]], size: int) -> Tensor:
    """Return the cells: a pixel belongs to the ellipse to which it is nearest, in its own units."""
    rows, columns = np.mgrid[:size, :size]
    nearest, cells = np.ones((size, size)), np.zeros((size, size), np.int64)
    for number, (y, x, long, short, angle) in enumerate(ellipses, 1):
        down, right = rows - y, columns - x
        along = (right * np.cos(angle) + down * np.sin(angle)) / long
        across = (down * np.cos(angle) - right * np.sin(angle)) / short
        theta, phases = np.arctan2(across, along), rng.uniform(0, 2 * np.pi, 3)
        outline = 1 + sum(0.06 / k * np.cos(k * theta + p) for k, p in zip((2, 3, 4), phases))
        distance = np.hypot(along, across) / outline
        cells[distance < nearest] = number
        nearest = np.minimum(nearest, distance)
    return torch.from_numpy(cells)


def blur(map_HW: Tensor, sigma: float) -> Tensor:
    """Return the map convolved with a Gaussian, mirrored at its edges."""
    radius = int(4 * sigma + 0.5)
    bell = torch.exp(-torch.arange(-radius, radius + 1).double().square() / (2 * sigma**2))
    bell = (bell / bell.sum()).to(map_HW.dtype)
    padded = F.pad(map_HW[None, None], (radius,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(padded, bell[None, None, :, None]), bell[None, None, None])[0, 0]


def _smooth(rng: np.random.Generator, size: int, sigma: float, std: float) -> Tensor:
    field = blur(torch.from_numpy(rng.standard_normal((size, size))), sigma)
    return std * field / field.std()


def nuclei(folder: Path | None = None) -> tuple[Tensor, Tensor]:
    """Return the image of nuclei, float32 (512, 512) in [0, 1], and the nuclei, int64 (512, 512).

    The files are not part of this package; they are looked for in the folder of ``--data`` and in
    the user's cache.

    Raises:
        OSError: a file is not there; says where to put it.
        ValueError: a file is another one.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lessons" / "nuclei"
    places, maps = [*([folder, folder / "nuclei"] if folder else []), cache], []
    for name, sha256 in NUCLEI.items():
        path = next((place / name for place in places if (place / name).is_file()), None)
        if path is None:
            raise OSError(f"no {name} in {' or '.join(map(str, places))}: get it from {WHERE}")
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ValueError(f"{path} is not the image meant, whose SHA-256 is {sha256}")
        maps.append(np.frombuffer(content, "<u2", offset=256).reshape(512, 512).astype(np.int64))
    image, cells = (torch.from_numpy(m) for m in maps)
    return image.float() / image.max(), cells
