"""C5: pre-training, with all labels and with few (§4.1, Table 1, Fig. 4)."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from ..autoencoder import StackedDenoisingAutoencoder, corrupt
from ..lab.claim import Finding, claim
from ..lab.statistics import HOLDS, NOT_SEEN
from ..net import DeepRectifierNet
from ..rectifier import ReLU
from ..relatives import RescaledSoftplus
from .averages import difference, finite, gap, mean, percent
from .nets import BETWEEN, COLOR, build, chosen, count, fit, images, judge, raced, rates_of, setting
from .replicates import batches


def train_layers(run, layers, inputs_RNF, rates, steps, seed) -> tuple[list[float], list[dict]]:
    """Train copies of a denoising layer together; return last costs and the weights they have."""
    params, buffers = torch.func.stack_module_state(layers)
    params = {name: p.detach() for name, p in params.items()}

    def cost(params, buffers, x, corrupted):
        return torch.func.functional_call(layers[0], (params, buffers), (x, corrupted))

    slope = torch.func.vmap(torch.func.grad_and_value(cost))
    lr_R = torch.tensor(rates, device=inputs_RNF.device)
    generator = torch.Generator(inputs_RNF.device).manual_seed(seed)
    size = min(10, inputs_RNF.shape[1])
    order_SB = batches(inputs_RNF.shape[1], size, steps, [seed])[:, 0].to(inputs_RNF.device)
    last: list[Tensor] = []
    for step in run.track(range(steps), "pre-training"):
        x = inputs_RNF[:, order_SB[step]]
        grads, costs = slope(params, buffers, x, corrupt(x, 0.25, generator=generator))
        for name, p in params.items():
            p.addcmul_(grads[name], lr_R.view(-1, *[1] * (p.dim() - 1)), value=-1)
        if step >= int(0.9 * steps):
            last.append(costs)
    weights = [{name: p[r] for name, p in params.items()} for r in range(len(layers))]
    return torch.stack(last).mean(0).tolist(), weights


def pretrained_nets(run, unit, seeds) -> tuple[list[DeepRectifierNet], list[float]]:
    """Return a classifier for each seed, pre-trained, and the rate that each layer chose.

    A layer's rate is the one that the first seed restores its inputs best with.
    """
    x = images(run)["train"][0]
    nets = [build(run, unit, seed) for seed in seeds]
    make = {"tanh": nn.Tanh, "softplus": RescaledSoftplus}.get(unit, ReLU)
    stacks = [
        StackedDenoisingAutoencoder(
            nets[0].config.widths[:-1], make, "sigmoid" if unit == "tanh" else "softplus",
            generator=torch.Generator().manual_seed(seed),
        ).to(run.device)
        for seed in seeds
    ]  # fmt: skip
    steps = run.pick(test=3, default=500, full=1500)
    grid, rates = run.pick(test=[0.01], default=[0.001, 0.01, 0.1]), []
    codes_RNF = x.expand(len(seeds), *x.shape)
    for depth in range(len(stacks[0].layers)):
        layers = [stack.layers[depth] for stack in stacks]
        tried = [copy.deepcopy(layers[0]) for _ in grid]
        inputs = codes_RNF[:1].expand(len(grid), -1, -1)
        costs, _ = train_layers(run, tried, inputs, grid, steps, seeds[0])
        rates.append(min(zip(map(finite, costs), grid))[1])
        _, weights = train_layers(run, layers, codes_RNF, rates[-1:] * len(layers), steps, seeds[0])
        for layer, weight in zip(layers, weights):
            layer.load_state_dict(weight, strict=False)
        with torch.no_grad():
            codes_RNF = torch.stack(
                [layer.encode(codes) for layer, codes in zip(layers, codes_RNF)]
            )
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return [s.to_classifier(10, g).to(run.device) for s, g in zip(stacks, generators)], rates


def tune_nets(run, unit, labels, seed, seeds):
    """Train nets with few labels and with all, pre-trained or not; return rows by their number.

    Each seed has its own images with labels. With all labels, the nets without pre-training are
    those of C1.
    """
    sets = images(run)
    x, y = sets["train"]
    each = list(range(seed, seed + seeds))
    pretrained, chose = pretrained_nets(run, unit, each)
    found: dict[str, Any] = {"rates": chose}
    for n in labels:
        everything = n == len(x)
        kinds = [True] if everything else [True, False]
        rows: list[dict[str, Any]] = [
            {"lr": lr, "l1": 0.0, "seed": s, "pretrained": kind}
            for kind in kinds for lr in rates_of(run) for s in each
        ]  # fmt: skip
        nets = [
            pretrained[row["seed"] - seed] if row["pretrained"] else build(run, unit, row["seed"])
            for row in rows
        ]
        subsets = {
            s: torch.randperm(len(x), generator=torch.Generator().manual_seed(s))[:n] for s in each
        }
        within = None if everything else torch.stack([subsets[row["seed"]] for row in rows])
        long, short = run.pick(test=3, default=2000, full=5000), 1000
        steps = long if everything else min(short, long)
        replicates = fit(run, nets, x, y, rows, steps, what=f"{unit}, {n} labels", within=within)
        rows = judge(replicates, rows, {name: sets[name] for name in ("choose", "test")})
        found[str(n)] = rows
    return found


def compared(run) -> dict[str, dict[str, dict[str, list[dict]]]]:
    """Return unit -> number of labels -> "with" or "without" -> nets at the rate they chose."""
    result: dict[str, Any] = {}
    for unit in ("rectifier", "tanh", "softplus"):
        labels = run.pick(test=[20, 60], default=[30, 100, 1000], full=[100, 1000, 10_000])
        found = run.trial(tune_nets, unit=unit, labels=labels, seed=run.seed, seeds=count(run))
        result[unit] = {}
        for n in labels:
            rows = found[str(n)]
            groups = {"with": chosen([row for row in rows if row["pretrained"]])}
            rest = [row for row in rows if not row["pretrained"]]
            groups["without"] = chosen(rest) if rest else raced(run, unit, further=False)
            result[unit][str(n)] = {
                kind: [{k: row[k] for k in ("lr", "seed", "test")} for row in group]
                for kind, group in groups.items()
            }
    return result


def draw_pretraining(figure, numbers):
    """Draw the test error against the number of labels, with and without pre-training."""
    figure.set_size_inches(6.4, 2.8)
    for axes, (unit, by_labels) in zip(figure.subplots(1, 3, sharey=True), numbers.items()):
        labels = list(map(int, by_labels))
        for kind, style in (("without", "--"), ("with", "-")):
            means = [100 * mean([r["test"] for r in by_labels[str(n)][kind]]) for n in labels]
            axes.plot(labels, means, "o", ls=style, ms=4, color=COLOR[unit], label=kind,
                      fillstyle="full" if kind == "with" else "none")  # fmt: skip
        axes.set(xscale="log", yscale="log", title=unit, xlabel="labels")
        ticks = (2, 3, 5, 10, 20, 40)
        axes.set_yticks(ticks, list(map(str, ticks)))
        axes.minorticks_off()
    figure.axes[0].set_ylabel("test error (%)")
    figure.axes[0].legend(title="pre-training")


def told(result, n) -> str:
    """Return the errors without and with pre-training at a number of labels."""
    return "; ".join(
        f"{unit} {percent(r[n]['without'])} without, {percent(r[n]['with'])} with, gain "
        f"{gap(r[n]['with'], r[n]['without'])}"
        for unit, r in result.items()
    )


def pretraining_setting(run) -> str:
    """Return in words how nets are pre-trained."""
    steps = run.pick(test=3, default=500, full=1500)
    return (
        f"Denoising auto-encoders (masking .25, {steps:,} steps a layer, rate chosen by the "
        "reconstruction error) on all images without labels: softplus and squared error for "
        "rectifiers and softplus, sigmoid and cross-entropy for tanh; then "
        f"{setting(run, count(run))}"
    )


@claim(
    "C5a",
    "§4.1, Table 1",
    "With all labels, pre-training hardly helps rectifiers, contrary to tanh and softplus units.",
    draw_pretraining,
)
def rectifiers_need_none(run):
    """Judge the gains with all labels."""
    result = compared(run)
    n = max(result["tanh"], key=int)
    gains = {u: difference(r[n]["with"], r[n]["without"]) for u, r in result.items()}
    helped = all(gains[u][0] > 2 * gains[u][1] for u in ("tanh", "softplus"))
    least = gains["rectifier"][0] < min(gains["tanh"][0], gains["softplus"][0])
    return Finding(
        HOLDS if helped and least else NOT_SEEN,
        ran=f"{pretraining_setting(run)}.",
        measured=f"Test error with {int(n):,} labels: {told(result, n)} points.",
        numbers=result,
        between=BETWEEN + " It does not say how long it pre-trains.",
    )


@claim(
    "C5b",
    "§4.1, Fig. 4",
    "With few labels pre-training helps rectifiers much; the more labels, the less.",
)
def few_labels(run):
    """Judge the rectifiers' gain with the fewest labels, and that it shrinks."""
    result = compared(run)
    gains = {n: difference(r["with"], r["without"]) for n, r in result["rectifier"].items()}
    ns = sorted(gains, key=int)
    few, all_ = gains[ns[0]], gains[ns[-1]]
    holds = few[0] > 2 * few[1] and few[0] > all_[0]
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"As C5a, with the labels of {', '.join(f'{int(n):,}' for n in ns)} images; up to "
        "1,000 steps with few.",
        measured=" ".join(f"{int(n):,} labels: {told(result, n)} points." for n in ns[:-1]),
        numbers=result["rectifier"],
        between="NORB's stereo pairs of toys under many lights leave more to be learned without "
        "labels than MNIST does.",
    )
