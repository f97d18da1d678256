"""D4: the model that ships: how well it knows clothes, and Figures 6 and 7 of it."""

from typing import Any

from ..inspection import attention_distance, embedding_filters, position_similarity
from ..lab.claim import Finding, demonstration
from ..lab.run import Run
from ..lab.statistics import proportion
from . import clothes
from .data import CLASSES, name, sets
from .look import look, panels
from .nets import config, widths
from .train import outputs


def kept(run: Run, seed: int) -> dict[str, Any]:
    """Train the model that ships and keep it; return what it knows and what it looks at."""
    small = run.scale == "test"
    sizes = config(run, widths(run)[1]) if small else clothes.CONFIG
    model = clothes.train(run, seed, sizes)
    path = run.out / "model.safetensors" if small else clothes.model_path()
    clothes.keep(model, path)
    model = clothes.recall(path, sizes)  # as it will be read
    x, y = sets(run)["test"]
    right = outputs(model, x).argmax(1) == y
    first = ((right & (y == k)).nonzero().flatten().tolist() for k in range(0, 10, 2))
    shown = [found[0] if found else 0 for found in first]
    c = model.config
    maps = model.attention_maps(x[:256])
    count = min(28, c.patch_size**2 if isinstance(c.patch_size, int) else 1)
    return {
        "right": int(right.sum()), "of": len(y),
        "looks": [[p.tolist() for p in panels(look(model, x[i : i + 1]))] for i in shown],
        "classes": [CLASSES[int(y[i])] for i in shown],
        "filters": embedding_filters(model.patch_embedding.weight, count)[:, 0].tolist(),
        "similarity": position_similarity(model.state_dict()["positions.table"], c.grid).tolist(),
        "distance": attention_distance(maps, c.grid, c.patch_size).tolist(),
    }  # fmt: skip


def draw(figure, numbers) -> None:
    """Draw Figure 6 above, and Figure 7's filters and tiles below."""
    figure.set_size_inches(6.4, 5.6)
    top, bottom = figure.subfigures(2, 1, height_ratios=(1, 1.5))
    for axes, columns in zip(top.subplots(2, len(numbers["looks"])), (0, 1)):
        for one, panel, title in zip(axes, numbers["looks"], numbers["classes"]):
            one.imshow(panel[columns], cmap="gray", vmin=0, vmax=1)
            one.set_axis_off()
            if columns == 0:
                one.set_title(title, fontsize=8)
    left, right = bottom.subfigures(1, 2)
    left.suptitle("filters (principal components)", fontsize=9)
    filters = numbers["filters"]
    for axes, kernel in zip(left.subplots(4, -(-len(filters) // 4), squeeze=False).flat, filters):
        axes.imshow(kernel, cmap="gray")
    for axes in left.axes:
        axes.set_axis_off()
    right.suptitle("similarity of positions", fontsize=9)
    tiles = numbers["similarity"]
    for line, row in zip(right.subplots(len(tiles), len(tiles[0])), tiles):
        for axes, tile in zip(line, row):
            axes.imshow(tile, vmin=-1, vmax=1, cmap="viridis")
            axes.set_axis_off()


@demonstration(
    "D4",
    "The model that ships with the package, and what it looks at.",
    draw,
    source="Fig. 6, Fig. 7",
    asks="A Vision Transformer of 4 layers of width 64 with 49 patches of 4 × 4, trained on "
    "Fashion-MNIST and altered copies: test accuracy; attention rolled out over five pictures "
    "(Fig. 6), the principal components of its filters and its positions' similarities (Fig. 7).",
    full_only=True,
)
def shipped(run: Run) -> Finding:
    """Train it, keep it, look at it."""
    found = run.trial(kept, seed=run.seed)
    share = proportion(found["right"], found["of"])
    text = f"{100 * share.mean:.1f}% [{100 * share.low:.1f}, {100 * share.high:.1f}]"
    return Finding(
        None, ours=f"{text} of {found['of']:,} test pictures right",
        ran=f"{name(run)} and seven altered copies of each, 220,000 pictures seen, one seed, the "
        f"rate 10⁻³ that was not tuned.",
        measured=f"Right: {text}.", numbers=found | {"percent right": 100 * share.mean},
    )  # fmt: skip
