"""Deeper nets, plain and residual: who degrades, who gains."""

from ..lab.claim import Finding, claim
from ..lab.figures import AMBER, GREEN, RED
from ..lab.run import Run
from ..lab.statistics import HOLDS, NOT_SEEN
from .compare import clearly_less, losses, mean, said
from .training import DEPTHS, setting, trials

SHADES = dict(zip(map(str, DEPTHS), (AMBER, GREEN, RED)))


def draw_curves(axes, results, title):
    """Draw training losses against steps, a colour a depth, a line a seed."""
    for depth, runs in results.items():
        for i, run in enumerate(runs):
            stride = run.get("stride", 1)
            steps = [10 + stride * k for k in range(len(run["curve"]))]
            label = f"{depth} layers" if i == 0 else None
            axes.plot(steps, run["curve"], color=SHADES[depth], lw=1, label=label)
    axes.set(yscale="log", xlabel="step", title=title)


def slim(run: Run, results: dict[str, list[dict]]) -> dict[str, list[dict]]:
    """Return what the figures and the table need of the trials."""
    stride = max(1, run.pick(test=2, default=120, full=469) // 120)
    keys = ("train_loss", "train_error", "test_error", "curve", "steps_to_half")
    return {
        depth: [{k: r[k] for k in keys} | {"stride": stride} for r in runs]
        for depth, runs in results.items()
    }


def draw_both(figure, numbers):
    """Draw plain and residual nets side by side, as the paper's Fig. 4 and Fig. 6 do."""
    figure.set_size_inches(6.4, 3.0)
    left, right = figure.subplots(1, 2, sharey=True)
    draw_curves(left, numbers["plain"], "plain")
    draw_curves(right, numbers["residual"], "residual")
    left.set_ylabel("training loss (nats)")
    left.legend()


@claim(
    "C1",
    "§1, Fig. 1; §4.1, Table 2; §4.2, Fig. 6 left",
    says="Plain nets degrade: with more layers the training error itself rises.",
    asks="Plain nets degrade: with more layers the training error itself rises (34 layers are "
    "worse than 18 on ImageNet, 56 than 20 on CIFAR-10).",
    draw=draw_both,
)
def degradation(run):
    """Judge the training loss of plain nets of 20 and of 44 layers."""
    plain, residual = (trials(run, kind, DEPTHS) for kind in ("plain", "residual"))
    holds = clearly_less(losses(plain["20"]), losses(plain["44"]))
    errors = ", ".join(f"{100 * mean([r['train_error'] for r in plain[d]]):.1f}%" for d in plain)
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"Plain nets of 8, 20 and 44 layers with batch norm on {setting(run)}, "
        f"{len(plain['20'])} seeds, the paper's recipe without augmentation.",
        measured=f"Training loss: {said(plain)}. Training error: {errors}.",
        numbers={"plain": slim(run, plain), "residual": slim(run, residual)},
        between="The paper trains for 64,000 steps and its effect shows from 20 to 56 layers.",
    )


@claim(
    "C2a",
    "§4.1, Table 2; §4.2, Fig. 6 middle",
    says="With shortcuts the same nets have a lower training error than their plain twins.",
    asks="With shortcuts the same nets have a lower training error than their plain twins, at "
    "each depth where those degrade.",
)
def residual_beats_plain(run):
    """Judge residual against plain nets at 20 and at 44 layers."""
    plain, residual = (trials(run, kind, DEPTHS) for kind in ("plain", "residual"))
    holds = all(clearly_less(losses(residual[d]), losses(plain[d])) for d in ("20", "44"))
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"Residual and plain nets on {setting(run)}, {len(plain['20'])} seeds; equal in "
        "parameters and in arithmetic.",
        measured=f"Training loss, residual: {said(residual)}; plain: {said(plain)}.",
        numbers={
            kind: {d: losses(r) for d, r in results.items()}
            for kind, results in (("plain", plain), ("residual", residual))
        },
        between="Three seeds and a short training.",
    )


@claim(
    "C2b",
    "§4.2, Table 6",
    says="Residual nets gain from depth: more layers, lower error.",
    asks="Residual nets gain from depth: 8.75, 7.51, 7.17, 6.97 and 6.43% error on CIFAR-10 with "
    "20, 32, 44, 56 and 110 layers, and lower training error.",
)
def depth_pays(run):
    """Judge whether 44 layers end with a lower training loss than 20.

    In a full run on clothes instead of digits, and four times as long: 8 layers all but fit the
    digits in one epoch, which leaves the others nothing to gain.
    """
    easy = trials(run, "residual", DEPTHS)
    judged = easy
    if run.scale != "default":
        judged = trials(run, "residual", DEPTHS, data="fashion-mnist", epochs=4)
    holds = clearly_less(losses(judged["44"]), losses(judged["20"]))

    def errors(results):
        return ", ".join(
            f"{100 * mean([r['test_error'] for r in results[d]]):.2f}%" for d in results
        )

    clothes = "Fashion-MNIST (60,000, shrunk to 14 by 14), 1,876 steps of 128 images"
    beside = f" On {setting(run)}: {said(easy)}. Test error: {errors(easy)}."
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran="Residual nets of 8, 20 and 44 layers on "
        f"{run.pick(test='a few digits', default=setting(run), full=clothes)}, "
        f"{len(judged['20'])} seeds.",
        measured=f"Training loss: {said(judged)}. Test error: {errors(judged)}."
        + run.pick(test=beside, default="", full=beside),
        numbers={
            kind: {d: losses(r) for d, r in results.items()}
            for kind, results in (("judged", judged), ("easy", easy))
        },
        between=run.pick(
            test="two steps",
            default="Handwritten digits are too easy: 8 layers fit them already, so that more can "
            "only cost time; and a few hundred steps are too few to train 44 layers to the end.",
            full="The paper trains for 64,000 steps where this has 1,876, on colour images of 32 "
            "by 32, with nets twice as wide.",
        ),
    )
