"""The paper's claims, re-tested: its exact statements exactly, the others on small images."""

import base64

import numpy as np

from . import ablation, exact, overfitting, race
from .claims import HOLDS, NOT_SEEN, Finding, claim
from .experiment import alike, mean, percent


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
    "The nearest neighbours in the last hidden layer are of one kind, though their pixels are not "
    "close.",
    draw_neighbours,
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


CLAIMS = [
    race.relu_is_faster, exact.two_towers, ablation.two_gpus, ablation.normalization,
    ablation.overlapping, overfitting.regularization, overfitting.ten_crops, overfitting.colors,
    overfitting.dropout_takes_longer, ablation.weight_decay, exact.one_percent, ablation.depth,
    semantic_neighbours, exact.printed_sizes, exact.printed_input, exact.printed_crops,
    exact.printed_colors,
]  # fmt: skip
