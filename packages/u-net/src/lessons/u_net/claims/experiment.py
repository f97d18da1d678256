"""One training run on few images, and its scores on others: what the claims compare.

Shapes: N images, C channels, H height, W width.
"""

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..cells import blur, generate, nuclei
from ..lab.run import Run
from ..metrics import Match, boundary_iou, components, iou, match_cells, pixel_error, rand_error
from ..sizes import valid_sizes
from ..sliding import SlidingWindow, windows_at
from ..tiles import mirror, tile_predict
from ..training import Augmentation, Tiles, fit
from ..unet import PRESETS, UNet, UNetConfig
from ..weighting import separate

SMALL = PRESETS["unet_small"]
DEEP = UNetConfig(channels=(8, 16, 32, 64), dropout=0.0)


def plain(config: UNetConfig) -> UNetConfig:
    """Return an encoder-decoder without copies, an eighth wider: it has more weights."""
    return replace(config, channels=tuple(c * 9 // 8 for c in config.channels), skips=False)


FEW, SIDE = 2, 64  # training images; a tile's output, of images of 128


# The paper has 10 and 5 pixels for cells about three times as large as ours.
ELASTIC, SIGMA, LEARNING_RATE = 6.0, 3.0, 3e-3


# With as many windows a step the arithmetic is that of a tile: 36.8 million to 0.96 million.
WINDOWS = 38
NONE = Match(0, 0, 0, 0, 0)


def data(run: Run, source: str, seed: int, images: int) -> dict[str, tuple[Tensor, Tensor]]:
    """Return training and test images (N, 1, H, W), in units of their spread, and their cells.

    "cells" are made up, other ones for each seed, and the test images always the same; "nuclei"
    are the upper half of the real image, and its lower half.
    """
    if source == "nuclei":
        image, cells = nuclei(run.data)
        sets = {"train": (image[None, :256], cells[None, :256])}
        sets["test"] = (image[None, 256:], cells[None, 256:])
    else:
        test, noise = (
            run.pick(test=1, default=6, full=20),
            run.pick(test=0.06, default=0.06, full=0.12),
        )
        sets = {"train": generate(images, seed, noise=noise)}
        sets["test"] = generate(test, 1_000_000, noise=noise)
    pixels = sets["train"][0]
    mean, std = pixels.mean(), pixels.std()
    return {k: (((x - mean) / std)[:, None].to(run.device), y) for k, (x, y) in sets.items()}


def steps(run: Run) -> int:
    """Return how many tiles a net is trained on."""
    return run.pick(test=2, default=500, full=1200)


def setting(run: Run, images: int = FEW) -> str:
    """Return in words what a net is trained on and tested on."""
    few = f"{images} made-up image{'s' if images > 1 else ''} of 128 by 128 pixels"
    return (
        f"{few} with about 15 cells each{run.pick(test='', default='', full=' and much noise')}, "
        f"{steps(run):,} tiles of 64 by 64; tested on {run.pick(test=1, default=6, full=20)} others"
    )


def score(probabilities: list[Tensor], cells: Tensor) -> dict[str, Any]:
    """Return the scores of the test images' foreground probabilities (H, W)."""
    true = separate(cells)
    masks = [p > 0.5 for p in probabilities]
    total = sum((match_cells(m, c) for m, c in zip(masks, true)), NONE)

    def mean(measure, predictions, wanted):
        values = [measure(p, w) for p, w in zip(predictions, wanted)]
        return sum(values) / len(values)

    return vars(total) | {
        "share": total.share,
        "f1": total.f1,
        "iou": mean(iou, masks, true > 0),
        "boundary": mean(boundary_iou, masks, true > 0),
        "rand": mean(rand_error, probabilities, true),
        "pixel": mean(pixel_error, probabilities, true > 0),
    }


SYMBOLS = "0123456789abcdefghijklmnopqrstuvwxyz"


def as_text(objects_HW: Tensor) -> list[str]:
    """Return numbered objects as rows of characters, a picture that JSON can hold; 0 is nothing."""
    numbers = torch.where(objects_HW > 0, (objects_HW - 1) % (len(SYMBOLS) - 1) + 1, 0)
    return ["".join(SYMBOLS[n] for n in row) for row in numbers.tolist()]


def train_net(
    run: Run, config: UNetConfig, seed: int, how: Augmentation, source: str, images: int
) -> tuple[UNet, list[float], dict[str, tuple[Tensor, Tensor]]]:
    """Train a net; return it with its losses and the data."""
    sets = data(run, source, seed, images)
    generator = torch.Generator().manual_seed(seed)
    model = UNet(config, generator).to(run.device)
    # Nets of more levels leave 60 of 64: the next size below that fits.
    side = SIDE - (SIDE - 4) % 2**config.depth if config.border else SIDE
    tiles = Tiles(*sets["train"], config.border, side, how, generator)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE)

    def track(steps):
        return run.track(steps, f"{source}, seed {seed}")

    return model, fit(model, tiles, optimizer, steps(run), track), sets


def predict(model: UNet, images_NCHW: Tensor) -> list[Tensor]:
    """Return each image's foreground probabilities (H, W)."""
    tile = valid_sizes(0, 300, model.config.depth)[-1]
    return [tile_predict(model, image, tile).softmax(0)[1].cpu() for image in images_NCHW]


def train(
    run: Run,
    seed: int,
    elastic: float = ELASTIC,
    turn: bool = True,
    w0: float = 10.0,
    balance: bool = True,
    skips: bool = True,
    depth: int = 2,
    images: int = FEW,
    source: str = "cells",
) -> dict[str, Any]:
    """Train a U-Net, or a plain encoder-decoder; return its losses, scores and a picture."""
    how = Augmentation(elastic, turn, w0, SIGMA, balance)
    config = {2: SMALL, 3: DEEP}[depth]
    config = config if skips else plain(config)
    model, losses, sets = train_net(run, config, seed, how, source, images)
    x, cells = sets["test"]
    probabilities = predict(model, x)
    last = losses[-50:]
    result = score(probabilities, cells) | {"loss": sum(last) / len(last)}
    if seed == run.seed:
        every = slice(None, None, 2)  # the real image is large: every second pixel of it
        corner = (slice(0, 96), slice(0, 128)) if source == "cells" else (every, every)
        result["picture"] = as_text(components(probabilities[0] > 0.5)[corner])
        result["truth"] = as_text(separate(cells[0])[corner])
    return result


def train_windows(run: Run, seed: int, source: str = "cells") -> dict[str, Any]:
    """Train the contracting path on windows, with a U-Net's arithmetic a step; return scores."""
    sets = data(run, source, seed, FEW)
    generator = torch.Generator().manual_seed(seed)
    model = SlidingWindow(SMALL, generator).to(run.device)
    half = model.window // 2
    how = Augmentation(ELASTIC, True, 10.0, SIGMA)
    tiles = Tiles(*sets["train"], half, SIDE, how, generator)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    total = steps(run)
    for step in run.track(range(total), f"windows of {source}, seed {seed}"):
        image, target, weight = tiles.draw()
        y, x = torch.randint(SIDE, (2, WINDOWS), generator=generator)
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - step / total)
        optimizer.zero_grad()
        scores = model(windows_at(image[0], y, x, model.window))
        each = F.cross_entropy(scores, target[0, y, x], reduction="none") * weight[0, y, x]
        (each.sum() / weight[0, y, x].sum()).backward()
        optimizer.step()
    x, cells = sets["test"]
    shape = x.shape[-2:]
    rows, columns = (mirror(torch.arange(-half, n + half - 1), n) for n in shape)
    with torch.no_grad():
        dense = [model.dense(image[None, :, rows[:, None], columns])[0] for image in x]
    return score([d.softmax(0)[1].cpu() for d in dense], cells)


def threshold(run: Run, source: str = "nuclei") -> dict[str, Any]:
    """Return the scores of smoothing and a gray value above which a pixel is cell: no net at all.

    Of 5 widths and 30 values the pair that finds the cells of the training image best.
    """
    sets = data(run, source, run.seed, FEW)
    (x, cells), (test, truth) = sets["train"], sets["test"]
    true = separate(cells)

    def smooth(images: Tensor, width: float) -> list[Tensor]:
        return [blur(i[0].cpu(), width) if width else i[0].cpu() for i in images]

    best, chosen = -1.0, (0.0, 0.0)
    for width in run.track((0.0, 1.0, 2.0, 3.0, 4.0), "thresholds"):
        maps = smooth(x, width)
        levels = torch.stack(maps).quantile(torch.linspace(0.5, 0.99, 30)).tolist()
        for level in levels:
            found = sum((match_cells(m > level, c) for m, c in zip(maps, true)), NONE).f1
            if found > best:
                best, chosen = found, (width, level)
    width, level = chosen
    return score([(m > level).float() for m in smooth(test, width)], truth)


def seams(run: Run, padding: str, seed: int) -> dict[str, Any]:
    """Train a net of three poolings; return how its tiles fit together, in units of its std.

    "grid": outputs begin at multiples of 8. "side by side": the whole output of each tile is kept,
    which for the sizes that fit is 8k + 4, so that every second tile begins between. For the net
    with padding both are the same: its tiles, of 64, as they are.
    """
    config = replace(DEEP, padding=padding)
    how = Augmentation(ELASTIC, True, 10.0, SIGMA)
    model, _, sets = train_net(run, config, seed, how, "cells", FEW)
    image = sets["test"][0][0].double()
    model = model.double()
    border, (height, width) = config.border, image.shape[-2:]
    if not border:
        with torch.no_grad():
            whole = model(image[None])[0]
        parts = {"padded": tile_predict(model, image, 64)}
    else:
        size, tile = 244, 180  # 156 and 92 are left, of which 152 and 88 are multiples of 8
        y, x = (mirror(torch.arange(size) - border, n) for n in (height, width))
        with torch.no_grad():
            whole = model(image[:, y[:, None], x][None])[0, :, :height, :width]
            beside = torch.empty_like(whole)
            kept = tile - 2 * border
            for top in range(0, height, kept):
                for left in range(0, width, kept):
                    span = torch.arange(tile) - border
                    rows, columns = mirror(span + top, height), mirror(span + left, width)
                    scores = model(image[:, rows[:, None], columns][None])[0]
                    place = beside[:, top : top + kept, left : left + kept]
                    place.copy_(scores[:, : place.shape[1], : place.shape[2]])
        parts = {"grid": tile_predict(model, image, tile), "side by side": beside}
    margin = whole[1] - whole[0]
    found = {}
    for name, part in parts.items():
        error = (part[1] - part[0] - margin).abs() / margin.std()
        changed = ((part[1] > part[0]) != (margin > 0)).sum()
        found[name] = {
            "largest": error.max().item(),
            "changed": int(changed),
            "columns": [round(v, 9) for v in error.amax(0).tolist()],
        }
    return found
