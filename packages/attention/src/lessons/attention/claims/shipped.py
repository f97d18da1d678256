"""Demonstration D1: the translator that ships with this package, trained by a full run."""

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..config import TranslatorConfig
from ..decoding import beam_search
from ..lab.claim import Finding, demonstration
from ..lab.run import Run
from ..model import RNNsearch
from ..training import pad
from ..weights import fill, load, save
from . import looking, translators
from .alignment import draw_example
from .contest import last, rates, runs_of
from .pieces import UNKNOWN, Pieces

LONGER = 6.67 / 2.88  # times the training of RNNsearch-50, as the starred model's in Table 2
TEXT = "Click the small black arrow to open the new menu."
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


def keep(net: RNNsearch, pieces: list[Pieces], path: Path) -> None:
    """Write a translator in half precision, with its pieces, atomically."""
    state = {name: tensor.half() for name, tensor in net.state_dict().items()}
    known = {
        "config": dataclasses.asdict(net.config),
        "pieces": [p.to_json() for p in pieces],
        "data": WRITTEN_IN,
    }
    save(path, state, {"translator": json.dumps(known, ensure_ascii=False)})


def recall(path: Path) -> tuple[RNNsearch, list[Pieces]]:
    """Return the translator that was kept, and the pieces of both languages.

    Raises:
        OSError: nothing was kept there; says how to train one.
        ValueError: the file is of another version of this package.
    """
    if not path.is_file():
        raise OSError(
            f"no trained translator at {path}: this package ships none yet; "
            "`python -m lessons.attention --full --claim D1 --data FOLDER` trains one "
            "(about twenty minutes; --help says what FOLDER is)"
        )
    from safetensors import safe_open

    try:
        with safe_open(path, "pt") as file:
            known = json.loads((file.metadata() or {})["translator"])
        config = TranslatorConfig(**known["config"])
        pieces = [Pieces.from_json(text) for text in known["pieces"]]
        with torch.device("meta"):
            net = RNNsearch(config)
        state = {name: tensor.float() for name, tensor in load(path).items()}
        return fill(net, state).eval(), pieces
    except Exception as error:
        raise ValueError(f"{path} is of another version of this package: {error}") from error


@dataclasses.dataclass(frozen=True)
class Translation:
    """What the translator made of a text, and where it looked."""

    source: list[str]  # words of the text
    target: list[str]  # words of the translation
    text: str
    probability: float  # of the translation, by the model
    weights: Tensor  # (words of the translation, words of the text)


@torch.no_grad()
def translate(net: RNNsearch, pieces: list[Pieces], text: str, beam: int = 12) -> Translation:
    """Translate a text and look at its alignment.

    Raises:
        ValueError: an empty text, or one of signs that the translator has never seen.
    """
    text = " ".join(text.split())
    ids = pieces[0].encode(text)
    if len(ids) < 2 or all(i == UNKNOWN for i in ids[:-1]):
        raise ValueError(f"nothing to translate in {text!r}: English words are asked for")
    src, length = pad([ids])
    best = beam_search(net, src, length, beam, length_norm=True)
    answer = pieces[1].decode(best.ids[0].tolist())
    spans = [p.spans(t) for p, t in zip(pieces, (text, answer))]
    tgt, _ = pad([pieces[1].encode(answer)])
    from ..decoding import align

    weights = looking.by_words(align(net, src, length, tgt)[0], *spans)
    words = [[word for word, _ in each[:-1]] for each in spans]
    return Translation(
        words[0], words[1], answer.strip(), float(best.log_probability.exp()), weights[:-1, :-1]
    )


def learn_translator(run: Run, seed: int) -> dict[str, Any]:
    """Train a translator on all sentences, longer than RNNsearch-50; keep it."""
    net, pairs = translators.make(run, "search", seed), translators.up_to(run, 60)
    steps = round(LONGER * translators.steps_of(run, "search-50"))
    began = time.process_time()
    rate = rates(run, ("search",))["search"][0]
    ((_, net),) = translators.trained(run, net, rate, [steps], pairs, seed)
    spent = time.process_time() - began
    keep(net, translators.texts(run)["pieces"], kept_at(run))
    net, pieces = recall(kept_at(run))  # as it is kept: in half precision
    found = translate(net, pieces, TEXT)
    return {
        "steps": steps, "seconds": spent, "bytes": kept_at(run).stat().st_size,
        **translators.scores(run, net.to(run.device)), "text": found.text,
        "example": [found.source, found.target, found.weights.tolist()],
    }  # fmt: skip


def obtain(run: Run) -> tuple[RNNsearch, list[Pieces]]:
    """Return this run's translator, trained now if it has not been."""
    run.trial(learn_translator, seed=run.seed)
    if not kept_at(run).is_file():  # what was measured is kept, and the net is not
        learn_translator(run, run.seed)
    return recall(kept_at(run))


@demonstration(
    "D1",
    "A translator of manuals in two megabytes, which shows where it looks.",
    draw_example,
    asks="RNNsearch as in C1a, on all texts of up to 60 words and 2.3 times as long, as Table 2's "
    "starred model: the full run trains the net that this package ships, "
    'in half precision; `python -m lessons.attention translate "…"` asks it.',
    source="Table 1",
    full_only=True,
)
def translator(run: Run) -> Finding:
    """Train the translator, and judge it."""
    found = run.trial(learn_translator, seed=run.seed)
    before = last(runs_of(run, "search-50", 1), lambda s: s["bleu"])[0]
    return Finding(
        None,
        ours=f"{found['bleu']:.1f} BLEU after {found['steps']:,} steps; {before:.1f} before",
        ran=f"{found['steps']:,} steps of 32 pairs; {found['bytes']:,} bytes with its pieces.",
        measured=f"BLEU {found['bleu']:.1f}, RNNsearch-50 of the same seed {before:.1f} (the "
        "paper: "
        f"28.45 and 26.75). “{TEXT}” becomes “{found['text']}”",
        numbers={k: v for k, v in found.items() if k != "seconds"} | {"RNNsearch-50": before},
        timings={"CPU seconds of training": found["seconds"]},
    )
