"""Demonstration D2: the model that ships with this package, trained by a full run on free texts."""

import dataclasses
import functools
import json
import time
from pathlib import Path
from typing import Any

import torch

from ..adafactor import Adafactor
from ..config import T5Config
from ..decoding import beam_search
from ..lab.claim import Finding, demonstration
from ..lab.run import Run
from ..model import T5ForConditionalGeneration
from ..objectives import lengths_for, span_corruption
from ..tasks import mixing_rates
from ..unigram import Piece, SentencePieceUnigram
from ..weights import load, save
from . import corpora
from .bleu import bleu, words
from .training import descend
from .world import SENTINELS, TASKS, World, real, texts, world

STEPS, TUNED = 2_000, 3_000  # of reading, and of reading mixed with tasks
RATE = 1e-2
SHOWN = ("simplify", "translate")  # reviews have no free licence, and are no part of it
DATA = (
    "King James Bible and Bible in Basic English (public domain), LibreOffice's help (MPL-2.0, The "
    "Document Foundation and contributors); trained by this package"
)
ASKED = (
    "simplify: And the earth was without form, and void; and darkness was upon the face of the "
    "deep.",
    "translate English to German: Choose the file that you want to open.",
    "In the <extra_id_0> God created the heaven and <extra_id_1> earth.",
)


def model_path() -> Path:
    """Return where the model lies that a full run trained and this package ships."""
    return Path(__file__).parents[1] / "model.safetensors"


def kept_at(run: Run) -> Path:
    """Return where a run keeps its model."""
    return model_path() if real(run) else run.out / "model.safetensors"


def keep(net: T5ForConditionalGeneration, pieces: SentencePieceUnigram, path: Path) -> None:
    """Write a model in half precision, with its pieces."""
    state = {name: tensor.half() for name, tensor in net.state_dict().items()}
    rows = [[p.text, round(p.score, 4), p.kind] for p in pieces.pieces]
    known = {"config": dataclasses.asdict(net.config), "pieces": rows,
             "extra_ids": pieces.extra_ids, "data": DATA}  # fmt: skip
    save(path, state, {"t5": json.dumps(known, ensure_ascii=False)})


def recall(path: Path) -> tuple[T5ForConditionalGeneration, SentencePieceUnigram]:
    """Return the model that was kept, and its pieces.

    Raises:
        OSError: nothing was kept there; says how to train one.
        ValueError: the file is of another version of this package.
    """
    if not path.is_file():
        raise OSError(
            f"no trained model at {path}: this package ships none yet; "
            "`python -m lessons.t5 --full --claim D2 --data FOLDER` trains one "
            "(about twenty minutes; README.md, “Use it”, says what FOLDER holds)"
        )
    from safetensors import safe_open

    try:
        with safe_open(path, "pt") as file:
            known = json.loads((file.metadata() or {})["t5"])
        pieces = SentencePieceUnigram([Piece(*row) for row in known["pieces"]], known["extra_ids"])
        net = T5ForConditionalGeneration(T5Config(**known["config"]))
        net.load_state_dict({name: tensor.float() for name, tensor in load(path).items()})
        return net.eval(), pieces
    except Exception as error:
        raise ValueError(f"{path} is of another version of this package: {error}") from error


def write(
    net: T5ForConditionalGeneration, pieces: SentencePieceUnigram, text: str, beam: int = 4
) -> str:
    """Return what the model writes to a text."""
    ids = torch.tensor([pieces.encode(text, 1)], device=net.shared.weight.device)
    found = beam_search(net, ids, 2 * ids.shape[1] + 10, beam)
    return pieces.decode(found.ids[0].tolist())


@functools.lru_cache(1)
def free(run: Run) -> World:
    """Return the world without reviews, with pieces learned from free texts."""
    whole = world(run)
    pairs = texts(run)[1]
    parts = pairs if not real(run) else pairs | {"simplify": corpora.simplifications(run.data)}
    tasks = {
        name: {
            part: [
                (whole.pieces.encode(TASKS[name].to_text({"text": a}), 1)[:96],
                 whole.pieces.encode(b, 1)[:96])
                for a, b in rows
            ]
            for part, rows in parts[name].items()
        }
        for name in SHOWN
    }  # fmt: skip
    return World(whole.pieces, whole.documents, tasks, whole.answers)


def learn_shipped(run: Run, seed: int) -> dict[str, Any]:
    """Train the model, keep it, and return what it is worth as it is kept."""
    began, known = time.process_time(), free(run)
    pieces, g = known.pieces, torch.Generator().manual_seed(seed)
    width = 96 if real(run) else 16
    config = T5Config(
        pieces.vocab_size, width, width // 4, 4 * width, 2, num_heads=4, dropout_rate=0.0
    )  # fmt: skip
    net = T5ForConditionalGeneration(config, torch.Generator().manual_seed(seed)).to(run.device)
    length = lengths_for(64 if real(run) else 16).raw
    rows = [d[i : i + length] for d in known.documents for i in range(0, len(d) - 1, length)]
    rows = [row for row in rows if len(row) > 3]
    sizes = [len(rows), *(len(known.tasks[name]["train"]) for name in SHOWN)]
    rates = torch.tensor(mixing_rates(sizes, limit=run.pick(test=10, default=300, full=30_000)))
    reading, mixed = run.pick(test=(2, 2), default=(100, 100), full=(STEPS, TUNED))
    optimizer = Adafactor(net.parameters(), RATE)
    batch = 32 if real(run) else 4
    for step in run.track(range(reading + mixed), "the model that ships"):
        share = rates if step >= reading else torch.tensor([1.0, 0.0, 0.0])
        kinds = torch.multinomial(share, batch, replacement=True, generator=g).tolist()
        pairs = []
        for kind in kinds:
            source = rows if kind == 0 else known.tasks[SHOWN[kind - 1]]["train"]
            one: Any = source[int(torch.randint(len(source), (), generator=g))]
            if kind == 0:
                made = span_corruption(one, pieces.sentinels, generator=g)
                one = made.inputs, made.targets
            pairs.append(one)
        # It is to be good, not compared: the rate falls to nothing in the last third.
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, 3 * (1 - step / (reading + mixed)))
        descend(run, net, optimizer, pairs)
    keep(net.eval(), pieces, kept_at(run))
    kept, pieces = recall(kept_at(run))
    found = {}
    for name in SHOWN:
        test = known.tasks[name]["test"][: run.pick(test=4, default=20, full=300)]
        right = texts(run)[1][name]["test"][: len(test)]
        said = [write(kept, pieces, TASKS[name].to_text({"text": a}), 1) for a, _ in right]
        found[name] = bleu([words(a) for a in said], [words(b) for _, b in right])
    return {
        "bleu": found, "weights": sum(p.numel() for p in kept.parameters()),
        "bytes": kept_at(run).stat().st_size, "steps": reading + mixed,
        "said": {text: write(kept, pieces, text) for text in ASKED},
        "cpu": time.process_time() - began,
    }  # fmt: skip


@demonstration(
    "D2",
    "A model for three prefixes in less than two megabytes.",
    source="§2.4, §3.5.2",
    asks="Span corruption on free texts, then a mixture of it with two tasks: the full run trains "
    "the model that this package ships, in half precision; it also fills gaps. "
    '`python -m lessons.t5 "simplify: …"` asks it.',
    full_only=True,
)
def small_model(run):
    """Train the model, and ask it."""
    found = run.trial(learn_shipped, seed=run.seed)
    if not kept_at(run).is_file():  # what was measured is kept, and the net is not
        learn_shipped(run, run.seed)
    scores = ", ".join(f"{name} {value:.1f}" for name, value in found["bleu"].items())
    said = " ".join(f"“{text}” becomes “{answer}”." for text, answer in found["said"].items())
    return Finding(
        None,
        ours=f"BLEU {scores}; {found['bytes']:,} bytes",
        ran=f"{found['weights']:,} weights, {SENTINELS} sentinels, {found['steps']:,} steps of 32 "
        f"with Adafactor at {RATE:g}, falling over the last third; untuned, greedy.",
        measured=f"BLEU on chapters and pages apart: {scores}. {said}",
        numbers={k: v for k, v in found.items() if k != "cpu"},
        timings={"CPU seconds of training": found["cpu"]},
    )
