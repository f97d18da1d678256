"""LSTMs beside torch's, equal and unequal lengths; beam search with kept states and without.

python packages/seq2seq/benchmarks/bench_seq2seq.py [--threads 1] [--rounds 7] [--small]
"""

import argparse
import time
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from lessons.seq2seq import Seq2Seq, beam_search, from_torch_lstm
from lessons.seq2seq.lstm import LSTM

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--rounds", type=int, default=7, help="each is timed so often, in turns")
parser.add_argument("--small", action="store_true", help="only to see that it runs")
args = parser.parse_args()
torch.set_num_threads(args.threads)
torch.manual_seed(0)


def compare(title: str, calls: dict[str, Any]) -> None:
    """Time the calls in turns, since a busy machine disturbs whoever runs at that moment."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(args.rounds):
        for name, call in calls.items():
            began = time.process_time()
            call()
            times[name].append(time.process_time() - began)
    medians = {name: sorted(values)[len(values) // 2] for name, values in times.items()}
    base = next(iter(medians.values()))
    print(f"{title}: ms of CPU, and of the first")
    for name, median in medians.items():
        print(f"  {name:44} {1e3 * median:8.1f}  {median / base:5.2f}")


class Cells(nn.Module):
    """A loop over torch's cells, as one writes it first."""

    def __init__(self, inputs: int, hidden: int, layers: int) -> None:
        super().__init__()
        sizes = [inputs] + [hidden] * (layers - 1)
        self.cells = nn.ModuleList(nn.LSTMCell(size, hidden) for size in sizes)

    def forward(self, x):
        for cell in self.cells:
            state, found = None, []
            for row in x.unbind(0):
                state = cell(row, state)
                found.append(state[0])
            x = torch.stack(found)
        return x


print(f"torch {torch.__version__}, {args.threads} thread(s)")
SIZES = [(100, 32, 64, 128, 1), (30, 64, 64, 96, 2), (30, 64, 128, 256, 4)]
for steps, batch, inputs, hidden, layers in [(5, 3, 4, 5, 2)] if args.small else SIZES:
    theirs = nn.LSTM(inputs, hidden, layers)
    ours = from_torch_lstm(theirs.state_dict()).train()
    peep = LSTM(inputs, hidden, layers, peephole=True)
    cells, x = Cells(inputs, hidden, layers), torch.randn(steps, batch, inputs, requires_grad=True)
    lengths = torch.randint(steps // 2, steps + 1, (batch,))
    lengths[0] = steps

    def packed(net=theirs, x=x, lengths=lengths):
        rows, _ = net(pack_padded_sequence(x, lengths, enforce_sorted=False))
        pad_packed_sequence(rows)[0].sum().backward()

    title = f"T {steps}, B {batch}, I {inputs}, H {hidden}, L {layers}, forward and backward"
    compare(
        title,
        {
            "torch's LSTM": lambda net=theirs, x=x: net(x)[0].sum().backward(),
            "a loop over torch's cells": lambda net=cells, x=x: net(x).sum().backward(),
            "lessons": lambda net=ours, x=x: net(x)[0].sum().backward(),
            "lessons, peepholes (not in torch)": lambda net=peep, x=x: net(x)[0].sum().backward(),
        },
    )
    compare(
        "The same, lengths from a half to the whole",
        {
            "torch's LSTM, packed": packed,
            "lessons": lambda net=ours, x=x, n=lengths: net(x, None, n)[0].sum().backward(),
        },
    )

sizes: dict[str, Any] = {"source_vocab_size": 2000, "target_vocab_size": 2000}
model = Seq2Seq.from_preset("desk", torch.Generator().manual_seed(0), **sizes).eval()
model.output.bias.data[model.config.eos_id] = -20.0  # none ends before the others
src = torch.randint(4, 2000, (2 if args.small else 8, 6 if args.small else 20))
options: dict[str, Any] = {"beam": 5, "max_len": src.shape[1] + 1}
compare(
    f"Beam search of 5, {len(src)} sentences, {src.shape[1] + 1} words",
    {
        "without kept states": lambda: beam_search(model, src, use_cache=False, **options),
        "with them": lambda: beam_search(model, src, **options),
    },
)
