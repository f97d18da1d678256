"""How tiles fit together."""

import torch

from ..lab.claim import Finding, claim
from ..lab.figures import AMBER, BLUE, RED
from ..lab.statistics import HOLDS, REFUTED
from ..sizes import output_size, valid_sizes
from ..tiles import tile_predict
from ..unet import UNet, UNetConfig
from .experiment import seams


def draw_seams(figure, numbers):
    """Draw the largest difference from one pass in each column of the image."""
    figure.set_size_inches(6.4, 2.6)
    axes = figure.subplots()
    for name, color, label in (
        ("padded", RED, "with padding, tiles of 64"),
        ("side by side", AMBER, "without, outputs of 92 side by side"),
        ("grid", BLUE, "without, outputs of 88: every tile begins at a multiple of 8"),
    ):
        axes.plot(numbers[name]["columns"], color=color, label=label)
    highest = max(numbers["padded"]["columns"])
    axes.set(xlabel="column of the image", ylabel="difference, in std", ylim=(0, 1.6 * highest))
    axes.legend(fontsize=8, loc="upper left")


def tiny(number):
    """Return a number that may be 0 as text."""
    return f"{number:.0e}" if number else "0"


@claim(
    "C4a",
    "§1, Fig. 2",
    says="Without padding, overlapping tiles with mirrored borders give a seamless segmentation.",
    asks="Without padding, overlapping tiles with mirrored borders give a seamless segmentation.",
    draw=draw_seams,
)
def seamless(run):
    """Compare tiles with one pass, for the paper's depth untrained and for trained nets."""
    generator = torch.Generator().manual_seed(run.seed)
    widths = run.pick(test=(1, 2, 2, 2, 2), default=(8, 16, 32, 64, 128))
    model = UNet(UNetConfig(channels=widths), generator).double().eval()
    image = torch.randn(1, 200, 264, generator=generator, dtype=torch.float64)
    whole = tile_predict(model, image, valid_sizes(0, 600)[-1])  # one tile has all of it
    worst = {
        tile: ((tile_predict(model, image, tile) - whole).abs().max() / whole.std()).item()
        for tile in (204, 252, 348)
    }
    valid = run.trial(seams, padding="valid", seed=run.seed)
    padded = run.trial(seams, padding="same", seed=run.seed)
    largest = max(*worst.values(), valid["grid"]["largest"])
    pixels = len(padded["padded"]["columns"]) ** 2
    return Finding(
        # Double precision keeps 16 digits; a sum of some thousand terms keeps 12.
        HOLDS if largest < 1e-10 else REFUTED,
        ran="Double precision, in units of the scores' standard deviation: five levels as in the "
        "paper (untrained, 200 by 264 pixels, tiles of 204, 252 and 348), four levels trained.",
        measured=f"Largest difference from one pass: {tiny(max(worst.values()))} untrained, "
        f"{tiny(valid['grid']['largest'])} trained; {valid['grid']['changed']} pixels change their "
        f"class. With zeros padded around each map it is {padded['padded']['largest']:.2f}, and "
        f"{padded['padded']['changed']} of {pixels:,} pixels change.",
        numbers={"untrained": worst, **valid, **padded},
    )


@claim(
    "C4b",
    "§2, last paragraph",
    says="For this the tile's size must give every pooling an even size.",
    asks="For this the tile's size has to be such that every pooling meets an even size.",
)
def even_is_enough(run):
    """Lay outputs of the paper's sizes side by side: the condition is met, and they do not fit."""
    generator = torch.Generator().manual_seed(run.seed)
    model = UNet(UNetConfig(channels=(2, 4, 8, 16, 32)), generator).double().eval()
    image = torch.randn(1, 1, 204, 204, generator=generator, dtype=torch.float64)
    shifts = {}
    with torch.no_grad():
        whole = model(image)[0]
        for shift in (4, 8, 12, 16):
            part = model(image[:, :, shift : shift + 188, shift : shift + 188])[0]
            error = (part - whole[:, shift : shift + 4, shift : shift + 4]).abs().max()
            shifts[shift] = (error / whole.std()).item()
    rests = sorted({output_size(n) % 16 for n in valid_sizes(0, 10_000)})
    beside = run.trial(seams, padding="valid", seed=run.seed)["side by side"]
    pixels = len(beside["columns"]) ** 2
    fits = shifts[4] < 1e-10 or rests == [0]
    return Finding(
        HOLDS if fits else REFUTED,
        ran="Double precision: five levels, a tile of 188 shifted by 4 to 16 pixels; all sizes "
        "to 10,000; four levels trained, outputs of 92 side by side.",
        measured="Even sizes are needed, but not enough: poolings of neighbouring tiles must also "
        f"pair the same pixels. All outputs that fit are 16k + {rests[0]} pixels (388 is), so "
        "that a tile laid beside another begins between the pairs. Shifted by 4 pixels the scores "
        f"differ by {shifts[4]:.2f} of their std, by 16 by {tiny(shifts[16])}; a trained net's "
        f"differ by up to {beside['largest']:.2f}, and {beside['changed']} of {pixels:,} pixels "
        "change class. Keeping 384 of 388 pixels makes it exact.",
        numbers={"shifts": shifts, "rests": rests, "trained": beside["largest"]},
    )
