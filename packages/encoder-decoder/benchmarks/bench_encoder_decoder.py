"""Training the gated unit: ours beside torch's layers and loops over torch's cells, in one run.

python packages/encoder-decoder/benchmarks/bench_encoder_decoder.py [--threads 1] [--seconds 2]
"""

import argparse
import time

import torch
from torch import nn
from torch.utils import benchmark

from lessons.encoder_decoder import GRU, EncoderDecoderConfig, RNNEncoderDecoder, score_pairs
from lessons.encoder_decoder.unit import unroll_reference

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--seconds", type=float, default=2.0, help="how long each is measured")
parser.add_argument("--small", action="store_true", help="only to see that it runs")
args = parser.parse_args()
torch.manual_seed(0)
torch.set_num_threads(args.threads)
# CPU time, where one thread is all there is: a busy machine counts less.
timer = time.process_time if args.threads == 1 else benchmark.timer
ROUNDS = 2 if args.small else 8


def cells(layer):
    """Loop over torch's cells, with a layer's weights."""
    weights = [getattr(layer, f"{name}_l0") for name in ("weight_ih", "weight_hh")]
    weights += [getattr(layer, f"{name}_l0") for name in ("bias_ih", "bias_hh")]
    gated = isinstance(layer, nn.GRU)

    def run(x):
        h = x.new_zeros(x.shape[1], layer.hidden_size)
        c, outputs = h, []
        for x_BI in x.unbind(0):
            if gated:
                h = torch.gru_cell(x_BI, h, *weights)
            else:
                h, c = torch.lstm_cell(x_BI, (h, c), *weights)
            outputs.append(h)
        return (torch.stack(outputs),)

    return run


def readable(layer):
    """Go the readable way, step by step."""

    def run(x):
        rows = torch.nn.functional.linear(x, layer.weight_ih_l0, layer.bias_ih_l0)
        zero = x.new_zeros(x.shape[1], layer.hidden_size)
        return (unroll_reference(rows, zero, layer.weight_hh_l0),)

    return run


def compare(title, calls, statement, first, **names):
    """Time the calls in turns, since a busy machine disturbs whoever runs at that moment."""
    times = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            run = benchmark.Timer(
                statement, globals={"call": call, **names}, num_threads=args.threads, timer=timer
            ).blocked_autorange(min_run_time=0.01 if args.small else args.seconds / ROUNDS)
            times[name] += run.times
    medians = {name: sorted(values)[len(values) // 2] for name, values in times.items()}
    print(title)
    for name, median in medians.items():
        print(f"  {name:28} {1e3 * median:9.2f} {median / medians[first]:6.2f}")


print(f"torch {torch.__version__}, {args.threads} thread(s)")
print("one step of training (forward and backward): ms, and of torch's GRU")
SIZES = ((8, 8, 2, 5),) if args.small else (
    (8, 16, 1, 50), (64, 64, 64, 20), (64, 128, 32, 100), (128, 256, 64, 30)
)  # fmt: skip
for inputs, size, batch, steps in SIZES:
    theirs, lstm = nn.GRU(inputs, size), nn.LSTM(inputs, size)
    before, after = GRU(inputs, size), GRU(inputs, size, reset="after")
    compare(
        f"I = {inputs}, H = {size}, B = {batch}, T = {steps}",
        {
            "torch": theirs, "torch, cells": cells(theirs), "ours, reset before": before,
            "ours, reset after": after, "ours, readable": readable(before), "torch, LSTM": lstm,
            "torch, LSTM cells": cells(lstm),
        },
        "call(x)[0].sum().backward()", "torch", x=torch.randn(steps, batch, inputs),
    )  # fmt: skip

print("scores of 200 phrase pairs, of 2 to 8 words: ms, and of the first")
n, words = (8, 20) if args.small else (128, 3000)
net = RNNEncoderDecoder(EncoderDecoderConfig(words, words, 64, n, 64, 64)).eval()
lengths = torch.randint(2, 9, (20 if args.small else 200, 2)).tolist()
drawn = [[torch.randint(3, words, (k,)).tolist() for k in row] for row in lengths]
pairs = [(source, target) for source, target in drawn]
compare(
    f"{n} units, {words:,} words",
    {
        "one at a time": lambda: [score_pairs(net, [pair]) for pair in pairs],
        "in batches of similar length": lambda: score_pairs(net, pairs),
    },
    "call()",
    "one at a time",
)
