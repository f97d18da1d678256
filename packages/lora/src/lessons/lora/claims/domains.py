"""Demonstration D3: one small model of a manual, two adapters of 12 kB: Bible and Shakespeare."""

import dataclasses
import functools
import json
import math
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor

from ..config import LoRAConfig
from ..exchange import load_lora, lora_state_dict
from ..files import fit, load, save
from ..gpt2 import GPT2, GPT2Config
from ..injection import disable_adapters, inject
from ..lab.claim import Finding, demonstration
from ..lab.run import Run
from . import texts
from .texts import Pieces, packed

NAMES = ("kjv", "shakespeare")
CONFIG = GPT2Config(1_000, 128, 128, 3, 4)
ADAPTER = LoRAConfig(4, 16, ("c_attn",), enable=(True, False, True))  # 2 · 2 · 3 · 128 · 4 = 6,144
TEXT = "The king"
DATA = {
    "base": "LibreOffice's help (MPL-2.0, The Document Foundation and contributors)",
    "kjv": "King James Bible (public domain; Crown patent in the UK)",
    "shakespeare": "Shakespeare (public domain)",
}


def model_path(name: str = "base") -> Path:
    """Return where the model or an adapter lies that a full run trained and this package ships."""
    file = "model.safetensors" if name == "base" else f"model-{name}.safetensors"
    return Path(__file__).parents[1] / file


def kept_at(run: Run, name: str) -> Path:
    """Return where a run keeps a model or an adapter."""
    path = model_path(name)
    return path if run.scale in ("full", "paper") else run.out / "lessons-results" / path.name


def recall(adapter: str | None, base: Path | None = None) -> tuple[GPT2, Pieces]:
    """Return the model that was kept, with an adapter or without, and its pieces.

    Args:
        adapter: "kjv", "shakespeare" or None.
        base: the model's file; adapters lie beside it.

    Raises:
        ValueError: another adapter, or a file of another version of this package.
        OSError: nothing was kept; says how to train it.
    """
    if adapter is not None and adapter not in NAMES:
        raise ValueError(f"adapter must be one of {', '.join(NAMES)}, got {adapter!r}")
    base = base or model_path()
    own = base.with_name(model_path(adapter).name) if adapter else base
    for path in (base, own):
        if not path.is_file():
            raise FileNotFoundError(
                f"There is no {path.name} in {path.parent}: this package ships none yet. "
                "`python -m lessons.lora --full --claim D3 --data FOLDER` trains the base and both "
                "adapters (about fifteen minutes; README.md, “Use it”, says what FOLDER holds)."
            )
    try:
        with safe_open(base, "pt") as file:
            known = json.loads((file.metadata() or {})["model"])
        letters, merges = known["pieces"]
        pieces = Pieces(letters, [tuple(pair) for pair in merges])
        model = GPT2(GPT2Config(**known["config"]))
        state = load(base)
        state["lm_head.weight"] = state["transformer.wte.weight"]
        state = fit(model.state_dict(), state)
        model.load_state_dict({name: tensor.float() for name, tensor in state.items()})
        if adapter:
            load_lora(inject(model, ADAPTER, adapter), load(own), adapter)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{base} is of another version of this package: {error}") from error
    return model.eval(), pieces


def parts(run: Run, name: str) -> tuple[list[str], list[str]]:
    """Return a text's paragraphs to learn from, and to test on."""
    if run.scale not in ("full", "paper"):
        words = {"help": "press the key to", "kjv": "and the king said", "shakespeare": "my lord"}
        made = [f"{words[name]} {a} {b} now." for a in ("open", "close") for b in "abcdefgh"]
        return made * 3, made[:8]
    return texts.paragraphs(run.data, name)


@functools.lru_cache(1)
def pieces_of(run: Run) -> Pieces:
    """Return the help's pieces."""
    return Pieces.of(parts(run, "help")[0], run.pick(test=40, default=CONFIG.vocab_size))


def train(run: Run, model: GPT2, rows: Tensor, rate: float, passes: int, seed: int) -> float:
    """Train what is free on rows of pieces; return the CPU seconds."""
    began = time.process_time()
    free = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(free, rate, weight_decay=0.01)
    generator = torch.Generator().manual_seed(seed)
    size = min(32, len(rows))
    order = torch.cat([torch.randperm(len(rows), generator=generator) for _ in range(passes)])
    steps = len(order) // size
    model.train()
    for step in run.track(range(steps), "a language model"):
        share = min(1.0, 20 * (step + 1) / steps) * (1 - step / steps)
        optimizer.param_groups[0]["lr"] = rate * share
        ids = rows[order[step * size : (step + 1) * size]].to(run.device)
        loss = F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(free, 1.0)
        optimizer.step()
    model.eval()
    return time.process_time() - began


@torch.no_grad()
def bits(run: Run, model: GPT2, pieces: Pieces, test: list[str]) -> float:
    """Return bits per character on paragraphs."""
    rows = packed(pieces, test, run.pick(test=16, default=CONFIG.n_positions))[:1_000]
    nats = characters = 0.0
    for ids in rows.split(64):
        ids = ids.to(run.device)
        logits = model(ids[:, :-1]).flatten(0, 1)
        nats += F.cross_entropy(logits, ids[:, 1:].flatten(), reduction="sum").item()
        characters += sum(len(pieces.decode(row)) for row in ids[:, 1:].tolist())
    return nats / characters / math.log(2)


def learn_domains(run: Run, seed: int) -> dict[str, Any]:
    """Train the base on the help, and an adapter on each other text; keep all three."""
    pieces, length = pieces_of(run), run.pick(test=16, default=CONFIG.n_positions)
    config = run.pick(test=GPT2Config(len(pieces), 16, 16, 1, 2),
                      default=dataclasses.replace(CONFIG, vocab_size=len(pieces)))  # fmt: skip
    model = GPT2(config, torch.Generator().manual_seed(seed)).to(run.device)
    spent = train(run, model, packed(pieces, parts(run, "help")[0], length), 3e-3,
                  run.pick(test=1, default=5), seed)  # fmt: skip
    state = {n: t.half() for n, t in model.state_dict().items() if n != "lm_head.weight"}
    kept = {"config": dataclasses.asdict(config), "pieces": [pieces.letters, pieces.merges],
            "data": DATA["base"]}  # fmt: skip
    save(kept_at(run, "base"), state, {"model": json.dumps(kept, ensure_ascii=False)})
    found: dict[str, Any] = {"help": bits(run, model, pieces, parts(run, "help")[1])}
    for name in NAMES:
        model, _ = recall(None, kept_at(run, "base"))  # as it is kept, in half precision
        inject(model.to(run.device), ADAPTER, name, torch.Generator(run.device).manual_seed(seed))
        learn, test = parts(run, name)
        spent += train(run, model, packed(pieces, learn, length), 4e-3,
                       1, seed)  # fmt: skip
        state = {n: t.half() for n, t in lora_state_dict(model, name).items()}
        save(kept_at(run, name), state, {"data": DATA[name]})
        model, _ = recall(name, kept_at(run, "base"))
        model.to(run.device)
        with disable_adapters(model):
            before = bits(run, model, pieces, test)
        ids = torch.tensor([pieces.encode(TEXT)], device=run.device)
        generator = torch.Generator(run.device).manual_seed(0)
        said = model.generate(ids, run.pick(test=4, default=40), 0.7, generator)[0].tolist()
        found[name] = {
            "before": before, "after": bits(run, model, pieces, test),
            "bytes": kept_at(run, name).stat().st_size, "says": pieces.decode(said),
            "numbers": sum(t.numel() for t in state.values()),
        }  # fmt: skip
    return found | {"bytes": kept_at(run, "base").stat().st_size, "seconds": spent}


def draw_domains(figure, numbers) -> None:
    """Draw bits per character before and after."""
    axes = figure.subplots()
    for i, name in enumerate(NAMES):
        axes.plot([i, i], [numbers[name]["before"], numbers[name]["after"]], "-", linewidth=1)
        axes.plot(
            [i], [numbers[name]["before"]], "o", color="#5f6670", label="base" if not i else None
        )
        axes.plot([i], [numbers[name]["after"]], "o", color="#3b6fa5",
                  label="with its adapter" if not i else None)  # fmt: skip
    axes.set_xticks(range(len(NAMES)), NAMES)
    axes.set(ylabel="bits per character", xlim=(-0.5, len(NAMES) - 0.5))
    axes.legend()


@demonstration(
    "D3", "A manual's model speaks like the Bible, or like Shakespeare, with 6,144 numbers.",
    draw_domains,
    asks="A GPT-2 of three layers of 128 learns LibreOffice's help, 1,000 pieces, five passes; "
    "then an adapter on q and v, r 4, learns the King James Bible, and another Shakespeare, "
    "one pass. The full run trains what this package ships and `write` uses.",
    full_only=True,
)  # fmt: skip
def domains(run: Run) -> Finding:
    """Train the base and both adapters."""
    found = run.trial(learn_domains, seed=run.seed)
    told = "; ".join(
        f"{name} {found[name]['before']:.2f} before, {found[name]['after']:.2f} with "
        f"{found[name]['numbers']:,} numbers, {found[name]['bytes']:,} bytes"
        for name in NAMES
    )
    says = " ".join(f"{name}: “{' '.join(found[name]['says'].split())}”" for name in NAMES)
    return Finding(
        None,
        ours=f"Bible {found['kjv']['before']:.2f} to {found['kjv']['after']:.2f} bits a character",
        ran="Rates .003 and .004, untuned; one seed; float16 as kept.",
        measured=f"Bits per character on paragraphs apart: help {found['help']:.2f}; {told}. "
        f"{says}",
        numbers={k: v for k, v in found.items() if k != "seconds"},
        timings={"CPU seconds of training": found["seconds"]},
    )  # fmt: skip
