"""Pre-training: recipes that differ in a few choices, on the same net, by equally many tokens.

A recipe is BERT's with changes. What a net has learned is kept, so that it can be fine-tuned.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..config import RobertaConfig
from ..files import load, save
from ..heads import RobertaForMaskedLM, RobertaForPreTraining
from ..inputs import (
    Packed,
    doc_sentences,
    full_sentences,
    segment_pair_nsp,
    sentence_pair_nsp,
    token_batches,
)
from ..lab.run import Run
from ..masking import dynamic_mask, static_masks
from ..model import RobertaModel
from ..tokenizer import pad_batch
from ..training import BASE, BERT, Part, accumulate, linear_schedule, parameter_groups
from .world import world

COPIES = 10  # of a text with static masks (§4.1)
RATE = 1e-3  # the middle of the first grid at the smallest batch


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What is done; the defaults are BERT's (§2)."""

    format: str = "segment+nsp"  # "segment" (without the loss), "sentence+nsp", "full", "doc"
    masks: str = "static"  # or "dynamic"
    batch: int = 1  # times the smallest one
    beta2: float = BERT.betas[1]
    eps: float = BERT.eps
    data: str = "small"  # "tiny", "every"
    units: float = 1.0  # of tokens read
    short: bool = False  # a quarter of the length for the first 90% of the tokens, as BERT did
    width: str = "wide"  # or "narrow": C6's and C8's smaller net

    def but(self, **changes: Any) -> "Recipe":
        """Return it with changes."""
        return dataclasses.replace(self, **changes)

    @property
    def changes(self) -> dict[str, Any]:
        """What differs from BERT's: as a trial's settings, and to tell it."""
        old = dataclasses.asdict(Recipe())
        return {k: v for k, v in dataclasses.asdict(self).items() if v != old[k]}


BERTS = Recipe()
DYNAMIC = BERTS.but(masks="dynamic")
FULL = DYNAMIC.but(format="full")
LARGE = FULL.but(batch=8, beta2=BASE.betas[1])  # all changes that cost nothing: RoBERTa's


def unit(run: Run) -> int:
    """Return the tokens that one unit of compute reads: what BERT's recipe gets."""
    return run.pick(test=600, default=100_000, full=600_000, paper=256 * 512 * 1_000_000)


def batch_tokens(run: Run, recipe: Recipe) -> int:
    """Return the tokens of a step."""
    return recipe.batch * run.pick(test=100, default=256, full=512, paper=256 * 512)


def config_of(run: Run, recipe: Recipe) -> RobertaConfig:
    """Return the net of a recipe.

    Pre-training has no dropout at the smaller scales, where nets are far too small for what they
    read; fine-tuning has the paper's 0.1 everywhere. Narrow nets begin with larger weights than
    0.02, by the root of the ratio of widths: what a layer puts out has then the size that it has in
    a net of 768.
    """
    w = world(run)
    shapes = {
        "wide": run.pick(test=(16, 1, 2), default=(48, 2, 4), full=(96, 3, 6), paper=(768, 12, 12)),
        "narrow": run.pick(test=(8, 1, 2), default=(32, 2, 2), full=(64, 3, 4),
                           paper=(768, 12, 12)),
    }  # fmt: skip
    hidden, layers, heads = shapes[recipe.width]
    dropout = 0.1 if run.scale == "paper" else 0.0
    return RobertaConfig(
        w.vocab_size, hidden, layers, heads, hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout, max_position_embeddings=w.length + 2,
        initializer_range=0.02 * (768 / hidden) ** 0.5, drop_padding=True,
    )  # fmt: skip


class Step(NamedTuple):
    """What a step reads, whole."""

    input_ids: Tensor
    labels: Tensor
    apart: Tensor | None  # for NSP


def packed(run: Run, recipe: Recipe, length: int) -> list[Packed]:
    """Return a text's inputs in a recipe's format; pairs are drawn once."""
    documents, generator = world(run).documents(recipe.data), torch.Generator().manual_seed(5)
    if recipe.format in ("segment", "segment+nsp"):
        return list(segment_pair_nsp(documents, length, generator))
    if recipe.format == "sentence+nsp":
        return list(sentence_pair_nsp(documents, length, generator))
    make = full_sentences if recipe.format == "full" else doc_sentences
    return list(make(documents, length))


def steps_of(run: Run, recipe: Recipe, length: int, seed: int) -> Iterator[Step]:
    """Yield what steps read, for ever: pass after pass, each in a new order.

    Pass p reads copy p modulo ten of static masks; dynamic ones are drawn anew.
    """
    w, inputs = world(run), packed(run, recipe, length)
    ids_NT = pad_batch([each.ids for each in inputs])["input_ids"]
    apart_N = torch.tensor([each.label or 0 for each in inputs])
    order, noise = (torch.Generator().manual_seed(seed + k) for k in (1, 2))
    tokens = max(batch_tokens(run, recipe), ids_NT.shape[1])
    masks = (w.special_ids, w.mask_id, w.vocab_size)
    stored = None
    if recipe.masks == "static":
        stored = static_masks(ids_NT, *masks, copies=COPIES, generator=noise)
    number = 0
    while True:
        for places in token_batches(inputs, tokens, order):
            where = torch.tensor(places)
            longest = max(len(inputs[i].ids) for i in places)
            if stored is None:
                hidden, labels = dynamic_mask(ids_NT[where], *masks, generator=noise)
            else:
                hidden, labels = (each[number % COPIES, where] for each in stored)
            nsp = apart_N[where] if recipe.format.endswith("+nsp") else None
            yield Step(hidden[:, :longest], labels[:, :longest], nsp)
        number += 1


def tokens_in_step(run: Run, recipe: Recipe, length: int) -> float:
    """Return the tokens that a step reads on average: whole inputs do not quite fill a batch."""
    inputs, generator = packed(run, recipe, length), torch.Generator().manual_seed(0)
    longest = max(len(each.ids) for each in inputs)
    batches = token_batches(inputs, max(batch_tokens(run, recipe), longest), generator)
    return sum(len(each.ids) for each in inputs) / sum(1 for _ in batches)


def parts_of(run: Run, step: Step) -> list[Part]:
    """Return a step in parts that fit into memory."""
    size = run.pick(test=2, default=64, full=64, paper=64)
    ids, labels = (x.to(run.device).split(size) for x in step[:2])
    nsp = [None] * len(ids) if step.apart is None else step.apart.to(run.device).split(size)
    return [Part(*part) for part in zip(ids, labels, nsp)]


def pretrain(run: Run, rate: float, seed: int, **changes: Any) -> dict[str, Any]:
    """Pre-train a net by a recipe and keep its encoder; return its losses on texts apart.

    The learning rate rises over 6% of the steps, as Table 9's base model does (24 of 500 thousand
    are 5%), and falls in a line. A loss that is no number ends it.
    """
    recipe, length = Recipe(**changes), world(run).length
    steps = max(2, round(recipe.units * unit(run) / tokens_in_step(run, recipe, length)))
    kind: Any = RobertaForPreTraining if recipe.format.endswith("+nsp") else RobertaForMaskedLM
    config = config_of(run, recipe)
    model = kind(config, generator=torch.Generator().manual_seed(seed)).to(run.device).train()
    groups = parameter_groups(model, BASE.weight_decay)
    optimizer = torch.optim.AdamW(groups, rate, (0.9, recipe.beta2), recipe.eps)
    scheduler = linear_schedule(optimizer, steps, warmup=round(0.06 * steps))
    short = steps_of(run, recipe, length // 4, seed) if recipe.short else None
    source = steps_of(run, recipe, length, seed)
    began, losses, read, late = time.process_time(), [], 0, None
    dtype = torch.bfloat16 if run.device.type == "cuda" else None
    for step in run.track(range(steps), f"pre-training {tell(recipe)}, seed {seed}"):
        early = short is not None and step < 0.9 * steps
        read_now = next(short if early and short is not None else source)
        read += int((read_now.input_ids != 1).sum())
        optimizer.zero_grad(set_to_none=True)
        loss = accumulate(model, parts_of(run, read_now), dtype)
        losses.append(loss)
        if not math.isfinite(loss):
            break
        optimizer.step()
        scheduler.step()
        if step + 1 == math.ceil(0.75 * steps):
            late = examine(run, model)
    save(kept_at(run, recipe, rate, seed), model.roberta.state_dict())
    tenth = max(1, len(losses) // 20)
    curve = [sum(part) / len(part) for part in
             (losses[at : at + tenth] for at in range(0, len(losses), tenth))]  # fmt: skip
    return {
        "dev": examine(run, model), "dev at three quarters": late, "curve": curve, "steps": steps,
        "tokens": read, "CPU seconds": time.process_time() - began,
    }  # fmt: skip


@torch.no_grad()
def examine(run: Run, model: Any) -> float:
    """Return the loss in nats of hidden tokens in texts apart.

    They are packed as FULL-SENTENCES and hidden alike for all nets. Where it is no number, the net
    counts as knowing nothing: the logarithm of the vocabulary.
    """
    w, generator = world(run), torch.Generator().manual_seed(0)
    inputs = list(full_sentences(w.dev, w.length))
    model.eval()
    total, count = 0.0, 0
    for at in range(0, len(inputs), 64):
        ids = pad_batch([each.ids for each in inputs[at : at + 64]])["input_ids"]
        masks = (w.special_ids, w.mask_id, w.vocab_size)
        hidden, labels = dynamic_mask(ids, *masks, generator=generator)
        found = RobertaForMaskedLM.loss(
            model, hidden.to(run.device), labels.to(run.device), reduction="sum"
        )
        total, count = total + float(found), count + int((labels != -100).sum())
    model.train()
    return total / count if math.isfinite(total) else math.log(w.vocab_size)


def tell(recipe: Recipe) -> str:
    """Return a recipe's name: what it changes of BERT's."""
    return ", ".join(f"{k} {v}" for k, v in recipe.changes.items()) or "BERT's recipe"


def kept_at(run: Run, recipe: Recipe, rate: float, seed: int) -> Path:
    """Return where a run keeps an encoder: in its folder, in a part of it that git passes over."""
    parts = "-".join(f"{k}={v}" for k, v in recipe.changes.items()).replace("+", "_") or "bert"
    return run.out / "lessons-results" / f"{parts}-{rate:g}-{seed}.safetensors"


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


def rate_of(run: Run, recipe: Recipe) -> tuple[float, dict[float, float]]:
    """Return a recipe's learning rate, and the losses on texts apart by rate.

    Each size of the batch has a rate of its own (Table 3), chosen by the first seed's runs of full
    length: at the smallest batch by BERT's recipe, at the others by RoBERTa's, and for C6's net by
    the recipe that it compares. All recipes with that batch and net take it.
    """
    # Table 3's rates rise by 7 and 10 for batches of 8 and 32 times as many sequences.
    start = RATE * {1: 1, 8: 4, 32: 8}[recipe.batch]
    if run.scale != "full":
        small = {1: 2e-3, 8: 4e-3, 32: 8e-3}[recipe.batch]
        paper = {1: 1e-4, 8: 7e-4, 32: 1e-3}[recipe.batch]
        return run.pick(test=small, default=small, paper=paper), {}
    base = BERTS if recipe.batch == 1 else LARGE.but(batch=recipe.batch)
    if recipe.width == "narrow":
        base = LARGE.but(batch=recipe.batch, width="narrow")
    return tuned(start, lambda rate: trained(run, base, run.seed, rate)["dev"])


def trained(run: Run, recipe: Recipe, seed: int, rate: float | None = None) -> dict[str, Any]:
    """Return what a pre-training found: a trial."""
    rate = rate_of(run, recipe)[0] if rate is None else rate
    return run.trial(pretrain, rate=rate, seed=seed, **recipe.changes)


def dev_losses(run: Run, recipe: Recipe, seeds: range, rate: float | None = None) -> list[float]:
    """Return the losses on texts apart, by seed."""
    return [trained(run, recipe, seed, rate)["dev"] for seed in seeds]


def encoder(run: Run, recipe: Recipe, seed: int) -> RobertaModel:
    """Return a kept encoder with the paper's dropout; one that was not kept is trained again."""
    rate = rate_of(run, recipe)[0]
    trained(run, recipe, seed)
    path = kept_at(run, recipe, rate, seed)
    if not path.is_file():
        pretrain(run, rate, seed, **recipe.changes)
    config = dataclasses.replace(
        config_of(run, recipe), hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1
    )
    net = RobertaModel(config, generator=torch.Generator().manual_seed(seed))
    # NSP's pooler is left behind: the classifier of every net is new (§3.3).
    state = {k: v for k, v in load(path).items() if not k.startswith("pooler.")}
    net.load_state_dict(state)
    return net.to(run.device)
