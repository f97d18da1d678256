"""Which images the last hidden layer holds to be alike (§6.1)."""

import base64

import numpy as np
import torch

from ..augment import center_crop
from ..lab.claim import Finding, claim
from ..lab.statistics import HOLDS, NOT_SEEN
from ..retrieval import retrieve
from .compare import mean, percent
from .data import CROP
from .training import fit, prepared


def alike(run, **settings):
    """Return how many of an image's six neighbours are of its class, and some of them (§6.1).

    500 test images are compared with 4,000 training images, in the last hidden layer and in pixels.
    """
    net, (x, y, test_x, test_y), std, _ = fit(run, **settings)
    net.eval()
    x, y, test_x, test_y = x[:4000], y[:4000], test_x[:500], test_y[:500]
    pixels = [prepared(center_crop(part, CROP), std) for part in (test_x, x)]
    with torch.no_grad():
        layer = [net.features(part, net.fc_names[-2]) for part in pixels]
    result, picture = {}, []
    for name, (query, gallery) in {
        "layer": layer,
        "pixels": [p.flatten(1) for p in pixels],
    }.items():
        found = retrieve(query, gallery).indices
        result[f"precision_{name}"] = (y[found] == test_y[:, None]).float().mean().item()
        rows = [torch.cat([test_x[i : i + 1], x[found[i]]]) for i in range(4)]
        picture.append(torch.stack(rows))  # 4 queries, each with its 6 neighbours
    pixels = torch.stack(picture)
    low, high = pixels.aminmax()
    levels = ((pixels - low) / (high - low) * 255).round().byte()
    result["picture"] = base64.b64encode(levels.cpu().numpy().tobytes()).decode()
    result["shape"] = list(levels.shape)
    return result


def draw_neighbours(figure, numbers):
    """Draw four images, each with its six neighbours in the layer and in pixels."""
    figure.set_size_inches(6.4, 2.2)
    levels = np.frombuffer(base64.b64decode(numbers["picture"]), np.uint8)
    levels = levels // 16 * 17  # 16 levels look the same and make a file of half the size
    pictures = levels.reshape(numbers["shape"])  # space, query, image, colour, height, width
    titles = ("nearest in the last hidden layer", "nearest in pixels")
    for axes, rows, title in zip(figure.subplots(1, 2), pictures, titles):
        side, gap = rows.shape[-1], 2
        height, width = 4 * (side + gap), 7 * (side + gap) + 2 * gap
        canvas = np.zeros((height, width, 4), np.uint8)  # transparent
        for i, row in enumerate(rows):
            for j, image in enumerate(row):
                y, x = i * (side + gap), j * (side + gap) + 2 * gap * (j > 0)
                canvas[y : y + side, x : x + side, :3] = image.transpose(1, 2, 0)
                canvas[y : y + side, x : x + side, 3] = 255
        axes.imshow(canvas, interpolation="nearest")
        axes.set_title(title)
        axes.set_axis_off()


@claim(
    "C7",
    "§6.1, Fig. 4 right",
    says="Neighbours in the last hidden layer are of one kind, their pixels not close.",
    asks="The nearest neighbours in the last hidden layer are of one kind, though their pixels "
    "are not close.",
    draw=draw_neighbours,
)
def semantic_neighbours(run):
    """Judge how many of six neighbours are of the query's class, in the layer and in pixels.

    Twice as many as by pixels is what one would call another kind of neighbour.
    """
    count = run.pick(test=60, default=4000, full=20_000)
    steps, size = run.pick(test=(2, 32), default=(500, 32), full=(2500, 64))
    settings = {"data": "shapes", "count": count, "steps": steps, "batch": size, "dropout": 0.0}
    results = [
        run.trial(alike, **settings, seed=s) for s in run.seeds(run.pick(test=1, default=1, full=2))
    ]
    layer, pixels = ([r[f"precision_{key}"] for r in results] for key in ("layer", "pixels"))
    ratio = mean(layer) / max(mean(pixels), 1e-9)
    said = f"Shapes: {percent(layer)} in the layer, {percent(pixels)} in pixels, {ratio:.1f} times."
    numbers = {"layer": layer, "pixels": pixels}
    if run.scale == "full":
        short = [run.trial(alike, **settings | {"steps": 800}, seed=s) for s in run.seeds(3)]
        numbers["short"] = [r["precision_layer"] for r in short]
        said += f" After 800 steps only {percent(numbers['short'])} in the layer."
        settings |= {"data": "clothes", "count": 60_000, "steps": 400}
        other = run.trial(alike, **settings, seed=run.seed)
        said += (
            f" Fashion-MNIST, where pixels tell much: {100 * other['precision_layer']:.1f} and "
            f"{100 * other['precision_pixels']:.1f}%."
        )
        numbers["clothes"] = [other["precision_layer"], other["precision_pixels"]]
    return Finding(
        HOLDS if ratio >= 2 else NOT_SEEN,
        ran=f"The small net on {count:,} generated shapes, {steps} steps of "
        f"{size}, {len(results)} seed(s); 500 test images, the nearest 6 of up to "
        "4,000 training images.",
        measured=said,
        numbers=numbers | {key: results[0][key] for key in ("picture", "shape")},
        between="The net has been trained for a moment only.",
    )
