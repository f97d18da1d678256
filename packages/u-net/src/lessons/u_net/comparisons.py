"""Claims about training: each ingredient of the paper is taken away in turn from the same U-Net.

A difference counts if it reaches a size that was fixed before and two of its standard errors over
seeds: chance exceeds those about once in twenty; with few seeds the rule is rough, and the seeds
are printed beside it.
"""

import math

import numpy as np
import torch

from .claims import HOLDS, NOT_SEEN, Finding, claim
from .experiment import (
    DEEP,
    FEW,
    SIDE,
    SMALL,
    SYMBOLS,
    WINDOWS,
    plain,
    setting,
    steps,
    threshold,
    train,
    train_windows,
)
from .figures import AMBER, BLUE, GREEN, MUTED, RED
from .unet import UNet

# What is taken away, as settings of `train`.
WITHOUT = {
    "augmentation": {"elastic": 0.0, "turn": False},
    "deformation": {"elastic": 0.0},
    "border weights": {"w0": 0.0},
    "weights": {"w0": 0.0, "balance": False},
    "copies": {"skips": False},
}


def seeds(run, full=5):
    """Return the seeds of the runs on made-up cells."""
    return run.seeds(run.pick(test=2, default=3, full=full))


def trials(run, function=train, full=5, **settings):
    """Return a list over seeds of one setting's scores."""
    usual = {"depth": 2, "images": FEW}  # left out, so that a trial has one key
    settings = {k: v for k, v in settings.items() if usual.get(k) != v}
    return [run.trial(function, seed=seed, **settings) for seed in seeds(run, full)]


def values(results, key):
    """Return one score of each trial."""
    return [result[key] for result in results]


def mean(numbers):
    """Return the mean."""
    return sum(numbers) / len(numbers)


def gain(ours, theirs):
    """Return the mean of the differences between pairs with the same seed, and its error."""
    differences = [a - b for a, b in zip(ours, theirs)]
    middle = mean(differences)
    spread = sum((d - middle) ** 2 for d in differences) / max(len(differences) - 1, 1)
    return middle, math.sqrt(spread / len(differences))


def better(ours, theirs, least=0.0):
    """Say whether ours exceed theirs by ``least`` and by two standard errors of the difference."""
    difference, error = gain(ours, theirs)
    return difference >= least and difference > 2 * error


def said(results, key, digits=3):
    """Return the mean of a score with its standard error, as text."""
    middle, error = gain(values(results, key), [0.0] * len(results))
    return f"{middle:.{digits}f} ± {error:.{digits}f}"


def slim(results):
    """Return the scores without the pictures."""
    pictures = ("picture", "truth")
    return [{k: v for k, v in result.items() if k not in pictures} for result in results]


def draw_dots(axes, groups, key, label):
    """Draw one score of each trial as a dot, a row a group, and the mean as a line."""
    colors = (BLUE, RED, AMBER, GREEN)
    for row, results in enumerate(groups.values()):
        numbers = values(results, key)
        axes.plot(numbers, [row] * len(numbers), "o", color=colors[row % 4], ms=5, alpha=0.8)
        axes.plot([mean(numbers)] * 2, [row - 0.3, row + 0.3], color=colors[row % 4], lw=2)
    axes.set_yticks(range(len(groups)), list(groups))
    axes.set(xlabel=label, ylim=(len(groups) - 0.5, -0.5))
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")


def draw_few(figure, numbers):
    """Draw the share of found cells by setting, and against the number of training images."""
    many, groups = numbers.get("images"), {k: v for k, v in numbers.items() if k != "images"}
    figure.set_size_inches(6.4, 2.6)
    if not many:
        draw_dots(figure.subplots(), groups, "share", "share of cells found")
        return
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    draw_dots(left, groups, "share", "share of cells found")
    counts = [int(n) for n in next(iter(many.values()))]
    for color, (name, by_count) in zip((BLUE, RED), many.items()):
        shares = [mean(v) for v in by_count.values()]
        right.plot(counts, shares, "o-", color=color, ms=4, label=name)
    right.set(xscale="log", xlabel="training images", ylabel="share of cells found")
    right.set_xticks(counts, [str(n) for n in counts], minor=False)
    right.minorticks_off()
    right.legend()


@claim(
    "C1a",
    "Abstract, §3.1",
    "Strong data augmentation lets a net learn from very few annotated images (30, 35 and 20).",
    draw_few,
)
def augmentation(run):
    """Judge the share of cells found with deformations and turns, and with neither."""
    groups = {
        "all": trials(run),
        "turned only": trials(run, **WITHOUT["deformation"]),
        "as they are": trials(run, **WITHOUT["augmentation"]),
    }
    ours, none = groups["all"], groups["as they are"]
    numbers = {name: slim(results) for name, results in groups.items()}
    more = ""
    if run.scale == "full":
        counts, ways = (1, 2, 8), {"all": {}, "as they are": WITHOUT["augmentation"]}
        many = {
            name: {str(n): values(trials(run, full=3, images=n, **how), "share") for n in counts}
            for name, how in ways.items()
        }
        numbers["images"] = many
        listed = ", ".join(
            f"{n}: {mean(many['all'][str(n)]):.2f} and {mean(many['as they are'][str(n)]):.2f}"
            for n in counts
        )
        more = f" With and without augmentation, by number of training images: {listed}."
    change, error = gain(values(ours, "iou"), values(none, "iou"))
    return Finding(
        # 0.02 of about 90 cells is two cells.
        HOLDS if better(values(ours, "share"), values(none, "share"), 0.02) else NOT_SEEN,
        ran=f"A U-Net of 29,330 weights on {setting(run)}, {len(ours)} seeds.",
        measured=f"Cells found: {said(ours, 'share')} with deformations and turns, "
        f"{said(none, 'share')} without; training loss {said(ours, 'loss')} and "
        f"{said(none, 'loss')}; IoU {said(ours, 'iou')} and {said(none, 'iou')}, which is "
        f"{change:+.3f} ± {error:.3f} in pairs.{more}",
        numbers=numbers,
        between="The cells are made up, and so small a net cannot learn two images by heart.",
    )


@claim(
    "C1b",
    "§3.1, Conclusion",
    "Among the augmentations especially random elastic deformations seem to be the key.",
)
def deformation(run):
    """Judge deformations and turns against turns alone, in the share of cells found."""
    ours, turned = trials(run), trials(run, **WITHOUT["deformation"])
    change, error = gain(values(ours, "share"), values(turned, "share"))
    return Finding(
        HOLDS if better(values(ours, "share"), values(turned, "share"), 0.02) else NOT_SEEN,
        ran=f"As C1a: deformations by 6 pixels, and turns, against turns alone, {len(ours)} seeds.",
        measured=f"Cells found: {said(ours, 'share')} with, {said(turned, 'share')} without, "
        f"{change:+.3f} ± {error:.3f} in pairs; IoU {said(ours, 'iou')} and {said(turned, 'iou')}.",
        numbers={"all": slim(ours), "turned only": slim(turned)},
        between="Made-up cells are ellipses of every direction and size, of which thirty show most "
        "of what there is; real tissue deforms in more ways than it turns.",
    )


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
    "A large weight on the background between touching cells separates them.",
    draw_borders,
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


def draw_copies(figure, numbers):
    """Draw IoU, boundary IoU and cells found with and without copies."""
    figure.set_size_inches(6.4, 2.4)
    for axes, (key, label) in zip(
        figure.subplots(1, 3, sharey=True),
        (("iou", "IoU"), ("boundary", "IoU of the rims"), ("share", "cells found")),
    ):
        draw_dots(axes, numbers, key, label)


@claim(
    "C3",
    "§1, §2",
    "Copying high-resolution maps across lets the net locate: without, a plain encoder-decoder.",
    draw_copies,
)
def copies(run):
    """Judge the IoU of U-Nets against that of plain encoder-decoders with more weights."""
    groups = {
        f"{name}, {depth} poolings": trials(run, depth=depth, **how)
        for depth in (3, 2)
        for name, how in (("U-Net", {}), ("plain", WITHOUT["copies"]))
    }
    with torch.device("meta"):
        sizes = [
            sum(p.numel() for p in UNet(c).parameters())
            for config in (DEEP, SMALL)
            for c in (config, plain(config))
        ]
    ours, theirs, *_ = groups.values()
    listed = "; ".join(
        f"{name} ({size:,} weights) IoU {said(results, 'iou')}, of the rims "
        f"{said(results, 'boundary')}, cells found {said(results, 'share')}, merged "
        f"{mean(values(results, 'merged')):.1f}, split {mean(values(results, 'split')):.1f}"
        for (name, results), size in zip(groups.items(), sizes)
    )
    return Finding(
        # At the depth that is nearer to the paper's four poolings.
        HOLDS if better(values(ours, "iou"), values(theirs, "iou"), 0.02) else NOT_SEEN,
        ran=f"As C1a, U-Nets and plain encoder-decoders that are an eighth wider; "
        f"{len(ours)} seeds, {ours[0]['cells']} cells; rims of 3 pixels.",
        measured=f"{listed}.",
        numbers={name: slim(results) for name, results in groups.items()},
        between="The paper has four poolings. After two or three a map's many channels still can "
        "hold where in a block of 4 or 8 pixels a border runs.",
    )


@claim(
    "C5b",
    "Abstract, §4, Table 1",
    "It is also better: Rand error .0382 against .0504, pixel error .0611 against .0613.",
)
def better_than_windows(run):
    """Judge Rand and pixel error against the classifier of windows with equal arithmetic."""
    ours, windows = trials(run), trials(run, train_windows)
    holds = all(better(values(windows, key), values(ours, key)) for key in ("rand", "pixel"))
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"As C1a; the contracting path learns from {WINDOWS} windows of 32 pixels a step, as "
        f"much arithmetic as a tile of {SIDE} by {SIDE}; {len(ours)} seeds.",
        measured=f"Rand error {said(ours, 'rand')} against {said(windows, 'rand')}, pixel error "
        f"{said(ours, 'pixel', 4)} against {said(windows, 'pixel', 4)}; cells found "
        f"{said(ours, 'share')} against {said(windows, 'share')}.",
        numbers={"U-Net": slim(ours), "windows": windows},
        between="A tile has 4,096 pixels to learn from, a step of windows 38; on images this "
        "simple that need not matter.",
    )


def draw_nuclei(figure, numbers):
    """Draw a part of the image as the net sees it, and the methods' cells found."""
    figure.set_size_inches(6.4, 3.0)
    if not numbers:
        axes = figure.subplots()
        axes.text(0.5, 0.5, "in the full run only", color=MUTED, ha="center")
        axes.set_axis_off()
        return
    first = numbers["U-Net"][0]
    left, right = figure.subfigures(1, 2, width_ratios=(3, 4))
    for axes, name, title in zip(
        left.subplots(2, 1), ("truth", "picture"), ("the nuclei", "the objects found")
    ):
        draw_objects(axes, first[name], title)
    draw_dots(right.subplots(), numbers, "f1", "F1 of nuclei")


@claim(
    "C7",
    "§4, Table 2",
    "On real microscope images it is far better than the methods before: IoU .92 and .78 against "
    ".83 and .46.",
    draw_nuclei,
)
def real_image(run):
    """Judge F1 and IoU on half a real image against a threshold and a classifier of windows."""
    if run.scale == "full" or (run.data and (run.data / "img2d.tif").is_file()):
        groups = {
            "U-Net": trials(run, full=3, source="nuclei"),
            "no deformation": trials(run, full=3, source="nuclei", **WITHOUT["deformation"]),
            "no border weights": trials(run, full=3, source="nuclei", **WITHOUT["border weights"]),
            "plain": trials(run, full=3, source="nuclei", **WITHOUT["copies"]),
            "windows": trials(run, train_windows, full=3, source="nuclei"),
        }
        cut = run.trial(threshold)
        groups["threshold"] = [cut] * len(groups["U-Net"])
    else:
        return Finding(
            NOT_SEEN,
            ran="Nothing: this takes minutes and two files.",
            measured="0 images read; the committed results have the full run's.",
            numbers={},
            between="`--full` runs it, with img2d.tif and mask2d.tif in `--data FOLDER` or the "
            "user's cache.",
        )
    ours = groups["U-Net"]
    holds = all(
        better(values(ours, key), values(groups[other], key))
        for key in ("f1", "iou")
        for other in ("windows", "threshold")
    )
    listed = "; ".join(
        f"{name} F1 {said(results, 'f1')}, IoU {said(results, 'iou')}, merged "
        f"{mean(values(results, 'merged')):.1f}"
        for name, results in groups.items()
    )
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"A fluorescence image of 512 by 512 pixels with 125 nuclei: the upper half to learn "
        f"from ({steps(run):,} tiles), the lower to test, {len(ours)} seeds.",
        measured=f"{listed}.",
        numbers={"U-Net": ours} | {n: slim(r) for n, r in groups.items() if n != "U-Net"},
        between="Bright nuclei on a dark ground are the easiest of microscope images; the paper's "
        "are of transmitted light, where a threshold finds nothing.",
    )
