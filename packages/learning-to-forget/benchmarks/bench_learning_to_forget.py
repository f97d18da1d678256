"""Training cells with forget gates: ours beside torch's layer and a loop over its cells.

python packages/learning-to-forget/benchmarks/bench_learning_to_forget.py [--threads 1]
"""

import argparse
import time

import numpy as np
import torch
from torch import nn
from torch.utils import benchmark

from lessons.learning_to_forget import LSTM, Abreast, ForwardMode, GersLSTM, PeepholeLSTM

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--seconds", type=float, default=2.0, help="how long each is measured")
args = parser.parse_args()
torch.manual_seed(0)
torch.set_num_threads(args.threads)
# CPU time, where one thread is all there is: a busy machine counts less.
timer = time.process_time if args.threads == 1 else benchmark.timer


def loop(layer):
    """Run torch's cell step by step, with a layer's weights."""
    weights = [getattr(layer, name) for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0",
                                                 "bias_hh_l0")]  # fmt: skip

    def run(x):
        h = c = x.new_zeros(x.shape[1], layer.hidden_size)
        outputs = []
        for x_BI in x.unbind(0):
            h, c = torch.lstm_cell(x_BI, (h, c), *weights)
            outputs.append(h)
        return (torch.stack(outputs),)

    return run


print(f"torch {torch.__version__}, {args.threads} thread(s)")
print("one step of training (forward and backward): ms, and of torch's layer")
for inputs, size, batch, steps in ((7, 16, 32, 40), (64, 128, 32, 100), (128, 256, 64, 30)):
    theirs, ours = nn.LSTM(inputs, size), LSTM(inputs, size)
    ours.load_state_dict(theirs.state_dict())
    contenders = {
        "torch": theirs, "torch, cells": loop(theirs), "ours": ours,
        "ours, checkpoints": LSTM(inputs, size, checkpoint_every=10),
        "ours, torch's kernel": LSTM(inputs, size, backend="torch"),
        "ours, peepholes": PeepholeLSTM(inputs, size),
    }  # fmt: skip
    x = torch.randn(steps, batch, inputs)
    times, rounds = {name: [] for name in contenders}, 8
    for _ in range(rounds):  # they take turns: whoever else runs disturbs all alike
        for name, call in contenders.items():
            run = benchmark.Timer(
                "call(x)[0].sum().backward()", globals={"call": call, "x": x},
                num_threads=args.threads, timer=timer,
            ).blocked_autorange(min_run_time=args.seconds / rounds)  # fmt: skip
            times[name] += run.times
    medians = {name: sorted(values)[len(values) // 2] for name, values in times.items()}
    print(f"I = {inputs}, H = {size}, B = {batch}, T = {steps}")
    for name, median in medians.items():
        print(f"  {name:24} {1e3 * median:9.2f} {median / medians['torch']:6.2f}")

print("the paper's rule, a symbol at a time: microseconds a step, and for each net")
target, x = torch.rand(7), torch.rand(7)
learner = ForwardMode(GersLSTM.from_preset("cerg"), 0.1)
for seeds in (1, 20, 100):
    abreast = Abreast(GersLSTM.from_preset("cerg", seeds=seeds), 0.1)
    given, due = (np.repeat(v.numpy()[:, None], seeds, 1) for v in (x, target))

    def step(abreast=abreast, given=given, due=due):
        """Read and learn."""
        abreast.step(given)
        abreast.learn(due)

    for name, call in (("alone", lambda: learner.step(x, target)), ("abreast", step)):
        if name == "alone" and seeds > 1:
            continue
        run = benchmark.Timer("call()", globals={"call": call}, timer=timer).blocked_autorange(
            min_run_time=args.seconds
        )
        print(f"  {name:10} {seeds:3} nets {1e6 * run.median:9.1f} {1e6 * run.median / seeds:9.1f}")
