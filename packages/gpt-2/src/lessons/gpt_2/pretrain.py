"""``python -m lessons.gpt_2 train FILE …``: from text files to a model, on one processor or many.

``torchrun --nproc-per-node 8 -m lessons.gpt_2 train …`` runs the same on eight GPUs.
"""

import argparse
import dataclasses
import hashlib
import json
import math
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

from .bpe import END_OF_TEXT, ByteLevelBPE
from .config import PRESETS, GPT2Config
from .model import GPT2
from .parallel import processes, spread
from .pretrained import to_folder, vocabulary_of
from .token_file import TokenFile, write_tokens
from .training import train

LEARN_FROM = 20_000_000  # characters that a vocabulary is learned from


def main(argv: list[str]) -> int:
    """Train; return 1 where something is wrong, and say what."""
    args = arguments(argv)
    try:
        with processes(args.device) as device:
            return run(args, device)
    except (OSError, ValueError) as error:
        print(error)
        return 1


def arguments(argv: list[str]) -> argparse.Namespace:
    """Parse the command line; a wrong one ends the program with a message."""
    parser = argparse.ArgumentParser(
        prog="python -m lessons.gpt_2 train",
        description="Train a model on text files; each file is a document, or many, each behind a "
        f"line {END_OF_TEXT}. A run that was stopped goes on with the same command.",
    )
    flag = parser.add_argument
    flag("files", nargs="+", type=Path, metavar="FILE", help="of text in UTF-8")
    flag("--out", type=Path, required=True, help="folder of tokens, checkpoints and the model")
    flag("--vocabulary", type=Path, help="folder of vocab.json and merges.txt (default: learned)")
    flag("--preset", choices=PRESETS, default="nano", help="sizes (default: nano)")
    for name in ("n_layer", "n_embd", "n_head", "n_positions", "vocab_size"):
        flag(f"--{name.replace('_', '-')}", type=int, help="in place of the preset's")
    flag("--dropout", type=float, default=0.1, help="all three rates (default: 0.1)")
    flag("--steps", type=int, default=2000)
    flag("--batch", type=int, default=32, help="sequences a step, of all processes")
    flag("--accumulate", type=int, default=1, help="parts that a batch is read in")
    flag("--rate", type=float, default=2.5e-4, help="the largest learning rate")
    flag("--warmup", type=int, help="steps of rising rate (default: a fiftieth)")
    flag("--weight-decay", type=float, default=0.01)
    flag("--clip", type=float, help="largest norm of the gradient")
    flag("--held-out", type=float, default=0.05, help="share of the tokens (§3: 5%%)")
    flag("--seed", type=int, default=0)
    flag("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    flag("--bf16", action="store_true", help="mixed precision")
    flag("--compile", action="store_true", help="torch.compile")
    flag("--chunk", type=int, help="logits held at a time")
    flag("--sharded", action="store_true", help="FSDP2 instead of DistributedDataParallel")
    flag("--every", type=int, default=500, help="steps between checkpoints")
    flag("--tell", type=int, default=50, help="steps between lines of progress")
    return parser.parse_args(argv)


def run(args: argparse.Namespace, device: torch.device) -> int:
    """Prepare the tokens, train, and write the model; the first process alone does the talking."""
    first = not dist.is_initialized() or dist.get_rank() == 0
    if first:
        prepare(args)
    if dist.is_initialized():
        dist.barrier()
    tokens = vocabulary_of(args.out)
    config = config_of(args, len(tokens))
    model = GPT2(config, torch.Generator().manual_seed(args.seed)).to(device)
    if args.compile:
        for block in model.h:  # one graph, which all blocks share
            block.compile(dynamic=False)
    shared = spread(model, args.sharded)
    data = TokenFile(args.out / "train.bin", len(tokens))
    if first:
        count = sum(p.numel() for p in model.parameters())
        print(f"{count:,} parameters, {len(data):,} tokens, {len(tokens):,} of them different")
    warmup = args.steps // 50 if args.warmup is None else args.warmup
    began, read = time.monotonic(), 0
    steps = train(
        shared, data, args.steps, batch=args.batch, accumulate=args.accumulate, peak=args.rate,
        warmup=warmup, weight_decay=args.weight_decay, clip=args.clip, seed=args.seed,
        dtype=torch.bfloat16 if args.bf16 else None, chunk=args.chunk,
        checkpoint=args.out / "checkpoints", every=args.every,
    )  # fmt: skip
    for done in steps:
        read += args.batch * config.n_positions
        if first and (done.step % args.tell == 0 or done.step + 1 == args.steps):
            speed = read / (time.monotonic() - began)
            print(
                f"step {done.step:6}  loss {done.loss:.4f}  rate {done.learning_rate:.2e}  "
                f"gradient {done.gradient_norm:.3f}  {speed:,.0f} tokens/s", flush=True,
            )  # fmt: skip
    whole = StateDictOptions(full_state_dict=True, cpu_offload=True)
    state = get_model_state_dict(shared, options=whole)
    if first:
        made = GPT2(config)
        made.load_state_dict(state)
        to_folder(args.out, made.eval(), tokens)
        print(f"{held_out(made, args.out, tokens)}{args.out} has the model.")
    return 0


def config_of(args: argparse.Namespace, vocab_size: int) -> GPT2Config:
    """Return the preset's sizes with those of the command line; the vocabulary is what it is."""
    changes: dict[str, Any] = {"vocab_size": vocab_size}
    for name in ("n_layer", "n_embd", "n_head", "n_positions"):
        if getattr(args, name) is not None:
            changes[name] = getattr(args, name)
    changes |= dict.fromkeys(("embd_pdrop", "attn_pdrop", "resid_pdrop"), args.dropout)
    return dataclasses.replace(PRESETS[args.preset], **changes)


def prepare(args: argparse.Namespace) -> None:
    """Write the vocabulary and the files of tokens, unless they are there.

    Raises:
        OSError: a file cannot be read. ValueError: it is no text, or the folder is another run's.
    """
    digest, texts = hashlib.sha256(), []
    for path in args.files:
        content = path.read_bytes()
        digest.update(content)
        try:
            texts += [part for part in content.decode("utf-8").split(END_OF_TEXT) if part.strip()]
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is no text in UTF-8: {error}") from error
    size = args.vocab_size or PRESETS[args.preset].vocab_size
    asked = {
        "texts": digest.hexdigest(), "held out": args.held_out,
        "vocabulary": str(args.vocabulary or size), "preset": args.preset, "batch": args.batch,
        "steps": args.steps, "rate": args.rate, "weight decay": args.weight_decay,
        "sizes": [args.n_layer, args.n_embd, args.n_head, args.n_positions],
    }  # fmt: skip
    settings = args.out / "run.json"
    if settings.is_file():
        kept = json.loads(settings.read_text(encoding="utf-8"))
        if other := [name for name in asked if kept.get(name) != asked[name]]:
            raise ValueError(
                f"{args.out} is of a run with another {other[0]} ({kept.get(other[0])}, not "
                f"{asked[other[0]]}): choose another --out, or remove it"
            )
        return
    if not texts:
        raise ValueError("the files are empty: there is nothing to learn from")
    if not 0 <= args.held_out < 1:
        raise ValueError(f"--held-out must be in [0, 1), got {args.held_out}")
    if args.vocabulary:
        tokens = vocabulary_of(args.vocabulary)
    else:
        tokens = ByteLevelBPE.train(beginnings(texts, LEARN_FROM), size)
    end = tokens.special.get(END_OF_TEXT)
    encoded = (np.asarray(tokens.encode(t, disallowed_special=())) for t in texts)
    # §3 holds out a sample; whole documents where there are many, else the end of the one.
    parts: tuple[list, list] = ([], [])
    every = round(1 / args.held_out) if args.held_out else 0
    for n, ids in enumerate(encoded):
        if len(texts) >= 2 * every or not every:
            parts[bool(every) and n % every == every - 1].append(ids)
        else:
            cut = len(ids) - int(len(ids) * args.held_out)
            parts[0].append(ids[:cut])
            parts[1].append(ids[cut:])
    args.out.mkdir(parents=True, exist_ok=True)
    tokens.save(args.out / "vocab.json", args.out / "merges.txt")
    for name, documents in zip(("train.bin", "held_out.bin"), parts):
        if sum(map(len, documents)):
            write_tokens(args.out / name, documents, len(tokens), end)
    temporary = args.out / f".run.json.{os.getpid()}"  # last: what it tells of is there
    temporary.write_text(json.dumps(asked, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, settings)


def beginnings(texts: list[str], characters: int) -> list[str]:
    """Return texts from the first on, so many characters in all."""
    kept: list[str] = []
    for text in texts:
        if characters <= 0:
            break
        kept.append(text[:characters])
        characters -= len(text)
    return kept


@torch.no_grad()
def held_out(model: GPT2, folder: Path, tokens: ByteLevelBPE, most: int = 200_000) -> str:
    """Return a sentence on how well unseen text is predicted, or none where there is none."""
    path, n = folder / "held_out.bin", model.config.n_positions
    if not path.is_file() or len(ids := TokenFile(path, len(tokens)).ids[:most]) <= n:
        return ""
    windows = torch.from_numpy(ids[: len(ids) // n * n].astype(np.int64)).view(-1, n)
    end = tokens.special.get(END_OF_TEXT, -1)
    labels = windows.masked_fill(windows == end, -100)  # the end of a text is none of its bytes
    known = [(part[:, 1:] != -100).sum().item() for part in labels.split(32)]
    parts = zip(windows.split(32), labels.split(32), known)
    nats = sum(model(x, labels_BT=y).item() * count for x, y, count in parts)
    scored = windows[:, 1:]
    size = len(tokens.decode_bytes(scored[scored != end].tolist()))
    loss, bits = nats / sum(known), nats / math.log(2) / size
    return f"Held out: loss {loss:.4f}, {bits:.3f} bits a byte. "
