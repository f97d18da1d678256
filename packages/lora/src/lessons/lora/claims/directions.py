"""What the updates have learned (§7.2, §7.3): Figures 3 and 4, Table 7."""

import functools

import torch

from ..lab.claim import Finding, claim
from ..lab.figures import AMBER, BLUE, MUTED
from ..lab.run import Run
from ..lab.statistics import Interval, interval, judge
from ..subspaces import amplification, projected_norm, similarity_map
from .headline import decide
from .learning import ALPHA, BETWEEN, adapter_of, encoder, protocol, scores
from .matrices import SEEDS

LARGE = 64


def trained(run: Run) -> list[int]:
    """Return the seeds whose adapters of r 8 and 64 have been trained, training them if not."""
    scores(run, "q,v", SEEDS)
    scores(run, "q,v", SEEDS, r=large(run))
    return list(run.seeds(run.pick(test=2, default=2, full=SEEDS)))


def large(run: Run) -> int:
    """Return the larger rank."""
    return run.pick(test=16, default=LARGE)


def factors(run: Run, seed: int, r: int, which: str) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return each layer's A and B of W_q ("query") or W_v ("value")."""
    state = adapter_of(run, "q,v", None if r == 8 else r, seed)
    found, i = [], 0
    while (name := f"bert.encoder.layer.{i}.attention.self.{which}.lora_A.weight") in state:
        found.append((state[name].double(), state[name.replace("_A.", "_B.")].double()))
        i += 1
    return found


def maps(run: Run, seed: int) -> dict[str, list]:
    """Return φ(A of r 8, A of r 64, i, j), mean over layers, of W_q and W_v."""
    return {
        which: torch.stack([
            similarity_map(a, b) for (a, _), (b, _) in
            zip(factors(run, seed, 8, which), factors(run, seed, large(run), which))
        ]).mean(0).tolist()
        for which in ("query", "value")
    }  # fmt: skip


def heat(axes, rows, title: str) -> None:
    """Draw φ as a heat map, i from top to bottom."""
    axes.imshow(rows, aspect="auto", cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    axes.grid(visible=False)
    axes.set(title=title, xlabel="j (of the larger rank)", ylabel="i")


def draw_maps(figure, numbers) -> None:
    """Draw Figure 3: W_q and W_v, of the first seed."""
    left, right = figure.subplots(1, 2)
    heat(left, numbers["map"]["query"], "queries")
    heat(right, numbers["map"]["value"], "values")


@claim(
    "C6", "§7.2, Fig. 3", "Adapters of rank 8 and 64 share their top direction.", draw_maps,
    quotes="share a subspace of dimension 1 with normalized similarity > 0.5",
    asks="φ(A of r 8, A of r 64, 1, 1), eq. 4, mean over the six layers and over W_q and W_v, of "
    "adapters trained from the same weights on the same sentences; two random matrices "
    "have 1/384 = .003. A keeps its random beginning, which the two ranks do not share.",
    holds_if="the 95% interval over 5 seeds lies above .5", fails_if="it lies below .5",
    paper="above .5", full_only=True,
)  # fmt: skip
def shared(run: Run) -> Finding:
    """Judge the top direction's overlap."""
    found = [run.trial(maps, seed=seed) for seed in trained(run)]
    tops = [(m["query"][0][0] + m["value"][0][0]) / 2 for m in found]
    each = {w: interval([m[w][0][0] for m in found]).text(2) for w in ("query", "value")}
    top = interval(tops)
    return Finding(
        judge(top, above=0.5, paper_regime=False), ours=f"φ = {top.text(2)}, {top.n} seeds",
        ran=protocol(run),
        measured=f"φ(1, 1) is {each['query']} for queries, {each['value']} for values. With all 8 "
        f"directions in all {large(run)}: {interval([m['value'][-1][-1] for m in found]).text(2)}.",
        numbers={"map": found[0], "tops": tops}, between=BETWEEN, would_decide=decide(top, 0.5),
    )  # fmt: skip


def between_seeds(run: Run, seed: int) -> dict[str, list]:
    """Return φ of the larger rank's A from two seeds, mean over layers; and of random matrices."""
    r = large(run)
    found = {
        which: torch.stack([
            similarity_map(a, b) for (a, _), (b, _) in
            zip(factors(run, seed, r, which), factors(run, seed + 1, r, which))
        ]).mean(0)
        for which in ("query", "value")
    }  # fmt: skip
    width = factors(run, seed, r, "query")[0][0].shape[1]
    generator = torch.Generator().manual_seed(seed)
    pair = torch.randn(2, r, width, generator=generator, dtype=torch.float64)
    found["random"] = similarity_map(*pair)
    return {name: value[:8, :8].tolist() for name, value in found.items()}


def draw_seeds(figure, numbers) -> None:
    """Draw Figure 4: two seeds, and two random matrices."""
    for axes, name in zip(figure.subplots(1, 3), ("query", "value", "random")):
        heat(axes, numbers["map"][name], name)


@claim(
    "C7", "§7.2, Fig. 4", "Two seeds learn common directions; random matrices have none.",
    draw_seeds,
    quotes="we also plot two random Gaussian matrices, which do not share any common singular "
    "value directions with each other",
    asks="φ(8, 8) of A of r 64 from two seeds, mean over layers, W_q and W_v, minus that of two "
    "Gaussian matrices of the same shape. The seeds' own first A are Gaussian too: without "
    "learning the difference is 0.",
    holds_if="the 95% interval over 4 pairs of neighbouring seeds lies above 0",
    fails_if="it lies below 0", full_only=True,
)  # fmt: skip
def seeds_agree(run: Run) -> Finding:
    """Judge the overlap of two seeds above chance."""
    seeds = trained(run)
    if len(seeds) < 3:  # an interval needs two pairs
        scores(run, "q,v", SEEDS, r=large(run))
        seeds = [*seeds, seeds[-1] + 1]
    found = [run.trial(between_seeds, seed=seed) for seed in seeds[:-1]]
    excess = [(m["query"][-1][-1] + m["value"][-1][-1]) / 2 - m["random"][-1][-1] for m in found]
    gap = interval(excess)
    chance = interval([m["random"][-1][-1] for m in found])
    return Finding(
        judge(gap, above=0.0, paper_regime=False), ours=f"{gap.text(3)} above chance",
        ran=protocol(run),
        measured=f"φ(8, 8) is {gap.text(3)} above that of random matrices, {chance.text(3)}.",
        numbers={"map": found[0], "excess": excess}, between=BETWEEN,
        would_decide=decide(gap, 0.0),
    )  # fmt: skip


def table7(run: Run, seed: int) -> dict[str, list[float]]:
    """Return Table 7 for W_q, r 8: norms by layer."""
    own = encoder(run).state_dict()
    found: dict[str, list[float]] = {name: [] for name in ("update", "top", "random", "times")}
    generator = torch.Generator().manual_seed(seed)
    for i, (A, B) in enumerate(factors(run, seed, 8, "query")):
        W = own[f"encoder.layer.{i}.attention.self.query.weight"].double()
        dW = ALPHA / len(A) * B @ A
        noise = torch.randn(W.shape, generator=generator, dtype=W.dtype)
        r = len(A)
        found["update"].append(projected_norm(W, dW, r))
        found["top"].append(projected_norm(W, W, r))
        found["random"].append(projected_norm(W, noise, r))
        found["times"].append(amplification(W, dW, r))
    return found


@functools.lru_cache(1)
def table(run: Run) -> dict[str, list[float]]:
    """Return Table 7's numbers, the geometric mean over layers, by seed."""
    found = [run.trial(table7, seed=seed) for seed in trained(run)]
    return {name: [torch.tensor(one[name]).log().mean().exp().item() for one in found]
            for name in found[0]}  # fmt: skip


def told(run: Run) -> str:
    """Tell Table 7."""
    rows = table(run)
    return (
        f"‖UᵀWV‖ with the update's directions {interval(rows['update']).text(2)}, with W's own top "
        f"8 {interval(rows['top']).text(2)}, with random ones {interval(rows['random']).text(2)}; "
        f"‖ΔW‖/‖UᵀWV‖ {interval(rows['times']).text(2)}."
    )


def draw_norms(figure, numbers) -> None:
    """Draw the three norms, seed by seed."""
    axes = figure.subplots()
    for name, color in (("random", MUTED), ("update", BLUE), ("top", AMBER)):
        axes.plot(numbers[name], "o", color=color, label=name)
    axes.set(yscale="log", xlabel="seed", ylabel="‖UᵀWV‖")
    axes.legend()


ASKS = (
    "ΔW_q of r 8, C1's adapters; U and V are its singular vectors. Mean of logarithms over layers."
)


def ratios(run: Run, a: str, b: str) -> Interval:
    """Return the interval of ratios, by seed."""
    rows = table(run)
    return interval([x / y for x, y in zip(rows[a], rows[b])])


@claim(
    "C8a", "§7.3, Table 7", "The update's directions are in W more than random ones.", draw_norms,
    quotes="∆W has a stronger correlation with W compared to a random matrix",
    asks=f"{ASKS} The ratio of ‖UᵀWV‖ to that with U, V of a random matrix.",
    holds_if="the 95% interval of the ratio over 5 seeds lies above 1", fails_if="it lies below 1",
    paper=".32 against .02: 16 times", full_only=True,
)  # fmt: skip
def correlated(run: Run) -> Finding:
    """Judge the update's directions against random ones."""
    found = ratios(run, "update", "random")
    return Finding(
        judge(found, above=1.0, paper_regime=False), ours=f"{found.text(2)} times",
        ran=protocol(run),
        measured=told(run), numbers=table(run), between=BETWEEN, would_decide=decide(found, 1.0),
    )  # fmt: skip


@claim(
    "C8b", "§7.3, Table 7", "The update does not repeat W's top directions.",
    quotes="instead of repeating the top singular directions of W, ∆W only amplifies directions "
    "that are not emphasized in W",
    asks=f"{ASKS} The ratio of ‖UᵀWV‖ to that with W's own top 8. The paper has .015 (r 4) and .05 "
    "(r 64); the line is twice the larger.",
    holds_if="the 95% interval of the ratio over 5 seeds lies below .1",
    fails_if="it lies above .1", paper=".32 against 21.67: .015", full_only=True,
)  # fmt: skip
def not_top(run: Run) -> Finding:
    """Judge the update's directions against W's own."""
    found = ratios(run, "update", "top")
    return Finding(
        judge(found, below=0.1, paper_regime=False), ours=f"a share of {found.text(3)}",
        ran=protocol(run), measured=told(run), numbers=table(run), between=BETWEEN,
        would_decide=decide(found, 0.1),
    )  # fmt: skip


@claim(
    "C8c", "§7.3, Table 7", "What it amplifies, it amplifies a lot.",
    quotes="the amplification factor is rather huge: 21.5 ≈ 6.91/0.32 for r = 4",
    asks=f"{ASKS} ‖ΔW‖/‖UᵀWV‖. App. H.4 says of about 2 that it is “not being amplified by much”, "
    "and of 20 “very large”; the line is between them, √40 = 6.3.",
    holds_if="the 95% interval over 5 seeds lies above 6.3", fails_if="it lies below 6.3",
    paper="21.5", full_only=True,
)  # fmt: skip
def amplified(run: Run) -> Finding:
    """Judge the factor."""
    found = interval(table(run)["times"])
    return Finding(
        judge(found, above=6.3, paper_regime=False), ours=f"{found.text(2)} times",
        ran=protocol(run),
        measured=told(run), numbers=table(run), between=BETWEEN, would_decide=decide(found, 6.3),
    )  # fmt: skip
