"""What fights overfitting: crops and flips, colours, dropout, ten crops (§4)."""

from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, MUTED
from ..lab.statistics import HOLDS, NOT_SEEN
from .compare import lower, mean, percent, standard_error
from .data import WHAT, the_data
from .training import learn


def overfitting(run, crops: bool, dropout: float, colors: str = "", data: str = "") -> list[dict]:
    """Return the runs on few images, over seeds."""
    settings = {
        "data": data or the_data(run),
        "count": run.pick(test=60, default=300, full=500),
        "steps": run.pick(test=3, default=300, full=1000 if data else 2000),
        "crops": crops,
        "dropout": dropout,
        "colors": colors,
    }
    seeds = run.seeds(run.pick(test=2, default=3))
    return [run.trial(learn, seed=seed, **settings) for seed in seeds]


def few(run, data: str = "") -> str:
    """Return in words what overfitting was fought on."""
    count, seeds = run.pick(test=60, default=300, full=500), run.pick(test=2, default=3)
    steps = run.pick(test=3, default=300, full=1000 if data else 2000)
    return (
        f"The small net on {count} training images ({WHAT[data or the_data(run)]}), {steps} steps "
        f"of 32, {seeds} seeds."
    )


FOUGHT = {
    "neither": (False, 0.0),
    "crops and flips": (True, 0.0),
    "dropout": (False, 0.5),
    "both": (True, 0.5),
}


def draw_overfitting(figure, numbers):
    """Draw training and test errors, a dot for each seed."""
    axes = figure.subplots()
    for i, name in enumerate(numbers):
        for kind, color, shift in (("train_error", MUTED, -0.12), ("test_error", BLUE, 0.12)):
            errors = [100 * result[kind] for result in numbers[name]]
            label = {"train_error": "training", "test_error": "test"}[kind] if i == 0 else None
            axes.plot([i + shift] * len(errors), errors, "o", color=color, ms=5, label=label)
    axes.set_xticks(range(len(numbers)), list(numbers))
    axes.set(ylabel="error (%)", ylim=(0, None))
    axes.legend()


@claim(
    "C4a",
    "§4.1, §4.2",
    says="Random crops and reflections, and dropout, each reduce overfitting.",
    asks="Random crops and reflections, and dropout, each reduce overfitting, without which it is "
    "substantial.",
    draw=draw_overfitting,
)
def regularization(run):
    """Judge the test error with crops, with dropout and with both against that with neither."""
    runs = {name: overfitting(run, *how) for name, how in FOUGHT.items()}
    errors = {name: [r["test_error"] for r in results] for name, results in runs.items()}
    holds = all(lower(errors[name], errors["neither"]) for name in FOUGHT if name != "neither")
    trained = percent([r["train_error"] for r in runs["neither"]])
    keys = ("train_error", "test_error")
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=few(run),
        measured="Test error: "
        + ", ".join(f"{name} {percent(values)}" for name, values in errors.items())
        + f". Training error with neither: {trained}.",
        numbers={n: [{k: r[k] for k in keys} for r in results] for n, results in runs.items()},
        between="With dropout and so few steps the net has not yet learned what it could.",
    )


@claim(
    "C4b",
    "§4.1; §6, footnote 5",
    says="Ten crops have a lower error than the central one.",
    asks="The mean prediction for ten crops has a lower error than that for the central one (37.5 "
    "instead of 39.0%).",
)
def ten_crops(run):
    """Judge on nets that were trained with crops and flips."""
    results = overfitting(run, *FOUGHT["crops and flips"])
    one, ten = ([r[key] for r in results] for key in ("one_crop_error", "ten_crop_error"))
    without = [r["ten_crop_error"] for r in overfitting(run, *FOUGHT["neither"])]
    return Finding(
        HOLDS if lower(ten, one) else NOT_SEEN,
        ran=few(run) + " Crops of 23 of 28 pixels; of digits, the five that are not mirrored.",
        measured=f"Ten crops {percent(ten)}, one {percent(one)}. Of nets that were trained on the "
        f"centre only: ten {percent(without)}.",
        numbers={"ten": ten, "one": one, "ten, trained on the centre": without},
        between="The difference is small beside that between seeds.",
    )


@claim(
    "C4c",
    "§4.1",
    says="Shifting an image's colours along their principal components lowers the error.",
    asks="Shifting an image's colours along their principal components lowers the error (by over "
    "1% top-1).",
)
def colors(run):
    """Judge on colour images; λ taken on pixels of 0 to 1, and its root as a variant."""
    kinds = {"without": "", "with λ": "eigenvalue", "with √λ": "std"}
    how = FOUGHT["crops and flips"]
    errors = {
        name: [r["test_error"] for r in overfitting(run, *how, colors=kind, data="shapes")]
        for name, kind in kinds.items()
    }
    listed = ", ".join(f"{name} {percent(values)}" for name, values in errors.items())
    return Finding(
        HOLDS if lower(errors["with λ"], errors["without"]) else NOT_SEEN,
        ran=few(run, "shapes") + " Pixels in [0, 1].",
        measured=f"Test error: {listed}.",
        numbers=errors,
        between="On pixels of 0 to 1 the shift is a few grey levels, and these images have colours "
        "drawn at random: brightness is not what varies most between them.",
    )


@claim(
    "C4d",
    "§4.2",
    says="Dropout roughly doubles the number of iterations required to converge.",
    asks="Dropout roughly doubles the number of iterations required to converge.",
)
def dropout_takes_longer(run):
    """Judge the first step at which the training error, without dropout, is at most 25%.

    "Roughly doubles": between 1.5 and 3.
    """
    steps = {}
    for name in ("crops and flips", "both"):
        firsts = []
        for result in overfitting(run, *FOUGHT[name]):
            below = [25 * i for i, error in enumerate(result["curve"]) if error <= 0.25]
            firsts.append(below[0] if below else None)
        steps[name] = firsts
    without, with_ = steps["crops and flips"], steps["both"]
    pairs = [(a, b) for a, b in zip(without, with_) if a and b]
    ratios = [b / a for a, b in pairs]
    reached = len(pairs) == len(without)
    holds = reached and 1.5 <= mean(ratios) <= 3
    ratio = f"{mean(ratios):.2f} ± {standard_error(ratios):.2f} times" if ratios else "no ratio"
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=few(run) + " Training error of the whole net on 500 images every 25 steps.",
        measured=f"Steps to 25% training error, without dropout {listed(without)}, with it "
        f"{listed(with_)}: {ratio}.",
        numbers={"without": without, "with": with_},
        between="The net is 400 times smaller than the paper's, and so many units dropped out of "
        "256 are more noise.",
    )


def listed(steps: list) -> str:
    """Return numbers of steps as text."""
    return ", ".join("not reached" if step is None else str(step) for step in steps)
