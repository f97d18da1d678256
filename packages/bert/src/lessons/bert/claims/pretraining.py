"""Pre-training: four exercises on the same inputs, the same nets, the same number of steps.

"MLM + NSP" is BERT, "MLM" its "No NSP", "LTR" the left-to-right model and "RTL" its mirror image.
What the net has learned on the way is kept, so that it can be fine-tuned from there (Figure 5).
"""

import dataclasses
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..config import BertConfig, Direction
from ..files import load, save
from ..heads import BertForMaskedLM, BertForPreTraining
from ..lab.run import Run
from ..masking import TABLE8, mask_tokens, next_token_labels
from ..model import BertModel
from ..training import PreTraining, linear_schedule, parameter_groups
from .reading import PAD, segments
from .world import world

# All others look both ways.
DIRECTION: dict[str, Direction] = {"LTR": "left_to_right", "RTL": "right_to_left"}
HALF = 0.5  # of the steps: how long the nets of C4 read
RATE = 1e-3  # the middle of the first grid, and the rate of runs that tune nothing
BERTS = "80-10-10"


def steps(run: Run, share: float = 1.0) -> int:
    """Return how many steps a pre-training has."""
    return round(share * run.pick(test=4, default=900, full=2_000, paper=PreTraining().steps))


def batch_size(run: Run) -> int:
    """Return how many inputs a step has."""
    return run.pick(test=4, default=32, full=32, paper=PreTraining().batch_size)


def config_of(run: Run, direction: Direction = "both", size: str = "large") -> BertConfig:
    """Return the net of this run; "small" is the smaller one of C5.

    Weights begin with 0.02 √(768 / width): as the paper's width has it, products are as large. With
    0.02 a net of 48 begins flat, and the first pilot's had learned nothing after 800 steps.

    Pre-training has no dropout at the smaller scales, where no text is read often enough to be
    learned by heart; fine-tuning has the paper's 0.1, at the smaller scales but for the weights of
    attention, where it would cost a third of the time.
    """
    w = world(run)
    shapes = {
        "large": run.pick(test=(16, 3, 2), default=(48, 2, 4), full=(96, 3, 6),
                          paper=(768, 12, 12)),
        "small": run.pick(test=(8, 3, 2), default=(32, 2, 2), full=(64, 3, 4), paper=(768, 3, 12)),
    }  # fmt: skip
    hidden, layers, heads = shapes[size]
    dropout = 0.1 if run.scale == "paper" else 0.0
    longest = max(w.rows.shape[1], w.long[0].shape[1] if w.long else 0)
    return BertConfig(
        w.vocab_size, hidden, layers, heads, hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout, max_position_embeddings=max(longest, 24),
        direction=direction, initializer_range=0.02 * (768 / hidden) ** 0.5,
    )  # fmt: skip


def ends_of(run: Run, share: float = 1.0) -> list[int]:
    """Return the steps after which nets are kept: a tenth, two fifths, all (marks of Figure 5)."""
    marks = run.pick(test=(0.25, 1.0), default=(0.25, 1.0), full=(0.1, 0.4, 1.0))
    if share < 1:
        marks = marks[-1:]
    return sorted({max(1, round(mark * steps(run, share))) for mark in marks})


def kept_at(run: Run, name: str) -> Path:
    """Return where a run keeps an encoder: in its folder, in a part of it that git passes over."""
    return run.out / "lessons-results" / f"{name}.safetensors"


def name_of(
    arm: str, size: str, strategy: str, share: float, rate: float, seed: int, end: int
) -> str:
    """Return the name that a kept encoder has."""
    parts = (arm.replace(" + ", "+"), size, strategy, f"{share:g}", f"{rate:g}", seed, end)
    return "-".join(map(str, parts))


def targets(
    run: Run, arm: str, ids_BT: Tensor, strategy: str, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return what the net reads, and what it has to say: (B, T) both."""
    w = world(run)
    pad, _, cls, _, mask = w.specials
    if arm in DIRECTION:
        # Beside a token stands the next one, from the left also the [SEP] that ends a sentence.
        hidden = (ids_BT == pad) | (ids_BT == cls)
        return ids_BT, next_token_labels(ids_BT, hidden, DIRECTION[arm])
    special_BT = torch.isin(ids_BT, torch.tensor(w.specials, device=ids_BT.device))
    return mask_tokens(
        ids_BT, special_BT, mask, w.vocab_size, strategy=TABLE8[strategy], generator=generator
    )


def pretrain(
    run: Run, arm: str, rate: float, seed: int, size: str = "large", strategy: str = BERTS,
    share: float = 1.0,
) -> dict[str, Any]:  # fmt: skip
    """Pre-train a net, keep its encoder at each mark, and return its losses on texts apart."""
    w, last, ends = world(run), steps(run, share), ends_of(run, share)
    config = config_of(run, DIRECTION.get(arm, "both"), size)
    kind: Any = BertForPreTraining if arm == "MLM + NSP" else BertForMaskedLM
    model = kind(config, generator=torch.Generator().manual_seed(seed)).to(run.device).train()
    recipe = PreTraining()
    # Adam with its correction, in the place of the released code's without: few steps are taken.
    optimizer = torch.optim.AdamW(
        parameter_groups(model, recipe.weight_decay), rate, recipe.betas, recipe.eps, fused=True
    )
    scheduler = linear_schedule(optimizer, last, warmup=min(last // 50, recipe.warmup))
    noise, shuffle = (torch.Generator().manual_seed(seed + k) for k in (1, 2))
    size_of, passes = batch_size(run), -(-last * batch_size(run) // len(w.rows))
    order = torch.cat([torch.randperm(len(w.rows), generator=shuffle) for _ in range(passes)])
    began, losses, found = time.process_time(), [], {"ends": [], "curve": []}
    for step in run.track(range(1, last + 1), f"pre-training {arm}, {size}, seed {seed}"):
        rows, apart = (w.rows, w.apart) if w.long is None or step <= 0.9 * last else w.long
        chosen = order[(step - 1) * size_of : step * size_of] % len(rows)
        ids = rows[chosen].long()
        inputs, labels = targets(run, arm, ids, strategy, noise)
        parts = [x.to(run.device) for x in (inputs, labels, apart[chosen])]
        mask, types = (ids != PAD).to(run.device), segments(ids, w.specials[3]).to(run.device)
        if kind is BertForPreTraining:
            loss = model.loss(*parts, mask, types)
        else:
            loss = model.loss(*parts[:2], mask, types)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
        if step in ends:
            save(kept_at(run, name_of(arm, size, strategy, share, rate, seed, step)),
                 model.bert.state_dict())  # fmt: skip
            found["ends"].append({"step": step, **examine(run, model, arm)})
            found["curve"].append(sum(losses) / len(losses))
            losses.clear()
    return {**found, "dev": found["ends"][-1]["nats"], "CPU seconds": time.process_time() - began}


@torch.no_grad()
def examine(run: Run, model: Any, arm: str) -> dict[str, float]:
    """Return the loss of guessing words in texts apart, in nats a word piece that is asked for.

    Hidden as in training and drawn alike for all; of BERT also how often it is right on pairs.
    """
    w, generator = world(run), torch.Generator().manual_seed(0)
    total = count = right = 0.0
    model.eval()
    for at in range(0, len(w.dev_rows), 128):
        ids = w.dev_rows[at : at + 128].long()
        inputs, labels = (x.to(run.device) for x in targets(run, arm, ids, BERTS, generator))
        mask, types = (ids != PAD).to(run.device), segments(ids, w.specials[3]).to(run.device)
        n = int((labels != -100).sum())
        lm = BertForMaskedLM.loss(model, inputs, labels, mask, types)
        total, count = total + n * float(lm), count + n
        if isinstance(model, BertForPreTraining):
            logits = model.next_sentence(model.bert(ids.to(run.device), mask, types).pooler_output)
            right += float((logits.argmax(-1).cpu() == w.dev_apart[at : at + 128]).sum())
    model.train()
    found = {"nats": total / count, "perplexity": math.exp(min(total / count, 50.0))}
    both = isinstance(model, BertForPreTraining)
    return found | ({"next": right / len(w.dev_rows)} if both else {})


def tuned(
    start: float, loss: Callable[[float], float], most: int = 5
) -> tuple[float, dict[float, float]]:
    """Return the best rate, and the losses by rate.

    A grid of factors 2, which grows until the best is not at its edge, to so many rates at most.
    """
    tried = {rate: loss(rate) for rate in (start / 2, start, 2 * start)}
    while True:
        best = min(tried, key=tried.__getitem__)
        if min(tried) < best < max(tried) or len(tried) >= most:
            return best, tried
        edge = best / 2 if best == min(tried) else best * 2
        tried[edge] = loss(edge)


def grid(best: float, tried: dict[float, float]) -> str:
    """Tell a rate and those it was chosen from."""
    if len(tried) < 3:
        return f"{best:g}, not tuned"
    edge = "" if min(tried) < best < max(tried) else ", at the edge"
    return f"{best:g} of {', '.join(f'{rate:g}' for rate in sorted(tried))}{edge}"


def rate_of(run: Run, arm: str, size: str = "large") -> tuple[float, dict[float, float]]:
    """Return the rate of an exercise's pre-training, and the losses on texts apart by rate.

    Guessing hidden words and guessing the next word are tuned alike, at the full length; NSP has
    the rate of the former, guessing from the right that of the latter, and a strategy of masks that
    of its net's BERT. The first seed's runs are those that rates are chosen from.
    """
    if run.scale != "full":
        rate = run.pick(test=RATE, default=2 * RATE, paper=PreTraining().lr)
        return rate, {rate: 0.0}
    arm = "LTR" if arm in DIRECTION else "MLM"
    return tuned(RATE, lambda rate: pretrained(run, arm, rate, run.seed, size)["dev"])


def pretrained(
    run: Run, arm: str, rate: float, seed: int, size: str = "large", strategy: str = BERTS,
    share: float = 1.0,
) -> dict[str, Any]:  # fmt: skip
    """Return what a pre-training found: a trial."""
    other: dict[str, Any] = {"size": size} if size != "large" else {}
    other |= {"strategy": strategy} if strategy != BERTS else {}
    other |= {"share": share} if share != 1 else {}
    return run.trial(pretrain, arm=arm, rate=rate, seed=seed, **other)


def encoder(
    run: Run, arm: str, seed: int, end: int, size: str = "large", strategy: str = BERTS,
    share: float = 1.0,
) -> BertModel:  # fmt: skip
    """Return a kept encoder with the paper's dropout; one that was not kept is trained again.

    Without NSP nothing trained the layer on C: it begins anew, as in the released code.
    """
    rate = rate_of(run, arm, size)[0]
    pretrained(run, arm, rate, seed, size, strategy, share)
    path = kept_at(run, name_of(arm, size, strategy, share, rate, seed, end))
    if not path.is_file():  # as its trial does, whatever stands around
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            pretrain(run, arm, rate, seed, size, strategy, share)
    config = config_of(run, DIRECTION.get(arm, "both"), size)
    config = dataclasses.replace(
        config,
        hidden_dropout_prob=0.1,
        drop_padding=True,
        attention_probs_dropout_prob=0.1 if run.scale == "paper" else 0.0,
    )
    net = BertModel(config, generator=torch.Generator().manual_seed(seed))
    left = net.load_state_dict(load(path), strict=False)  # without NSP there is no pooler yet
    if left.unexpected_keys or not all(k.startswith("pooler.") for k in left.missing_keys):
        raise ValueError(f"{path} is of another net: {left}")
    return net.to(run.device)


def nats_at(run: Run, arm: str, seed: int, what: str = "nats", size: str = "large") -> list[float]:
    """Return a measure on texts apart after each mark."""
    found = pretrained(run, arm, rate_of(run, arm, size)[0], seed, size)
    return [end[what] for end in found["ends"]]
