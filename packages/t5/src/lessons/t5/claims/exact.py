"""C8: what can be counted: positions, weights and operations (§2.1, §3.2.2)."""

import dataclasses
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..config import PRESETS, count_parameters
from ..lab.claim import Finding, claim, demonstration
from ..lab.figures import BLUE, RED
from ..lab.statistics import exact
from ..language_model import LanguageModel
from ..model import T5ForConditionalGeneration
from ..positions import relative_position_bucket


def draw_buckets(figure: Any, numbers: Any) -> None:
    """Draw the bucket of each offset."""
    axes = figure.subplots()
    for key, color in (("bidirectional", BLUE), ("causal", RED)):
        axes.step(numbers["offsets"], numbers[key], where="mid", color=color, label=key)
    axes.set(xlabel="place of the key − place of the query", ylabel="bucket")
    axes.legend()


@claim(
    "C8a",
    "§2.1",
    says="From 128 tokens on, all offsets are alike.",
    quotes="ranges that increase in size logarithmically up to an offset of 128 beyond which we "
    "assign all relative positions to the same embedding.",
    asks="Whether all offsets from 128 to 100,000 on a side have one bucket, whether buckets only "
    "widen with distance, and whether all 32 are used, for encoder and decoder.",
    holds_if="all of it is so",
    fails_if="one offset is an exception",
    paper="32 embeddings, 128",
    draw=draw_buckets,
)
def buckets(run):
    """Look at every offset."""
    far = run.pick(test=1_000, default=100_000)
    offsets, true = torch.arange(-far, far + 1), True
    first, used = {}, {}
    for name, both in (("bidirectional", True), ("causal", False)):
        found = relative_position_bucket(offsets, both)
        sides = [found[: far + 1].flip(0)] + ([found[far:]] if both else [])
        used[name] = len(found.unique())
        for side in sides:
            true &= len(side[128:].unique()) == 1
            widths = torch.unique_consecutive(side[1:128], return_counts=True)[1][:-1]
            # A whole number of offsets to each: widths may differ by one from equal ratios.
            true &= bool((widths[1:] >= widths[:-1] - 1).all())
            first[name] = int((side == side[-1]).nonzero()[0])
    true &= used["bidirectional"] == 32 and used["causal"] == 32
    near = torch.arange(-140, 141)
    return Finding(
        exact(bool(true)),
        ours=f"one bucket from {first['bidirectional']} on (encoder), {first['causal']} (decoder)",
        ran=f"Every offset to {far:,}.",
        measured=f"All from 128 on share a bucket, and so do those from {first['bidirectional']} "
        f"(encoder) and {first['causal']} (decoder) on: the last of the widening ranges reaches to "
        f"128, and lies in it. Buckets used: {used['bidirectional']} and {used['causal']}.",
        numbers={
            "first of the last": first, "used": used, "offsets": near.tolist(),
            "bidirectional": relative_position_bucket(near).tolist(),
            "causal": relative_position_bucket(near, False).tolist(),
        },
    )  # fmt: skip


def operations(name: str, preset: str = "t5-base", s: int = 512, t: int = 512) -> tuple[int, int]:
    """Return the weights and the forward operations of a row of Table 2, on the meta device."""
    c = PRESETS[preset]
    if name == "6 layers":
        c = dataclasses.replace(c, num_layers=c.num_layers // 2)
    c = dataclasses.replace(c, share_stacks=name == "shared")
    with torch.device("meta"):
        net: Any = LanguageModel(c) if name == "language model" else T5ForConditionalGeneration(c)
        ids = torch.zeros(1, s, dtype=torch.long), torch.zeros(1, t, dtype=torch.long)
    weights = sum(p.numel() for p in net.parameters())
    with FlopCounterMode(display=False) as counter:
        net(ids[0], torch.ones_like(ids[0]), ids[1])
    return weights, counter.get_total_flops()


@claim(
    "C8b",
    "§3.2.2",
    says="An encoder-decoder costs what a language model with half its layers costs.",
    quotes="the same L + L encoder-decoder model will have approximately the same "
    "computational cost as a language model with only L layers.",
    asks="Operations of a pass through the base model, 12 + 12 layers, over those of a language "
    "model with 12, for 512 inputs and 114 targets, and for 512 and 512, the attention to the "
    "encoder included. “Approximately” is drawn from the paper's own: it lets a tenth pass as "
    "equal, in the weights.",
    holds_if="both ratios lie between 0.9 and 1.1",
    fails_if="one of them does not",
    paper="“approximately the same”",
)
def costs(run):
    """Count both."""
    preset = run.pick(test="t5-small", default="t5-base")
    found = {
        f"{s} and {t}": {
            n: operations(n, preset, s, t) for n in ("encoder-decoder", "language model")
        }
        for s, t in ((512, 114), (512, 512))
    }
    ratios = {
        k: row["encoder-decoder"][1] / row["language model"][1] for k, row in found.items()
    }  # fmt: skip
    told = ", ".join(f"{ratio:.3f} ({k})" for k, ratio in ratios.items())
    return Finding(
        exact(all(0.9 <= ratio <= 1.1 for ratio in ratios.values())),
        ours=f"ratios {told}",
        ran="Counted on the meta device, forward, with logits of the targets alone.",
        measured=f"Ratios of operations: {told}.",
        numbers={"operations": found, "ratios": ratios},
    )


@demonstration(
    "D1",
    "What the attention to the encoder adds in weights.",
    source="§3.2.2, “about 10% of the total parameter count”",
    asks="Its share of the base model's weights.",
)
def share(run):
    """Count it."""
    c = PRESETS["t5-base"]
    across = c.decoder_layers * (4 * c.d_model * c.num_heads * c.d_kv + c.d_model)
    whole = count_parameters(c)
    return Finding(
        None,
        ours=f"{100 * across / whole:.1f}% of {whole:,}",
        ran="Counted.",
        measured=f"{across:,} of {whole:,} weights, {100 * across / whole:.1f}%; without the "
        f"embeddings {100 * across / (whole - c.vocab_size * c.d_model):.1f}%.",
        numbers={"across": across, "whole": whole, "percent": 100 * across / whole},
    )
