"""A step of training with an adapter that is not merged: ours beside peft, and all weights.

python packages/lora/benchmarks/bench_lora.py [--threads 1] [--seconds 2]
"""

import argparse
import copy
import time

import peft
import torch
from torch.utils import benchmark

from lessons.lora import BERT_PRESETS, GPT2, Bert, GPT2Config, LoRAConfig, full, inject

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--seconds", type=float, default=2.0, help="how long each is measured")
args = parser.parse_args()
torch.manual_seed(0)
torch.set_num_threads(args.threads)
# CPU time, where one thread is all there is: a busy machine counts less.
timer = time.process_time if args.threads == 1 else benchmark.timer


def theirs(model, names, r):
    """Return peft's model around a copy."""
    config = peft.LoraConfig(r=r, lora_alpha=r, target_modules=list(names))
    return peft.get_peft_model(copy.deepcopy(model), config)


def ours(model, names, r):
    """Return a copy with an adapter of ours."""
    return inject(copy.deepcopy(model), LoRAConfig(r, r, names))


HOSTS = {
    "MiniLM, q and v": (Bert(BERT_PRESETS["minilm-l6"]), ("query", "value"), (16, 32)),
    "MiniLM, all linear layers": (
        Bert(BERT_PRESETS["minilm-l6"]), ("query", "key", "value", "dense"), (16, 32),
    ),
}  # fmt: skip
print(f"torch {torch.__version__}, peft {peft.__version__}, {args.threads} thread(s)")
print("forward, backward and a step of AdamW: ms, and of peft's")
for title, (host, names, (batch, length)) in HOSTS.items():
    contenders = {
        "peft": theirs(host, names, 8), "ours": ours(host, names, 8), "all weights": full(host),
    }  # fmt: skip
    ids = torch.arange(batch * length).view(batch, length)
    optimizers = {name: torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 1e-6)
                  for name, model in contenders.items()}  # fmt: skip

    def step(name, contenders=contenders, optimizers=optimizers, ids=ids):
        """Train one step."""
        optimizers[name].zero_grad()
        contenders[name](ids).square().mean().backward()
        optimizers[name].step()

    times, rounds = {name: [] for name in contenders}, 8
    for _ in range(rounds):  # they take turns: whoever else runs disturbs all alike
        for name in contenders:
            run = benchmark.Timer(
                "step(name)", globals={"step": step, "name": name}, num_threads=args.threads,
                timer=timer,
            ).blocked_autorange(min_run_time=args.seconds / rounds)  # fmt: skip
            times[name] += run.times
    medians = {name: sorted(values)[len(values) // 2] for name, values in times.items()}
    print(title)
    for name, median in medians.items():
        print(f"  {name:12} {1e3 * median:9.2f} {median / medians['peft']:6.2f}")

print("writing a token, GPT-2 of 6 layers of 256: ms, and of the base")
base = GPT2(GPT2Config(2_000, 128, 256, 6, 4)).eval()
apart = ours(base, ("c_attn",), 4).eval()
together = ours(base, ("c_attn",), 4).eval()
for module in together.modules():
    if hasattr(module, "merge"):
        module.merge()
found = {}
with torch.no_grad():
    for name, model in (("base", base), ("merged", together), ("beside", apart)):
        run = benchmark.Timer(
            "model(ids)", globals={"model": model, "ids": torch.zeros(1, 32, dtype=torch.long)},
            num_threads=args.threads, timer=timer,
        ).blocked_autorange(min_run_time=args.seconds)  # fmt: skip
        found[name] = run.median
        print(f"  {name:12} {1e3 * run.median:9.2f} {run.median / found['base']:6.2f}")
