"""C2: one loss for every task, and what the model writes (§2.4, §4.1)."""

import itertools
import time
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from ..adafactor import Adafactor
from ..lab.claim import Finding, claim, demonstration
from ..lab.run import Run
from ..objectives import pad
from .contest import SEEDS, Contest, base, finding, judged, noise, ran
from .training import TUNE_BATCH, TUNE_RATE, best_rate, pretrained, tuning_steps
from .world import TASKS, real, world


def headed(run: Run, seed: int, rate: float = TUNE_RATE, part: str = "test") -> dict[str, Any]:
    """Fine-tune the encoder of the same pre-trained net under a softmax over the labels; a trial.

    The head reads the mean of the encoder's states. It is the architecture made for the task.
    """
    began = time.process_time()
    net: Any = pretrained(run, "enc-dec", "replace spans", 0, seed)[0]
    labels, rows = TASKS["review"].labels or (), world(run).tasks["review"]
    encoder = type(net)(net.config)
    encoder.load_state_dict(net.state_dict())
    encoder.to(run.device).train()
    head = nn.Linear(net.config.d_model, len(labels), device=run.device)
    head.weight.data.normal_(
        std=net.config.d_model**-0.5, generator=torch.Generator().manual_seed(seed)
    )
    head.bias.data.zero_()
    numbers = {tuple(world(run).pieces.encode(word, 1)): i for i, word in enumerate(labels)}
    g = torch.Generator().manual_seed(1000 + seed)
    train = rows["train"]
    passes = (torch.randperm(len(train), generator=g).tolist() for _ in itertools.count())
    order = itertools.chain.from_iterable(passes)
    parameters = [*encoder.shared.parameters(), *encoder.encoder.parameters(), *head.parameters()]
    optimizer = Adafactor(parameters, rate)

    def logits_of(chosen):
        ids = pad([a for a, _ in chosen]).to(run.device)
        states, real = encoder.encode(ids)
        mean = (states * real[..., None]).sum(1) / real.sum(1, keepdim=True)
        return head(mean), torch.tensor([numbers[tuple(b)] for _, b in chosen], device=run.device)

    for _ in run.track(range(tuning_steps(run, "review")), f"softmax head, seed {seed}"):
        optimizer.zero_grad()
        F.cross_entropy(
            *logits_of([train[i] for i in itertools.islice(order, TUNE_BATCH)])
        ).backward()
        optimizer.step()
    encoder.eval()
    test = rows[part][: run.pick(test=32, default=300, full=1_400)]
    right = 0
    with torch.no_grad():
        for start in range(0, len(test), 64):
            logits, wanted = logits_of(test[start : start + 64])
            right += int((logits.argmax(-1) == wanted).sum())
    return {"loss": None, "scores": {"review": 100 * right / len(test)}, "illegal": 0,
            "count": len(test), "cpu": time.process_time() - began}  # fmt: skip


@claim(
    "C2",
    "§4.1",
    says="Writing the label does as well as a softmax over the labels.",
    quotes="In spite of its simplicity, we found the text-to-text framework obtained comparable "
    "performance to task-specific architectures",
    asks="Accuracy on reviews of nets that write “fresh” or “rotten”, less that of the same "
    "pre-trained encoder under a softmax over two classes, tuned for as many steps, each at "
    "the best rate of its own search on dev. σ is that of the baseline over seeds.",
    holds_if="the 95% interval of the difference lies within ±2σ, or above it",
    fails_if="it lies below −2σ",
    paper="SQuAD 80.88 against BERT's 80.8",
)
def comparable(run):
    """Compare on reviews."""
    count = run.pick(test=2, default=3, full=SEEDS)
    rate = best_rate(run)[0]
    if real(run):  # at the rates that the baseline's search begins with, on dev, on a seed apart
        rate = max(
            (rate / 2, rate, 2 * rate),
            key=lambda r: run.trial(headed, seed=run.seed + 100, rate=r, part="dev")["scores"][
                "review"
            ],
        )
    heads = [run.trial(headed, seed=seed, rate=rate) for seed in run.seeds(count)]
    ours = [t | {"scores": {"review": t["scores"]["review"]}} for t in base(run)]
    both = Contest(ours, heads)
    gap, sigma = both.gap("review"), max(noise(run, "review"), 1e-6)
    return finding(run, gap, judged(run, gap, above=-2 * sigma), both)


@demonstration(
    "D3",
    "Whether tuned models write only labels.",
    source="§2.4, “we never observed this behavior in any of our trained models”",
    asks="How many answers to reviews of the test films are neither “fresh” nor “rotten”; such an "
    "answer counts as wrong. Of nets this small the paper's sentence says nothing.",
)
def legal(run):
    """Count the answers that are no label."""
    found = base(run)
    each = len(world(run).tasks["review"]["test"][: run.pick(test=32, default=300, full=1_400)])
    illegal, count = sum(t["illegal"] for t in found), len(found) * each
    return Finding(
        None,
        ours=f"{illegal} of {count:,} answers are no label",
        ran=ran(run, len(found)),
        measured=f"{illegal} of {count:,} answers are neither of the two words.",
        numbers={"illegal": illegal, "count": count},
    )
