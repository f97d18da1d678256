r"""PPO as it was first told: Algorithm 1 of Schulman et al. (2017), for machines to steer.

Several copies, each with weights, data and chance of its own, learn side by side: their weights are
stacked on a leading axis. Shapes: S copies, E environments of a copy, T steps, B batch, O observed
numbers, A actions.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from .advantages import gae
from .checks import in_range
from .control import CartPole, Pendulum
from .kl import HalvingKL, kl_divergence
from .ppo import clipped_policy_loss, penalized_policy_loss, policy_gradient_loss, value_loss

SURROGATES = ("clip", "none", "fixed", "adaptive", "gradient")


@dataclasses.dataclass(frozen=True)
class ControlConfig:
    """Choices; the defaults are Table 3's, its 2,048 steps shared out among eight environments.

    Raises:
        ValueError: a number out of its range, an unknown surrogate, a minibatch that does not
            divide the batch.
    """

    surrogate: Literal["clip", "none", "fixed", "adaptive", "gradient"] = "clip"
    eps: float = 0.2  # of the clip
    beta: float = 1.0  # of a penalty; where it is adaptive, the first
    target: float = 0.01  # d_targ of an adaptive penalty
    environments: int = 8
    horizon: int = 256
    epochs: int = 10
    minibatch: int = 64
    lr: float = 3e-4
    gamma: float = 0.99
    lam: float = 0.95
    hidden: int = 64
    reward_scale: float = 1.0  # not in the paper; what a step is worth to the value function

    def __post_init__(self) -> None:
        if self.surrogate not in SURROGATES:
            raise ValueError(f"surrogate must be one of {SURROGATES}, got {self.surrogate!r}")
        for name in ("eps", "target", "lr", "reward_scale"):
            in_range(name, getattr(self, name), 0, math.inf, open_low=True)
        in_range("beta", self.beta, 0, math.inf)
        for name in ("gamma", "lam"):
            in_range(name, getattr(self, name), 0, 1)
        for name in ("environments", "horizon", "epochs", "minibatch", "hidden"):
            in_range(name, getattr(self, name), 1, math.inf)
        if self.environments * self.horizon % self.minibatch:
            raise ValueError(
                f"minibatch ({self.minibatch}) must divide the batch "
                f"({self.environments * self.horizon})"
            )


class Nets(nn.Module):
    """S nets of two hidden tanh layers side by side (§6.1)."""

    def __init__(
        self, copies: int, inputs: int, hidden: int, outputs: int, last: float,
        generator: torch.Generator | None,
    ) -> None:  # fmt: skip
        super().__init__()
        sizes = [inputs, hidden, hidden, outputs]
        self.weights = nn.ParameterList(
            torch.randn(copies, i, o, generator=generator) * (gain / math.sqrt(i))
            for i, o, gain in zip(sizes, sizes[1:], (1.0, 1.0, last))
        )
        self.biases = nn.ParameterList(torch.zeros(copies, 1, o) for o in sizes[1:])

    def forward(self, x_SBO: Tensor) -> Tensor:
        """Map (S, B, inputs) to (S, B, outputs), each copy by its own net."""
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases)):
            x_SBO = torch.baddbmm(bias, x_SBO, weight)
            x_SBO = x_SBO if layer == 2 else x_SBO.tanh()
        return x_SBO


class Policy(nn.Module):
    """S stochastic policies: a softmax over actions, or a Gaussian whose deviation is learned."""

    def __init__(
        self, copies: int, inputs: int, actions: int, discrete: bool, hidden: int = 64,
        generator: torch.Generator | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.discrete = discrete
        self.net = Nets(copies, inputs, hidden, actions, 0.01, generator)
        self.log_std = None if discrete else nn.Parameter(torch.zeros(copies, 1, actions))

    def forward(self, x_SBO: Tensor) -> Tensor:
        """Return logits (S, B, A), or means with log deviations behind them (S, B, 2A)."""
        out = self.net(x_SBO)
        if self.log_std is None:
            return out
        return torch.cat([out, self.log_std.expand_as(out)], -1)

    def draw(self, out: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return actions, (S, B) numbers of actions, or (S, B, A)."""
        if self.discrete:
            noise = torch.empty_like(out).exponential_(generator=generator)
            return (out.softmax(-1) / noise).argmax(-1)
        mean, log_std = out.chunk(2, -1)
        noise = torch.empty_like(mean).normal_(generator=generator)
        return mean + log_std.exp() * noise

    def log_probs(self, out: Tensor, actions: Tensor) -> Tensor:
        """Return the log-probability, or log-density, of actions (S, B)."""
        if self.discrete:
            return out.log_softmax(-1).gather(-1, actions[..., None])[..., 0]
        mean, log_std = out.chunk(2, -1)
        scaled = (actions - mean) * (-log_std).exp()
        return (-0.5 * scaled.square() - log_std - 0.5 * math.log(2 * math.pi)).sum(-1)

    def kl(self, old: Tensor, new: Tensor) -> Tensor:
        """Return KL[old, new] at each state (S, B)."""
        if self.discrete:
            return kl_divergence(old, new)
        (mean_0, log_0), (mean_1, log_1) = old.chunk(2, -1), new.chunk(2, -1)
        apart = (2 * log_0).exp() + (mean_0 - mean_1).square()
        return (log_1 - log_0 + 0.5 * apart * (-2 * log_1).exp() - 0.5).sum(-1)


def train(
    environment: type[CartPole] | type[Pendulum],
    steps: int,
    config: ControlConfig = ControlConfig(),
    copies: int = 1,
    seed: int = 0,
    track: Callable[[Iterable, str], Iterable] = lambda iterable, what: iterable,
) -> list[list[float]]:
    """Return for each copy the total rewards of its episodes, in the order in which they ended.

    Args:
        environment: what is steered.
        steps: of each copy, over all its environments; rounded up to whole batches.
        config: choices.
        copies: how many learn side by side, independently.
        seed: of weights and chance; equal seeds: equal first weights, whatever the surrogate.
        track: shows progress.
    """
    c, generator = config, torch.Generator().manual_seed(seed)
    world = environment(copies * c.environments, np.random.default_rng(seed))
    policy = Policy(copies, world.observation_size, world.actions, world.discrete, c.hidden,
                    generator)  # fmt: skip
    critic = Nets(copies, world.observation_size, c.hidden, 1, 1.0, generator)
    # One pass over all weights a step; eps as torch's. Gradients of copies do not mix.
    optimizer = torch.optim.Adam([*policy.parameters(), *critic.parameters()], c.lr, fused=True)
    controllers = [HalvingKL(c.beta, c.target) for _ in range(copies)] if c.beta else []
    totals, running = [[] for _ in range(copies)], np.zeros(copies * c.environments)
    size = c.environments * c.horizon
    for _ in track(range(-(-steps // size)), f"{environment.__name__}, {c.surrogate}"):
        batch = collect(world, policy, critic, c, copies, running, totals, generator)
        betas = torch.full((copies, 1), c.beta)
        if c.surrogate == "adaptive":
            betas = torch.tensor([[each.beta] for each in controllers])
        for _ in range(1 if c.surrogate == "gradient" else c.epochs):
            # Each copy in an order of its own.
            order_SB = torch.rand(copies, size, generator=generator).argsort(-1)
            for rows_SB in order_SB.split(c.minibatch, 1):
                part = {name: pick(tensor, rows_SB) for name, tensor in batch.items()}
                optimizer.zero_grad(set_to_none=True)
                loss = surrogate(policy, part, c, betas)
                error = value_loss(critic(part["seen"])[..., 0], part["returns"])
                (copies * (loss + error)).backward()  # the mean over copies becomes their sum
                optimizer.step()
        if c.surrogate == "adaptive":
            with torch.no_grad():
                moved_S = policy.kl(batch["out"], policy(batch["seen"])).mean(-1)
            for controller, moved in zip(controllers, moved_S.tolist()):
                controller.update(moved)
    return totals


def surrogate(policy: Policy, part: dict[str, Tensor], c: ControlConfig, betas: Tensor) -> Tensor:
    """Return the loss of the policy (Schulman et al. 2017, §6.1), the mean over copies."""
    out = policy(part["seen"])
    new_SB = policy.log_probs(out, part["actions"])
    if c.surrogate == "gradient":  # one pass over the data, eq. 2
        return policy_gradient_loss(new_SB, part["advantages"])
    if c.surrogate in ("fixed", "adaptive"):
        kl_SB = betas * policy.kl(part["out"], out)
        return penalized_policy_loss(new_SB, part["old"], part["advantages"], kl_SB, 1.0)
    eps = c.eps if c.surrogate == "clip" else math.inf
    return clipped_policy_loss(new_SB, part["old"], part["advantages"], eps=eps)


def pick(tensor: Tensor, rows_SB: Tensor) -> Tensor:
    """Return each copy's rows of its batch."""
    index = rows_SB[(...,) + (None,) * (tensor.dim() - 2)]
    return tensor.gather(1, index.expand(*rows_SB.shape, *tensor.shape[2:]))


@torch.no_grad()
def collect(
    world: CartPole | Pendulum, policy: Policy, critic: Nets, c: ControlConfig, copies: int,
    running: np.ndarray, totals: list[list[float]], generator: torch.Generator,
) -> dict[str, Tensor]:  # fmt: skip
    """Run the policies for a horizon; return a batch (S, E·T, …). Totals are added to in place."""
    kept: dict[str, list[Tensor]] = {name: [] for name in ("seen", "out", "actions", "old")}
    rewards, ends, values = [], [], []

    def look() -> Tensor:
        seen = torch.from_numpy(world.observe()).float()
        return seen.view(copies, c.environments, -1)

    for _ in range(c.horizon):
        seen_SEO = look()
        out = policy(seen_SEO)
        actions = policy.draw(out, generator)
        reward, done = world.step(actions.reshape(copies * c.environments).numpy())
        running += reward
        for e in np.flatnonzero(done):
            totals[e // c.environments].append(float(running[e]))
        running[done] = 0
        for name, tensor in (("seen", seen_SEO), ("out", out), ("actions", actions),
                             ("old", policy.log_probs(out, actions))):  # fmt: skip
            kept[name].append(tensor)
        values.append(critic(seen_SEO).flatten())
        rewards.append(torch.from_numpy(c.reward_scale * reward).float())
        ends.append(torch.from_numpy(done))
    advantages, returns = gae(
        torch.stack(rewards, 1), torch.stack(values, 1), gamma=c.gamma, lam=c.lam,
        done_BT=torch.stack(ends, 1), last_value_B=critic(look()).flatten(),
    )  # fmt: skip
    # (S, E, T, …) becomes (S, E·T, …).
    batch = {name: torch.stack(tensors, 2).flatten(1, 2) for name, tensors in kept.items()}
    batch["returns"] = returns.view(copies, -1)
    advantages = advantages.view(copies, -1)
    mean, std = advantages.mean(1, keepdim=True), advantages.std(1, keepdim=True, correction=0)
    return batch | {"advantages": (advantages - mean) / (std + 1e-8)}
