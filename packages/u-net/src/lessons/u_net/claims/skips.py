"""Copying maps across, against a plain encoder-decoder."""

import torch

from ..lab.claim import Finding, claim
from ..lab.statistics import HOLDS, NOT_SEEN
from ..unet import UNet
from .compare import WITHOUT, better, draw_dots, mean, said, slim, trials, values
from .experiment import DEEP, SMALL, plain


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
    says="Copying high-resolution maps across lets the net locate.",
    asks="Copying high-resolution maps across lets the net locate: without, a plain "
    "encoder-decoder.",
    draw=draw_copies,
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
