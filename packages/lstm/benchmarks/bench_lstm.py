"""Training the cells of 1997: ours beside torch's layer and a loop over its cells, in one run.

python packages/lstm/benchmarks/bench_lstm.py [--threads 1] [--seconds 2]
"""

import argparse
import time

import torch
from torch import nn
from torch.utils import benchmark

from lessons.lstm import (
    LSTM1997,
    Abreast,
    Config,
    TruncatedLearner,
    carousel,
    carousel_reference,
    to_torch,
)
from lessons.lstm.network import project

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--seconds", type=float, default=2.0, help="how long each is measured")
args = parser.parse_args()
torch.manual_seed(0)
# CPU time, where one thread is all there is: a busy machine counts less.
timer = time.process_time if args.threads == 1 else benchmark.timer


def cells(layer):
    """Loop over torch's cells, with a layer's weights."""
    weights = [getattr(layer, name) for name in to_torch(whole)]

    def run(x):
        h = c = x.new_zeros(x.shape[1], layer.hidden_size)
        outputs = []
        for x_BI in x.unbind(0):
            h, c = torch.lstm_cell(x_BI, (h, c), *weights)
            outputs.append(h)
        return (torch.stack(outputs),)

    return run


def path(net, way):
    """Run a net's cells by one of the two paths, past torch's kernel."""

    def run(x):
        c, batch = net.config, x.shape[1]
        inside = project(x[:, None], net.weight_x[None], net.bias[None], False, c)
        state = x.new_zeros(1, batch, c.sources), x.new_zeros(1, batch, c.cells)
        return (way(inside, net.weight_h[None], *state, c)[0],)

    return run


print(f"torch {torch.__version__}, {args.threads} thread(s)")
print("one step of training (forward and backward): ms, and of torch's layer")
for inputs, size, batch, steps in ((8, 8, 32, 100), (64, 128, 32, 100), (128, 256, 64, 30)):
    wiring = Config(inputs, size, gate_recurrence=False, truncate=False)
    whole = LSTM1997(wiring)
    cut = LSTM1997(Config(inputs, size, gate_recurrence=False))
    torchs = nn.LSTM(inputs, size)
    torchs.load_state_dict(to_torch(whole))
    contenders = {
        "torch": torchs, "torch, cells": cells(torchs), "ours": whole.cells,
        "ours, written gradient": path(whole, carousel),
        "ours, truncated": cut.cells, "ours, truncated, readable": path(cut, carousel_reference),
        "as published": LSTM1997(Config(inputs, size)).cells,
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
        print(f"  {name:28} {1e3 * median:9.2f} {median / medians['torch']:6.2f}")

print("the paper's rule, online: microseconds a step, and for each net")
for name, seeds in (("exp4", 1), ("exp4", 10), ("exp2c-100", 1), ("exp2c-1000", 10)):
    net = LSTM1997.from_preset(name, seeds=seeds)
    learner, x = TruncatedLearner(net, 0.1), torch.rand(seeds, net.config.input_size)
    run = benchmark.Timer(
        "learner.step(x)", globals={"learner": learner, "x": x}, num_threads=args.threads,
        timer=timer,
    ).blocked_autorange(min_run_time=args.seconds)  # fmt: skip
    print(f"  {name:12} {seeds:3} nets {1e6 * run.median:9.1f} {1e6 * run.median / seeds:9.1f}")

print("the same rule abreast, a sequence of 100 steps each: microseconds a step, and for each net")
for name, seeds in (("exp4", 20), ("exp4", 100), ("exp2c-100", 20)):
    net = LSTM1997.from_preset(name, seeds=seeds)
    c, target = net.config, torch.rand(seeds, net.config.output_size or 1)
    x = torch.randint(c.input_size, (100, seeds)) if c.embed else torch.rand(100, seeds, 2)
    abreast = Abreast(net, 0.01)
    run = benchmark.Timer(
        "abreast.learn(x, target)", globals={"abreast": abreast, "x": x, "target": target},
        num_threads=args.threads, timer=timer,
    ).blocked_autorange(min_run_time=args.seconds)  # fmt: skip
    print(f"  {name:12} {seeds:3} nets {1e4 * run.median:9.1f} {1e4 * run.median / seeds:9.1f}")
