"""Demonstration D2: the model that this package ships, which fills in hidden tokens."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch

from ..config import RobertaConfig
from ..files import filled, load, matched, save
from ..heads import RobertaForMaskedLM
from ..inference import fill_mask
from ..inputs import full_sentences, token_batches
from ..lab.claim import Finding, demonstration
from ..lab.run import Run
from ..masking import dynamic_mask
from ..tokenizer import RobertaTokenizer, pad_batch
from ..training import BASE, Part, accumulate, linear_schedule, parameter_groups
from ..vocabulary import from_characters, to_characters
from . import corpus, language
from .english import LENGTH, encoded, vocabulary

TEXT = "In the beginning God created the <mask>."
SHAPE, TOKENS, BATCH, RATE = (96, 3, 6), 6_000_000, 1_024, 2e-3  # width, layers, heads
WRITTEN_IN = (
    "King James Bible and Shakespeare (public domain), LibreOffice's help (MPL-2.0, The Document "
    "Foundation and contributors); trained by this package"
)


def model_path() -> Path:
    """Return where the model lies that a full run trained and this package ships."""
    return Path(__file__).parents[1] / "model.safetensors"


def kept_at(run: Run) -> Path:
    """Return where a run keeps its model."""
    return model_path() if run.scale == "full" else run.out / "model.safetensors"


def keep(model: RobertaForMaskedLM, tokenizer: RobertaTokenizer, path: Path) -> None:
    """Write a model in half precision, with its merges, atomically."""
    state = {name: tensor.half() for name, tensor in model.state_dict().items()}
    merges = [[to_characters(part) for part in pair] for pair in tokenizer.bpe.merges]
    tokens = [to_characters(token) for _, token in sorted(tokenizer.bpe.tokens.items())]
    known = {"config": dataclasses.asdict(model.config), "tokens": tokens, "merges": merges,
             "data": WRITTEN_IN}  # fmt: skip
    save(path, state, {"model": json.dumps(known, ensure_ascii=False)})


def recall(path: Path) -> tuple[RobertaForMaskedLM, RobertaTokenizer]:
    """Return the model that was kept, in single precision, and its tokenizer.

    Raises:
        OSError: nothing was kept there; says how to train one.
        ValueError: the file is of another version of this package.
    """
    if not path.is_file():
        raise OSError(
            f"no trained model at {path}: this package ships none yet; "
            "`python -m lessons.roberta --full --claim D2 --data FOLDER` trains one (about ten "
            "minutes; README.md, “Use it”, says what FOLDER holds)"
        )
    from safetensors import safe_open

    from ..bpe import ByteLevelBPE

    try:
        with safe_open(path, "pt") as file:
            known = json.loads((file.metadata() or {})["model"])
        tokens = {4 + i: from_characters(token) for i, token in enumerate(known["tokens"])}
        merges = [(from_characters(a), from_characters(b)) for a, b in known["merges"]]
        tokenizer = RobertaTokenizer(ByteLevelBPE(tokens, merges))
        with torch.device("meta"):
            model = RobertaForMaskedLM(RobertaConfig(**known["config"]))
        state = {name: tensor.float() for name, tensor in load(path).items()}
        filled(model, matched(model.state_dict(), state, lambda name: name))
        return model, tokenizer
    except Exception as error:
        raise ValueError(f"{path} is of another version of this package: {error}") from error


def texts_of(run: Run) -> tuple[RobertaTokenizer, list, list]:
    """Return the vocabulary, the documents to read and those apart; made-up ones without files."""
    if run.scale in ("test", "default"):
        tokenizer = RobertaTokenizer.train([TEXT] * 3, language.VOCAB_SIZE + 200)
        made = language.documents(run.pick(test=8, default=400), 7)
        return tokenizer, made[2:], made[:2]
    texts = corpus.documents(run.data, free=True)
    tokenizer = vocabulary(run, texts, "free")
    apart = [corpus.place("dev " + " ".join(text)) < 5 for text in texts]
    ids = encoded(tokenizer, texts, LENGTH)
    read, held_out = ([d for d, a in zip(ids, apart) if a is side] for side in (False, True))
    return tokenizer, read, held_out


@torch.no_grad()
def loss_of(model: RobertaForMaskedLM, tokenizer: RobertaTokenizer, texts: list) -> float:
    """Return the loss of hidden tokens in nats."""
    inputs = [each.ids for each in full_sentences(texts, LENGTH)]
    total, count, generator = 0.0, 0, torch.Generator().manual_seed(0)
    masks = (tokenizer.special_ids, tokenizer.mask_id, tokenizer.vocab_size)
    for at in range(0, len(inputs), 64):
        ids = pad_batch(inputs[at : at + 64])["input_ids"]
        hidden, labels = dynamic_mask(ids, *masks, generator=generator)
        total += float(model.loss(hidden, labels, reduction="sum"))
        count += int((labels != -100).sum())
    return total / count


def learn_shipped(run: Run, seed: int) -> dict[str, Any]:
    """Train the model by the paper's recipe, keep it, and return what it is worth as it is kept."""
    tokenizer, read, apart = texts_of(run)
    width, layers, heads = run.pick(test=(8, 1, 2), default=SHAPE)
    config = RobertaConfig(
        tokenizer.vocab_size, width, layers, heads, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, max_position_embeddings=LENGTH + 2,
        initializer_range=0.02 * (768 / width) ** 0.5, drop_padding=True,
    )  # fmt: skip
    model = RobertaForMaskedLM(config, torch.Generator().manual_seed(seed)).train()
    steps = run.pick(test=2, default=TOKENS // BATCH)
    groups = parameter_groups(model, BASE.weight_decay)
    optimizer = torch.optim.AdamW(groups, RATE, BASE.betas, BASE.eps)
    scheduler = linear_schedule(optimizer, steps, warmup=round(0.06 * steps))
    noise, shuffle = (torch.Generator().manual_seed(seed + k) for k in (1, 2))
    masks = (tokenizer.special_ids, tokenizer.mask_id, tokenizer.vocab_size)
    inputs, batches = list(full_sentences(read, LENGTH)), iter([])
    for _ in run.track(range(steps), "the model that ships"):
        places = next(batches, None)
        if places is None:
            batches = token_batches(inputs, BATCH, shuffle)
            places = next(batches)
        ids = pad_batch([inputs[i].ids for i in places])["input_ids"]
        optimizer.zero_grad(set_to_none=True)
        accumulate(model, [Part(*dynamic_mask(ids, *masks, generator=noise))])
        optimizer.step()
        scheduler.step()
    keep(model, tokenizer, kept_at(run))
    kept, tokenizer = recall(kept_at(run))
    return {
        "parameters": sum(p.numel() for p in kept.parameters()), "steps": steps,
        "bytes": kept_at(run).stat().st_size, "nats": loss_of(kept, tokenizer, apart),
        "says": fill_mask(kept, tokenizer, TEXT)[0],
    }  # fmt: skip


@demonstration(
    "D2",
    "A model of half a million weights that fills in hidden tokens.",
    asks="Width 96, three layers, 2,048 byte-level tokens, on three free texts by the paper's "
    "recipe (dynamic masks, full sentences, β₂ = .98, no clipping): the full run trains the model "
    "that this package ships, in half precision; `python -m lessons.roberta --fill` asks it.",
    source="§5",
    full_only=True,
)
def small_model(run: Run) -> Finding:
    """Train the model, and ask it."""
    found = run.trial(learn_shipped, seed=run.seed)
    if not kept_at(run).is_file():
        learn_shipped(run, run.seed)
    said = ", ".join(f"{token!r} {probability:.2f}" for token, probability in found["says"])
    return Finding(
        None,
        ours=f"{found['nats']:.2f} nats, {found['bytes']:,} bytes",
        ran=f"{found['parameters']:,} weights, {found['steps']:,} steps of {BATCH:,} tokens, peak "
        f"rate {RATE:g}, untuned.",
        measured=f"Loss of hidden tokens in texts apart {found['nats']:.2f} nats. In “{TEXT}” it "
        f"thinks of: {said}.",
        numbers=found,
    )
