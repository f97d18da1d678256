"""The three steps on a text with a known true reward, as the claims need them.

Models are kept in memory while a run lasts; on disk are only trials. Each is made from seeds alone,
so that a run that was killed makes it again, the same.
"""

import copy
import functools
import math
from typing import Any

import torch
from torch import Tensor

from ..config import GPTConfig
from ..kl import FixedKL
from ..lab.run import Run
from ..model import GPT
from ..reward import RewardModel, draw_ranks, ranking_loss
from ..sampling import Responses, joined, sample
from ..sft import sft_loss
from ..trainer import PPOConfig, PPOTrainer
from .worlds import world

AGREEMENT = 0.726  # Ouyang §3.4: "training labelers agree with each-other 72.6 ± 1.5%"
BETA = 0.02  # Ouyang, appendix C.4
EXAMPLES = 4  # in the prompt of the prompted models
memory: dict[Any, Any] = {}


def remembered(function):
    """Keep what a function made, for as long as the program runs (decorator)."""

    @functools.wraps(function)
    def wrapper(run: Run, *args, **settings):
        key = (function.__name__, run.scale, str(run.device), str(run.data), args,
               tuple(sorted(settings.items())))  # fmt: skip
        if key not in memory:
            memory[key] = function(run, *args, **settings)
        return memory[key]

    return wrapper


def sizes(run: Run) -> list[tuple[int, int]]:
    """Return width and layers of the three sizes (two in the smaller runs)."""
    return run.pick(test=[(16, 1), (32, 1)], default=[(16, 1), (32, 2)],
                    full=[(32, 2), (64, 3), (128, 4)])  # fmt: skip


def scored_by(run: Run) -> tuple[int, int]:
    """Return the size of reward model and value function: one for policies of all sizes (C.2)."""
    return sizes(run)[min(1, len(sizes(run)) - 1)]


def seeded(*numbers: int) -> torch.Generator:
    """Return a generator of its own for each purpose."""
    total = sum(n * p for n, p in zip(numbers, (1, 7_919, 104_729, 1_299_709)))
    return torch.Generator().manual_seed(total)


def room(run: Run) -> int:
    """Return the positions that a prompt with examples before it needs."""
    known = world(run)
    return (EXAMPLES + 1) * (known.prompt + known.response)


def adam(model: torch.nn.Module, lr: float, steps: int, final: float = 0.1):
    """Return Adam and a cosine down to a tenth of the rate."""
    optimizer = torch.optim.Adam(model.parameters(), lr, betas=(0.9, 0.95))
    curve = lambda t: final + (1 - final) * 0.5 * (1 + math.cos(math.pi * t / max(1, steps)))  # noqa: E731
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, curve)


def descend(model, loss, optimizer, schedule) -> None:
    """Take one step, its gradient cut to norm 1."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    schedule.step()


@remembered
def base(run: Run, size: tuple[int, int], seed: int) -> GPT:
    """Return a language model of the text: GPT-3's part."""
    known, (width, layers) = world(run), size
    config = GPTConfig(known.vocab_size, room(run), width, layers, max(2, width // 16))
    generator = seeded(seed, 1, width)
    model = GPT(config, generator).to(run.device)
    rows = 16
    tokens = run.pick(test=20_000, default=200_000, full=2_500_000)
    steps = tokens // (rows * room(run))
    optimizer, schedule = adam(model, 3e-3, steps)
    for _ in run.track(range(steps), f"language model {width}/{layers}, seed {seed}"):
        ids = known.windows(rows, room(run), generator).to(run.device)
        descend(model, sft_loss(model(ids), ids), optimizer, schedule)
    return model.eval()


@remembered
def demonstrations(run: Run, seed: int, n: int) -> Tensor:
    """Return n stretches of the text whose second part is among the tenth of highest reward."""
    known = world(run)
    ids = known.windows(10 * n, known.prompt + known.response, seeded(seed, 2))
    return ids[known.reward(ids[:, known.prompt :]).topk(n).indices]


def demonstration_count(run: Run) -> int:
    """Return how many demonstrations there are."""
    return run.pick(test=64, default=400, full=2_000)


def tuned_on(run: Run, model: GPT, ids: Tensor, epochs: int, seed: int, watch=None) -> GPT:
    """Fine-tune a copy on demonstrations; ``watch`` is called with it after each epoch.

    A tenth of each batch's loss is the language model's on the pretraining text (C.3).
    """
    known, model, batch = world(run), copy.deepcopy(model), 32
    generator = seeded(seed, 3, model.config.n_embd)
    optimizer, schedule = adam(model, 1e-3, epochs * (len(ids) // batch))
    prompt = torch.arange(ids.shape[1], device=run.device)[None].expand(batch, -1) < known.prompt
    for epoch in run.track(range(epochs), f"demonstrations, seed {seed}"):
        for rows in torch.randperm(len(ids), generator=generator).split(batch):
            if len(rows) == batch:
                part = ids[rows].to(run.device)
                text = known.windows(4, ids.shape[1], generator).to(run.device)
                loss = 0.9 * sft_loss(model(part), part, prompt) + 0.1 * sft_loss(model(text), text)
                descend(model, loss, optimizer, schedule)
        if watch is not None:
            watch(epoch + 1, model)
    return model.eval()


@remembered
def supervised(run: Run, size: tuple[int, int], seed: int) -> GPT:
    """Return the base after two epochs of demonstrations, from which PPO begins (C.3)."""
    shown = demonstrations(run, seed, demonstration_count(run))
    return tuned_on(run, base(run, size, seed), shown, 2, seed)


def prompts_of(run: Run, n: int, generator: torch.Generator, test: bool = False) -> Tensor:
    """Return n prompts of the text."""
    known = world(run)
    return known.windows(n, known.prompt, generator, test).to(run.device)


def temperature_for(utilities_BK: Tensor, agreement: float = AGREEMENT) -> float:
    """Return the noise at which two labellers agree on so many pairs.

    Both choose by Bradley and Terry with p = σ(d/T), and agree with p² + (1 − p)²: on half of the
    pairs that are tied.

    Raises:
        ValueError: so many pairs are tied that no noise is small enough.
    """
    other = ~torch.eye(utilities_BK.shape[1], dtype=torch.bool)
    d = (utilities_BK[:, :, None] - utilities_BK[:, None, :])[:, other].double()

    def agree(temperature: float) -> float:
        p = torch.sigmoid(d / temperature)
        return (p**2 + (1 - p) ** 2).mean().item()

    low, high = 1e-3, 1e3
    if not d.numel() or agree(low) < agreement:
        raise ValueError(f"no noise lets labellers agree on {agreement:.1%} of the pairs")
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if agree(middle) > agreement else (low, middle)
    return low


@remembered
def comparisons(run: Run, seed: int, n: int, k: int | None, from_base: bool = False):
    """Return prompts (n, P), responses (n, K, N), ranks (n, K), and a mask of K from 4 to 9.

    With a number ``k`` all prompts have so many responses.
    """
    known, generator = world(run), seeded(seed, 4)
    policy = base(run, sizes(run)[0], seed) if from_base else supervised(run, scored_by(run), seed)
    most = k or 9
    prompt = prompts_of(run, n, generator)
    drawn = []
    for part in prompt.split(256):
        rows = part.repeat_interleave(most, 0)
        drawn.append(sample(policy, rows, known.response, generator=generator).ids)
    ids = torch.cat(drawn).view(n, most, -1)
    truth = known.reward(ids.flatten(0, 1).cpu()).view(n, most)
    ranks = draw_ranks(truth, temperature_for(truth), generator)
    count = torch.full((n,), most) if k else torch.randint(4, 10, (n,), generator=generator)
    there = torch.arange(most)[None] < count[:, None]
    ranks = ranks.masked_fill(~there, most).argsort(dim=-1, stable=True).argsort(dim=-1)
    return prompt, ids, ranks.to(run.device), there.to(run.device)


def rewards_of(model: RewardModel, prompt_BP: Tensor, ids_BKN: Tensor) -> Tensor:
    """Return rewards (B, K): one forward pass of each response."""
    b, k, _ = ids_BKN.shape
    whole, _ = joined(prompt_BP.repeat_interleave(k, 0), ids_BKN.flatten(0, 1), None)
    return model(whole).view(b, k)


@remembered
def reward_model(run: Run, seed: int) -> RewardModel:
    """Return the reward model: a single epoch over rankings, the mean of demonstrations at 0."""
    n, batch = run.pick(test=(32, 8), default=(300, 4), full=(1_500, 8))
    prompt, ids, ranks, there = comparisons(run, seed, n, None)
    generator = seeded(seed, 5)
    model = RewardModel(copy.deepcopy(supervised(run, scored_by(run), seed)), generator)
    model.to(run.device)
    optimizer, schedule = adam(model, 1e-3, n // batch)
    for rows in run.track(torch.randperm(n, generator=generator).split(batch), f"rewards, {seed}"):
        loss = ranking_loss(rewards_of(model, prompt[rows], ids[rows]), ranks[rows], there[rows])
        descend(model, loss, optimizer, schedule)
    model.eval()
    with torch.no_grad():
        shown = demonstrations(run, seed, demonstration_count(run)).to(run.device)
        model.normalize(model(shown))
    return model


def by_model(model: RewardModel):
    """Return a reward model as what scores episodes."""

    @torch.no_grad()
    def score(prompt_BP: Tensor, drawn: Responses) -> Tensor:
        whole, mask = joined(prompt_BP, drawn.ids, None, drawn.mask)
        return model(whole, mask)

    return score


def reinforced(
    run: Run, policy: GPT, score, value: RewardModel, seed: int, *, beta: float = BETA,
    ptx: float = 0.0, lr: float = 1e-3, watch=None,
) -> GPT:  # fmt: skip
    """Return the policy after PPO: the moving average of its weights."""
    known, generator = world(run), seeded(seed, 6, policy.config.n_embd)
    batch = run.pick(test=32, default=64, full=128)
    length = 2 * (known.prompt + known.response)
    config = PPOConfig(policy_lr=lr, value_lr=lr, minibatch=batch // 4, ptx=ptx)
    trainer = PPOTrainer(
        copy.deepcopy(policy), policy, copy.deepcopy(value), score, FixedKL(beta), config,
        lambda n: known.windows(n, length, generator).to(run.device), generator,
    )  # fmt: skip
    steps = run.pick(test=2, default=40, full=64)
    what = f"PPO{'-ptx' if ptx else ''} {policy.config.n_embd}, β {beta:g}, seed {seed}"
    for step in run.track(range(steps), what):
        stats = trainer.step(prompts_of(run, batch, generator), known.response)
        if watch is not None:
            watch(step + 1, stats, trainer)
    return trainer.averaged.eval()
