"""Nuclei in a real image."""

from ..lab.claim import Finding, claim
from ..lab.figures import MUTED
from ..lab.statistics import HOLDS, NOT_SEEN
from .borders import draw_objects
from .compare import WITHOUT, better, draw_dots, mean, said, slim, trials, values
from .experiment import steps, threshold, train_windows


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
    says="On real microscope images it is far better than the methods before.",
    asks="On real microscope images it is far better than the methods before: IoU .92 and .78 "
    "against .83 and .46.",
    draw=draw_nuclei,
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
