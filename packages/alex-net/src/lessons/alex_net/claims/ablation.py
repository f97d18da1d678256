"""The small net without one of its parts, and without weight decay (§3.2 to §3.4, §5, §7)."""

import dataclasses

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, INK, MUTED
from ..lab.statistics import HOLDS, NOT_SEEN
from .compare import lower, mean, percent, standard_error
from .data import WHAT, the_data
from .training import learn


def long_run(run) -> dict:
    """Return the settings of the nets that see many images.

    Without dropout, which is not in question here and would leave them further from convergence.
    """
    count, steps, batch = run.pick(
        test=(60, 2, 32), default=(1297, 200, 32), full=(60_000, 400, 64)
    )
    settings = {"data": the_data(run), "count": count, "steps": steps, "batch": batch}
    return settings | {"dropout": 0.0}


def ablations(run, *variants: str) -> dict[str, list[float]]:
    """Return test errors of the small net and of some variants, over seeds."""
    settings, seeds = long_run(run), run.seeds(run.pick(test=2, default=2, full=5))
    return {
        variant: [
            run.trial(learn, variant=variant, seed=s, **settings)["test_error"] for s in seeds
        ]
        for variant in ("as published", *variants)
    }


def ablation_setting(run, errors: dict) -> str:
    """Return in words what was run."""
    settings, pairs = long_run(run), len(errors["as published"])
    return (
        f"The small net of five and three layers on {WHAT[the_data(run)]}, {settings['count']:,} "
        f"images, {settings['steps']} steps of {settings['batch']}, {pairs} pairs of runs with "
        "the same batches."
    )


def ablation(run, variants: dict[str, str], worse: str) -> Finding:
    """Judge whether the net as published has the lower test error, against each variant."""
    errors = ablations(run, *variants)
    base = errors["as published"]
    said = []
    for variant, name in variants.items():
        differences = [b - a for a, b in zip(base, errors[variant])]
        said.append(f"{name} {percent(errors[variant])} (difference {percent(differences)})")
    return Finding(
        HOLDS if all(lower(base, errors[variant]) for variant in variants) else NOT_SEEN,
        ran=ablation_setting(run, errors),
        measured=f"Test error: as published {percent(base)}, {', '.join(said)}.",
        numbers=errors,
        between=worse,
    )


@claim(
    "C2b",
    "§3.2",
    says="Twice the kernels on two GPUs lower the error against half on one.",
    asks="Twice the kernels on two GPUs, in groups, lower the error against a net with half as "
    "many on one (by 1.7% top-1 on ImageNet).",
)
def two_gpus(run):
    """Judge against half the kernels, ungrouped."""
    return ablation(
        run,
        {"half the kernels": "half as many kernels, ungrouped"},
        "ImageNet has a hundred times as many classes, whose differences need kernels.",
    )


@claim(
    "C3a",
    "§3.3",
    says="Local response normalization lowers the error.",
    asks="Local response normalization lowers the error (by 1.4% top-1 on ImageNet; from 13 to "
    "11% on CIFAR-10).",
)
def normalization(run):
    """Judge against the net without, and against one that is only multiplied by k to the -β.

    The factor alone, 0.59 twice, changes how large the first steps are, and that is not what the
    paper claims to be good.
    """
    return ablation(
        run,
        {"only the factor": "with the factor 2^(−3/4) alone", "no normalization": "with nothing"},
        "α is the paper's for activities of the size that raw pixels give, but it was tuned on "
        "ImageNet, and training is short.",
    )


@claim(
    "C3b",
    "§3.4",
    says="Pooling that overlaps has a lower error than pooling that does not.",
    asks="Pooling that overlaps (3/2) has a lower error than pooling that does not (2/2), with "
    "maps of the same size (by 0.4% top-1 on ImageNet).",
)
def overlapping(run):
    """Judge against 2/2 pooling."""
    return ablation(
        run,
        {"pooling 2/2": "pooling 2/2"},
        "An effect of 0.4% is about as large as the differences between seeds.",
    )


def draw_ablations(figure, numbers):
    """Draw the differences from the net as published, a dot for each seed."""
    axes = figure.subplots()
    names = [name for name in numbers if name != "as published"]
    for i, name in enumerate(names):
        pairs = zip(numbers["as published"], numbers[name])
        differences = [100 * (b - a) for a, b in pairs]
        axes.plot(differences, [i] * len(differences), "o", color=BLUE, alpha=0.5, ms=4)
        center, error = mean(differences), 2 * standard_error(differences)
        axes.errorbar(center, i, xerr=error, fmt="|", color=INK, ms=12, capsize=3)
    axes.axvline(0, color=MUTED, lw=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.grid(False)
    axes.grid(True, axis="x")
    axes.set_xlabel("difference in test error from the net as published (points)")


@claim(
    "C6b",
    "§1, §7",
    says="Depth matters: without any one of the middle layers the error rises.",
    asks="Depth matters: without any one of the middle layers the error rises (by about 2% top-1).",
    draw=draw_ablations,
)
def depth(run):
    """Judge against nets without layer 3, 4 or 5."""
    layers = {f"without conv{i}": f"without conv{i}" for i in (3, 4, 5)}
    finding = ablation(
        run, layers, "Images of 23 pixels and ten classes; two layers suffice for most of them."
    )
    others = ablations(
        run, "half the kernels", "only the factor", "no normalization", "pooling 2/2"
    )
    return dataclasses.replace(finding, numbers=others | finding.numbers)


@claim(
    "C5",
    "§5",
    says="Weight decay is not merely a regularizer: it reduces the training error.",
    asks="A weight decay of 0.0005 is not merely a regularizer: it reduces the training error.",
)
def weight_decay(run):
    """Judge the training loss with and without, after as many steps as in the ablations."""
    settings, losses = long_run(run), {}
    seeds = run.seeds(run.pick(test=2, default=2, full=5))
    for decay in (5e-4, 0.0, 5e-3):
        changed = {} if decay == 5e-4 else {"decay": decay}
        results = [
            run.trial(learn, **settings, **changed, variant="as published", seed=seed)
            for seed in seeds
        ]
        losses[str(decay)] = [result["train_loss"] for result in results]
    said = ", ".join(
        f"{decay}: {mean(values):.4f} ± {standard_error(values):.4f}"
        for decay, values in losses.items()
    )
    return Finding(
        HOLDS if lower(losses["0.0005"], losses["0.0"]) else NOT_SEEN,
        ran=ablation_setting(run, {"as published": list(seeds)}),
        measured=f"Training loss by weight decay, {said}.",
        numbers=losses,
        between=f"At a learning rate of 0.01 a decay of 0.0005 takes 10% off the weights in 2,100 "
        f"steps; the paper trains for 840,000 and here there are {settings['steps']}.",
    )
