"""The ladder: one deep plain network, to which history adds its devices one at a time.

The same in every package that measures a rung: copied from the template under papers/, never
edited in the package. A rung has all that the rung below has, and one device more; the package
whose device it is puts in its own implementation, everything else comes from torch. A net climbs
to a rung when its training loss falls to `TARGET`; what counts is how many steps that takes at
the best learning rate, and the largest rate at which it still happens for every seed.

In a package's ``reproduce.py``::

    def climbs(run, name, lr, seed):  # a trial
        images, labels = ...  # float32 rows in [0, 1], int64; digits by default, MNIST in full
        own = {"activation": ReLU} if name == "relu" else {}
        return ladder.climb(name, images, labels, lr, seed, device=run.device, **own)

    numbers = ladder.measure(run, climbs, ["sigmoid", "relu"])  # `below("relu")`, its own
    ladder.compare(numbers, "sigmoid", "relu")  # in words, log of the steps' ratio, its error
    ladder.draw(figure, numbers)
"""

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .figures import BLUE, MUTED, RED, TEAL

BLOCKS, WIDTH, BATCH, STEPS, TARGET = 10, 64, 100, 1000, 1.0  # the target in nats
SGD_RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
ADAM_RATES = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)


@dataclasses.dataclass(frozen=True)
class Rung:
    """What a network has, from which year on; ``slug`` is the package that measures the rung."""

    slug: str
    year: int
    adds: str
    activation: type[nn.Module] = nn.Sigmoid
    gain: float | None = None  # weights N(0, gain²/n); None: uniform ±√(6 / (n + m))
    decay: float = 0.0  # L2, in the gradient
    dropout: float = 0.0  # after every hidden layer
    norm: type[nn.Module] | None = None  # before the nonlinearity
    residual: bool = False  # around every two layers
    adam: bool = False  # else SGD with momentum .9

    @property
    def rates(self) -> tuple[float, ...]:
        """The learning rates that are tried."""
        return ADAM_RATES if self.adam else SGD_RATES


def ladder() -> dict[str, Rung]:
    """Return the rungs by name, in the order in which they came."""
    rungs = {"sigmoid": Rung("dnn", 1986, "back-propagation, sigmoid units", gain=1.0)}
    steps: list[tuple[str, str, int, str, dict[str, Any]]] = [
        ("weight-decay", "weight-decay", 1991, "weight decay 0.0005", {"decay": 5e-4}),
        ("relu", "relu", 2011, "rectifiers", {"activation": nn.ReLU, "gain": None}),
        ("dropout", "dropout", 2012, "dropout 0.1", {"dropout": 0.1}),
        ("adam", "adam", 2014, "Adam", {"adam": True}),
        ("he-init", "relu", 2015, "weights of variance 2/n", {"gain": math.sqrt(2)}),
        ("batch-norm", "batch-norm", 2015, "batch norm", {"norm": nn.BatchNorm1d}),
        ("residuals", "residuals", 2015, "shortcuts", {"residual": True}),
        ("gelu", "gelu", 2016, "GELU", {"activation": nn.GELU}),
        ("layer-norm", "layer-norm", 2016, "layer norm for batch norm", {"norm": nn.LayerNorm}),
    ]
    last = rungs["sigmoid"]
    for name, slug, year, adds, changes in steps:
        rung = dataclasses.replace(last, slug=slug, year=year, adds=adds, **changes)
        rungs[name] = rung
        last = last if rung.decay or rung.dropout else rung  # regularizers are not carried on
    return rungs


def below(name: str) -> str:
    """Return the rung that ``name`` adds its device to."""
    climbed = "sigmoid"
    for other, rung in ladder().items():
        if other == name:
            return climbed
        climbed = climbed if rung.decay or rung.dropout else other
    raise ValueError(f"name must be one of {', '.join(ladder())}, got {name!r}")


class LadderNet(nn.Module):
    """A first layer, `BLOCKS` blocks of two layers of `WIDTH` units, and ten logits.

    Args:
        rung: what it is made of.
        features: the input's width.
        activation, norm, dropout: called in place of the rung's own (norm with the width, dropout
            with the probability of dropping).
    """

    def __init__(
        self,
        rung: Rung,
        features: int,
        activation: Callable[[], nn.Module] | None = None,
        norm: Callable[[int], nn.Module] | None = None,
        dropout: Callable[[float], nn.Module] = nn.Dropout,
    ) -> None:
        super().__init__()
        norm, activation = norm or rung.norm, activation or rung.activation
        self.residual = rung.residual

        def layer(inputs: int) -> nn.Sequential:
            parts = [nn.Linear(inputs, WIDTH), norm(WIDTH) if norm else None]
            return nn.Sequential(*(part for part in parts if part))

        def after() -> nn.Sequential:
            return nn.Sequential(activation(), *([dropout(rung.dropout)] if rung.dropout else []))

        self.stem = nn.Sequential(layer(features), after())
        self.first = nn.ModuleList(nn.Sequential(layer(WIDTH), after()) for _ in range(BLOCKS))
        self.second = nn.ModuleList(layer(WIDTH) for _ in range(BLOCKS))
        self.after = nn.ModuleList(after() for _ in range(BLOCKS))
        self.head = nn.Linear(WIDTH, 10)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                if rung.gain is None:
                    nn.init.xavier_uniform_(module.weight)
                else:
                    nn.init.normal_(module.weight, std=rung.gain / math.sqrt(module.in_features))
                nn.init.zeros_(module.bias)

    def forward(self, x_BF: Tensor) -> Tensor:
        """Map images (B, F) to logits (B, 10)."""
        h_BW = self.stem(x_BF)
        for first, second, after in zip(self.first, self.second, self.after):
            branch_BW = second(first(h_BW))
            h_BW = after(h_BW + branch_BW if self.residual else branch_BW)
        return self.head(h_BW)


def climb(
    name: str,
    images: Tensor,
    labels: Tensor,
    lr: float,
    seed: int,
    *,
    steps: int = STEPS,
    device: torch.device | str = "cpu",
    optimizer: Callable[[list[nn.Parameter], float], torch.optim.Optimizer] | None = None,
    **own: Any,
) -> dict[str, Any]:
    """Train a rung's net until its loss on the first 500 images is `TARGET`.

    Args:
        name: of the rung, see `ladder`.
        images: (N, F) in [0, 1].
        labels: (N,), int64.
        lr: the learning rate.
        seed: of weights, batches and dropout.
        steps: at most so many.
        device: where to train.
        optimizer: called with parameters and rate, in place of the rung's own.
        **own: ``activation``, ``norm``, ``dropout`` as in `LadderNet`.

    Returns:
        ``steps`` it took (None: not reached), and the last ``loss`` (None: diverged).
    """
    rung = ladder()[name]
    torch.manual_seed(seed)
    net = LadderNet(rung, images.shape[1], **own).to(device)
    parameters = list(net.parameters())
    if optimizer:
        opt = optimizer(parameters, lr)
    elif rung.adam:
        opt = torch.optim.Adam(parameters, lr, weight_decay=rung.decay)
    else:
        opt = torch.optim.SGD(parameters, lr, momentum=0.9, weight_decay=rung.decay)
    images, labels = images.to(device), labels.to(device)
    loss = math.inf
    for step in range(1, steps + 1):
        batch = torch.randint(len(images), (BATCH,)).to(device)
        opt.zero_grad()
        F.cross_entropy(net(images[batch]), labels[batch]).backward()
        opt.step()
        if step % 5 == 0:
            net.eval()
            with torch.no_grad():
                loss = F.cross_entropy(net(images[:500]), labels[:500]).item()
            net.train()
            if loss <= TARGET:
                return {"steps": step, "loss": loss}
            if not math.isfinite(loss):
                break
    return {"steps": None, "loss": loss if math.isfinite(loss) else None}


def measure(run, trial: Callable, names: Iterable[str], seeds: int = 3) -> dict[str, Any]:
    """Climb to each rung at every rate and seed; return what that took, by name.

    Args:
        run: the run.
        trial: ``trial(run, name, lr, seed)`` returns what `climb` does.
        names: of the rungs.
        seeds: so many.

    Returns:
        For each name ``adds`` and ``year``; ``best``, the rate that most seeds and the fewest
        steps speak for (None: none reached the target); ``steps``, those of its seeds; ``largest``,
        the largest rate that every seed survived (None: none); and ``all``: rate, climbs.
    """
    found = {}
    for name in names:
        rung = ladder()[name]
        rates = run.pick(test=rung.rates[3:5], default=rung.rates)
        climbs = {
            lr: [
                run.trial(trial, name=name, lr=lr, seed=seed)
                for seed in run.seeds(run.pick(test=1, default=1, full=seeds))
            ]
            for lr in run.track(rates, f"the ladder: {name}")
        }
        reached = {lr: [c["steps"] for c in done if c["steps"]] for lr, done in climbs.items()}
        ranked = [(-len(s), sum(s) / len(s), lr) for lr, s in reached.items() if s]
        best = min(ranked)[2] if ranked else None
        whole = [lr for lr, s in reached.items() if len(s) == len(climbs[lr])]
        found[name] = {
            "adds": rung.adds, "year": rung.year, "best": best,
            "steps": reached[best] if best else [], "largest": max(whole, default=None),
            "seeds": len(climbs[rates[0]]),
            "all": [[lr, done] for lr, done in climbs.items()],
        }  # fmt: skip
    return found


def compare(numbers: dict[str, Any], below: str, here: str) -> tuple[str, float, float]:
    """Compare two rungs.

    Returns:
        A sentence; log(steps here / steps below), where a net that never arrived counts with the
        `STEPS` that it had; and that logarithm's standard error over the seeds.
    """
    logs, words = [], []
    for name in (below, here):
        rung = numbers[name]
        logs.append(torch.tensor([math.log(s) for s in rung["steps"] or [STEPS]]).double())
        if rung["best"] is None:
            words.append(f"{rung['adds']}: the loss {TARGET} not reached in {STEPS:,} steps")
        else:
            mean = sum(rung["steps"]) / len(rung["steps"])
            words.append(
                f"{rung['adds']}: {mean:,.0f} steps at the best rate, {rung['best']:g} "
                f"({len(rung['steps'])} of {rung['seeds']} seeds); the largest rate that works "
                f"for all: {rung['largest'] or 'none'}"
            )
    error = sum(log.var().item() / len(log) for log in logs if len(log) > 1) ** 0.5
    return "; ".join(words) + ".", (logs[1].mean() - logs[0].mean()).item(), error


def draw(figure: Any, numbers: dict[str, Any]) -> None:
    """Draw steps against the learning rate, a curve for each rung; the last is the package's."""
    axes = figure.subplots()
    looks = [(MUTED, "D"), (BLUE, "s"), (TEAL, "^"), (RED, "o")][-len(numbers) :]
    for rung, (color, marker) in zip(numbers.values(), looks):
        mean, missed = [], []
        for lr, climbs in rung["all"]:
            steps = [climb["steps"] for climb in climbs]
            if all(steps):
                mean.append((lr, sum(steps) / len(steps)))
            else:
                missed.append(lr)
        label = f"{rung['adds']} ({rung['year']})"
        axes.plot(*zip(*mean or [(math.nan, math.nan)]), marker, ls="-", color=color, label=label)
        axes.plot(missed, [STEPS * 1.5] * len(missed), marker, color=color, fillstyle="none")
    axes.axhline(STEPS, color=MUTED, linewidth=0.6)
    axes.text(0.005, STEPS * 2, "not reached with every seed", color=MUTED,
              transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set(xscale="log", yscale="log", ylim=(8, STEPS * 3))
    axes.set(xlabel="learning rate", ylabel=f"steps to a loss of {TARGET:g} nat")
    figure.legend(loc="outside upper left", ncols=len(numbers))
