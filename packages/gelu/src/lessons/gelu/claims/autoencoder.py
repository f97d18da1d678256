"""C3: §3.2's autoencoder."""

import torch

from ..lab.claim import Finding, claim
from ..lab.run import Run
from ..lab.statistics import HOLDS, NOT_SEEN
from .comparison import lead_in_words, leads, plot, tuned
from .data import images
from .forms import COLORS, LAYERS, NAMES, PAPER
from .replicates import Replicates, summary, train


def reconstruct(run, form, lr, seeds):
    """Train §3.2's autoencoder; return mean squared errors by seed."""
    x, _, valid_x, _, test_x, _ = images(run)
    widths = run.pick(test=[8, 4], default=[100, 50, 25, 8], full=[256, 128, 64, 30])
    sizes = [x.shape[1], *widths, *widths[-2::-1], x.shape[1]]
    net = Replicates(sizes, seeds, LAYERS[form]()).to(run.device)
    curves: list[list[list[float]]] = []

    def errors(images_BI):
        return (net(images_BI.expand(len(seeds), -1, -1)) - images_BI).square().mean((1, 2))

    def each_epoch():
        curves.append([errors(part).tolist() for part in (x[:5_000], test_x)])

    train(
        net, len(x), lambda index: (net(x[index]) - x[index]).square().mean((1, 2)), lr,
        run.pick(test=32, default=64), run.pick(test=2, default=15, full=4), seeds,
        lambda steps: run.track(steps, f"autoencoder, {form}, {lr:g}"), each_epoch,
    )  # fmt: skip
    with torch.no_grad():
        valid = errors(valid_x).tolist()
    return {key: [list(row) for row in zip(*part)] for key, part in
            zip(("loss", "test"), zip(*curves))} | {"valid": valid}  # fmt: skip


def autoencoders(run: Run, forms) -> dict[str, dict]:
    """Return each form's nets at the rate with the lowest mean validation error."""
    seeds = list(run.seeds(run.pick(test=2, default=3)))
    return {
        form: tuned(run, form, lambda f, lr: run.trial(reconstruct, form=f, lr=lr, seeds=seeds))
        for form in forms
    }


def final_test(result: dict) -> list[float]:
    """Return the test error after the last epoch, by seed."""
    return [curve[-1] for curve in result["test"]]


def errors_in_words(results: dict[str, dict]) -> str:
    """Return test errors and rates as text."""
    words = []
    for form, result in results.items():
        mean, se = summary(final_test(result))
        words.append(f"{NAMES[form]} {mean:.4f} ± {se:.4f} (α = {result['lr']:g})")
    return "; ".join(words)


def autoencoder_of(run) -> str:
    """Return what is trained, in words."""
    return run.pick(
        test="A tiny autoencoder",
        default="A 64-100-50-25-8-25-50-100-64 autoencoder on the digits, 15 epochs",
        full="A 784-256-128-64-30-64-128-256-784 autoencoder on 20,000 images of MNIST, 4 epochs",
    )


def draw_autoencoders(figure, numbers):
    """Draw the training error by epoch, and the last test errors."""
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    plot(left, numbers)
    for place, (form, result) in enumerate(numbers.items()):
        right.plot([place] * len(result["test"]), final_test(result), "o", color=COLORS[form], ms=4)
    left.set(ylabel="training error (squared, per pixel)")
    right.set(ylabel="test error in the end", xlim=(-0.6, len(numbers) - 0.4))
    right.set_xticks(range(len(numbers)), [NAMES[form] for form in numbers])
    left.legend()


@claim(
    "C3",
    "§3.2, Fig. 4",
    "On MNIST a GELU autoencoder significantly outperforms those with ReLU and ELU.",
    draw_autoencoders,
)
def autoencoding(run):
    """Compare test errors, each activation at its best rate."""
    results = autoencoders(run, PAPER)
    found = leads(results, "gelu", ("relu", "elu"), final_test)
    return Finding(
        HOLDS if all(mean > 2 * se for mean, se in found.values()) else NOT_SEEN,
        ran=f"{autoencoder_of(run)}; batch 64, Adam, α tuned on validation images, 3 seeds.",
        measured=f"Test error: {errors_in_words(results)}. Multiples of the GELU's: "
        f"{lead_in_words(found)}.",
        numbers={form: {k: r[k] for k in ("lr", "loss", "test")} for form, r in results.items()},
        between="The paper's net has layers of up to 1,000 units and trains for 250 epochs on all "
        "images, some 230,000 updates; here there are 1,248.",
    )
