"""A training step beside plain torch forms; beam search with a cache beside without; in one run.

python packages/attention/benchmarks/bench_attention.py [--threads 1] [--rounds 5] [--small]
"""

import argparse
import time
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from lessons.attention import RNNsearch, TranslatorConfig, beam_search

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--rounds", type=int, default=5, help="each is timed so often, in turns")
parser.add_argument("--small", action="store_true", help="only to see that it runs")
args = parser.parse_args()
torch.set_num_threads(args.threads)
torch.manual_seed(0)

BATCH, LENGTH, BEAM = (4, 5, 3) if args.small else (64, 20, 5)
SIZES: dict[str, Any] = {
    "embedding_size": 64, "encoder_size": 128, "decoder_size": 128, "alignment_size": 128,
    "maxout_size": 64,
}  # fmt: skip
if args.small:
    SIZES = dict.fromkeys(SIZES, 8)
VOCABULARY = 50 if args.small else 4000


class Plain(nn.Module):
    """The same model as one writes it first: a cell, an attention and a readout at each step."""

    def __init__(self, c: TranslatorConfig, step_by_step: bool) -> None:
        super().__init__()
        m, n, h, a, l = (SIZES[name] for name in SIZES)
        self.h, self.l, self.step_by_step = h, l, step_by_step
        self.source = nn.Embedding(c.source_vocab_size, m)
        self.target = nn.Embedding(c.target_vocab_size, m)
        self.cells = nn.ModuleList(
            nn.ModuleList([nn.Linear(m, 3 * n), nn.Linear(n, 2 * n, False), nn.Linear(n, n, False)])
            for _ in range(2)
        )
        self.inputs, self.context = nn.Linear(m, 3 * h), nn.Linear(2 * n, 3 * h, False)
        self.gates, self.state = nn.Linear(h, 2 * h, False), nn.Linear(h, h, False)
        self.start = nn.Linear(n, h)
        self.query, self.key = nn.Linear(h, a, False), nn.Linear(2 * n, a, False)
        self.energy = nn.Linear(a, 1, False)
        self.hidden = nn.Linear(h + m + 2 * n, 2 * l)
        self.output = nn.Linear(l, c.target_vocab_size)

    def cell(self, x, s, gates, state):
        size = s.shape[-1]
        z, r = (x[..., : 2 * size] + gates(s)).sigmoid().chunk(2, -1)
        return (1 - z) * s + z * (x[..., 2 * size :] + state(r * s)).tanh()

    def loss(self, src, length, tgt):
        del length  # all of one length
        words, directions = self.source(src), []
        for k, (inputs, gates, state) in enumerate(self.cells):  # type: ignore
            order = range(src.shape[1]) if k == 0 else reversed(range(src.shape[1]))
            s, states = words.new_zeros(len(src), state.in_features), {}
            whole = None if self.step_by_step else inputs(words)
            for j in order:
                s = self.cell(
                    inputs(words[:, j]) if whole is None else whole[:, j], s, gates, state
                )
                states[j] = s
            directions.append(torch.stack([states[j] for j in range(src.shape[1])], 1))
        notes = torch.cat(directions, -1)
        keys, s = self.key(notes), self.start(directions[1][:, 0]).tanh()
        tgt_words = self.target(tgt)
        before = torch.cat([torch.zeros_like(tgt_words[:, :1]), tgt_words[:, :-1]], 1)
        found = []
        for i in range(tgt.shape[1]):
            key = self.key(notes) if self.step_by_step else keys
            energy = self.energy((self.query(s)[:, None] + key).tanh())[..., 0]
            c = (energy.softmax(-1)[:, None] @ notes)[:, 0]
            read = torch.cat([s, before[:, i], c], -1)
            found.append(self.word(read) if self.step_by_step else read)
            s = self.cell(self.inputs(before[:, i]) + self.context(c), s, self.gates, self.state)
        logits = torch.stack(found, 1) if self.step_by_step else self.word(torch.stack(found, 1))
        return F.cross_entropy(logits.flatten(0, 1), tgt.flatten())

    def word(self, read):
        return self.output(self.hidden(read).unflatten(-1, (self.l, 2)).amax(-1))


def compare(title, calls):
    """Time the calls in turns, since a busy machine disturbs whoever runs at that moment."""
    times = {name: [] for name in calls}
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


def train(model, src, length, tgt):
    model.loss(src, length, tgt).backward()
    model.zero_grad(set_to_none=True)


print(f"torch {torch.__version__}, {args.threads} thread(s)")
config = TranslatorConfig(VOCABULARY, VOCABULARY, **SIZES)
ours = RNNsearch(config)
for parameter in ours.parameters():
    parameter.data.normal_(0, 0.1)
src, tgt = torch.randint(4, VOCABULARY, (2, BATCH, LENGTH))
length = torch.full((BATCH,), LENGTH)
plain, steps = Plain(config, False), Plain(config, True)
readable = RNNsearch(config)
readable.unroll = readable.unroll_reference
compare(
    f"Training, {BATCH} pairs of {LENGTH} words",
    {
        "plain torch, products out of the loop": lambda: train(plain, src, length, tgt),
        "plain torch, step by step": lambda: train(steps, src, length, tgt),
        "lessons, decoder by its readable path": lambda: train(readable, src, length, tgt),
        "lessons": lambda: train(ours, src, length, tgt),
    },
)
few, ours = src[: max(BATCH // 8, 1)], ours.eval()
options: dict[str, Any] = {"beam": BEAM, "min_len": LENGTH, "max_len": LENGTH + 1}
compare(
    f"Beam search, {BEAM} beams, {len(few)} sentences, {LENGTH + 1} words",
    {
        "without the cache": lambda: beam_search(ours, few, use_cache=False, **options),
        "with it": lambda: beam_search(ours, few, **options),
    },
)
