"""Claims C5: learning from demonstrations, once and many times."""

from typing import Any

import torch

from ..lab.claim import Finding, claim
from ..lab.run import Run
from ..lab.statistics import interval, judge, paired
from ..sft import sft_loss
from .headline import BETWEEN, wins
from .outcomes import examined, seeds_of, told
from .steps import base, demonstrations, reward_model, scored_by, tuned_on
from .worlds import world


def learn_demonstrations(run: Run, seed: int) -> dict[str, Any]:
    """Train on demonstrations for 16 epochs; return what was seen after the first and the last."""
    n, held_out = run.pick(test=(64, 32), default=(128, 64), full=(1_000, 400))
    epochs = run.pick(test=2, default=16)
    known, size = world(run), scored_by(run)
    shown = demonstrations(run, seed, n + held_out)
    # The best are in front: dealt out like cards, not cut.
    held = torch.arange(len(shown)) % 10 < round(10 * held_out / (n + held_out))
    train, valid = shown[~held], shown[held].to(run.device)
    prompt = torch.arange(valid.shape[1])[None].expand(len(valid), -1) < known.prompt
    judge_model, seen = reward_model(run, seed), {}

    def watch(epoch, model):
        model.eval()
        with torch.no_grad():
            loss = sft_loss(model(valid), valid, prompt).item()
        seen.setdefault("loss", []).append(loss)
        if epoch in (1, epochs):
            found = examined(run, model, None, judge_model, seed)
            seen["first" if epoch == 1 else "last"] = found
        model.train()

    # A schedule for one epoch and one for all: both as long as they are.
    tuned_on(run, base(run, size, seed), train, 1, seed, watch)
    once = {"loss": seen.pop("loss")[-1], **seen.pop("first")}
    tuned_on(run, base(run, size, seed), train, epochs, seed, watch)
    last = seen.get("last") or seen["first"]
    return {"one": once, "all": {"loss": seen["loss"][-1], **last}, "curve": seen["loss"]}


def demonstrated(run: Run) -> list[dict]:
    """Return the trials of all seeds."""
    return [run.trial(learn_demonstrations, seed=s) for s in run.seeds(seeds_of(run))]


EPOCHS: dict[str, Any] = {
    "full_only": True,
    "asks": "Fine-tuning on demonstrations for 1 and for 16 epochs, each with its own cosine.",
    "quotes": "our SFT models overfit on validation loss after 1 epoch; however, we find that "
    "training for more epochs helps both the RM score and human preference ratings",
}


@claim("C5a", "Ouyang §3.5", "The supervised model's validation loss overfits after one epoch.",
       holds_if="the 95% interval of (16 epochs − 1 epoch), loss of held-out demonstrations, lies "
       "above 0 nats", fails_if="it lies below", **EPOCHS)  # fmt: skip
def sft_overfits(run: Run) -> Finding:
    """Compare the losses."""
    trials = demonstrated(run)
    found = paired([t["curve"][-1] for t in trials], [t["one"]["loss"] for t in trials])
    return Finding(
        judge(found, above=0, paper_regime=False),
        ours=found.text(unit="nats"),
        ran=told(run),
        measured=f"After 16 epochs the validation loss differs by {found.text(unit='nats')}.",
        numbers={"curves": [t["curve"] for t in trials], "one": [t["one"]["loss"] for t in trials]},
        between=BETWEEN,
        would_decide="twenty seeds",
    )


@claim("C5b", "Ouyang §3.5", "More epochs raise the reward model's score all the same.",
       holds_if="the 95% interval of (16 epochs − 1 epoch), mean learned reward, lies above 0",
       fails_if="it lies below", **EPOCHS)  # fmt: skip
def sft_score(run: Run) -> Finding:
    """Compare the learned rewards."""
    trials = demonstrated(run)
    pairs = [[t[k]["score"] for t in trials] for k in ("all", "one")]
    found = paired(*pairs)
    return Finding(
        judge(found, above=0, paper_regime=False),
        ours=found.text(),
        ran=told(run),
        measured=f"The learned reward differs by {found.text()}.",
        numbers={"all": pairs[0], "one": pairs[1]},
        between=BETWEEN,
        would_decide="twenty seeds",
    )


@claim("C5c", "Ouyang §3.5", "More epochs are preferred all the same.",
       holds_if="the 95% interval of the win rate of 16 epochs over 1 lies above 50%",
       fails_if="it lies below", **EPOCHS)  # fmt: skip
def sft_preferred(run: Run) -> Finding:
    """Compare the responses."""
    trials = demonstrated(run)
    rates = wins([t["all"] for t in trials], [t["one"] for t in trials])
    found = interval(rates)
    return Finding(
        judge(found, above=50, paper_regime=False),
        ours=f"preferred {found.text(unit='%')} of the time",
        ran=told(run),
        measured=f"16 epochs win {found.text(unit='%')} over 1.",
        numbers={"wins": rates},
        between=BETWEEN,
        would_decide="twenty seeds",
    )
