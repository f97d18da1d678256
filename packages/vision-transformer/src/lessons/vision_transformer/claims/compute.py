"""D2: the exaFLOPs of Table 6, from the shapes; and what tokens cost."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..config import PRESETS, ViTConfig, count_operations, pair
from ..lab.claim import Finding, demonstration
from ..lab.figures import BLUE, INK, MUTED
from ..lab.run import Run
from ..model import VisionTransformer

PICTURES = 303e6  # §4.1: JFT
# Table 6: (epochs, exaFLOPs).
TABLE_6 = {
    "B/32": (7, 55), "B/16": (7, 224), "L/32": (7, 196), "L/16": (7, 783), "L/16, 14": (14, 1567),
    "H/14": (14, 4262), "R50+B/32": (7, 106), "R50+B/16": (7, 274), "R50+L/32": (7, 246),
    "R50+L/16": (7, 859), "R50+L/16, 14": (14, 1668),
}  # fmt: skip


def operations(config: ViTConfig) -> int:
    """Return the operations of a forward pass, of hybrids by counting one on the meta device."""
    if config.backbone is None:
        return count_operations(config)
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        size = pair(config.image_size)
        VisionTransformer(config)(torch.empty(1, config.in_channels, *size))
    return counter.get_total_flops()


def draw(figure, numbers) -> None:
    """Draw ours against the paper's."""
    axes = figure.subplots()
    for name, (ours, theirs) in numbers["exaFLOPs"].items():
        axes.plot(theirs, ours / theirs, "o", color=BLUE, ms=4)
        axes.annotate(name, (theirs, ours / theirs), textcoords="offset points", xytext=(4, 4),
                      color=INK, fontsize=8)  # fmt: skip
    axes.axhline(1, color=MUTED, lw=0.8)
    axes.set(xscale="log", xlabel="Table 6 (exaFLOPs)", ylabel="counted from the shapes / Table 6")


@demonstration(
    "D2",
    "Table 6's exaFLOPs are three forward passes for each picture.",
    draw,
    source="Table 6",
    asks="3 × operations of a forward pass at 224 pixels × 303 million pictures × epochs, for the "
    "six Vision Transformers and the five hybrids. The backward pass has two products for each of "
    "the forward.",
)
def exaflops(run: Run) -> Finding:
    """Count."""
    wanted = TABLE_6 if run.scale != "test" else {k: TABLE_6[k] for k in ("B/32", "R50+B/32")}
    found = {}
    for name, (epochs, printed) in wanted.items():
        config = PRESETS[name.partition(",")[0]]
        found[name] = [3 * operations(config) * PICTURES * epochs / 1e18, printed]
    off = {name: 100 * (ours / theirs - 1) for name, (ours, theirs) in found.items()}
    plain = [abs(v) for name, v in off.items() if not name.startswith("R50")]
    mixed = [abs(v) for name, v in off.items() if name.startswith("R50")]
    told = "; ".join(f"{n}: {a:.1f} ({b})" for n, (a, b) in found.items())
    return Finding(
        None, ours=f"within {max(plain):.1f}%; hybrids within {max(mixed):.1f}%",
        ran="Counted from shapes, with 1,000 classes instead of JFT's 18,000.",
        measured=f"ExaFLOPs, in brackets Table 6's: {told}.",
        numbers={"exaFLOPs": found, "percent off": off},
    )  # fmt: skip
