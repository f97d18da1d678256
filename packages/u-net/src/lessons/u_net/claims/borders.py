"""The weight on the background between cells that touch."""

import numpy as np

from ..lab.claim import Finding, claim
from ..lab.statistics import HOLDS, NOT_SEEN
from .compare import WITHOUT, better, gain, mean, said, slim, trials, values
from .experiment import SYMBOLS


def draw_objects(axes, text, title):
    """Draw numbered objects, from rows of characters, each in a colour of its own."""
    from matplotlib.colors import hsv_to_rgb

    numbers = np.array([[SYMBOLS.index(c) for c in row] for row in text])
    hues = numbers * 0.618 % 1  # the golden ratio: hues that follow each other are far apart
    colors = hsv_to_rgb(np.stack((hues, np.full(hues.shape, 0.55), np.full(hues.shape, 0.8)), -1))
    seen = (numbers > 0)[..., None].astype(float)  # the rest is transparent
    axes.imshow(np.concatenate((colors, seen), -1), interpolation="nearest")
    axes.set(title=title, xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)


def draw_borders(figure, numbers):
    """Draw the objects of an image, as they are and as found with three kinds of weights."""
    figure.set_size_inches(6.4, 1.7)
    titles = {"equal": "equal weights", "balance only": "balanced classes", "all": "border weights"}
    first, *others = figure.subplots(1, 4)
    draw_objects(first, numbers["all"][0]["truth"], "the cells")
    for axes, (name, title) in zip(others, titles.items()):
        draw_objects(axes, numbers[name][0]["picture"], title)


@claim(
    "C2",
    "§3, eqs. 1 and 2, Fig. 3",
    says="A large weight on the background between touching cells separates them.",
    asks="A large weight on the background between touching cells separates them.",
    draw=draw_borders,
)
def border_weights(run):
    """Judge w0 = 10 against w0 = 0, with and without balance, in the share of cells found."""
    ours = trials(run)
    others = {
        "balance only": trials(run, **WITHOUT["border weights"]),
        "equal": trials(run, **WITHOUT["weights"]),
    }
    best = max(others, key=lambda name: mean(values(others[name], "share")))
    change, error = gain(values(ours, "iou"), values(others[best], "iou"))
    listed = ", ".join(
        f"{name} {said(results, 'share')} ({mean(values(results, 'merged')):.1f} merged)"
        for name, results in others.items()
    )
    shown = {"all": ours} | others
    return Finding(
        # Against the better of the two; 0.03 of about 90 cells is three.
        HOLDS if better(values(ours, "share"), values(others[best], "share"), 0.03) else NOT_SEEN,
        ran="As C1a: w₀ = 10 and σ = 3 pixels; only the balance of classes; all weights equal; "
        f"{len(ours)} seeds.",
        measured=f"Cells found of {ours[0]['cells']}: {said(ours, 'share')} "
        f"({mean(values(ours, 'merged')):.1f} merged) with border weights; {listed}. IoU "
        f"{said(ours, 'iou')}, with {best} {said(others[best], 'iou')}, which is {change:+.3f} "
        f"± {error:.3f} in pairs.",
        numbers={name: results[:1] + slim(results[1:]) for name, results in shown.items()},
        between="A short training on few images.",
    )
