"""What can be counted or computed without luck: loads, operations, weights (App. A, C, D)."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..config import PRESETS
from ..gating import NoisyTopKGate, load_probability
from ..lab.claim import Finding, claim
from ..lab.figures import BLUE, RED
from ..lab.run import Run
from ..lab.statistics import Interval, every, exact, interval, judge
from ..model import MoELanguageModel, count_parameters

# Tables 7 and 8: ops/timestep and weights without embedding and softmax, in millions.
PRINTED = {
    "moe-4": (8.4, 8.4), "moe-32": (8.4, 37.8), "moe-256": (8.6, 272.9), "moe-256-h": (8.4, 272.9),
    "moe-1024-h": (8.5, 1079.0), "moe-4096-h": (8.9, 4303.4), "moe-1-wide": (8.4, 8.4),
    "moe-1-deep": (8.4, 8.4), "4xlstm-512": (8.4, 8.4), "lstm-2048-512": (9.4, 9.4),
    "news-4xlstm-512": (8.4, 8.4), "news-moe-32": (8.4, 37.8), "news-moe-256-h": (8.4, 272.9),
    "news-moe-1024-h": (8.5, 1079.0), "news-moe-4096-h": (8.6, 4303.4),
    "news-moe-16384-h": (8.8, 17201.0), "news-moe-65536-h": (9.2, 68791.0),
    "news-moe-131072-h": (9.7, 137577.6), "2xlstm-8192-1024": (151.0, 151.0),
    "moe-34m": (33.8, 4313.9), "moe-143m": (142.7, 4371.1),
}  # fmt: skip
CHEAP = tuple(name for name, (ops, _) in PRINTED.items() if ops < 10)


def loads(run: Run, seed: int, draws: int) -> dict[str, list[float]]:
    """Return, for each expert, the mean estimate and how often it was chosen, over fresh noise."""
    generator = torch.Generator().manual_seed(seed)
    tokens, n, k = 64, 16, 4
    gate = NoisyTopKGate(8, n, k).double()
    for parameter in gate.parameters():
        torch.nn.init.normal_(parameter, 0, 0.5, generator=generator)
    x = torch.randn(tokens, 8, generator=generator, dtype=torch.float64)
    smooth, counted, wrong = torch.zeros(n).double(), torch.zeros(n).double(), 0.0
    with torch.no_grad():
        for _ in range(draws):
            clean, noisy, std = gate.logits(x, generator)
            assert std is not None
            smooth += load_probability(clean, noisy, std, k).sum(0)
            counted += torch.bincount(noisy.topk(k, -1).indices.flatten(), minlength=n)
            # As much-copied code has it: thresholds of softmaxed values against plain logits.
            wrong += load_probability(clean, noisy.softmax(-1), std, k).sum().item()
    return {
        "smooth": (smooth / draws).tolist(), "counted": (counted / draws).tolist(),
        "softmaxed thresholds, experts a token": [wrong / draws / tokens],
    }  # fmt: skip


def draw_loads(figure, numbers) -> None:
    """Draw the estimate against what was counted."""
    axes = figure.subplots()
    top = max(numbers["counted"][0])
    axes.plot([0, top], [0, top], color=RED, lw=1)
    for smooth, counted in zip(numbers["smooth"], numbers["counted"]):
        axes.plot(counted, smooth, "o", color=BLUE, ms=4, alpha=0.7)
    axes.set(xlabel="tokens that an expert gets, counted", ylabel="estimated, Load(X)")


@claim(
    "C14",
    "App. A",
    "Load(X) estimates how many examples each expert gets.",
    draw_loads,
    quotes="we define a smooth estimator Load(X) of the number of examples assigned to each expert "
    "for a batch X of inputs",
    asks="A gate of random weights, 16 experts, 64 tokens, k = 4: over many draws of the noise, "
    "the mean of Load(X) against the mean number of tokens that an expert is given. In each draw "
    "the estimate keeps the noise of the other experts, so only the means can agree. (For known "
    "wrong code, which takes thresholds after a softmax, the sum is not k a token.)",
    holds_if="for every expert the interval of the difference, over gates, lies within ±1% of "
    "the mean load",
    fails_if="for one it lies outside",
)
def estimator(run: Run) -> Finding:
    """Judge estimated against counted loads."""
    draws = run.pick(test=20, default=1_500, full=20_000)
    found = [
        run.trial(loads, seed=seed, draws=draws) for seed in run.seeds(run.pick(test=2, default=5))
    ]
    mean = 64 * 4 / 16
    off = [interval([(f["smooth"][i] - f["counted"][i]) / mean for f in found]) for i in range(16)]
    judged = every([judge(o, within=(-0.01, 0.01), paper_regime=True) for o in off])
    worst: Interval = max(off, key=lambda o: max(abs(o.low), abs(o.high)))
    in_percent = Interval(100 * worst.mean, 100 * worst.low, 100 * worst.high, worst.n)
    wrong = interval([f["softmaxed thresholds, experts a token"][0] for f in found])
    return Finding(
        judged,
        ours=f"at worst {in_percent.text(2)}% off",
        ran=f"{len(found)} gates, {draws:,} draws of the noise each, double precision.",
        measured=f"For the worst expert the estimate is {in_percent.text(2)}% of the mean off. "
        f"With softmaxed thresholds {wrong.text(1)} experts a token are estimated, in place of 4.",
        numbers={"smooth": [f["smooth"] for f in found], "counted": [f["counted"] for f in found]},
        would_decide="About 20,000 draws a gate, as in a full run.",
    )


def operations(name: str) -> int:
    """Return the multiply-adds of one step forwards without the softmax, by torch's own counter.

    On the meta device nothing is computed; a gate's two matrices are counted, as in training. A
    flat mixture's experts are batched there by hand: four rows, of one expert each.
    """
    c = PRESETS[name]
    with torch.device("meta"):
        lstm = torch.nn.LSTM(
            c.width, c.units, bias=False, proj_size=0 if c.units == c.width else c.width
        )
        x = torch.empty(1, 1, c.width)
        expert = [
            torch.empty(c.active_experts, *shape)
            for shape in (
                (c.width, c.hidden),
                *[(c.hidden, c.hidden)] * (c.depth - 1),
                (c.hidden, c.width),
            )
        ]
        gates = torch.empty(c.width, c.active_columns)
        with FlopCounterMode(display=False) as counter:
            for _ in range(c.lstm_layers):
                lstm(x)
            if c.num_experts:
                y = x.expand(c.active_experts, 1, c.width)
                for weight in expert:
                    y = torch.bmm(y, weight)
            if c.active_columns:
                x[0] @ gates
                x[0] @ gates
    return counter.get_total_flops() // 2


def counted(run: Run) -> dict[str, list[int]]:
    """Return operations and weights of all models, counted and by formula."""
    found = {}
    names = [*PRINTED] if run.scale != "test" else [n for n in PRINTED if n.endswith(("4", "32"))]
    for name in names:
        c = PRESETS[name]
        made = c.parameters
        if c.groups is None or c.groups <= 64:
            with torch.device("meta"):
                made = count_parameters(MoELanguageModel(c))
        found[name] = [operations(name), made, c.operations, c.parameters]
    return found


@claim(
    "C13",
    "§5.1",
    "Models of 4 to 4,096 experts cost about 8 million multiply-adds a word.",
    quotes="all with roughly equal computational costs: about 8 million multiply-and-adds per "
    "training example per timestep in the forwards pass, excluding the softmax layer",
    asks="All models of Tables 7 and 8, built on the meta device at their full sizes and counted "
    "by torch's own counter, both matrices of the gates among it. About 8 million: 7.5 to 9 for "
    "the six that the sentence is about.",
    holds_if="all six lie between 7.5 and 9 million",
    fails_if="one does not",
    paper="8.4 to 8.9",
)
def equal_cost(run: Run) -> Finding:
    """Count."""
    found = run.trial(counted)
    six = [n for n in ("moe-4", "moe-32", "moe-256", "moe-256-h", "moe-1024-h", "moe-4096-h")
           if n in found]  # fmt: skip
    ours = {name: found[name][0] / 1e6 for name in found}
    right = all(7.5 <= ours[name] <= 9 for name in six)
    if not all(row[0] == row[2] and row[1] == row[3] for row in found.values()):
        raise RuntimeError(f"formula and counter do not agree: {found}")  # ours, not the paper's
    near = [n for n, row in found.items()
            if max(abs(row[i] / 1e6 - PRINTED[n][i]) for i in (0, 1)) > 0.0501]  # fmt: skip
    told = ", ".join(f"{name} {ours[name]:.3f}" for name in six)
    return Finding(
        exact(right),
        ours=f"{min(ours[n] for n in six):.2f} to {max(ours[n] for n in six):.2f} million",
        ran=f"{len(found)} models on the meta device.",
        measured=f"Million multiply-adds: {told}. Formula and counter agree. Further than rounding "
        f"from what is printed, of {len(found)} models: {', '.join(near) or 'none'}; 0 weights.",
        numbers={"counted": found, "further than rounding": near},
    )


@claim(
    "C11",
    "Abstract",
    "Over a thousand times the capacity at about equal operations.",
    quotes="achieving greater than 1000x improvements in model capacity with only minor losses in "
    "computational efficiency on modern GPU clusters",
    asks="The first half, capacity: weights without embedding and softmax of the models of Table 8 "
    "over those of its dense baseline, where operations are at most a fifth more. (In Table 7, on "
    "public data, the ratio ends at 513, and the largest that still lowered perplexity in Table 8 "
    "is 65,536 experts.)",
    holds_if="a model of at most 1.2 times the operations that lowered perplexity has more than "
    "1,000 times the weights",
    fails_if="none has",
    paper="137 billion weights, 8.4 million in the baseline",
)
def thousandfold(run: Run) -> Finding:
    """Divide counts."""
    base = PRESETS["news-4xlstm-512"]
    kinds = [f"news-moe-{n}" for n in ("4096-h", "16384-h", "65536-h")]
    ratios = {k: PRESETS[k].parameters / base.parameters for k in kinds}
    ops = {k: PRESETS[k].operations / base.operations for k in kinds}
    good = [k for k in kinds if ratios[k] > 1000 and ops[k] <= 1.2]
    first = min(good, key=lambda k: ratios[k]) if good else kinds[0]
    return Finding(
        exact(bool(good)),
        ours=f"{ratios[first]:,.0f} times the weights, {ops[first]:.2f} times the operations",
        ran="Table 8's models, counted.",
        measured="; ".join(f"{k}: {ratios[k]:,.0f} times the weights at {ops[k]:.2f} times the "
                           "operations" for k in kinds) + ".",
        numbers={"weights": ratios, "operations": ops},
    )  # fmt: skip
