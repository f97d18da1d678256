"""Self-supervision by masked patches (§4.6, B.1.2)."""

from typing import Any

import torch

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE
from ..lab.run import Run
from ..lab.statistics import interval, judge, paired
from ..masked import MaskedPatchPrediction
from ..model import VisionTransformer
from .contest import decide
from .data import name, sets
from .nets import config, widths
from .train import accuracy, batches, fit, tuned

BEGINNINGS = ("scratch", "masked", "supervised")
FIRST = (0, 2, 4, 6, 8)  # the classes that a net is pre-trained on; the others are the new task


def halves(run: Run, split: str) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Return the pictures of the classes pre-trained on, and those of the others, from 0 each."""
    x, y = sets(run)[split]
    first = torch.isin(y, torch.tensor(FIRST, device=y.device))
    return {"first": (x[first], y[first] // 2), "other": (x[~first], y[~first] // 2)}


def transferred(run: Run, beginning: str, seed: int) -> dict[str, Any]:
    """Pre-train on half of the classes, or not; return how well the other half is then learned.

    The new task has few labels. All begin it with the same head of zeros, rate and steps.
    """
    generator = torch.Generator(run.device).manual_seed(seed)
    weights = torch.Generator().manual_seed(seed)
    width = widths(run)[1]
    lr, _ = tuned(run, "vit", width)
    model = VisionTransformer(config(run, width), weights)
    model.reset_head(len(FIRST))
    model = model.to(run.device)
    train, dev, test = (halves(run, split) for split in ("train", "dev", "test"))
    batch = run.pick(test=32, default=64, full=128)
    count = run.pick(test=128, default=16_000, full=110_000)
    steps, loss = -(-count // batch), None
    feed = batches(*train["first"], count, batch, 1, generator)
    if beginning == "masked":
        task = MaskedPatchPrediction(model, generator=weights).to(run.device)

        def loss_of(images, labels):
            return task(images, generator)

        _, loss = fit(run, task, feed, steps, lr, dev["first"], "masked patches", loss_of=loss_of)
    elif beginning == "supervised":
        fit(run, model, feed, steps, lr, dev["first"], "supervised")
    model.reset_head(len(FIRST))
    x, y = train["other"]
    own = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    own = own[: run.pick(test=20, default=50, full=300)].to(x.device)
    count = run.pick(test=128, default=6_000, full=40_000)
    feed = batches(x[own], y[own], count, batch, 1, generator)
    what = f"300 labels after {beginning}"
    curve, _ = fit(run, model, feed, -(-count // batch), lr, dev["other"], what)
    return {"test": accuracy(model, *test["other"]), "curve": curve, "pretext loss": loss}


def beginnings(run: Run) -> dict[str, Any]:
    """Return test accuracies on the new task after each beginning."""
    seeds = run.seeds(run.pick(test=2, default=3))
    return {
        b: [run.trial(transferred, beginning=b, seed=s)["test"] for s in seeds] for b in BEGINNINGS
    }


def draw(figure, numbers) -> None:
    """Draw the three means."""
    axes = figure.subplots()
    for i, beginning in enumerate(BEGINNINGS):
        mean = interval(numbers[beginning])
        ends = [[mean.mean - mean.low], [mean.high - mean.mean]]
        axes.errorbar([mean.mean], [i], xerr=ends, fmt="o", color=BLUE)
    axes.set_yticks(range(3), ["from scratch", "after masked patches", "after labels"])
    axes.grid(visible=True, axis="x")
    axes.set(xlabel="test accuracy on the new classes (%)", ylim=(2.5, -0.5))


def finding(run: Run, judged, ours: str, found: dict[str, Any]) -> Finding:
    """Return the finding of a claim about beginnings."""
    each = ", ".join(f"{b} {interval(found[b]).text(1)}" for b in BEGINNINGS)
    return Finding(
        judged, ours=ours, numbers=found,
        ran=f"{name(run)}: pre-trained on five of the ten classes "
        f"({run.pick(test='128', default='16,000', full='110,000')} pictures seen), with labels or "
        f"by masked patches (half of them corrupted, mean grey in 3 bits), then trained on "
        f"{run.pick(test=20, default=50, full=300)} labels of the other five; C2a's net and rate.",
        measured=f"Test accuracy on the new classes (%): {each}.",
        between="The paper pre-trains on JFT-300M and goes on with ImageNet's 1.3 million labels.",
        would_decide=decide(judged),
    )  # fmt: skip


@claim(
    "C7a",
    "§4.6",
    "Masked patches help against training from scratch.",
    draw,
    quotes="With self-supervised pre-training, our smaller ViT-B/16 model achieves 79.9% accuracy "
    "on ImageNet, a significant improvement of 2% to training from scratch, but still 4% behind "
    "supervised pre-training.",
    asks="Test accuracy on new classes after masked patches, less that from scratch.",
    holds_if="the interval lies above 0 points",
    fails_if="it lies below",
    paper="79.9 against 77.9: +2 points",
    full_only=True,
)
def over_scratch(run: Run) -> Finding:
    """Judge what masked patches bring."""
    found = beginnings(run)
    gain = paired(found["masked"], found["scratch"])
    judged = judge(gain, above=0.0, paper_regime=False)
    return finding(run, judged, f"{gain.text(1)} points", found)


@claim(
    "C7b",
    "§4.6",
    "Supervised pre-training is better still.",
    None,
    quotes="With self-supervised pre-training, our smaller ViT-B/16 model achieves 79.9% accuracy "
    "on ImageNet, a significant improvement of 2% to training from scratch, but still 4% behind "
    "supervised pre-training.",
    asks="Test accuracy on new classes after labels of the others, less that after masked patches "
    "of the same pictures.",
    holds_if="the interval lies above 0 points",
    fails_if="it lies below",
    paper="4 points",
    full_only=True,
)
def behind_labels(run: Run) -> Finding:
    """Judge what labels bring beyond."""
    found = beginnings(run)
    gain = paired(found["supervised"], found["masked"])
    judged = judge(gain, above=0.0, paper_regime=False)
    return finding(run, judged, f"{gain.text(1)} points behind", found)
