"""One net trained on images of digits or clothes, and what is noted of it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..blocks import BasicBlock
from ..cifar import CifarResNet, CifarResNetConfig
from ..lab.mnist import load
from ..lab.run import Run
from ..recipe import learning_rate, make_optimizer

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
            in_channels=1,
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
