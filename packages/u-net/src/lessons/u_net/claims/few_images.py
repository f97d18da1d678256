"""Learning from very few images: augmentation, and deformations among it."""

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, RED
from ..lab.statistics import HOLDS, NOT_SEEN
from .compare import WITHOUT, better, draw_dots, gain, mean, said, slim, trials, values
from .experiment import setting


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
    says="Strong data augmentation lets a net learn from very few annotated images.",
    asks="Strong data augmentation lets a net learn from very few annotated images (30, 35 and "
    "20).",
    draw=draw_few,
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
    says="Among the augmentations especially random elastic deformations seem to be the key.",
    asks="Among the augmentations especially random elastic deformations seem to be the key.",
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
