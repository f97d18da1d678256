"""Demonstration D2: the translator that ships with this package, trained by a full run."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch

from ..config import Seq2SeqConfig
from ..decoding import beam_search
from ..files import filled, load, matched, save
from ..lab.claim import Finding, demonstration
from ..lab.run import Run
from ..model import Seq2Seq
from ..training import pad
from .contest import last, nets
from .pieces import PAD, UNKNOWN, Pieces
from .translators import texts

TEXT = "Click the button to open the menu."
WRITTEN_IN = (
    "LibreOffice's help, MPL-2.0 (The Document Foundation and contributors), English and French; "
    "trained by this package"
)


def model_path() -> Path:
    """Return where the model lies that a full run trained and this package ships."""
    return Path(__file__).parents[1] / "model.safetensors"


def kept_at(run: Run) -> Path:
    """Return where a run keeps its translator."""
    return run.out / "model.safetensors" if run.scale == "test" else model_path()


def keep(net: Seq2Seq, pieces: list[Pieces], path: Path) -> None:
    """Write a translator in half precision, with its pieces, atomically."""
    state = {name: tensor.half() for name, tensor in net.state_dict().items()}
    known = {
        "config": dataclasses.asdict(net.config),
        "pieces": [p.to_json() for p in pieces],
        "data": WRITTEN_IN,
    }
    save(path, state, {"translator": json.dumps(known, ensure_ascii=False)})


def recall(path: Path) -> tuple[Seq2Seq, list[Pieces]]:
    """Return the translator that was kept, and the pieces of both languages.

    Raises:
        OSError: nothing was kept there; says how to train one.
        ValueError: the file is of another version of this package.
    """
    if not path.is_file():
        raise OSError(
            f"no trained translator at {path}: this package ships none yet; "
            "`python -m lessons.seq2seq --full --claim D2 --data FOLDER` trains one "
            "(about half an hour; --help says what FOLDER is)"
        )
    from safetensors import safe_open

    try:
        with safe_open(path, "pt") as file:
            known = json.loads((file.metadata() or {})["translator"])
        config = Seq2SeqConfig(**known["config"])
        pieces = [Pieces.from_json(text) for text in known["pieces"]]
        with torch.device("meta"):
            net = Seq2Seq(config)
        state = {name: tensor.float() for name, tensor in load(path).items()}
        filled(net, matched(net.state_dict(), state, lambda name: name))
        return net, pieces
    except Exception as error:
        raise ValueError(f"{path} is of another version of this package: {error}") from error


def translate(
    net: Seq2Seq, pieces: list[Pieces], text: str, beam: int = 12, n_best: int = 1
) -> list[tuple[str, float]]:
    """Return the best translations of a text, each with its probability.

    Raises:
        ValueError: an empty text, or one of signs that the translator has never seen.
    """
    text = " ".join(text.split())
    ids = pieces[0].encode(text)[:-1]
    if not ids or all(i == UNKNOWN for i in ids):
        raise ValueError(f"nothing to translate in {text!r}: English words are asked for")
    src, length = pad([ids])
    found = beam_search(net, src, length, beam, n_best=n_best)
    rows = zip(found.ids[0].tolist(), found.log_probability[0].exp().tolist())
    return [(pieces[1].decode([k for k in row if k != PAD]).strip(), p) for row, p in rows]


def ship(run: Run, seed: int) -> dict[str, Any]:
    """Keep the first reversed net in half precision, and let it translate."""
    del seed
    keep(nets(run)[0].cpu(), texts(run)["pieces"], kept_at(run))
    net, pieces = recall(kept_at(run))  # as it is kept: in half precision
    return {
        "bytes": kept_at(run).stat().st_size,
        "weights": sum(p.numel() for p in net.parameters()),
        "translations": translate(net, pieces, TEXT if run.scale != "test" else "n1 a2 n3", 5, 3),
    }


@demonstration(
    "D2",
    "A translator of manuals in two megabytes.",
    asks="The first reversed net of C2a, in half precision, is what this package ships; `python -m "
    'lessons.seq2seq translate "…"` asks it.',
    source="§3.2",
    full_only=True,
)
def translator(run: Run) -> Finding:
    """Keep the translator, and ask it."""
    found = run.trial(ship, seed=run.seed)
    if not kept_at(run).is_file():
        ship(run, run.seed)
    bleu = last(run, "reversed", "bleu")[0]
    best = found["translations"][0][0]
    return Finding(
        None,
        ours=f"{bleu:.1f} BLEU, {found['weights']:,} weights",
        ran=f"{found['bytes']:,} bytes with its pieces, {found['weights']:,} weights.",
        measured=f"BLEU {bleu:.1f}. “{TEXT}” becomes “{best}”",
        numbers={"bleu": bleu, **found},
    )
