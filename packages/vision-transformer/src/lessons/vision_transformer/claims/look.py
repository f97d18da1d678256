"""``python -m lessons.vision_transformer shoe.png``: what is in a picture, and where it looked."""

import argparse
import dataclasses
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.text import Text
from torch import Tensor

from ..inspection import attention_rollout
from ..lab.figures import save_figure
from ..model import VisionTransformer
from . import clothes
from .data import CLASSES

SHADES = " ░▒▓█"


class Pictures(dict):
    """The commands of the package: any argument that is no option is a picture to look at."""

    def __contains__(self, name: object) -> bool:
        """Return whether an argument is a file's name: all that is no option."""
        return isinstance(name, str) and not name.startswith("-")

    def __missing__(self, name: str):
        """Return the command that a file's name is."""
        return lambda rest: main([name, *rest])


@dataclasses.dataclass(frozen=True)
class Look:
    """A picture (h, w) in [−1, 1], the classes' probabilities, and where it looked, (h, w).

    ``attention`` is the rollout from the class token to the patches, spread over their pixels; its
    largest value is 1.
    """

    picture: Tensor
    probabilities: list[float]
    attention: Tensor


def look(model: VisionTransformer, picture: Tensor) -> Look:
    """Return what a model makes of a picture (1, 1, h, w)."""
    with torch.no_grad():
        probabilities = model(picture)[0].softmax(0).tolist()
    rows = attention_rollout(model.attention_maps(picture))[0, 0, 1:]
    map_hw = F.interpolate(
        rows.reshape(1, 1, *model.config.grid), picture.shape[2:], mode="bilinear",
        align_corners=False,
    )[0, 0]  # fmt: skip
    return Look(picture[0, 0], probabilities, map_hw / map_hw.max())


def main(argv: list[str], console: Console | None = None) -> int:
    """Look at a picture with the trained model; return 1 if that cannot be done."""
    parser = argparse.ArgumentParser(
        prog="python -m lessons.vision_transformer PICTURE",
        description="Say what piece of clothing is in a picture, and where the model looked.",
    )
    parser.add_argument("picture", help="a PNG file, or another that matplotlib reads")
    parser.add_argument("--model", type=Path, help="file of the trained model")
    parser.add_argument("--svg", type=Path, help="also draw the attention as SVG here")
    args = parser.parse_args(argv)
    console = console or Console(highlight=False)
    try:
        picture = clothes.picture(args.picture)
        seen = look(clothes.recall(args.model or clothes.model_path()), picture)
    except (OSError, ValueError) as error:
        console.print(Text(str(error), "red"))
        return 1
    ranked = sorted(zip(seen.probabilities, CLASSES), reverse=True)
    for probability, name in ranked[:3]:
        bar = "█" * round(30 * probability)
        line = Text.assemble((f"{name:12}", "bold"), f"{probability:5.0%}  ", (bar, "blue"))
        console.print(line)
    console.print(shaded(seen))
    if args.svg:
        save_figure(args.svg, draw, seen, f"Where the model looked: {ranked[0][1]}")
        console.print(f"{args.svg} has the attention as a picture.")
    return 0


def shaded(seen: Look) -> Text:
    """Return picture and attention side by side as text, two pixels high a line."""
    text = Text(no_wrap=True)
    grey = ((seen.picture + 1) / 2).unflatten(0, (-1, 2)).mean(1)
    looked = seen.attention.unflatten(0, (-1, 2)).mean(1)
    for line, other in zip(grey.tolist(), looked.tolist()):
        text.append("".join(SHADES[min(int(5 * max(v, 0)), 4)] for v in line) + "   ")
        text.append("".join(SHADES[min(int(5 * v), 4)] for v in other) + "\n", "blue")
    text.append("Left: what it saw. Right: where it looked (attention rolled out).", "dim")
    return text


def draw(figure, seen: Look) -> None:
    """Draw the picture, and the picture dimmed where the model did not look."""
    figure.set_size_inches(4.4, 2.3)
    for axes, shown in zip(figure.subplots(1, 2), panels(seen)):
        axes.imshow(shown.tolist(), cmap="gray", vmin=0, vmax=1)
        axes.set_axis_off()


def panels(seen: Look) -> tuple[Tensor, Tensor]:
    """Return Figure 6's two columns: the picture, and the picture times the attention."""
    grey = (seen.picture + 1) / 2
    return grey, grey * seen.attention
