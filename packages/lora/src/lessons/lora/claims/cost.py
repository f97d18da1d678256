"""What it costs: numbers kept, memory, latency (§4.1, §4.2, Table 1)."""

import functools
import statistics
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..baselines import adapters_h, adapters_l, full
from ..config import LoRAConfig
from ..gpt2 import GPT2, GPT2_PRESETS, GPT2Config
from ..injection import adapted_layers, inject, merge, merge_and_unload
from ..lab.claim import Finding, claim
from ..lab.run import Run
from ..lab.statistics import every, exact, interval, judge, ratio
from ..memory import count_all, count_trainable, training_memory
from .headline import decide

PRINTED = 175_255.8e6  # Table 4


@functools.lru_cache(4)
def gpt3(r: int | None) -> dict[str, int]:
    """Return counts and memory of GPT-3 by its shape: with LoRA on q and v, or whole (None)."""
    with torch.device("meta"):
        model = GPT2(GPT2_PRESETS["gpt3-175b"])
        if r is not None:
            inject(model, LoRAConfig(r, None, ("c_attn",), enable=(True, False, True)))
    return training_memory(model) | {"trained": count_trainable(model), "all": count_all(model)}


@claim(
    "C9", "abstract, §4.2", "LoRA trains ten thousand times fewer numbers.",
    quotes="the checkpoint size is reduced by roughly 10,000× (from 350GB to 35MB)",
    asks="GPT-3 by its shape, without memory: q and v, r 4, in all 96 layers, against the "
    "175,255.8M of Table 4. Roughly: within a tenth.",
    holds_if="the ratio lies within 9,000 and 11,000", fails_if="it lies outside",
    paper="10,000 times; 35 MB",
)  # fmt: skip
def numbers_kept(run: Run) -> Finding:
    """Count."""
    trained = gpt3(4)["trained"]
    times, megabytes = PRINTED / trained, gpt3(4)["checkpoint"] / 1e6
    return Finding(
        exact(9_000 <= times <= 11_000), ours=f"{times:,.0f} times, {megabytes:.1f} MB",
        ran="Counted on the meta device.",
        measured=f"{trained:,} numbers, {megabytes:.1f} MB in half precision "
        f"({megabytes / 1.048576:.1f} MiB): {times:,.0f} times fewer than {PRINTED:,.0f}. The "
        f"shape itself has {gpt3(None)['all']:,}.",
        numbers={"trained": trained, "times": times},
    )  # fmt: skip


@claim(
    "C10", "abstract, §4.2", "Training needs a third of the memory.",
    quotes="we reduce that VRAM usage by up to 2/3 if r ≪ dmodel as we do not need to store the "
    "optimizer states for the frozen parameters",
    asks="GPT-3 by its shape, r 4: weights and Adam's two moments in one precision, as the "
    "sentence counts; gradients, which it leaves out, beside.",
    holds_if="the share saved lies within .01 of 2/3", fails_if="it does not",
    paper="1.2 TB to 350 GB: 71%",
)  # fmt: skip
def memory(run: Run) -> Finding:
    """Count bytes."""
    whole, ours = gpt3(None), gpt3(4)
    with torch.device("meta"):
        whole = training_memory(full(GPT2(GPT2_PRESETS["gpt3-175b"])))
    kinds = {"weights and moments": ("weights", "moments"),
             "and gradients": ("weights", "moments", "gradients")}  # fmt: skip
    saved = {name: 1 - sum(ours[k] for k in keys) / sum(whole[k] for k in keys)
             for name, keys in kinds.items()}  # fmt: skip
    share = saved["weights and moments"]
    return Finding(
        exact(abs(share - 2 / 3) < 0.01), ours=f"{100 * share:.1f}% saved",
        ran="Counted on the meta device, two bytes a number; activations left out.",
        measured=f"Weights and moments: {100 * share:.1f}% less; with gradients "
        f"{100 * saved['and gradients']:.1f}%. LoRA keeps {ours['weights'] / 1e9:.0f} GB of "
        f"weights and {(ours['moments'] + ours['gradients']) / 1e6:.0f} MB beside.",
        numbers=saved,
    )  # fmt: skip


def host(run: Run) -> GPT2:
    """Return a language model to measure: random weights, GPT-2 medium's width in the full run."""
    config = run.pick(
        test=GPT2Config(50, 64, 32, 2, 2),
        default=GPT2Config(2_000, 512, 256, 6, 4),
        full=GPT2Config(2_000, 512, 1_024, 6, 16),
    )
    return (
        GPT2(config, torch.Generator().manual_seed(0)).to(run.device).eval().requires_grad_(False)
    )


@claim(
    "C11", "abstract, §4.1", "Once merged, an adapted model costs what the model did.",
    quotes="this guarantees that we do not introduce any additional latency during inference "
    "compared to a fine-tuned model by construction",
    asks="By construction: after merging the same operations are done on matrices of the same "
    "shapes. Counted, with names and shapes of all weights; and the outputs are the adapted ones.",
    holds_if="operations, names and shapes are the base's, and outputs equal the unmerged ones to "
    "1e-12 in float64",
    fails_if="one of them is not",
)  # fmt: skip
def merged(run: Run) -> Finding:
    """Count operations before, during and after."""
    model = host(run).double()
    ids = torch.arange(32, device=run.device)[None] % 50
    shapes = [(n, p.shape) for n, p in model.named_parameters()]

    def flops() -> tuple[int, torch.Tensor]:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            y = model(ids)
        return counter.get_total_flops(), y

    before, _ = flops()
    inject(model, LoRAConfig(4, 32, ("c_attn", "c_fc")))
    generator = torch.Generator().manual_seed(1)
    for _, layer in adapted_layers(model):
        for store in (layer.lora_A, layer.lora_B):
            values = torch.randn(store["default"].shape, generator=generator, dtype=torch.float64)
            store["default"].data.copy_(0.05 * values)
    with_adapter, y = flops()
    merge_and_unload(model)
    after, again = flops()
    same = shapes == [(n, p.shape) for n, p in model.named_parameters()]
    error = ((again - y).abs().max() / y.abs().max()).item()
    return Finding(
        exact(before == after and same and error < 1e-12),
        ours=f"{after:,} operations before and after",
        ran="A GPT-2 of random weights, float64, 32 tokens.",
        measured=f"{before:,} operations before, {with_adapter:,} with the adapter beside, "
        f"{after:,} merged; outputs differ by {error:.0e}.",
        numbers={"before": before, "beside": with_adapter, "after": after, "error": error},
    )  # fmt: skip


ARMS = ("base", "merged", "unmerged", "adapter L", "adapter H")


def arm(run: Run, name: str) -> GPT2:
    """Return a host with what an arm adds."""
    model, width = host(run), run.pick(test=4, default=28, full=112)
    if name == "adapter L":
        adapters_l(model, 2 * width)
    elif name == "adapter H":
        adapters_h(model, width)
    elif name != "base":
        inject(model, LoRAConfig(4, 32, ("c_attn",), enable=(True, False, True)))
        if name == "merged":
            merge(model)
    return model.eval().requires_grad_(False)


def seconds(run: Run, batch: int, length: int, rounds: int, arms: list[str]) -> dict[str, list]:
    """Return CPU seconds of a forward pass for each arm: they take turns, order reversed by turns.

    CPU time: whoever else runs on the machine disturbs it less.
    """
    models = {name: arm(run, name) for name in arms}
    ids = torch.arange(batch * length, device=run.device).view(batch, length) % 50
    found: dict[str, list[float]] = {name: [] for name in arms}
    with torch.no_grad():
        for model in models.values():
            model(ids)
        for turn in run.track(range(rounds), f"latency, batch {batch}"):
            for name in arms if turn % 2 else arms[::-1]:
                began = time.process_time()
                models[name](ids)
                found[name].append(time.process_time() - began)
    return found


def sizes(run: Run) -> dict[str, tuple[int, int, int]]:
    """Return batch, length and rounds of the two measurements."""
    return run.pick(
        test={"one": (1, 8, 4), "many": (2, 8, 4)},
        default={"one": (1, 128, 60), "many": (8, 256, 6)},
        full={"one": (1, 128, 200), "many": (16, 512, 12)},
    )


def measured(run: Run, which: str) -> dict[str, list[float]]:
    """Return all arms' seconds, by turn; every fourth together is one value."""
    batch, length, rounds = sizes(run)[which]
    found = run.trial(seconds, batch=batch, length=length, rounds=rounds, arms=list(ARMS))
    part = max(1, rounds // (10 if which == "one" else 6))
    return {name: [statistics.median(values[i : i + part])
                   for i in range(0, len(values) - part + 1, part)]
            for name, values in found.items()}  # fmt: skip


@claim(
    "C12", "§3, Table 1", "Adapter layers make a single request noticeably slower.",
    quotes="we see a noticeable increase in latency when using adapters, even with a very small "
    "bottleneck dimension",
    asks="One sequence of 128 tokens through layers as wide as GPT-2 medium's, adapters of 3.7% of "
    "the layers' numbers (Table 1: 11M in 24 layers), one thread of a CPU, CPU time. Noticeable: "
    "a tenth, half of the smaller increase of Table 1.",
    holds_if="both 95% intervals of the ratio to the base lie above 1.10, over ten parts of the "
    "turns",
    fails_if="one of them lies below 1.10", paper="1.207 and 1.303, on a graphics card",
)  # fmt: skip
def adapters_pay(run: Run) -> Finding:
    """Judge both adapters; the lesser decides."""
    found = measured(run, "one")
    ratios = {name: ratio(found[name], found["base"]) for name in ARMS[1:]}
    judged = [judge(ratios[n], above=1.10, paper_regime=False) for n in ("adapter L", "adapter H")]
    worst = every(judged)
    assert worst.interval is not None
    told = ", ".join(f"{name} {r.text(3)}" for name, r in ratios.items())
    return Finding(
        worst, ours=f"{worst.interval.text(2)} times, the lesser",
        ran=f"{host(run).config}, batch, length and turns {sizes(run)['one']}.",
        measured=f"Time over the base's: {told}.",
        numbers={}, timings={n: [r.mean, r.low, r.high] for n, r in ratios.items()},
        between="a CPU works through small layers at once, where a graphics card waits for each",
        would_decide=decide(worst.interval, 1.10),
    )  # fmt: skip


@claim(
    "C13", "App. B, Fig. 5", "In large batches adapters cost less, in proportion.",
    quotes="Larger batch size and sequence length help to mitigate the latency",
    asks="The ratio of adapter H to the base for one sequence of 128, over that for a batch of "
    "longer ones.",
    holds_if="the 95% interval of (ratio, one) / (ratio, batch), over six parts, lies above 1",
    fails_if="it lies below 1", paper="1.303/1.030 = 1.27",
)  # fmt: skip
def mitigated(run: Run) -> Finding:
    """Judge the ratio of ratios."""
    both = {}
    for which in ("one", "many"):
        found = measured(run, which)
        both[which] = [a / b for a, b in zip(found["adapter H"], found["base"])]
    n = min(map(len, both.values()))
    gap = ratio(both["one"][:n], both["many"][:n])
    return Finding(
        judge(gap, above=1.0, paper_regime=False), ours=f"{gap.text(3)} times",
        ran=f"As C12; batch, length and turns {sizes(run)}.",
        measured=f"Adapter H over the base: {interval(both['one']).text(3)} for one sequence, "
        f"{interval(both['many']).text(3)} in a batch.",
        numbers={}, timings=both, between="a CPU, whose small layers cost what they compute",
        would_decide=decide(gap, 1.0),
    )  # fmt: skip
