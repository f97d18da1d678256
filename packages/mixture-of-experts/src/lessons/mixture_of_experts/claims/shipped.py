"""Demonstration D5: the small model that this package ships, from free texts."""

import dataclasses
import functools
import itertools
import json
import time
from pathlib import Path
from typing import Any

import torch

from ..config import MoEConfig
from ..lab.claim import Finding, demonstration
from ..lab.run import Run
from ..model import MoELanguageModel, count_parameters
from ..optim import inverse_sqrt
from ..weights import fill, load, save
from . import corpus
from .language import STEPS, packed, real
from .learning import BATCH, nats, utilization
from .pieces import Pieces

CONFIG = MoEConfig(1_000, 64, num_experts=32, hidden=128, dropout=0.0)
RATE, PASSES, ROWS = 4e-3, 2, 60_000
TEXT = "In the beginning"
WRITTEN_IN = (
    "King James Bible and Shakespeare (public domain), LibreOffice's help (MPL-2.0, The Document "
    "Foundation and contributors); trained by this package"
)


def model_path() -> Path:
    """Return where the model lies that a full run trained and this package ships."""
    return Path(__file__).parents[1] / "model.safetensors"


def kept_at(run: Run) -> Path:
    """Return where a run keeps its model."""
    return model_path() if real(run) else run.out / "model.safetensors"


def keep(model: MoELanguageModel, pieces: Pieces, path: Path) -> None:
    """Write a model in half precision, with its pieces, atomically."""
    state = {name: tensor.half() for name, tensor in model.state_dict().items()}
    known = {"config": dataclasses.asdict(model.config), "pieces": pieces.to_json(),
             "data": WRITTEN_IN}  # fmt: skip
    save(path, state, {"model": json.dumps(known, ensure_ascii=False)})


def recall(path: Path) -> tuple[MoELanguageModel, Pieces]:
    """Return the model that was kept, and its pieces.

    Raises:
        OSError: nothing was kept there; says how to train one.
        ValueError: the file is of another version of this package.
    """
    if not path.is_file():
        raise OSError(
            f"no trained model at {path}: this package ships none yet; "
            "`python -m lessons.mixture_of_experts --full --claim D5 --data FOLDER` trains one "
            "(about ten minutes; README.md, “Use it”, says what FOLDER holds)"
        )
    from safetensors import safe_open

    try:
        with safe_open(path, "pt") as file:
            known = json.loads((file.metadata() or {})["model"])
        pieces = Pieces.from_json(known["pieces"])
        with torch.device("meta"):
            model = MoELanguageModel(MoEConfig(**known["config"]))
        state = {name: tensor.float() for name, tensor in load(path).items()}
        return fill(model, state).eval(), pieces
    except Exception as error:
        raise ValueError(f"{path} is of another version of this package: {error}") from error


@functools.lru_cache(1)
def texts(run: Run) -> tuple[Pieces, torch.Tensor, torch.Tensor]:
    """Return pieces, rows to train on and rows to test on."""
    if not real(run):
        words = ("the", "a", "one", "my"), ("cat", "dog", "man", "ship"), ("mat", "sea", "hill")
        made: list[str] = [f"{a} {b} sat on the {c}. " * 3 for a, b, c in itertools.product(*words)]
        pieces = Pieces(made, 60)
        rows = packed(pieces, made * 3, 16)
        return pieces, rows[:8], rows[8:]
    found = corpus.paragraphs(run.data, corpus.FREE)
    order = torch.randperm(len(found), generator=torch.Generator().manual_seed(0)).tolist()
    train = [found[i] for i in order if corpus.place(found[i]) >= 8]
    test = [found[i] for i in order if corpus.place(found[i]) < 8]
    pieces = Pieces(train, CONFIG.vocab_size)
    return pieces, packed(pieces, train, ROWS), packed(pieces, test, 600)


def learn_shipped(run: Run, seed: int) -> dict[str, Any]:
    """Train the model, keep it, and return what it is worth as it is kept."""
    pieces, rows, test = texts(run)
    size = len(pieces)
    small = {"width": 8, "hidden": 16, "num_experts": 8} if not real(run) else {}
    model = MoELanguageModel(
        dataclasses.replace(CONFIG, vocab_size=size, **small), torch.Generator().manual_seed(seed)
    ).to(run.device)
    passes, batch = (PASSES, BATCH) if real(run) else (1, 4)
    order = torch.cat([
        torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed + p))
        for p in range(passes)
    ])  # fmt: skip
    end = len(order) // batch
    noise = torch.Generator(run.device).manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    began = time.process_time()
    for step in run.track(range(1, end + 1), "the model that ships"):
        ids = rows[order[(step - 1) * batch : step * batch]].long().to(run.device)
        # It is to be good, not compared: the rate falls to nothing in the last fifth.
        falling = min(1.0, 5 * (1 - (step - 1) / end))
        for group in optimizer.param_groups:
            group["lr"] = RATE * falling * inverse_sqrt(step, max(1, end // 27))
        loss, aux, _, _ = model.loss(ids, generator=noise)
        optimizer.zero_grad()
        (loss + aux).backward()
        optimizer.step()
    keep(model, pieces, kept_at(run))
    kept, pieces = recall(kept_at(run))
    shown = "".join(pieces.decode(row) for row in test[:, 1:].tolist())
    value = nats(kept.to(run.device), test, run.device)
    ids = torch.tensor([pieces.encode(TEXT)[:-1]], device=run.device)
    said = kept.eval().generate(ids, 40, 0.7, torch.Generator(run.device).manual_seed(0))
    use = utilization(kept.train(), test, run.device)
    return {
        "nats": value, "bits a character": value / 0.6931 * test[:, 1:].numel() / len(shown),
        "parameters": count_parameters(kept, embeddings=True), "bytes": kept_at(run).stat().st_size,
        "steps": end, "says": pieces.decode(said[0].tolist()), "max load": use["max load"],
        "seconds": time.process_time() - began, "rows": len(rows) * STEPS,
    }  # fmt: skip


@demonstration(
    "D5",
    "A model of 32 experts in two megabytes, which shows its routes.",
    asks="LSTM, 32 experts of 128 units, LSTM, 64 wide, 1,000 pieces, on three free texts: the "
    "full run trains the model that this package ships, in half precision; "
    '`python -m lessons.mixture_of_experts route "…"` colours each piece by its expert.',
    source="Fig. 1",
    full_only=True,
)
def small_model(run: Run) -> Finding:
    """Train the model, and ask it."""
    found = run.trial(learn_shipped, seed=run.seed)
    said = " ".join(found["says"].split())
    return Finding(
        None,
        ours=f"{found['bits a character']:.2f} bits a character, {found['bytes']:,} bytes",
        ran=f"{found['steps']:,} steps, {PASSES} passes through {found['rows']:,} pieces, Adam at "
        f"{RATE:g}, untuned.",
        measured=f"{found['bits a character']:.2f} bits a character on paragraphs apart; largest "
        f"load {found['max load']:.2f} times the mean. “{TEXT}” goes on: “{said}”",
        numbers={k: v for k, v in found.items() if k != "seconds"},
        timings={"CPU seconds of training": found["seconds"]},
    )
