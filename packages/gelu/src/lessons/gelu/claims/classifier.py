"""C1, C2: §3.1's classifier on clean images and on noisy ones."""

import torch

from ..curves import gain
from ..lab.claim import Finding, claim
from ..lab.run import Run
from ..lab.statistics import HOLDS, NOT_SEEN
from .comparison import curves_only, lead_in_words, leads, plot, tuned
from .data import images
from .forms import COLORS, LAYERS, NAMES, PAPER
from .replicates import Replicates, cross_entropy, summary, train

NOISE = (0.0, 0.5, 1.0, 2.0, 3.0)  # §3.1, Fig. 3
SHORT = "The paper trains for 50 epochs on all images, some 20,000 updates; here there are 780."


def classify(run, form, keep, lr, scaled, seeds):
    """Train §3.1's classifier.

    Returns:
        By seed, losses in evaluation mode: on the first training images after each epoch, and at
        the end on the validation images; and accuracy and loss on the test images with noise.
    """
    x, y, valid_x, valid_y, test_x, test_y = images(run)
    hidden = run.pick(test=[16] * 2, default=[128] * 8)
    factor = gain(LAYERS[form]()) if scaled else 1.0
    sizes = [x.shape[1], *hidden, 10]
    net = Replicates(sizes, seeds, LAYERS[form](), keep, factor).to(run.device)
    curve: list[list[float]] = []

    def spread(images_BI):
        return net(images_BI.expand(len(seeds), -1, -1))

    def each_epoch():
        curve.append(cross_entropy(spread(x[:5_000]), y[:5_000]).tolist())

    train(
        net, len(x), lambda index: cross_entropy(net(x[index]), y[index]), lr,
        run.pick(test=32, default=64, full=128), run.pick(test=2, default=12, full=5), seeds,
        lambda steps: run.track(steps, f"{form}, keep {keep}, {lr:g}"), each_epoch,
    )  # fmt: skip
    net.eval()
    noise = torch.rand(test_x.shape, generator=torch.Generator().manual_seed(7)).to(run.device)
    with torch.no_grad():
        valid = cross_entropy(spread(valid_x), valid_y).tolist()
        accuracy, loss = [], []
        for a in NOISE:
            logits = spread(test_x + a * (2 * noise - 1))
            accuracy.append((logits.argmax(2) == test_y).double().mean(1).tolist())
            loss.append(cross_entropy(logits, test_y).tolist())
    by_seed = [list(zip(*rows)) for rows in (curve, accuracy, loss)]
    return {"loss": by_seed[0], "valid": valid, "accuracy": by_seed[1], "noisy": by_seed[2]}


def classifiers(run: Run, forms, keep: float, scaled: bool = False) -> dict[str, dict]:
    """Return each form's nets at the rate with the lowest mean validation loss."""
    seeds = list(run.seeds(run.pick(test=2, default=3, full=5)))

    def trial(form, lr):
        return run.trial(classify, form=form, keep=keep, lr=lr, scaled=scaled, seeds=seeds)

    return {form: tuned(run, form, trial) for form in forms}


def mean_curve(result: dict) -> list[float]:
    """Return each seed's training loss, averaged over the epochs."""
    return [summary(curve)[0] for curve in result["loss"]]


def losses_in_words(results: dict[str, dict]) -> str:
    """Return the median losses and rates as text."""
    words = []
    for form, result in results.items():
        median = sorted(mean_curve(result))[len(result["loss"]) // 2]
        last = sorted(curve[-1] for curve in result["loss"])[len(result["loss"]) // 2]
        words.append(f"{NAMES[form]} {median:.3g}, in the end {last:.3g} (α = {result['lr']:g})")
    return "; ".join(words)


def classifier_of(run) -> str:
    """Return what is trained, in words."""
    return run.pick(
        test="A tiny net",
        default="A 64-8×128-10 net on the digits, 12 epochs, batch 64, 3 seeds",
        full="The paper's net (784, eight times 128, 10) on 20,000 images of MNIST, 5 epochs, "
        "batch 128, 5 seeds",
    )


def draw_curves(figure, numbers):
    """Draw training losses, a panel for each way to initialize or to drop."""
    panels = figure.subplots(1, len(numbers), squeeze=False, sharey=True)[0]
    for axes, (title, results) in zip(panels, numbers.items()):
        plot(axes, results)
        axes.set(title=title)
    panels[0].set_ylabel("training loss (nats)")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=3)


@claim(
    "C1a",
    "§3.1, Fig. 2 left",
    "On MNIST the GELU has the lowest training loss, without dropout.",
    draw_curves,
)
def without_dropout(run):
    """Compare training curves, and show what the initial scale has to do with it."""
    results = classifiers(run, PAPER, 1.0)
    found = leads(results, "gelu", ("relu", "elu"), mean_curve)
    scaled = classifiers(run, PAPER, 1.0, scaled=True)
    rescaled = leads(scaled, "gelu", ("relu", "elu"), mean_curve)
    return Finding(
        HOLDS if all(mean > 2 * se for mean, se in found.values()) else NOT_SEEN,
        ran=f"{classifier_of(run)}; unit-norm rows, Adam, α tuned on validation images; training "
        "loss in evaluation mode, averaged over the epochs, median over seeds.",
        measured=f"{losses_in_words(results)}. Multiples of the GELU's: {lead_in_words(found)}. "
        "With weights that preserve each activation's second moment instead: "
        f"{losses_in_words(scaled)}; multiples: {lead_in_words(rescaled)}.",
        numbers={"unit-norm rows (paper)": curves_only(results),
                 "second moment preserved": curves_only(scaled)},
        between=f"{SHORT} Over the first epochs the scale decides that the initial weights give to "
        "the signal.",
    )  # fmt: skip


@claim(
    "C1b",
    "§3.1, Fig. 2 right",
    "On MNIST the GELU has the lowest training loss, with dropout.",
    draw_curves,
)
def with_dropout(run):
    """Compare training curves with half of the hidden units dropped."""
    results = classifiers(run, PAPER, 0.5)
    found = leads(results, "gelu", ("relu", "elu"), mean_curve)
    ended = leads(results, "gelu", ("relu", "elu"), lambda r: [curve[-1] for curve in r["loss"]])
    return Finding(
        HOLDS if all(mean > 2 * se for mean, se in found.values()) else NOT_SEEN,
        ran="As in C1a, with half of the units of every hidden layer dropped in training.",
        measured=f"{losses_in_words(results)}. Multiples of the GELU's: {lead_in_words(found)}; "
        f"in the end: {lead_in_words(ended)}.",
        numbers={"dropout 0.5": curves_only(results)},
        between=SHORT,
    )


def draw_noise(figure, numbers):
    """Draw accuracy and loss against the noise."""
    left, right = figure.subplots(1, 2)
    for form, result in numbers.items():
        for axes, key in ((left, "accuracy"), (right, "noisy")):
            rows = torch.tensor(result[key])
            axes.plot(NOISE, rows.mean(0), "o-", ms=3.5, color=COLORS[form], label=NAMES[form])
            axes.fill_between(NOISE, rows.amin(0), rows.amax(0), color=COLORS[form], alpha=0.15,
                              lw=0)  # fmt: skip
    left.set(xlabel="noise a", ylabel="test accuracy")
    right.set(xlabel="noise a", ylabel="test loss (nats)")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=3)


@claim(
    "C2a",
    "§3.1, Fig. 3 left",
    "Under input noise a GELU classifier's accuracy matches or exceeds ReLU's and ELU's.",
    draw_noise,
    asks="With noise on the input, a GELU classifier's accuracy matches or exceeds those with "
    "ReLU and ELU.",
)
def noisy_accuracy(run):
    """Add uniform noise to the test images of C1a's nets."""
    results = classifiers(run, PAPER, 1.0)
    means = {form: [summary(row)[0] for row in r["accuracy"]] for form, r in results.items()}
    gaps = {f: summary([a - b for a, b in zip(means["gelu"], means[f])]) for f in ("relu", "elu")}
    listed = ", ".join(f"{NAMES[f]} {summary(m)[0]:.3f}" for f, m in means.items())
    words = ", ".join(f"{m:+.3f} ± {s:.3f} against {NAMES[f]}" for f, (m, s) in gaps.items())
    return Finding(
        HOLDS if all(mean >= -0.01 for mean, _ in gaps.values()) else NOT_SEEN,
        ran="C1a's nets; noise from [−a, a] on each pixel, a = 0, .5, 1, 2, 3. To match: at most "
        "0.01 less, averaged over a.",
        measured=f"Mean accuracy: {listed}; the GELU's is {words}.",
        numbers={f: {k: r[k] for k in ("accuracy", "noisy")} for f, r in results.items()},
        between=f"{SHORT} Longer training makes nets surer of themselves, and noise costlier.",
    )


@claim(
    "C2b",
    "§3.1, Fig. 3 right",
    "Under input noise a GELU classifier's loss is no higher than ReLU's and ELU's.",
    asks="With noise on the input, a GELU classifier's loss is no higher than those with ReLU and "
    "ELU.",
)
def noisy_loss(run):
    """Judge C2a's losses."""
    results = classifiers(run, PAPER, 1.0)
    means = {form: [summary(row)[0] for row in r["noisy"]] for form, r in results.items()}
    found = leads(results, "gelu", ("relu", "elu"), lambda r: [summary(n)[0] for n in r["noisy"]])
    listed = ", ".join(f"{NAMES[form]} {summary(m)[0]:.3g}" for form, m in means.items())
    return Finding(
        HOLDS if all(mean >= -0.05 for mean, _ in found.values()) else NOT_SEEN,
        ran="As C2a. To match: at most 5% more, averaged over a.",
        measured=f"Mean loss: {listed}. Multiples of the GELU's: {lead_in_words(found)}.",
        numbers=means,
        between=f"{SHORT} A loss under heavy noise measures above all how large the logits are.",
    )
