"""The paper's claims, re-tested with the recipe of its §4.2 on images of digits.

Depth is what is tested, so the nets are those of §4.2, 8 to 56 layers deep; half as wide as in the
paper, since the images are small and have one colour.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from .blocks import BasicBlock, PreActBasicBlock
from .cifar import CifarResNet, CifarResNetConfig
from .claims import HOLDS, NOT_SEEN, REFUTED, Finding, Run, claim
from .figures import AMBER, BLUE, GREEN, MUTED, RED
from .mnist import load
from .recipe import learning_rate, make_optimizer

WIDTHS = (8, 16, 32)
DEPTHS = (8, 20, 44)


def images(run: Run, data: str = "mnist") -> dict[str, tuple[Tensor, Tensor]]:
    """Return training and test images (N, 1, H, W), the mean image removed, and their labels.

    ``data`` names the set of a full run; others take scikit-learn's digits.
    """
    if run.scale == "full":
        sets = {}
        for split in ("train", "test"):
            pixels, labels = load(data, split, run.data, run.track)
            sets[split] = F.avg_pool2d(pixels[:, None].float() / 255, 2), labels
    else:
        from sklearn.datasets import load_digits

        pixels, labels = load_digits(return_X_y=True)
        x = torch.from_numpy(pixels).float().view(-1, 1, 8, 8) / 16
        y = torch.from_numpy(labels).long()
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
        train, test = order[: run.pick(test=60, default=1437)], order[1437:]
        sets = {"train": (x[train], y[train]), "test": (x[test], y[test])}
    mean = sets["train"][0].mean(0)
    return {k: ((x - mean).to(run.device), y.to(run.device)) for k, (x, y) in sets.items()}


def setting(run: Run) -> str:
    """Return in words what the nets are trained on."""
    return run.pick(
        test="a few digits",
        default="scikit-learn's digits (1,437 of 8 by 8), 120 steps of 120 images",
        full="MNIST (60,000, shrunk to 14 by 14), 469 steps of 128 images",
    )


def train(run, depth, kind, shortcut, seed, stop=None, data="mnist", epochs=1):
    """Train one net; return its losses, its errors and the responses of its layers.

    ``kind`` is "plain", "residual" or "preactivation"; ``stop`` ends the run after some steps;
    ``data`` and ``epochs`` are those of a full run.
    """
    sets = images(run, data)
    x, y = sets["train"]
    steps = run.pick(test=2, default=120, full=469 * epochs)
    size = run.pick(test=20, default=120, full=128)
    net = CifarResNet(
        CifarResNetConfig(
            depth,
            kind == "plain",
            kind == "preactivation",
            shortcut=shortcut,
            widths=WIDTHS,
            in_chans=1,
        )
    ).to(run.device)
    optimizer, generator = make_optimizer(net), torch.Generator().manual_seed(seed)
    order, losses = torch.empty(0, dtype=torch.long), []
    for step in run.track(range(min(steps, stop or steps)), f"{kind}, {depth} layers, seed {seed}"):
        if len(order) < size:
            order = torch.randperm(len(x), generator=generator)
        batch, order = order[:size].to(run.device), order[size:]
        optimizer.param_groups[0]["lr"] = learning_rate(step, steps)
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    curve = torch.stack(losses).cpu()
    train_loss, train_error = evaluate(net, x[:10_000], y[:10_000])
    _, test_error = evaluate(net, *sets["test"])
    stds, ratios = responses(net, x[:500])
    smooth = curve.unfold(0, min(10, len(curve)), 1).mean(1)  # means of ten batches in a row
    below = (smooth <= 0.5).nonzero()
    return {
        "train_loss": train_loss,
        "train_error": train_error,
        "test_error": test_error,
        "curve": [round(v, 5) for v in smooth[:: max(1, steps // 120)].tolist()],
        "last_batches": smooth[-1].item(),
        "steps_to_half": below[0].item() + 10 if len(below) else None,
        "stds": stds,
        "ratios": ratios,
    }


@torch.no_grad()
def evaluate(net: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float]:
    """Return the mean loss (nats) and the error rate, with the running statistics."""
    net.eval()
    logits = torch.cat([net(part) for part in x.split(1000)])
    return F.cross_entropy(logits, y).item(), (logits.argmax(1) != y).float().mean().item()


@torch.no_grad()
def responses(net: nn.Module, x: Tensor) -> tuple[list[float], list[float]]:
    """Return the std behind each convolution's norm (Fig. 7), and ‖F(x)‖/‖x‖ of each block."""
    net.eval()
    stds, ratios = [], []

    def note_std(module, inputs, output):
        stds.append(output.std().item())

    def note_ratio(block, inputs, output):
        ratios.append((block.branch(inputs[0]).norm() / inputs[0].norm()).item())

    for kind, note in ((nn.BatchNorm2d, note_std), (BasicBlock, note_ratio)):
        hooks = [m.register_forward_hook(note) for m in net.modules() if isinstance(m, kind)]
        net(x)
        for hook in hooks:
            hook.remove()
    return stds, ratios


def trials(run: Run, kind: str, depths, shortcut="A", **more) -> dict[str, list[dict]]:
    """Return the trials of one kind of net: a list over seeds for each depth."""
    seeds = run.seeds(run.pick(test=2, default=3))
    return {
        str(d): [
            run.trial(train, depth=d, kind=kind, shortcut=shortcut, seed=s, **more) for s in seeds
        ]
        for d in depths
    }


def mean(values: list[float]) -> float:
    """Return the mean."""
    return sum(values) / len(values)


def standard_error(values: list[float]) -> float:
    """Return the standard error of the mean."""
    spread = sum((value - mean(values)) ** 2 for value in values) / max(len(values) - 1, 1)
    return math.sqrt(spread / len(values))


def losses(results: list[dict]) -> list[float]:
    """Return the final training losses over the seeds."""
    return [result["train_loss"] for result in results]


def clearly_less(a: list[float], b: list[float]) -> bool:
    """Say whether a's mean is below b's by two standard errors of the difference.

    Chance exceeds that about once in twenty; with three seeds the rule is rough, and the seeds
    are printed beside it.
    """
    return mean(b) - mean(a) > 2 * math.hypot(standard_error(a), standard_error(b))


def said(results: dict[str, list[dict]]) -> str:
    """Return final training losses by depth, as text."""
    return ", ".join(
        f"{depth} layers {mean(losses(r)):.4f} ± {standard_error(losses(r)):.4f}"
        for depth, r in results.items()
    )


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
    "Plain nets degrade: with more layers the training error itself rises (34 layers are worse "
    "than 18 on ImageNet, 56 than 20 on CIFAR-10).",
    draw_both,
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
    "With shortcuts the same nets have a lower training error than their plain twins, at each "
    "depth where those degrade.",
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
    "Residual nets gain from depth: 8.75, 7.51, 7.17, 6.97 and 6.43% error on CIFAR-10 with 20, "
    "32, 44, 56 and 110 layers, and lower training error.",
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


@claim(
    "C3a",
    "§3.2, §3.3",
    "Shortcuts by zero padding add neither parameters nor arithmetic; projections add few.",
)
def no_extra_cost(run):
    """Count parameters and multiply-adds of the paper's 20- and 110-layer nets, exactly."""
    counts = {}
    with torch.device("meta"):
        for depth in (20, 110):
            for name in ("plain", "A", "B", "C"):
                option = "A" if name == "plain" else name
                net = CifarResNet(CifarResNetConfig(depth, name == "plain", shortcut=option)).eval()
                with FlopCounterMode(display=False) as counter:
                    net(torch.empty(1, 3, 32, 32))
                parameters = sum(p.numel() for p in net.parameters())
                counts[f"{depth} {name}"] = [parameters, counter.get_total_flops() // 2]
    holds = all(counts[f"{d} plain"] == counts[f"{d} A"] for d in (20, 110))
    extra = {o: counts[f"20 {o}"][0] - counts["20 plain"][0] for o in "BC"}
    return Finding(
        HOLDS if holds else REFUTED,
        ran="The nets for CIFAR-10 with 20 and 110 layers, counted on the meta device.",
        measured=f"20 layers: {counts['20 plain'][0]:,} parameters and {counts['20 plain'][1]:,} "
        f"multiply-adds, plain and with option A alike; option B adds {extra['B']:,} parameters, C "
        f"{extra['C']:,}. 110 layers: {counts['110 plain'][0]:,} either way.",
        numbers=counts,
    )


@claim(
    "C3b",
    "§4.1, Table 3",
    "All three kinds of shortcut cure degradation; projections are slightly better than zeros, but "
    "are not what matters.",
)
def every_option_works(run):
    """Judge options A, B and C at 20 layers against the plain net."""
    plain = trials(run, "plain", (20,))
    options = {o: trials(run, "residual", (20,), shortcut=o)["20"] for o in "ABC"}
    holds = all(clearly_less(losses(r), losses(plain["20"])) for r in options.values())
    listed = ", ".join(
        f"{o} {mean(losses(r)):.4f} ± {standard_error(losses(r)):.4f}" for o, r in options.items()
    )
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"20 layers on {setting(run)}, {len(plain['20'])} seeds.",
        measured=f"Training loss: {listed}; {said(plain).replace('20 layers', 'plain')}.",
        numbers={o: losses(r) for o, r in options.items()} | {"plain": losses(plain["20"])},
        between="Three seeds, and a depth at which degradation has only begun.",
    )


@claim(
    "C4",
    "§4.1",
    "Shortcuts ease optimization already where plain nets still train: the residual net converges "
    "faster at the early stage.",
)
def early_convergence(run):
    """Judge the steps until the loss of ten batches is below half a nat, at 20 layers."""
    steps = {
        kind: [r["steps_to_half"] for r in trials(run, kind, (20,))["20"]]
        for kind in ("plain", "residual")
    }
    longest = run.pick(test=2, default=120, full=469)
    ratios = [
        (r or longest) / (p or longest) for r, p in zip(steps["residual"], steps["plain"])
    ]  # a net that never gets there has taken at least all steps
    # A tenth fewer steps in every pair of runs: more than the ten steps over which is averaged.
    holds = max(ratios) <= 0.9
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"20 layers on {setting(run)}, {len(ratios)} pairs of runs with the same batches.",
        measured=f"Steps to a training loss of 0.5: residual {steps['residual']}, plain "
        f"{steps['plain']}; ratios {', '.join(f'{r:.2f}' for r in ratios)}.",
        numbers={"steps": steps, "ratios": ratios},
        between="At 20 layers and half the width both train fast, and the batches' noise is of the "
        "size of the difference.",
    )


def draw_responses(figure, numbers):
    """Draw the std of every layer, and the size of the residual function by block."""
    figure.set_size_inches(6.4, 2.8)
    left, right = figure.subplots(1, 2)
    for kind, style in (("plain", ":"), ("residual", "-")):
        for depth in ("20", "44"):
            stds = numbers[kind][depth]
            axis = [i / (len(stds) - 1) for i in range(len(stds))]
            left.plot(axis, stds, style, color=SHADES[depth], label=f"{kind}, {depth} layers")
    left.set(xlabel="place in the net (0 first, 1 last)", ylabel="std after batch norm")
    left.legend(fontsize=7)
    blocks = range(1, len(numbers["ratios"]) + 1)
    right.plot(blocks, numbers["ratios"], "o-", ms=3, color=BLUE, label="trained, 44 layers")
    right.plot(blocks, numbers["fresh"], "s", ms=3, color=MUTED, label="before training")
    right.set(xlabel="block", ylabel="‖F(x)‖ / ‖x‖", ylim=(0, None))
    right.legend()


@claim(
    "C5",
    "§4.2, Fig. 7",
    "Layer responses, the standard deviations behind each norm, are smaller in residual nets than "
    "in plain ones, and smaller the deeper the net: residual functions stay near zero.",
    draw_responses,
)
def layer_responses(run):
    """Judge the mean response of the trained nets; print ‖F(x)‖/‖x‖ beside it."""
    results = {kind: trials(run, kind, DEPTHS) for kind in ("plain", "residual")}

    def means(kind, depth):
        return [mean(r["stds"]) for r in results[kind][depth]]

    smaller = all(clearly_less(means("residual", d), means("plain", d)) for d in ("20", "44"))
    holds = smaller and clearly_less(means("residual", "44"), means("residual", "20"))
    values = {f"{k}-{d}": mean(means(k, d)) for k in results for d in ("20", "44")}
    torch.manual_seed(run.seed)
    net = CifarResNet(CifarResNetConfig(44, widths=WIDTHS, in_chans=1)).to(run.device).train()
    x = images(run)["train"][0][:500]
    with torch.no_grad():
        for _ in range(30):  # let the running statistics settle
            net(x)
    _, fresh = responses(net, x)
    first = results["residual"]["44"][0]
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"The nets of C1 after training on {setting(run)}.",
        measured="Mean std after batch norm: "
        + ", ".join(f"{name} {value:.3f}" for name, value in values.items())
        + ". ‖F(x)‖/‖x‖, mean over the 21 blocks of residual-44, is "
        f"{mean(first['ratios']):.2f} after training and {mean(fresh):.2f} before.",
        numbers={k: {d: results[k][d][0]["stds"] for d in ("20", "44")} for k in results}
        | {"ratios": first["ratios"], "fresh": fresh, "means": values},
        between="The std behind a batch norm is the norm's own weight, which starts at 1, and "
        "training this short hardly moves it: by construction the quantity cannot show the "
        "effect before weight decay has worked for thousands of steps.",
    )


@claim(
    "C6a",
    "He et al. 2016b, eqs. 4 and 5",
    "With identity shortcuts and nothing after the sum, a signal passes any number of blocks "
    "unchanged but for the residuals added to it, forward and backward.",
)
def identity_mapping(run):
    """Send a signal through 50 blocks whose residual functions are zero."""
    x = torch.randn(4, 8, 6, 6, generator=torch.Generator().manual_seed(run.seed))
    errors = {}
    for kind, make in (("post-activation", BasicBlock), ("pre-activation", PreActBasicBlock)):
        blocks = [make(8, 8).eval() for _ in range(50)]
        for block in blocks:
            nn.init.zeros_(block.bn2.weight if make is BasicBlock else block.conv2.weight)
        start = x.clone().requires_grad_()
        end = nn.Sequential(*blocks)(start)
        (gradient,) = torch.autograd.grad(end.sum(), start)
        errors[kind] = [(end - x).abs().max().item(), (gradient - 1).abs().max().item()]
    exact = errors["pre-activation"] == [0.0, 0.0]
    return Finding(
        HOLDS if exact else REFUTED,
        ran="50 blocks with zero residual functions, normal inputs.",
        measured="Pre-activation: output and gradient equal the input and 1 to the bit. "
        f"Post-activation, the order of 2015: off by up to {errors['post-activation'][0]:.2f}, as "
        "each sum goes through a ReLU; on inputs above zero it is exact too."
        if exact
        else f"Errors {errors}.",
        numbers=errors,
    )


@claim(
    "C6b",
    "He et al. 2016b, Table 2; Fig. 6",
    "At great depth pre-activation trains better than the original order (1,001 layers on "
    "CIFAR-10: 4.92 instead of 7.61% error).",
)
def preactivation(run):
    """Judge the training loss after 60 steps at 56 layers, without a warm-up."""
    post, pre = (
        [r["last_batches"] for r in trials(run, kind, (56,), stop=60)["56"]]
        for kind in ("residual", "preactivation")
    )
    holds = all(a < b for a, b in zip(pre, post))
    return Finding(
        HOLDS if holds else NOT_SEEN,
        ran=f"56 layers on {setting(run)}, learning rate .1 from the first step, {len(pre)} pairs "
        "of runs with the same batches.",
        measured="Training loss after 60 steps: pre-activation "
        f"{', '.join(f'{v:.3f}' for v in pre)}, post-activation "
        f"{', '.join(f'{v:.3f}' for v in post)}.",
        numbers={"pre": pre, "post": post},
        between="56 layers are not 1,001; the difference is expected where the identity is "
        "interrupted hundreds of times.",
    )


CLAIMS = [
    degradation,
    residual_beats_plain,
    depth_pays,
    no_extra_cost,
    every_option_works,
    early_convergence,
    layer_responses,
    identity_mapping,
    preactivation,
]
