"""The paper's claims, re-tested; those that need no training are in `exact`.

The nets of one kind are trained side by side, one for each seed (`replicates`); initial weights
and the order of the images are the same for all activations, so that differences are paired.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from . import ladder
from .activation import GELU, SiLU
from .claims import HOLDS, NOT_SEEN, Finding, Run, claim
from .curves import gain
from .exact import EXACT
from .figures import AMBER, BLUE, GREEN, MUTED, PURPLE, RED, TEAL
from .mnist import load
from .replicates import Replicates, cross_entropy, log_ratio, summary, train
from .stochastic import StochasticZeroIdentity

LAYERS: dict[str, Any] = {
    "gelu": GELU,
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "silu": SiLU,
    "tanh": lambda: GELU("tanh"),
    "sigmoid": lambda: GELU("sigmoid"),
    "mask": StochasticZeroIdentity,
    "linear": nn.Identity,
}
NAMES = {"gelu": "GELU", "relu": "ReLU", "elu": "ELU", "silu": "SiLU", "tanh": "GELU, tanh form",
         "sigmoid": "GELU, sigmoid form", "mask": "mask Bernoulli(Φ(x))",
         "linear": "dropout 0.5, linear"}  # fmt: skip
COLORS = {"gelu": RED, "relu": BLUE, "elu": GREEN, "silu": PURPLE, "tanh": TEAL, "sigmoid": AMBER,
          "mask": TEAL, "linear": MUTED}  # fmt: skip
PAPER = ("gelu", "relu", "elu")
NOISE = (0.0, 0.5, 1.0, 2.0, 3.0)  # §3.1, Fig. 3


@cache
def digits() -> tuple[Tensor, Tensor]:
    """Return scikit-learn's digits, (1797, 64) in [0, 1], shuffled, and their labels."""
    from sklearn.datasets import load_digits

    found = load_digits()
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
    x = torch.from_numpy(found.data).float() / 16
    return x[order], torch.from_numpy(found.target)[order]


def images(run: Run) -> list[Tensor]:
    """Return images and labels to train on, to tune on, and to test on: MNIST in a full run."""
    if run.scale == "full":
        (x, y), (test_x, test_y) = [
            (x.flatten(1).float() / 255, y)
            for x, y in (load("mnist", split, run.data, run.track) for split in ("train", "test"))
        ]
        parts = [x[:20_000], y[:20_000], x[55_000:], y[55_000:], test_x[:5_000], test_y[:5_000]]
    else:
        x, y = digits()
        n = run.pick(test=128, default=1100)
        parts = [x[:n], y[:n], x[1100:1347], y[1100:1347], x[1347:], y[1347:]]
    return [part.to(run.device) for part in parts]


# §3.1: the classifier.


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


def tuned(run: Run, form: str, trial: Callable[[str, float], dict]) -> dict[str, Any]:
    """Return the trial of lowest mean "valid" and its rate, once the rates tried enclose it."""
    trials: dict[float, dict] = {}

    def mean(lr):
        value = summary(trials[lr]["valid"])[0]
        return value if math.isfinite(value) else math.inf

    for lr in run.pick(test=(1e-3,), default=(1e-3, 3e-3)):
        trials[lr] = trial(form, lr)
    best = min(trials, key=mean)
    for _ in range(run.pick(test=0, default=1, full=3)):
        if min(trials) < best < max(trials):
            break
        lr = float(f"{best / 3 if best == min(trials) else best * 3:.0e}")
        trials[lr] = trial(form, lr)
        best = min(trials, key=mean)
    return {"lr": best, **trials[best]}


def mean_curve(result: dict) -> list[float]:
    """Return each seed's training loss, averaged over the epochs."""
    return [summary(curve)[0] for curve in result["loss"]]


def leads(results: dict[str, dict], of: str, over, what) -> dict[str, tuple[float, float]]:
    """Return for each rival the mean log of its value over ``of``'s, and the standard error."""
    return {rival: log_ratio(what(results[rival]), what(results[of])) for rival in over}


def lead_in_words(found: dict[str, tuple[float, float]]) -> str:
    """Return what `leads` found as text."""
    listed = (f"{NAMES[f]} {math.exp(mean):.2f} (log error {se:.2f})" for f, (mean, se) in
              found.items())  # fmt: skip
    return ", ".join(listed)


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


def plot(axes, results: dict[str, dict]) -> None:
    """Draw median training losses by epoch on a logarithmic axis, with the range over the seeds."""
    for form, result in results.items():
        curves = torch.tensor(result["loss"])
        color, epochs = COLORS[form], range(1, curves.shape[1] + 1)
        axes.fill_between(epochs, curves.amin(0), curves.amax(0), color=color, alpha=0.15, lw=0)
        axes.plot(epochs, curves.median(0).values, "o-", ms=3, color=color, label=NAMES[form])
        axes.set_xticks(epochs if len(epochs) < 8 else epochs[1::2])
    axes.set(yscale="log", xlabel="epoch")
    low, high = axes.get_ylim()
    ticks = [
        m * 10.0**k for k in range(-4, 2) for m in (1, 1.5, 2, 3, 5) if low < m * 10.0**k < high
    ]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()


def draw_curves(figure, numbers):
    """Draw training losses, a panel for each way to initialize or to drop."""
    panels = figure.subplots(1, len(numbers), squeeze=False, sharey=True)[0]
    for axes, (title, results) in zip(panels, numbers.items()):
        plot(axes, results)
        axes.set(title=title)
    panels[0].set_ylabel("training loss (nats)")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=3)


def curves_only(results: dict[str, dict]) -> dict[str, dict]:
    """Return the rates and training curves of results."""
    return {form: {"lr": r["lr"], "loss": r["loss"]} for form, r in results.items()}


SHORT = "The paper trains for 50 epochs on all images, some 20,000 updates; here there are 780."


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
    "With noise on the input, a GELU classifier's accuracy matches or exceeds those with ReLU and "
    "ELU.",
    draw_noise,
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
    "With noise on the input, a GELU classifier's loss is no higher than those with ReLU and ELU.",
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


# §3.2: the autoencoder.


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


# §2: the mask alone.


def spirals(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return n points of two spirals, (n, 2), and which of the two."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.arange(n) % 2
    radius = torch.rand(n, generator=generator) * 0.9 + 0.1
    angle = 2 * math.pi * radius + math.pi * label
    points = 2 * radius[:, None] * torch.stack((angle.cos(), angle.sin()), 1)
    return points + 0.05 * torch.randn(n, 2, generator=generator), label


def without_nonlinearity(run, form, data, seeds):
    """Train a net with this map in place of a nonlinearity; return test accuracies by seed.

    ``sampled``: of the mean prediction of 32 nets with masks drawn as in training.
    """
    if data == "spirals":
        n = run.pick(test=200, default=1500)
        (x, y), (test_x, test_y) = spirals(n, 0), spirals(1000, 1)
        sizes, batch, epochs = [2, 64, 64, 64, 2], 100, run.pick(test=2, default=40)
    else:
        x, y, _, _, test_x, test_y = images(run)
        sizes = [x.shape[1], *[run.pick(test=16, default=128)] * 3, 10]
        batch, epochs = 100, run.pick(test=1, default=12, full=6)
    x, y, test_x, test_y = (part.to(run.device) for part in (x, y, test_x, test_y))
    keep = 0.5 if form == "linear" else 1.0
    net = Replicates(sizes, seeds, LAYERS[form](), keep).to(run.device)
    lr = 3e-3 if data == "spirals" else 1e-3
    train(
        net, len(x), lambda index: cross_entropy(net(x[index]), y[index]), lr, batch, epochs,
        seeds, lambda steps: run.track(steps, f"{data}, {form}"),
    )  # fmt: skip
    wide = test_x.expand(len(seeds), -1, -1)
    with torch.no_grad():
        sampled = torch.stack([net(wide).softmax(2) for _ in range(32)]).mean(0)
        expected = net.eval()(wide)
    return {
        name: (out.argmax(2) == test_y).double().mean(1).tolist()
        for name, out in (("expected", expected), ("sampled", sampled))
    }


def draw_masked(figure, numbers):
    """Draw test accuracies, a panel for each data set."""
    for axes, (data, results) in zip(figure.subplots(1, len(numbers)), numbers.items()):
        for place, (form, result) in enumerate(results.items()):
            for key, marker, shift in (("expected", "o", -0.12), ("sampled", "D", 0.12)):
                x, fill = [place + shift] * len(result[key]), "none" if shift > 0 else "full"
                axes.plot(x, result[key], marker, ms=4.5, color=COLORS[form], fillstyle=fill)
        axes.set_xticks(range(len(results)), ["mask", "linear,\ndropout", "GELU"])
        axes.set(xlim=(-0.5, len(results) - 0.5), ylabel="test accuracy", title=data)


@claim(
    "C4",
    "§2",
    "Competitive networks can be trained with the stochastic zero-or-identity map alone, without "
    "any nonlinearity.",
    draw_masked,
)
def mask_alone(run):
    """Train with the mask, with ordinary dropout on a linear net, and with the GELU."""
    seeds = list(run.seeds(run.pick(test=2, default=3, full=5)))
    pictures = run.pick(test="digits", default="digits", full="MNIST")
    numbers: dict[str, dict] = {
        data: {
            form: run.trial(without_nonlinearity, form=form, data=data, seeds=seeds)
            for form in ("mask", "linear", "gelu")
        }
        for data in ("spirals", pictures)
    }
    mean = {
        data: {form: summary(r["expected"])[0] for form, r in results.items()}
        for data, results in numbers.items()
    }
    turned, drawn = mean["spirals"], mean[pictures]
    # Competitive: spirals solved that a linear net cannot; on images nearer to GELU than to linear.
    solved = turned["mask"] >= 0.95 and turned["linear"] <= 0.65
    nearer = drawn["mask"] > (drawn["linear"] + drawn["gelu"]) / 2
    listed = "; ".join(
        f"{data}: "
        + ", ".join(
            f"{NAMES[form]} {mean[data][form]:.3f} ({summary(r['sampled'])[0]:.3f})"
            for form, r in results.items()
        )
        for data, results in numbers.items()
    )
    return Finding(
        HOLDS if solved and nearer else NOT_SEEN,
        ran=f"2-64-64-64-2 nets on two spirals and nets of three layers of 128 on {pictures}; "
        f"Adam, {len(seeds)} seeds. Test accuracy with the mask's expectation xΦ(x), and in "
        "brackets with 32 drawn masks averaged, so that no Φ is there at all.",
        measured=f"{listed}.",
        numbers=numbers,
        between="Few epochs; the paper does not describe its networks.",
    )


# §4: other gates.


def draw_gates(figure, numbers):
    """Draw the training losses of the classifier and of the autoencoder."""
    left, right = figure.subplots(1, 2)
    plot(left, numbers["classifier"])
    plot(right, numbers["autoencoder"])
    left.set(title="classifier", ylabel="training loss (nats)")
    right.set(title="autoencoder", ylabel="training error (squared)")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=3)


@claim(
    "C6b",
    "§4",
    "The SiLU performs worse than the GELU, but better than ReLU and ELU.",
    draw_gates,
)
def other_gates(run):
    """Put SiLU and the approximations into C1a's classifier and C3's autoencoder."""
    forms = (*PAPER, "silu", "sigmoid", "tanh")
    results, coded = classifiers(run, forms, 1.0), autoencoders(run, forms[:-1])
    words, right = [], []
    for name, found, what in (
        ("Classifier, training loss", results, mean_curve),
        ("autoencoder, test error", coded, final_test),
    ):
        worse = log_ratio(what(found["silu"]), what(found["gelu"]))
        better = leads(found, "silu", ("relu", "elu"), what)
        right += [mean > 2 * se for mean, se in (worse, *better.values())]
        others = leads(found, "gelu", list(found)[1:], what)
        words.append(f"{name} in multiples of the GELU's: {lead_in_words(others)}")
    return Finding(
        HOLDS if all(right) else NOT_SEEN,
        ran="As C1a and C3, with more gates. All six differences beyond two standard errors "
        "are asked for.",
        measured="; ".join(words) + f". Of the six differences that the claim asks for, "
        f"{sum(right)} are there.",
        numbers={"classifier": curves_only(results), "autoencoder": curves_only(coded)},
        between=f"{SHORT} The paper gives no number for the SiLU and does not say on which tasks.",
    )


# The ladder.


def climbs(run, name, lr, seed):
    """Climb to a rung; ours is the GELU of this package."""
    x, y = images(run)[:2]
    own: dict[str, Any] = {"activation": GELU} if name == "gelu" else {}
    steps = run.pick(test=10, default=ladder.STEPS)
    return ladder.climb(name, x, y, lr, seed, steps=steps, device=run.device, **own)


@claim(
    "C9",
    "§5; the ladder",
    "In place of rectifiers, GELUs train a deep network faster.",
    ladder.draw,
)
def rung(run):
    """Measure this package's rung against the one below it, which has rectifiers."""
    below = ladder.below("gelu")
    numbers = ladder.measure(run, climbs, [below, "gelu"])
    words, change, error = ladder.compare(numbers, below, "gelu")
    largest = [numbers[name]["largest"] or 0 for name in (below, "gelu")]
    data = run.pick(test="digits", default="the digits", full="20,000 images of MNIST")
    return Finding(
        HOLDS if change < -2 * error and largest[1] >= largest[0] else NOT_SEEN,
        ran=f"A net of {2 * ladder.BLOCKS + 1} hidden layers of {ladder.WIDTH} units with batch "
        f"norm and shortcuts on {data}, batch 100, Adam; updates until the training loss is "
        f"{ladder.TARGET:g} nat, at seven rates. The rung below has ReLUs; this one our GELUs.",
        measured=f"{words} That is {math.exp(change):.2f} times as many updates, with an error of "
        f"{error:.2f} in the logarithm.",
        numbers=numbers,
        between="The target is reached within a few dozen updates; the paper compares the ends of "
        "long runs.",
    )


CLAIMS = [
    without_dropout,
    with_dropout,
    noisy_accuracy,
    noisy_loss,
    autoencoding,
    mask_alone,
    *EXACT,
    other_gates,
    rung,
]
