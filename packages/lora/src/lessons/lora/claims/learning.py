"""One way of adapting a pre-trained encoder to reviews: from the same weights, on the same data."""

import functools
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..baselines import adapters_h, full, top_layers
from ..bert import Bert, BertConfig, Classifier
from ..config import LoRAConfig
from ..exchange import lora_state_dict
from ..files import load, save
from ..injection import inject
from ..lab.run import Run
from . import reviews

BATCH, HEAD = 16, ("classifier",)
# What is adapted, at equal numbers: one matrix with 16, two with 8, four with 4.
MATRICES = {
    "q": (("query",), 16), "k": (("key",), 16), "v": (("value",), 16),
    "q,v": (("query", "value"), 8),
    "q,k,v,o": (("query", "key", "value", "attention.output.dense"), 4),
}  # fmt: skip
ALPHA = 8.0
RATES = {"full": (1e-5, 2e-5, 4e-5, 8e-5, 1.6e-4), "lora": (5e-4, 1e-3, 2e-3, 4e-3, 8e-3)}
EPOCHS = {125: 12, 500: 4, 2_000: 3}


def epochs(run: Run, n: int) -> int:
    """Return how often n sentences are read: the fewer, the more often (Table 17)."""
    return run.pick(test=1, default=1, full=EPOCHS[n])


@functools.lru_cache(2)
def tiny(seed: int) -> Bert:
    """Return the smallest encoder, for tests: its weights are random."""
    generator = torch.Generator().manual_seed(seed)
    return Bert(BertConfig(40, 64, 2, 2, 64, 32), generator)


def encoder(run: Run) -> Bert:
    """Return the encoder as it was pre-trained."""
    if run.scale in ("test", "default"):
        made = Bert(tiny(0).config)
        made.load_state_dict(tiny(0).state_dict())
        return made
    return reviews.minilm(run.data)


def examples(run: Run, name: str, seed: int, n: int | None = None) -> tuple[Tensor, Tensor]:
    """Return ids and labels of a part: "train" and "dev" are drawn by the seed, "test" is whole."""
    if run.scale in ("test", "default"):
        generator = torch.Generator().manual_seed(100 * seed + len(name))
        ids = torch.randint(3, 40, (24, 8), generator=generator)
        return ids, (ids[:, 1:] < 20).sum(1).gt(3).long()
    return reviews.part(run.data, name, seed, None if name == "test" else n)


def build(run: Run, method: str, r: int | None, seed: int) -> nn.Module:
    """Return the encoder with a new head, of which a method trains a part.

    Args:
        run: which says the encoder.
        method: "full", "top 2", "adapter", or what LoRA adapts, of MATRICES.
        r: LoRA's rank, if another than that of MATRICES; the adapter's width.
        seed: of the head and of A.
    """
    generator = torch.Generator().manual_seed(seed)
    model = Classifier(encoder(run), 2, generator)
    if method == "full":
        return full(model).to(run.device)
    if method == "top 2":
        top_layers(model, 2)
    elif method == "adapter":
        adapters_h(model.bert, r or 8, generator)
    else:
        names, rank = MATRICES[method]
        config = LoRAConfig(r or rank, ALPHA, names, modules_to_save=HEAD)
        return inject(model, config, generator=generator).to(run.device)
    model.classifier.requires_grad_(True)
    return model.to(run.device)


def learn(
    run: Run, method: str, rate: float, seed: int, n: int = 2_000, r: int | None = None,
    part: str = "test",
) -> dict[str, float]:  # fmt: skip
    """Adapt the encoder to n sentences; return its accuracy on a part, in per cent."""
    began = time.process_time()
    model = build(run, method, r, seed)
    ids, labels = examples(run, "train", seed, n)
    free = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(free, rate, weight_decay=0.01, fused=True)
    size = min(BATCH, len(ids))
    steps = epochs(run, n) * (len(ids) // size)
    generator = torch.Generator().manual_seed(seed)
    order = torch.cat([torch.randperm(len(ids), generator=generator)[: len(ids) // size * size]
                       for _ in range(epochs(run, n))])  # fmt: skip
    model.train()
    for step in run.track(range(steps), f"{method}, r {r}, rate {rate:g}, seed {seed}"):
        # Up over six hundredths, then down in a line (Table 9).
        warm = max(1, round(0.06 * steps))
        share = min((step + 1) / warm, (steps - step) / max(1, steps - warm))
        for group in optimizer.param_groups:
            group["lr"] = rate * share
        chosen = order[step * size : (step + 1) * size]
        loss = F.cross_entropy(logits(run, model, ids[chosen]), labels[chosen].to(run.device))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(free, 1.0)
        optimizer.step()
    if method in MATRICES and part == "test" and n == 2_000:
        save(kept(run, method, r, seed), lora_state_dict(model))
    found = accuracy(run, model, *examples(run, part, 0, reviews.DEV))
    return {"accuracy": found, "CPU seconds": time.process_time() - began, "steps": steps}


def logits(run: Run, model: nn.Module, ids: Tensor) -> Tensor:
    """Return a model's logits, padding cut where no row needs it."""
    ids = ids[:, : int((ids != 0).sum(1).max())].to(run.device)
    return model(ids, (ids != 0).long())


@torch.no_grad()
def accuracy(run: Run, model: nn.Module, ids: Tensor, labels: Tensor) -> float:
    """Return the per cent of labels that are right."""
    model.eval()
    order = (ids != 0).sum(1).argsort(stable=True)
    right = sum(
        int((logits(run, model, ids[i]).argmax(-1).cpu() == labels[i]).sum())
        for i in order.split(64)
    )
    return 100 * right / len(ids)


def kept(run: Run, method: str, r: int | None, seed: int) -> Path:
    """Return where an adapter lies that was trained on 2,000 sentences."""
    rank = r or MATRICES[method][1]
    return run.out / "lessons-results" / f"{method.replace(',', '')}-{rank}-{seed}.safetensors"


def adapter_of(run: Run, method: str, r: int | None, seed: int) -> dict[str, Tensor]:
    """Return a trained adapter's A and B by name."""
    path = kept(run, method, r, seed)
    if not path.is_file():  # trials were kept, and the adapters were not
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # as the trial was
            learn(run, method, rate_of(run, "lora"), seed, r=r)
    return load(path)


def rate_of(run: Run, kind: str) -> float:
    """Return the best rate on dev of full training ("full") or of LoRA, q,v, r 8 ("lora").

    Five rates at full length, one seed, whose dev sentences no score is of. All of LoRA's
    variants take the one rate, as in the paper's Table 12.
    """
    grid = RATES[kind]
    if run.scale in ("test", "default"):
        return grid[2]
    method = "full" if kind == "full" else "q,v"
    found = tuned(run, method, grid)
    return max(found, key=lambda rate: (found[rate], -rate))


def tuned(run: Run, method: str, grid: tuple[float, ...]) -> dict[float, float]:
    """Return dev accuracies by rate, of the grid and beyond while the best is at its edge."""

    def score(rate: float) -> float:
        return run.trial(tune, method=method, rate=rate, seed=99)["accuracy"]

    found = {rate: score(rate) for rate in grid}
    for _ in range(3):
        best = max(found, key=lambda rate: (found[rate], -rate))
        beyond = best / 2 if best == min(found) else 2 * best if best == max(found) else None
        if beyond is None:
            break
        found[beyond] = score(beyond)
    return found


def tune(run: Run, method: str, rate: float, seed: int) -> dict[str, float]:
    """Return what a rate gives on dev."""
    return learn(run, method, rate, seed, part="dev")


def scores(run: Run, method: str, seeds: int, n: int = 2_000, r: int | None = None) -> list[float]:
    """Return a method's accuracies by seed, at its rate."""
    kind = "lora" if method in MATRICES else "full"
    other: dict[str, Any] = {} if r is None else {"r": r}
    return [
        run.trial(learn, method=method, rate=rate_of(run, kind), seed=seed, n=n, **other)[
            "accuracy"
        ]
        for seed in run.seeds(run.pick(test=2, default=2, full=seeds))
    ]


def protocol(run: Run) -> str:
    """Tell what was trained, and how."""
    if run.scale in ("test", "default"):
        return "A random encoder of 64 units on made-up rows: a test of the code, not of the claim."
    told = ", ".join(
        f"{kind} {rate_of(run, kind):g} of {', '.join(f'{x:g}' for x in RATES[kind])}"
        for kind in RATES
    )
    return (
        "MiniLM-L6 (six layers of 384, 22.7 million numbers) with the weights of all-MiniLM-L6-v2 "
        "and a new head; rotten tomatoes: 2,000 sentences to train on, drawn by seed, 400 for dev, "
        f"{len(reviews.rows(run.data)['test']):,} to test, films apart; 3 passes, batches of 16, "
        "AdamW, decay .01, dropout .1, the rate up over 6% and down in a line. LoRA: α 8, its head "
        f"trained too. Rates chosen on dev at full length: {told}."
    )


BETWEEN = (
    "22.7 million numbers in place of 125 million to 175 billion, pre-trained to embed sentences; "
    "2,000 examples and three passes, where the paper has up to 392,000 examples or 80 passes"
)
