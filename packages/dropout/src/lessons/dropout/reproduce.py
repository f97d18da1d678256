"""The paper's claims, re-tested on handwritten digits with small nets and few training cases.

The regime is the paper's: nets that could learn their training cases by heart. Several nets are
trained at once, on a leading axis, which saves most of the time.

Shapes: R nets, B cases, F features, K classes.
"""

import itertools
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import ladder
from .averaging import thinned_masks
from .claims import HOLDS, NOT_SEEN, REFUTED, Finding, claim
from .dropout import Dropout, dropout
from .figures import BLUE, GREEN, INK, MUTED, RED
from .marginal import marginal_linear, marginal_loss
from .mnist import load
from .nets import MLP, MLPConfig
from .rbm import DropoutRBM
from .scaling import max_norm_

BATCH = 50
# Probabilities of dropping; the paper retains .8 of the inputs and .5 of the hidden units (B.1).
DROP: dict[str, Any] = {"p_input": 0.2, "p_hidden": 0.5}
METHODS: dict[str, dict[str, Any]] = {
    "none": {},
    "L2": {"decay": (1e-4, 1e-3)},
    "max-norm": {"c": (1.5, 3.0)},
    "dropout": DROP,
    "dropout + L2": DROP | {"decay": (1e-5, 1e-4)},
    "dropout + max-norm": DROP | {"c": (1.5, 3.0)},
    "Gaussian dropout": DROP | {"noise": "gaussian"},
}
RATES = (0.03, 0.1, 0.3)


def data(run) -> dict[str, tuple[Tensor, Tensor]]:
    """Return what nets are trained on, what rates are chosen on, and what is judged on.

    Images are rows in [0, 1]; MNIST in a full run, else scikit-learn's digits.
    """
    if run.scale == "full":
        x, y = load("mnist", "train", run.data, run.track)
        test_x, test_y = load("mnist", "test", run.data, run.track)
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
        x, y = x[order].flatten(1).float() / 255, y[order]
        test = test_x.flatten(1).float() / 255, test_y
        sets = {"train": (x[:55_000], y[:55_000]), "valid": (x[55_000:], y[55_000:]), "test": test}
    else:
        from sklearn.datasets import load_digits

        pixels, labels = load_digits(return_X_y=True)
        order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))
        x = torch.from_numpy(pixels).float()[order] / 16
        y = torch.from_numpy(labels).long()[order]
        spans = {"train": slice(500), "valid": slice(500, 797), "test": slice(797, None)}
        sets = {name: (x[span], y[span]) for name, span in spans.items()}
    return {name: (x.to(run.device), y.to(run.device)) for name, (x, y) in sets.items()}


def sizes(run) -> tuple[int, int, int, int]:
    """Return inputs, hidden units, training cases and steps of the usual net at this scale."""
    return run.pick(test=(64, 16, 50, 12), default=(64, 128, 400, 500), full=(784, 256, 1000, 800))


def setting(run, steps: int | None = None) -> str:
    """Return in words what the usual nets are trained on."""
    inputs, hidden, cases, usual = sizes(run)
    name = run.pick(test="digits", default="scikit-learn's digits", full="MNIST")
    return (
        f"{inputs}-{hidden}-{hidden}-10 with ReLU on {cases:,} cases of {name}, "
        f"{steps or usual:,} steps of {BATCH}, SGD with momentum .9, the rate falling to 1%"
    )


def logits(weights, biases, x_RBF, p_input=0.0, p_hidden=0.0, noise="bernoulli", generator=None):
    """Return what R nets say, (R, B, K), dropping units."""
    how: dict[str, Any] = {"noise": noise, "generator": generator}
    h = dropout(x_RBF, p_input, **how)
    for i, (weight, bias) in enumerate(zip(weights, biases)):
        h = torch.baddbmm(bias, h, weight)
        if i < len(weights) - 1:
            h = dropout(h.relu_(), p_hidden, **how)
    return h


def fit(
    run, *, rates, hidden=None, cases=None, decay=0.0, c=None, p_input=0.0, p_hidden=0.0,
    noise="bernoulli", seed=0, watch=False,
) -> tuple[list[Tensor], list[Tensor], dict[str, Any]]:  # fmt: skip
    """Train a net for each rate; return weights (R, F, K), biases (R, 1, K), and how well they do.

    Each net has its own training cases, weights and batches; those of the same place and seed are
    the same for every method, so that differences can be paired.
    """
    sets = data(run)
    inputs, usual, usual_cases, steps = sizes(run)
    hidden, cases = hidden or usual, cases or usual_cases
    generator, masks = (torch.Generator(run.device).manual_seed(2 * seed + k) for k in (0, 1))
    x, y = sets["train"]
    count, widths = len(rates), (inputs, hidden, hidden, 10)
    dealt = [torch.randperm(len(x), generator=generator, device=run.device) for _ in rates]
    own = torch.stack(dealt)[:, :cases]
    weights = [
        torch.randn(count, a, b, generator=generator, device=run.device)
        .mul_(math.sqrt(2 / a))
        .requires_grad_()
        for a, b in itertools.pairwise(widths)
    ]
    biases = [torch.zeros(count, 1, b, device=run.device, requires_grad=True) for b in widths[1:]]
    params = weights + biases
    speeds = [torch.zeros_like(param) for param in params]
    lr = torch.tensor(rates, device=run.device).view(-1, 1, 1)
    reached: list[int | None] = [None] * count
    for step in run.track(range(steps), f"p = {p_hidden}, {hidden} units, {cases} cases"):
        picked = torch.randint(cases, (count, BATCH), generator=generator, device=run.device)
        rows = own.gather(1, picked)
        out = logits(weights, biases, x[rows], p_input, p_hidden, noise, masks)
        loss = F.cross_entropy(out.flatten(0, 1), y[rows].flatten(), reduction="sum") / BATCH
        grads = torch.autograd.grad(loss, params)
        now = lr * (1 - 0.99 * step / steps)
        with torch.no_grad():
            for i, (param, grad, speed) in enumerate(zip(params, grads, speeds)):
                if decay and i < len(weights):
                    grad = grad.add_(param, alpha=decay)
                speed.mul_(0.9).add_(grad)
                param.addcmul_(now, speed, value=-1)
                if c and i < len(weights):
                    max_norm_(param, c, dim=(0, 2))
            if watch and step % 20 == 19:
                some = own[:, :500]
                train = nll(logits(weights, biases, x[some]), y[some])
                reached = [
                    r or (step + 1 if t <= 0.05 else None) for r, t in zip(reached, train.tolist())
                ]
    found: dict[str, Any] = {"reached": reached}
    with torch.no_grad():
        some = own[:, :500]
        found["train_nll"] = nll(logits(weights, biases, x[some]), y[some]).tolist()
        for name in ("valid", "test"):
            xs, ys = sets[name]
            outs = logits(weights, biases, xs.expand(count, *xs.shape))
            wrong = (outs.argmax(2) != ys).float().mean(1)
            found |= {name: wrong.tolist(), f"{name}_nll": nll(outs, ys.expand(count, -1)).tolist()}
    return weights, biases, found


def nll(out_RBK: Tensor, y_RB: Tensor) -> Tensor:
    """Return the mean negative log-likelihood of each net (R,), in nats."""
    return F.cross_entropy(out_RBK.transpose(1, 2), y_RB, reduction="none").mean(1)


def tune(run, method, decay=0.0, c=None, seed=1000):
    """Return each rate's validation error, a net for each."""
    keep = {k: v for k, v in METHODS[method].items() if k in ("p_input", "p_hidden", "noise")}
    return fit(run, rates=RATES, decay=decay, c=c, seed=seed, **keep)[2]["valid"]


def tuned(run, method: str) -> dict[str, Any]:
    """Return a method with the rate and strength that do best on the validation cases."""
    options = dict(METHODS[method])
    tried = []
    for decay in options.pop("decay", (0.0,)):
        for c in METHODS[method].get("c", (None,)):
            errors = run.trial(tune, method=method, decay=decay, c=c, seed=run.seed + 1000)
            tried += [(e, lr, {"decay": decay, "c": c}) for e, lr in zip(errors, RATES)]
    options.pop("c", None)
    _, lr, strength = min(tried, key=lambda t: t[:2])
    return options | strength | {"lr": lr}


def race(run, nets, lr, seed, **options):
    """Train nets that differ in their seed only; return how well they do."""
    return fit(run, rates=[lr] * nets, seed=seed, **options)[2]


def raced(run, method: str) -> dict[str, Any]:
    """Return the results of a method at its best, over seeds."""
    return run.trial(race, nets=run.pick(test=2, default=5), seed=run.seed, watch=True,
                     **tuned(run, method))  # fmt: skip


def mean_and_error(values: list[float]) -> tuple[float, float]:
    """Return the mean and its standard error."""
    t = torch.tensor(values, dtype=torch.float64)
    return t.mean().item(), (t.std().item() / math.sqrt(len(values)) if len(values) > 1 else 0.0)


def paired(a: list[float], b: list[float]) -> tuple[float, float]:
    """Return the mean of a − b over seeds, and its standard error."""
    return mean_and_error([p - q for p, q in zip(a, b)])


def percent(values: list[float]) -> str:
    """Return a mean error rate and its standard error as text."""
    mean, error = mean_and_error(values)
    return f"{100 * mean:.2f} ± {100 * error:.2f}%"


def points(difference: tuple[float, float]) -> str:
    """Return a difference of error rates and its standard error as text."""
    return f"{100 * difference[0]:+.2f} ± {100 * difference[1]:.2f}"


def draw_methods(figure, numbers):
    """Draw the test error of every seed, by method."""
    axes = figure.subplots()
    for row, (method, errors) in enumerate(reversed(numbers["error"].items())):
        color = RED if "ropout" in method else BLUE
        axes.plot([100 * e for e in errors], [row] * len(errors), "|", ms=9, color=color)
        axes.plot(100 * sum(errors) / len(errors), row, "o", color=color)
    axes.set_yticks(range(len(numbers["error"])), list(reversed(numbers["error"])))
    axes.grid(axis="x")
    axes.grid(visible=False, axis="y")
    axes.set(xlabel="test error (%): seeds, and their mean")


@claim(
    "C1",
    "§6.5, Table 9",
    "Dropout with max-norm has a lower test error than L2 decay or max-norm alone: 1.05% against "
    "1.62 and 1.35 on MNIST; dropout with L2 has 1.25.",
    draw_methods,
)
def regularizers(run):
    """Judge paired differences of dropout + max-norm to none, L2 and max-norm: two s.e. below."""
    results = {method: raced(run, method) for method in METHODS}
    error = {method: r["test"] for method, r in results.items()}
    best = error["dropout + max-norm"]
    gaps = {m: paired(best, error[m]) for m in ("none", "L2", "max-norm", "dropout + L2")}
    holds = all(g + 2 * s < 0 for g, s in (gaps[m] for m in ("none", "L2", "max-norm")))
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"{setting(run)}; rate, decay and c of each method chosen on other cases; {len(best)} "
        "nets a method, each with training cases of its own.",
        measured="Test error: "
        + ", ".join(f"{m} {percent(e)}" for m, e in error.items())
        + ". Dropout + max-norm less L2, paired: "
        + f"{points(gaps['L2'])} points; less dropout + L2: {points(gaps['dropout + L2'])}.",
        numbers={
            "error": error,
            "nll": {m: r["test_nll"] for m, r in results.items()},
            "tuned": {m: tuned(run, m) for m in METHODS},
            "gaps": gaps,
        },
        between="The paper's nets have 15 times the weights, 60,000 cases and a million steps.",
    )


def percent_ticks(axes):
    """Label a logarithmic axis of per cents with plain numbers, those within its limits."""
    low, high = axes.get_ylim()
    ticks = [t for t in (1, 2, 3, 5, 10, 20, 30, 50, 90) if low <= t <= high]
    axes.set_yticks(ticks, [str(t) for t in ticks])
    axes.set_yticks([], minor=True)


def draw_data(figure, numbers):
    """Draw errors with and without dropout against the number of cases, and the gain."""
    figure.set_size_inches(6.4, 2.9)
    left, right = figure.subplots(1, 2)
    cases = numbers["cases"]
    for name, color, label in (("none", BLUE, "without"), ("dropout", RED, "with")):
        means, errors = zip(*(mean_and_error(e) for e in numbers[name]))
        left.errorbar(cases, [100 * m for m in means], [100 * e for e in errors], fmt="o-", ms=3,
                      color=color, label=f"{label} dropout")  # fmt: skip
    left.set(xscale="log", yscale="log", xlabel="training cases", ylabel="test error (%)")
    percent_ticks(left)
    left.legend()
    gains = numbers["gain"]
    right.errorbar(cases, [100 * g for g, _ in gains], [100 * s for _, s in gains], fmt="o-", ms=3,
                   color=INK)  # fmt: skip
    right.axhline(0, color=MUTED, lw=0.6)
    right.set(xscale="log", xlabel="training cases", ylabel="error that dropout removes (points)")


@claim(
    "C2",
    "§7.4, Fig. 10",
    "There is a sweet spot in the amount of data: with 100 or 500 cases dropout does not help, "
    "with more the gain rises, and then it declines.",
    draw_data,
)
def data_size(run):
    """Judge the gain: nothing at the smallest size, and a maximum within, by two s.e. each."""
    cases = run.pick(
        test=(20, 40, 60), default=(30, 100, 300, 500), full=(100, 500, 1000, 5000, 50_000)
    )
    nets = run.pick(test=2, default=3)
    error = {
        method: [
            run.trial(race, nets=nets, seed=run.seed, cases=n, **tuned(run, method))["test"]
            for n in cases
        ]
        for method in ("none", "dropout")
    }
    gain = [paired(a, b) for a, b in zip(error["none"], error["dropout"])]
    top = max(range(len(gain)), key=lambda i: gain[i][0])
    ends = [gain[top][0] - g > 2 * math.hypot(gain[top][1], s) for g, s in (gain[0], gain[-1])]
    holds = gain[0][0] <= 2 * gain[0][1] and 0 < top < len(gain) - 1 and all(ends)
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"As C1, but on {', '.join(f'{n:,}' for n in cases)} cases; {nets} nets each; the "
        "rates are C1's.",
        measured="Points of test error that dropout removes: "
        + ", ".join(f"{n:,} cases {points(g)}" for n, g in zip(cases, gain))
        + f". With {cases[0]} cases {percent(error['none'][0])} becomes "
        + f"{percent(error['dropout'][0])}.",
        numbers={"cases": cases, "gain": gain} | error,
        between="The paper's net is 15 times larger, so that it has more to memorize with; its "
        "figure gives one run a size and no errors of measurement.",
    )


COUNTS = (1, 2, 5, 10, 20, 50, 100)


def averages(run, nets, lr, seed, **options):
    """Train nets with dropout; return error and NLL of scaled weights and of sampled nets."""
    weights, biases, _ = fit(run, rates=[lr] * nets, seed=seed, **options)
    x, y = data(run)["test"]
    results = []
    for r in range(nets):
        widths = (weights[0].shape[1], *(w.shape[2] for w in weights))
        generator = torch.Generator(run.device).manual_seed(seed + r)
        net = MLP(MLPConfig(widths, **DROP)).to(run.device)
        with torch.no_grad():
            layers = [module for module in net if isinstance(module, nn.Linear)]
            for layer, weight, bias in zip(layers, weights, biases):
                layer.weight.copy_(weight[r].T)
                layer.bias.copy_(bias[r, 0])
            for module in net.modules():
                if isinstance(module, Dropout):
                    module.generator = generator
            found = {"scaled": judged(net.eval()(x).log_softmax(1), y), "mean": [], "geometric": []}
            net.train()  # nothing in it but dropout minds
            total, logs = torch.zeros(len(x), 10), torch.zeros(len(x), 10)
            total, logs = total.to(x), logs.to(x)
            for k in run.track(range(1, COUNTS[-1] + 1), f"sampled nets of net {r}"):
                sample = net(x).log_softmax(1)
                total += sample.exp()
                logs += sample
                if k in COUNTS:
                    found["mean"].append(judged((total / k).log(), y))
                    found["geometric"].append(judged((logs / k).log_softmax(1), y))
        results.append(found)
    return results


def judged(log_BK: Tensor, y_B: Tensor) -> list[float]:
    """Return error rate and NLL (nats) of log-probabilities."""
    return [(log_BK.argmax(1) != y_B).float().mean().item(), F.nll_loss(log_BK, y_B).item()]


def draw_averages(figure, numbers):
    """Draw error and NLL against the number of sampled nets."""
    figure.set_size_inches(6.4, 2.9)
    for i, (axes, what) in enumerate(zip(figure.subplots(1, 2), ("test error (%)", "NLL (nats)"))):
        scale = 1 if i else 100
        for kind, color, label in (
            ("mean", RED, "sampled, mean"),
            ("geometric", GREEN, "sampled, geometric mean"),
        ):
            values = [scale * v[i] for v in numbers[kind]]
            axes.plot(COUNTS, values, "o-", ms=3, color=color, label=label)
        axes.axhline(scale * numbers["scaled"][i], color=BLUE, ls="--", label="scaled weights")
        axes.set(xscale="log", xlabel="sampled nets", ylabel=what)
        if not i:
            axes.legend()


@claim(
    "C3",
    "§7.5, Fig. 11",
    "Averaging about 50 sampled nets does as well as scaling the weights, more do slightly better "
    "but within one standard deviation: weight scaling approximates the true model average.",
    draw_averages,
)
def model_averaging(run):
    """Judge the errors of 50 nets and of scaled weights: within the s.e. of a test error."""
    nets = run.pick(test=1, default=3)
    results = run.trial(averages, nets=nets, seed=run.seed, **tuned(run, "dropout"))
    mean: dict[str, Any] = {
        kind: torch.tensor([r[kind] for r in results]).double().mean(0).tolist()
        for kind in ("scaled", "mean", "geometric")
    }
    (scaled, scaled_nll), fifty = mean["scaled"], COUNTS.index(50)
    one, (some, some_nll) = mean["mean"][0][0], mean["mean"][fifty]
    noise = math.sqrt(scaled * (1 - scaled) / len(data(run)["test"][1]))
    holds = abs(some - scaled) <= noise and one > scaled + 2 * noise
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"{nets} nets with dropout as in C1, {COUNTS[-1]} thinned nets sampled for each test "
        "case.",
        measured=f"Test error: one thinned net {100 * one:.2f}%, 50 of them {100 * some:.2f}%, "
        f"{COUNTS[-1]} {100 * mean['mean'][-1][0]:.2f}%, scaled weights {100 * scaled:.2f}% (a "
        f"test error's s.e. is {100 * noise:.2f}). NLL: 50 nets {some_nll:.4f}, their geometric "
        f"mean {mean['geometric'][fifty][1]:.4f}, scaled weights {scaled_nll:.4f}.",
        numbers=mean | {"seeds": results},
        between="Few nets, small ones, trained for a short time.",
    )


def draw_exact(figure, numbers):
    """Draw what weight scaling gives against the two means over all thinned nets."""
    figure.set_size_inches(6.4, 2.9)
    for axes, depth in zip(figure.subplots(1, 2), ("one layer", "two hidden layers")):
        found = numbers[depth]
        axes.plot([0, 1], [0, 1], color=MUTED, lw=0.6)
        axes.plot(found["geometric"], found["scaled"], "o", color=GREEN, label="geometric mean")
        axes.plot(found["mean"], found["scaled"], "s", color=RED, fillstyle="none", label="mean")
        axes.set(title=depth, xlabel="average of all thinned nets", ylabel="scaled weights")
    axes.legend()


@claim(
    "C4a",
    "§1, §4",
    "Scaling the weights approximates an equally weighted geometric mean of the predictions of all "
    "thinned nets; for a softmax over one layer at p = .5 it is that mean.",
    draw_exact,
)
def geometric_mean(run):
    """Enumerate all thinned nets of ten units: one layer, and two hidden layers of five."""
    generator = torch.Generator().manual_seed(run.seed)
    masks, weight = thinned_masks(10, 0.5)
    x, W1, W2, W3 = (
        torch.randn(*shape, generator=generator, dtype=torch.float64)
        for shape in ((8, 10), (10, 5), (5, 5), (5, 4))
    )
    V = torch.randn(10, 4, generator=generator, dtype=torch.float64)

    def deep(r):
        h = (x[:, None] @ W1).relu() * r[..., :5]
        return ((h @ W2).relu() * r[..., 5:]) @ W3

    nets = {"one layer": lambda r: (x[:, None] * r) @ V, "two hidden layers": deep}
    numbers, gaps = {}, {}
    for depth, net in nets.items():
        logs = net(masks).log_softmax(-1)  # (8, 1024, 4)
        means = {
            "geometric": torch.einsum("bmk,m->bk", logs, weight).softmax(-1),
            "mean": torch.einsum("bmk,m->bk", logs.exp(), weight),
        }
        scaled = net(torch.full((1, 10), 0.5, dtype=torch.float64))[:, 0].softmax(-1)
        gaps[depth] = {k: (scaled - m).abs().max().item() for k, m in means.items()}
        numbers[depth] = {k: m.flatten().tolist() for k, m in means.items()}
        numbers[depth]["scaled"] = scaled.flatten().tolist()
    one, two = gaps["one layer"], gaps["two hidden layers"]
    return Finding(
        HOLDS if one["geometric"] < 1e-12 else REFUTED,
        ran="All 1,024 thinned nets of ten units, normal weights and inputs, eight cases, float64.",
        measured=f"One layer: scaled weights are off the renormalized geometric mean by at most "
        f"{one['geometric']:.1e}, off the arithmetic mean by {one['mean']:.3f}. Two hidden layers: "
        f"off by {two['geometric']:.3f} and {two['mean']:.3f}; there it is an approximation.",
        numbers=numbers | {"gaps": gaps},
    )


@claim(
    "C4b",
    "§9.1",
    "Linear regression with dropout on its inputs is, in expectation, ridge regression with "
    "weights charged by their feature's size.",
)
def ridge(run):
    """Average the loss over all masks of ten features, and descend to the minimum."""
    generator = torch.Generator().manual_seed(run.seed)
    X, w = (torch.randn(*s, generator=generator, dtype=torch.float64) for s in ((30, 10), (10,)))
    X *= torch.linspace(0.2, 3, 10, dtype=torch.float64)
    y = X @ w + torch.randn(30, generator=generator, dtype=torch.float64)
    numbers = {}
    for p in (0.1, 0.5, 0.8):
        masks, weight = thinned_masks(10, p)
        # Each case has its own mask; the sum over cases of the mean is the mean of the sum.
        losses = (y - torch.einsum("cf,mf,f->mc", X, masks, w)).square()
        exact = (weight @ losses).sum()
        formula = marginal_loss(X, y, w, p)
        best = marginal_linear(X, y, p).requires_grad_()
        (slope,) = torch.autograd.grad(marginal_loss(X, y, best, p), best)
        numbers[str(p)] = {
            "loss": (abs(exact - formula) / exact).item(),
            "slope": (slope.norm() / (X.T @ y).norm()).item(),
        }
    worst = max(max(n.values()) for n in numbers.values())
    return Finding(
        HOLDS if worst < 1e-10 else REFUTED,
        ran="30 cases of 10 features, the loss averaged over all 1,024 masks of each; dropping .1, "
        ".5 and .8.",
        measured="The formula is off the average by at most "
        f"{max(n['loss'] for n in numbers.values()):.1e} of it; at the ridge solution the gradient "
        f"is at most {max(n['slope'] for n in numbers.values()):.1e} of XᵀY.",
        numbers=numbers,
    )


RETAIN = (0.1, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0)


def draw_retention(figure, numbers):
    """Draw test errors against the retention, for both ways to choose the width."""
    axes = figure.subplots()
    for kind, color, label in (
        ("fixed", BLUE, "units fixed"),
        ("scaled", RED, "expected units fixed: wider nets at smaller retention"),
    ):
        means, errors = zip(*(mean_and_error(e) for e in numbers[kind]))
        axes.errorbar(RETAIN, [100 * m for m in means], [100 * e for e in errors], fmt="o-", ms=3,
                      color=color, label=label)  # fmt: skip
    axes.set(xlabel="probability of retaining a unit", ylabel="test error (%)", yscale="log")
    percent_ticks(axes)
    axes.legend()


@claim(
    "C5",
    "§7.3, Fig. 9",
    "Retaining .4 to .8 of the hidden units is equally good, fewer underfit, and towards 1 the "
    "error rises; wider nets soften the loss at small retention.",
    draw_retention,
)
def retention(run):
    """Judge flatness (one point), .1 twice as bad as the best, the rise to 1, and the wide nets."""
    nets, lr = run.pick(test=2, default=3), tuned(run, "dropout")["lr"]
    unit = run.pick(test=8, default=64)

    def errors(p, hidden):
        options = {"nets": nets, "lr": lr, "seed": run.seed, "p_hidden": round(1 - p, 2)}
        return run.trial(race, hidden=hidden, **options)["test"]

    fixed = [errors(p, sizes(run)[1]) for p in RETAIN]
    scaled = [errors(p, round(unit / p)) for p in RETAIN]
    means = [sum(e) / len(e) for e in fixed]
    middle = [m for p, m in zip(RETAIN, means) if 0.4 <= p <= 0.8]
    best = fixed[means.index(min(means))]
    rise, wide = paired(fixed[-1], best), paired(fixed[0], scaled[0])
    parts = {
        "flat from .4 to .8": max(middle) - min(middle) <= 0.01,
        "twice the best error at .1": means[0] >= 2 * min(means),
        "a rise towards 1": rise[0] > 2 * rise[1],
        "softened by width": wide[0] > 2 * wide[1],
    }
    return Finding(
        HOLDS if all(parts.values()) else NOT_SEEN,
        ran=f"As C1, dropout on hidden units only, {nets} nets each, at C1's rate; with "
        f"{sizes(run)[1]} units a layer, and with {unit} divided by the retention.",
        measured="Test error, units fixed: "
        + ", ".join(f"{p:g} {percent(e)}" for p, e in zip(RETAIN, fixed))
        + f"; wider at small retention: .1 {percent(scaled[0])}, .5 {percent(scaled[3])}. Seen: "
        + (", ".join(k for k, v in parts.items() if v) or "nothing")
        + "; not seen: "
        + (", ".join(k for k, v in parts.items() if not v) or "nothing")
        + ".",
        numbers={"fixed": fixed, "scaled": scaled, "parts": parts},
        between="The paper's nets are eight times as wide and trained on all cases; one rate "
        "serves all retentions here.",
    )


def autoencoder(run, p, nets, seed):
    """Train auto-encoders of one hidden layer; return what its units do on test cases."""
    sets = data(run)
    x, test = sets["train"][0][:10_000], sets["test"][0][:1000]
    features, hidden = x.shape[1], run.pick(test=16, default=128, full=256)
    steps = run.pick(test=10, default=600)
    generator, masks = (torch.Generator(run.device).manual_seed(2 * seed + k) for k in (0, 1))
    shapes = ((nets, features, hidden), (nets, hidden, features))
    weights = [
        torch.randn(*s, generator=generator, device=run.device).mul_(s[1] ** -0.5).requires_grad_()
        for s in shapes
    ]
    biases = [torch.zeros(nets, 1, s[2], device=run.device, requires_grad=True) for s in shapes]
    optimizer = torch.optim.Adam(weights + biases, lr=run.pick(test=3e-3, default=3e-3, full=1e-3))
    for _ in run.track(range(steps), f"auto-encoders, p = {p}"):
        rows = torch.randint(len(x), (nets, 100), generator=generator, device=run.device)
        out = logits(weights, biases, x[rows], 0.0, p, generator=masks)
        loss = (out - x[rows]).square().mean((1, 2)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        h = torch.baddbmm(biases[0], test.expand(nets, *test.shape), weights[0]).relu()
        error = (torch.baddbmm(biases[1], h, weights[1]) - test).square().mean((1, 2))
        some = torch.linspace(0, h[0].numel() - 1, 4000).long()
        return {
            "mean": h.mean((1, 2)).tolist(),
            "active": (h > 0).float().mean((1, 2)).tolist(),
            "error": error.tolist(),
            "units": h[0].mean(0).tolist(),
            "activations": [round(v, 4) for v in h[0].flatten()[some].tolist()],
        }


def draw_sparsity(figure, numbers):
    """Draw the units' mean activations, and all activations, as the paper's Fig. 8 does."""
    figure.set_size_inches(6.4, 2.9)
    for axes, what, label in zip(
        figure.subplots(1, 2),
        ("units", "activations"),
        ("mean activation of a unit", "activation"),
    ):
        top = max(max(numbers[k][what]) for k in ("without", "with"))
        for kind, color in (("without", BLUE), ("with", RED)):
            axes.hist(numbers[kind][what], bins=30, range=(0, top), histtype="step", color=color,
                      density=True, label=f"{kind} dropout")  # fmt: skip
        axes.set(xlabel=label, ylabel="density", yscale="linear" if what == "units" else "log")
    axes.legend()


@claim(
    "C6",
    "§7.2, Fig. 8",
    "Dropout makes hidden activations sparse as a side effect: the mean activation of an "
    "auto-encoder falls from about 2.0 to 0.7, at a similar reconstruction error.",
    draw_sparsity,
)
def sparsity(run):
    """Judge the mean activation and the share of active units: both a quarter lower."""
    nets = run.pick(test=2, default=3)
    found = {
        kind: run.trial(autoencoder, p=p, nets=nets, seed=run.seed)
        for kind, p in (("without", 0.0), ("with", 0.5))
    }
    falls = {
        what: mean_and_error([b / a for a, b in zip(found["without"][what], found["with"][what])])
        for what in ("mean", "active")
    }
    before, after = (mean_and_error(found[k]["error"])[0] for k in found)
    holds = all(f + 2 * s <= 0.75 for f, s in falls.values())
    words = "; ".join(
        f"{label} {mean_and_error(found['without'][what])[0]:.3f} → "
        f"{mean_and_error(found['with'][what])[0]:.3f}"
        for what, label in (("mean", "mean activation"), ("active", "share above 0"))
    )
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"Auto-encoders with one layer of {len(found['with']['units'])} ReLU, p = .5 on it, "
        f"Adam, {run.pick(test=10, default=600)} steps of 100 "
        f"{run.pick(test='digits', default='digits', full='MNIST images')}, {nets} nets each.",
        measured=f"{words}. The squared error on test images, however, goes from {before:.4f} to "
        f"{after:.4f} a pixel.",
        numbers=found | {"falls": falls},
        between="The paper names neither the optimizer nor the length of training.",
    )


@claim(
    "C7",
    "§11",
    "A net with dropout takes 2 to 3 times as long to train as the same net without.",
)
def duration(run):
    """Judge the steps to a training NLL of .05 without noise: a ratio of means from 1.5 to 4."""
    steps = {m: raced(run, m)["reached"] for m in ("none", "dropout")}
    missed = sum(s is None for s in steps["dropout"] + steps["none"])
    longest = sizes(run)[3]
    means = {m: sum(s or longest for s in v) / len(v) for m, v in steps.items()}
    ratio = means["dropout"] / means["none"]
    return Finding(
        HOLDS if not missed and 1.5 <= ratio <= 4 else NOT_SEEN,
        ran="The nets of C1 without a regularizer and with dropout, each at its own best rate; the "
        "loss on 500 training cases without dropping, every 20 steps.",
        measured=f"Steps to .05 nats: without {means['none']:.0f}, with {means['dropout']:.0f} on "
        f"average, {ratio:.2f} times as many"
        + (f"; {missed} nets did not get there in {longest:,}." if missed else "."),
        numbers={"steps": steps, "ratio": ratio},
        between="A training loss of .05 on few cases is not the end of a million steps; the paper "
        "does not say what it measured.",
    )


def boltzmann(run, p, seed):
    """Train an RBM by CD-1 on binary images; return what its hidden units do on test images."""
    sets = data(run)
    x, test = (sets[name][0][:10_000].gt(0.5).float() for name in ("train", "test"))
    hidden, steps = run.pick(test=16, default=64, full=256), run.pick(test=10, default=1500)
    generator = torch.Generator(run.device).manual_seed(seed)
    rbm = DropoutRBM(x.shape[1], hidden, p, generator=generator, device=run.device)
    optimizer = torch.optim.SGD(rbm.parameters(), lr=0.05, momentum=0.9)
    for _ in run.track(range(steps), f"Boltzmann machine, p = {p}"):
        rows = torch.randint(len(x), (BATCH,), generator=generator, device=run.device)
        rbm.contrastive_divergence(x[rows])
        optimizer.step()
    with torch.no_grad():
        h = rbm.hidden_probability(test[:1000])
        return {
            "sparse": (h < 0.1).float().mean().item(),
            "dead": (h.max(0).values < 0.1).float().mean().item(),
            "mean": h.mean().item(),
        }


@claim(
    "C8",
    "§8.3, §8.4, Figs. 12 and 13",
    "A Boltzmann machine trained with dropout has much sparser hidden units, and very few dead "
    "ones relative to the standard machine.",
)
def sparse_machine(run):
    """Judge the share of hidden probabilities below .1, and of units never above it."""
    found = {
        kind: [run.trial(boltzmann, p=p, seed=s) for s in run.seeds(run.pick(test=2, default=3))]
        for kind, p in (("without", 0.0), ("with", 0.5))
    }
    gaps, words = {}, []
    for what, label in (("sparse", "share of probabilities below .1"), ("dead", "dead units")):
        a, b = ([r[what] for r in found[k]] for k in ("without", "with"))
        gaps[what] = paired(b, a)
        words.append(f"{label} {percent(a)} without, {percent(b)} with dropout")
    holds = gaps["sparse"][0] > 2 * gaps["sparse"][1] and -gaps["dead"][0] > 2 * gaps["dead"][1]
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"CD-1, {run.pick(test=16, default=64, full=256)} hidden units, half of them dropped, "
        f"{run.pick(test=10, default=1500):,} steps of {BATCH} binary "
        f"{run.pick(test='digits', default='digits', full='MNIST images')}, "
        f"{len(found['with'])} seeds.",
        measured="; ".join(words) + ".",
        numbers=found | {"gaps": gaps},
        between="The paper gives neither rate, momentum, initial weights nor length of training, "
        "on which sparsity and dead units depend.",
    )


def climbs(run, name, lr, seed):
    """Climb to a rung of the ladder; dropout is ours."""
    x, y = data(run)["train"]
    own: dict[str, Any] = {"dropout": Dropout} if name == "dropout" else {}
    steps = run.pick(test=10, default=ladder.STEPS)
    return ladder.climb(name, x, y, lr, seed, steps=steps, device=run.device, **own)


@claim(
    "C9",
    "§11; the ladder",
    "In a deep plain net dropout, a regularizer, does not speed training up: it takes more steps.",
    ladder.draw,
)
def rung(run):
    """Judge the steps at the best rates, with dropout .1 and without."""
    names = [ladder.below("dropout"), "dropout"]
    numbers = ladder.measure(run, climbs, names)
    words, log_ratio, error = ladder.compare(numbers, *names)
    return Finding(
        HOLDS if log_ratio > 2 * error else NOT_SEEN,
        ran=f"A net of {2 * ladder.BLOCKS + 1} hidden layers of {ladder.WIDTH} units on "
        f"{run.pick(test='digits', default='digits', full='MNIST')}, {ladder.STEPS:,} steps at "
        "most, each rate of the ladder; dropout .1 behind every hidden layer.",
        measured=words,
        numbers=numbers,
        between="A loss of 1 nat is early in training, where noise has not yet become the limit.",
    )


@claim(
    "C10",
    "§10, Table 10",
    "Factors N(1, σ²) with σ² = (1 − p)/p, p the retention, work just as well as Bernoulli "
    "dropout, or better.",
)
def gaussian(run):
    """Judge the paired difference: at most a tenth of the error above, by two s.e."""
    bernoulli, normal = (raced(run, m)["test"] for m in ("dropout", "Gaussian dropout"))
    gap, error = paired(normal, bernoulli)
    mean = sum(bernoulli) / len(bernoulli)
    holds = gap + 2 * error <= 0.1 * mean
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"The nets of C1, {len(normal)} each.",
        measured=f"Test error: Gaussian {percent(normal)}, Bernoulli {percent(bernoulli)}; paired "
        f"difference {points((gap, error))} points.",
        numbers={"bernoulli": bernoulli, "gaussian": normal},
        between="Few cases; the paper's difference, .95 against 1.08%, is 13 test images.",
    )


CLAIMS = [
    regularizers, data_size, model_averaging, geometric_mean, ridge, retention, sparsity, duration,
    sparse_machine, rung, gaussian,
]  # fmt: skip
