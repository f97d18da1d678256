"""How nets learn the continual embedded Reber grammar: as in the paper, and as one would today.

The paper's way: 375 weights, squared error, a change after every symbol, plain descent with the
rate .5; a stream ends at the first wrong prediction or after 100,000 symbols; at most 30,000 of
them. Many nets learn abreast, each on streams of its own.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ..abreast import Abreast
from ..blocks import Config, GersLSTM
from ..lab.run import Run
from ..tasks import LEGAL, NEXT_NODE, NEXT_SYMBOL, Cerg
from .frozen import EYE, OFF, Frozen, lengths

GOOD = 1000  # Table 2
RECENT = 500  # streams over which a net's present length is (exponentially) averaged
KEPT = 12  # nets of an arm whose weights are kept
CURVE = 2000  # points of the curve of an arm's first net


def arm_of(name: str) -> dict[str, Any]:
    """Return what an arm does: "forget", "standard", "reset", "keep .9", "shrink 1e-4" and so on.

    "shrink" is weight decay, "eliminate" weight elimination, which spares weights above 1.
    "falling" behind it lets the rate fall by .99 at each symbol, anew in each stream; "bias 1" sets
    all forget gates' first biases.
    """
    words = name.split()
    named = ("keep", "shrink", "eliminate", "bias")
    values = {w: float(v) for w, v in pairwise(words) if w in named}
    return {
        "forget": words[0] == "forget", "keep": values.get("keep", 1.0),
        "reset": words[0] == "reset", "decay": 0.99 if "falling" in words else 1.0,
        "shrink": values.get("shrink", values.get("eliminate", 0.0)),
        "about": float("eliminate" in values), "bias": values.get("bias"),
    }  # fmt: skip


def streams_of(
    run: Run, arms: list[str], nets: int, seed: int, streams: int, steps: int
) -> dict[str, Any]:
    """Let nets learn on streams, as many in each arm, from the same first weights.

    A net is tested on ten streams after each training stream of 1,000 symbols or more that is
    longer than all before, or that ends at 100,000. (The paper tests after every one, which here
    would be nearly all of the work.) What counts is its best test.

    Returns:
        By arm and net: after how many streams all ten had 100,000 symbols (None: never); the best
        mean of ten; how many training streams there were; their mean length of late; whether it was
        ``steps`` that ended training ("cut"); after how many symbols a net was good, and perfect
        ("at"), and how many nets were by each third of the symbols; weights of the best few nets,
        at their best test, else at the end; and lengths of the first net's streams.
    """
    longest = run.pick(test=60, default=100_000)
    good = run.pick(test=10, default=GOOD)
    every = len(arms) * nets
    first = GersLSTM.from_preset("cerg", torch.Generator().manual_seed(seed), seeds=nets)
    net = GersLSTM.from_preset("cerg", seeds=every)
    does = [arm_of(name) for name in arms]
    with torch.no_grad():
        for mine, drawn in zip(net.parameters(), first.parameters()):
            mine.copy_(drawn.repeat(len(arms), *[1] * (drawn.dim() - 1)))
        for k, arm in enumerate(does):
            if arm["bias"] is not None:
                net.bias[k * nets : (k + 1) * nets, 4:8] = arm["bias"]
    per_net = {key: np.repeat([float(arm[key]) for arm in does], nets)
               for key in ("forget", "keep", "decay", "shrink", "about", "reset")}  # fmt: skip
    resets = per_net.pop("reset") > 0
    learner = Abreast(net, 0.5, **per_net)
    ids, generator = np.arange(every), np.random.default_rng(seed)
    node, length = np.zeros(every, np.int64), np.zeros(every, np.int64)
    count, tested, best = np.zeros(every, int), np.zeros(every), np.zeros(every)
    recent = np.zeros(every)
    solved: list[int | None] = [None] * every
    at: list[list[int | None]] = [[None, None] for _ in range(every)]
    t = 0
    weights: list[Any] = [None] * every
    curves: list[list[list[int]]] = [[] for _ in arms]
    ended = np.full(every, True)
    legal, thin = np.ascontiguousarray(LEGAL.T), max(1, streams // CURVE)

    def frozen(k: int) -> dict[str, Any]:
        inside, out = learner.weights(k)
        arm = does[ids[k] // nets]
        return {"inside": inside, "out": out, "keep": None if arm["forget"] else arm["keep"],
                "reset": arm["reset"], "blocks": 4}  # fmt: skip

    for _ in run.track(range(max(1, steps // 1000)), f"streams: {', '.join(arms)[:40]}"):
        done = np.full(len(ids), False)
        for bit in generator.integers(0, 2, (min(1000, steps), len(ids))):
            fresh = ~(ended | (resets & (node == 0)))
            symbol = NEXT_SYMBOL[node, bit]
            node = NEXT_NODE[node, bit]
            y = learner.step(EYE[:, symbol], fresh)
            target = legal[:, node]
            wrong = (np.abs(target - y) >= OFF).any(0)
            learner.learn(target)
            t += 1
            length += ~wrong
            ended = wrong | (length >= longest)
            if not ended.any():
                continue
            which = np.flatnonzero(ended)
            n = ids[which]
            count[n] += 1
            recent[n] += (length[which] - recent[n]) / np.minimum(count[n], RECENT)
            for k in which[(n % nets == 0) & (count[n] % thin == 0)]:
                curves[ids[k] // nets].append([int(count[ids[k]]), int(length[k])])
            for k in which[(length[which] >= good) & ~done[which]]:
                n, size = ids[k], int(length[k])
                if size > tested[n] or size >= longest:
                    tested[n] = size
                    mean = float(np.mean(lengths(frozen(k), seed + int(count[n]), longest)))
                    if mean > best[n]:
                        best[n], weights[n] = mean, frozen(k)
                    if mean > GOOD:
                        at[n][0] = at[n][0] or t
                    if mean >= longest:
                        solved[n], at[n][1], done[k] = int(count[n]), t, True
            done |= count[ids] >= streams
            learner.begin(which)
            node[which], length[which] = 0, 0
        if done.any():
            for k in np.flatnonzero(done):
                weights[ids[k]] = weights[ids[k]] or frozen(k)
            kept = np.flatnonzero(~done)
            if not len(kept):
                break
            learner.select(kept)
            ids, node, length = ids[kept], node[kept], length[kept]
            ended, resets = ended[kept], resets[kept]
    for k, n in enumerate(ids):
        weights[n] = weights[n] or frozen(k)
    found = {}
    for a, name in enumerate(arms):
        mine = range(a * nets, (a + 1) * nets)
        order = sorted(mine, key=lambda n: -best[n])[:KEPT]
        reached = [[when[i] or 2 * steps for when in at[a * nets : (a + 1) * nets]] for i in (0, 1)]
        thirds = [[sum(3 * t <= k * steps for t in one) for k in (1, 2, 3)] for one in reached]
        found[name] = {
            "solved": [solved[n] for n in mine], "best": [round(best[n], 1) for n in mine],
            "streams": [int(count[n]) for n in mine],
            "recent": [round(float(recent[n]), 2) for n in mine],
            "cut": [solved[n] is None and bool(count[n] < streams) for n in mine],
            "at": [at[n] for n in mine], "thirds": thirds,
            "nets": [rounded(weights[n]) for n in order], "curve": curves[a],
        }  # fmt: skip
    return found


def rounded(net: dict[str, Any]) -> dict[str, Any]:
    """Return a net as JSON can hold it."""
    lists = {k: np.round(np.asarray(net[k], float), 5).tolist() for k in ("inside", "out")}
    return {**net, **lists}


def today(run: Run, forget: bool, nets: int, cells: int, updates: int, seed: int) -> dict[str, Any]:
    """Let nets learn the same streams by whole gradients, Adam and softmax, in batches.

    32 streams a net, never reset, states carried on, errors go back over 40 symbols; the rate rises
    to .02 and falls to 0; gradients are clipped at norm 1, each net by itself.

    Returns:
        By net: the mean number of symbols right until the first wrong one, of ten streams that end
        at 10,000; symbols per error over 20 streams of 3,000; and the weights. The first 100
        symbols of each stream do not count.
    """
    config = Config(
        7, cells, 1, 7, forget=forget, truncate=False, gate_bias=0.0,
        forget_bias=(1.0,) * cells, init=cells**-0.5,
    )  # fmt: skip
    net = GersLSTM(config, nets, torch.Generator().manual_seed(seed))
    batch = run.pick(test=2, default=32)
    source = Cerg(nets * batch, torch.Generator().manual_seed(seed + 1))
    optimizer = torch.optim.Adam(net.parameters(), 0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.02, total_steps=updates + 1)
    state = None
    for _ in run.track(range(updates), f"today, {cells} cells"):
        symbols, legal, _ = source.draw(40)
        x = F.one_hot(symbols, 7).float().unflatten(1, (nets, batch))
        y, states, seen = net.run(x, state)
        state = seen.detach(), states[-1].detach()
        may = legal.unflatten(1, (nets, batch))
        scores = (y @ net.weight_out.mT + net.bias_out[:, None]).log_softmax(-1)
        loss = -(scores * may).sum(-1) / may.sum(-1)
        optimizer.zero_grad()
        loss.mean((0, 2)).sum().backward()
        clip(net)
        optimizer.step()
        schedule.step()
    whole = {"nets": [], "best": [], "per error": []}
    for k in range(nets):
        one = unpack(net, k)
        whole["nets"].append(rounded(one))
        longest = run.pick(test=50, default=10_000)
        whole["best"].append(float(np.mean(lengths(one, seed + 2, longest, warm=100))))
        whole["per error"].append(per_error(run, one, seed + 3))
    return whole


def clip(net: torch.nn.Module) -> None:
    """Clip the gradient of each net at norm 1."""
    gradients = [w.grad for w in net.parameters() if w.grad is not None]
    norm = torch.stack([g.square().flatten(1).sum(1) for g in gradients]).sum(0).sqrt()
    for g in gradients:
        g.div_(norm.clamp_min(1).view(-1, *[1] * (g.dim() - 1)))


@torch.no_grad()
def unpack(net: GersLSTM, k: int) -> dict[str, Any]:
    """Return one of several nets as `Frozen` has it."""
    c = net.config
    bias = torch.cat([net.bias[k], net.bias.new_zeros(c.cells)])
    rows = torch.cat([net.weight_x[k], net.weight_h[k], bias[:, None]], 1)
    gates, cells = rows.split([c.gates, c.cells])
    i, *f, o = gates.split(c.num_blocks)
    f = f[0] if f else torch.zeros_like(i)
    out = torch.cat([net.weight_out[k], net.bias_out[k][:, None]], 1)
    return {"inside": torch.cat([cells, i, f, o]).numpy(), "out": out.numpy(),
            "keep": None if c.forget else 1.0, "reset": False, "rank": True,
            "blocks": c.num_blocks}  # fmt: skip


def per_error(run: Run, net: dict[str, Any], seed: int) -> float:
    """Return how many symbols there are for each wrong prediction; all, if there is none."""
    frozen, wrong = Frozen(net, 20, seed), 0
    steps = run.pick(test=150, default=3000)
    for t in range(steps):
        right = frozen.step()
        wrong += int((~right).sum()) if t >= 100 else 0
    return 20 * (steps - 100) / max(1, wrong)
