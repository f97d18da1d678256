"""Demonstration D3: the model that this package ships, which fills in hidden words."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..config import BertConfig
from ..files import filled, load, matched, save
from ..heads import BertForMaskedLM
from ..inference import fill_mask
from ..lab.claim import Finding, demonstration
from ..lab.run import Run
from ..training import PreTraining, linear_schedule, parameter_groups
from ..wordpiece import WordPieceTokenizer
from ..wordpiece_training import train
from .pretraining import RATE, examine, targets
from .reading import PAD, segments
from .world import World, world

TEXT = "In the beginning God created the [MASK]."
SHAPE, STEPS, BATCH = (128, 3, 8), 4_000, 32  # width, layers, heads
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


def keep(model: BertForMaskedLM, pieces: list[str], path: Path) -> None:
    """Write a model in half precision, with its word pieces, atomically."""
    state = {name: tensor.half() for name, tensor in model.state_dict().items()}
    known = {"config": dataclasses.asdict(model.config), "pieces": pieces, "data": WRITTEN_IN}
    save(path, state, {"model": json.dumps(known, ensure_ascii=False)})


def recall(path: Path) -> tuple[BertForMaskedLM, WordPieceTokenizer]:
    """Return the model that was kept, in single precision, and its tokenizer.

    Raises:
        OSError: nothing was kept there; says how to train one.
        ValueError: the file is of another version of this package.
    """
    if not path.is_file():
        raise OSError(
            f"no trained model at {path}: this package ships none yet; "
            "`python -m lessons.bert --full --claim D3 --data FOLDER` trains one (about a quarter "
            "of an hour; README.md, “Use it”, says what FOLDER holds)"
        )
    from safetensors import safe_open

    try:
        with safe_open(path, "pt") as file:
            known = json.loads((file.metadata() or {})["model"])
        tokenizer = WordPieceTokenizer(known["pieces"])
        with torch.device("meta"):
            model = BertForMaskedLM(BertConfig(**known["config"]))
        state = {name: tensor.float() for name, tensor in load(path).items()}
        filled(model, matched(model.state_dict(), state, lambda name: name))
        return model, tokenizer
    except Exception as error:
        raise ValueError(f"{path} is of another version of this package: {error}") from error


def pieces_of(w: World) -> list[str]:
    """Return a world's word pieces; a made-up language gets names for its words."""
    if w.tokenizer is not None:
        return w.tokenizer.pieces
    learned = train([TEXT] * 3, w.vocab_size).pieces
    return [*learned, *(f"w{i}" for i in range(w.vocab_size - len(learned)))]


def learn_shipped(run: Run, seed: int) -> dict[str, Any]:
    """Train the model on hidden words, keep it, and return what it is worth as it is kept."""
    w = world(run)
    width, layers, heads = run.pick(test=(8, 1, 2), default=SHAPE)
    steps, batch = run.pick(test=(2, 2), default=(STEPS, BATCH))
    config = BertConfig(
        w.vocab_size, width, layers, heads, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, max_position_embeddings=max(24, w.rows.shape[1]),
        initializer_range=0.02 * (768 / width) ** 0.5,  # see `pretraining.config_of`
    )  # fmt: skip
    model = BertForMaskedLM(config, torch.Generator().manual_seed(seed)).to(run.device).train()
    recipe = PreTraining()
    groups = parameter_groups(model, recipe.weight_decay)
    optimizer = torch.optim.AdamW(groups, RATE, recipe.betas, recipe.eps, fused=True)
    scheduler = linear_schedule(optimizer, steps, warmup=steps // 10)
    noise, shuffle = (torch.Generator().manual_seed(seed + k) for k in (1, 2))
    passes = -(-steps * batch // len(w.rows))
    order = torch.cat([torch.randperm(len(w.rows), generator=shuffle) for _ in range(passes)])
    for step in run.track(range(steps), "the model that ships"):
        ids = w.rows[order[step * batch : (step + 1) * batch]].long()
        inputs, labels = targets(run, "MLM", ids, "80-10-10", noise)
        parts = [x.to(run.device) for x in (inputs, labels, ids != PAD)]
        loss = model.loss(*parts, segments(ids, w.specials[3]).to(run.device))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
        optimizer.step()
        scheduler.step()
    keep(model, pieces_of(w), kept_at(run))
    kept, tokenizer = recall(kept_at(run))
    found = examine(run, kept.to(run.device), "MLM")
    return {
        "parameters": sum(p.numel() for p in kept.parameters()), "steps": steps,
        "bytes": kept_at(run).stat().st_size, "perplexity": found["perplexity"],
        "says": fill_mask(kept.eval(), tokenizer, TEXT)[0],
    }  # fmt: skip


@demonstration(
    "D3",
    "A model in two megabytes that fills in hidden words.",
    asks="Width 128, three layers, 2,048 word pieces, on three free texts: the full run trains the "
    "model that this package ships, in half precision; `python -m lessons.bert --fill "
    '"… [MASK] …"` asks it.',
    source="§3.1",
    full_only=True,
)
def small_model(run: Run) -> Finding:
    """Train the model, and ask it."""
    found = run.trial(learn_shipped, seed=run.seed)
    if not kept_at(run).is_file():
        learn_shipped(run, run.seed)
    said = ", ".join(f"{piece} {probability:.2f}" for piece, probability in found["says"])
    return Finding(
        None,
        ours=f"perplexity {found['perplexity']:.1f}, {found['bytes']:,} bytes",
        ran=f"{found['parameters']:,} weights, {found['steps']:,} steps, Adam at {RATE:g}, "
        f"untuned.",
        measured=f"Perplexity of hidden words in texts apart {found['perplexity']:.1f}. In "
        f"“{TEXT}” "
        f"it thinks of: {said}.",
        numbers=found,
    )
