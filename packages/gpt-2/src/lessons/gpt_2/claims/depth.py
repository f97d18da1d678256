"""D2: what the 1/√N of §2.3 does to the stream, and to learning."""

from typing import Any

import torch

from ..bpe import ByteLevelBPE
from ..config import GPT2Config
from ..lab.claim import Finding, demonstration
from ..lab.figures import BLUE, GREEN, RED
from ..lab.run import Run
from ..model import GPT2
from ..training import param_groups
from .text import parts

ARMS: dict[str, dict[str, Any]] = {
    "before, scaled": {}, "before": {"scale_residual": False},
    "behind": {"norm": "post", "scale_residual": False},
}  # fmt: skip
COLORS = dict(zip(ARMS, (BLUE, GREEN, RED)))


def build(layers: int, width: int, vocab_size: int, arm: str, seed: int) -> GPT2:
    """Return a net without dropout."""
    rates: dict[str, Any] = {"embd_pdrop": 0.0, "attn_pdrop": 0.0, "resid_pdrop": 0.0}
    config = GPT2Config(
        vocab_size=vocab_size, n_positions=64, n_embd=width, n_layer=layers, n_head=width // 16,
        **rates, **ARMS[arm],
    )  # fmt: skip
    return GPT2(config, torch.Generator().manual_seed(seed))


@torch.no_grad()
def stream(run: Run, layers: int, arm: str) -> dict[str, float]:
    """Return the deviation of the stream before the last norm, and the token's share of it."""
    net = build(layers, 128, 512, arm, run.seed)
    ids = torch.randint(512, (4, 64), generator=torch.Generator().manual_seed(run.seed))
    first = net.wte(ids) + net.wpe(torch.arange(64))
    last = first
    for block in net.h:
        last = block(last)
    return {"deviation": last.std().item(), "share": (first.var() / last.var()).item()}


def learn(run: Run, layers: int, arm: str, rate: float, seed: int) -> float:
    """Train on Python's help without warm-up; return the loss of the last ten steps."""
    content = parts(1)[0][: run.pick(test=5_000, default=200_000)]
    bpe = ByteLevelBPE.train([content], run.pick(test=300, default=512))
    ids = torch.tensor(bpe.encode(content, disallowed_special=()))
    net = build(layers, 64, len(bpe), arm, seed)
    optimizer = torch.optim.AdamW(param_groups(net, 0.01), lr=rate)
    generator, losses = torch.Generator().manual_seed(seed), []
    for _ in run.track(range(run.pick(test=2, default=60, full=100)), f"{layers} layers, {arm}"):
        starts = torch.randint(len(ids) - 64, (8,), generator=generator).tolist()
        windows = torch.stack([ids[s : s + 64] for s in starts])
        loss = net(windows, labels_BT=windows)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    last = losses[-10:]
    return sum(last) / len(last)


def draw(figure, numbers) -> None:
    """Draw the stream's size against depth, and the loss against the learning rate."""
    left, right = figure.subplots(1, 2)
    for arm, found in numbers["stream"].items():
        x = [int(layers) for layers in found]
        left.plot(x, [one["deviation"] for one in found.values()], "o-", color=COLORS[arm],
                  label=f"norm {arm}")  # fmt: skip
        losses = numbers["loss"][arm]
        right.plot([float(rate) for rate in losses], [sum(v) / len(v) for v in losses.values()],
                   "o-", color=COLORS[arm])  # fmt: skip
    left.set(xscale="log", yscale="log", xlabel="layers", ylabel="deviation of the stream")
    right.set(xscale="log", xlabel="learning rate", ylabel="loss, nats a token")
    left.legend()


@demonstration(
    "D2",
    "With 1/√N the stream begins equally large at every depth.",
    draw,
    source="§2.3",
    asks="The paper gives no experiment. At first weights, width 128: the standard deviation of "
    "the stream before the last norm, and the embedding's share of its variance, from 6 to 48 "
    "layers. "
    "And a net of many layers, width 64, without warm-up, on Python's help: norm before the "
    "sub-blocks with the scale and without, and behind them; at four learning rates.",
)
def depth(run: Run) -> Finding:
    """Measure the stream, and train."""
    depths = run.pick(test=[2, 8], default=[6, 12, 24, 48])
    size = {
        arm: {str(n): run.trial(stream, layers=n, arm=arm) for n in depths}
        for arm in ("before, scaled", "before")
    }
    layers = run.pick(test=2, default=12, full=24)
    rates = run.pick(test=[1e-3], default=[1e-3, 4e-3], full=[5e-4, 1e-3, 2e-3, 4e-3])
    seeds = run.seeds(run.pick(test=1, default=1, full=3))
    loss = {
        arm: {
            str(rate): [run.trial(learn, layers=layers, arm=arm, rate=rate, seed=s) for s in seeds]
            for rate in rates
        }
        for arm in ARMS
    }
    low, high = str(depths[0]), str(depths[-1])
    grown = {arm: f[high]["deviation"] / f[low]["deviation"] for arm, f in size.items()}
    best = {arm: min(sum(v) / len(v) for v in found.values()) for arm, found in loss.items()}
    scaled, plain = size["before, scaled"][high], size["before"][high]
    return Finding(
        None,
        ours=f"from {low} to {high} layers × {grown['before, scaled']:.2f}, without × "
        f"{grown['before']:.2f}",
        ran=f"{layers} layers, {len(rates)} rates, {len(seeds)} seeds.",
        measured=f"Deviation at {high} layers {scaled['deviation']:.3f} with the scale, "
        f"{plain['deviation']:.3f} without; the embedding has {100 * scaled['share']:.1f}% and "
        f"{100 * plain['share']:.1f}% of the variance. Lowest loss: "
        + ", ".join(f"norm {arm} {value:.3f}" for arm, value in best.items())
        + ".",
        numbers={"stream": size, "loss": loss, "grown": grown, "best": best},
    )
