"""Advantages and a batch of episodes: ours beside what tutorials write.

trl 1.16 has no PPO any more, hence no advantages to be measured against; the loop of its earlier
versions, a list that is stacked and turned round, stands here, written anew.

python packages/instruct-gpt/benchmarks/bench_instruct_gpt.py [--threads 1]
"""

import argparse
import copy
import time

import torch
from torch.utils import benchmark

from lessons.instruct_gpt import (
    GPT,
    FixedKL,
    GPTConfig,
    PPOConfig,
    PPOTrainer,
    RewardModel,
    gae,
    sample,
)

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--seconds", type=float, default=2.0, help="how long each is measured")
args = parser.parse_args()
torch.set_num_threads(args.threads)
# CPU time, where one thread is all there is: a busy machine counts less.
timer = time.process_time if args.threads == 1 else benchmark.timer


def stacked(rewards, values, mask, gamma=1.0, lam=0.95):
    """Step by step, a list of tensors."""
    values, rewards = values * mask, rewards * mask
    last, out = 0, []
    for t in reversed(range(rewards.shape[1])):
        after = values[:, t + 1] if t < rewards.shape[1] - 1 else 0.0
        last = rewards[:, t] + gamma * after - values[:, t] + gamma * lam * last
        out.append(last)
    advantages = torch.stack(out[::-1], 1)
    return advantages, advantages + values


def product(rewards, values, mask, gamma=1.0, lam=0.95):
    """All steps at once: surprises times a triangle of powers of γλ."""
    values, rewards = values * mask, rewards * mask
    t = rewards.shape[1]
    delta = rewards - values
    delta[:, :-1] += gamma * values[:, 1:]
    apart = torch.arange(t)[:, None] - torch.arange(t)[None]
    advantages = delta @ torch.where(apart >= 0, (gamma * lam) ** apart.clamp(min=0), 0.0)
    return advantages, advantages + values


print(f"torch {torch.__version__}, {args.threads} thread(s)")
print("advantages: ms, and of the stacked loop")
for batch, length in ((64, 24), (512, 75), (512, 1000)):
    rewards, values = torch.randn(2, batch, length)
    mask = torch.ones(batch, length, dtype=torch.bool)
    contenders = {"stacked loop": stacked, "ours": gae, "one product": product}
    times = {name: [] for name in contenders}
    for _ in range(8):  # they take turns: whoever else runs disturbs all alike
        for name, call in contenders.items():
            run = benchmark.Timer(
                "call(rewards, values, mask)", globals={**globals(), "call": call},
                num_threads=args.threads, timer=timer,
            ).blocked_autorange(min_run_time=args.seconds / 8)  # fmt: skip
            times[name].append(run.median)
    first = min(times["stacked loop"])
    shown = ", ".join(f"{n} {1e3 * min(t):.2f} ({min(t) / first:.2f})" for n, t in times.items())
    print(f"  {batch} x {length}: {shown}")

print("a batch of 128 episodes, prompts of 16 tokens, responses of 24: seconds")
for width, layers in ((32, 2), (64, 3)):
    policy = GPT(GPTConfig(1024, 64, width, layers, width // 16)).eval()
    trainer = PPOTrainer(
        copy.deepcopy(policy), policy, RewardModel(copy.deepcopy(policy)),
        lambda prompts, drawn: drawn.ids.float().mean(-1), FixedKL(0.02), PPOConfig(minibatch=32),
    )  # fmt: skip
    prompts = torch.randint(0, 1024, (128, 16))
    for what in ("sample(policy, prompts, 24)", "trainer.step(prompts, 24)"):
        run = benchmark.Timer(
            what, globals={"sample": sample, "policy": policy, "prompts": prompts,
                           "trainer": trainer}, num_threads=args.threads, timer=timer,
        ).blocked_autorange(min_run_time=args.seconds)  # fmt: skip
        print(f"  {width}/{layers} {what}: {run.median:.3f}")
