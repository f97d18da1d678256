"""T5-small beside Hugging Face's: greedy generation and a training step, in one run.

python packages/t5/benchmarks/bench_t5.py [--threads 1] [--tokens 32]

Equal random weights, and the ids that both write are compared before anything is timed.
"""

import argparse
import statistics
import time
from typing import Any

import torch
import transformers

from lessons.t5 import PRESETS, from_hugging_face, greedy

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--batch", type=int, default=4)
parser.add_argument("--tokens", type=int, default=32, help="how many each answer has")
parser.add_argument("--small", action="store_true", help="only to see that it runs")
args = parser.parse_args()
torch.manual_seed(0)
torch.set_num_threads(args.threads)
# CPU time, where one thread is all there is: a busy machine counts less.
timer = time.process_time if args.threads == 1 else time.perf_counter

c = PRESETS["t5-small"]
sizes: dict[str, Any] = {
    name: getattr(c, name) for name in ("vocab_size", "d_model", "d_kv", "d_ff", "num_layers")
}
if args.small:
    sizes |= {"d_model": 16, "d_kv": 4, "d_ff": 32, "vocab_size": 100, "num_layers": 1}
    args.rounds, args.tokens = 1, 4
sizes |= {"num_heads": c.num_heads, "decoder_start_token_id": 0, "eos_token_id": None}
config = transformers.T5Config(**sizes, dropout_rate=0.0)
theirs = transformers.T5ForConditionalGeneration(config).eval()
ours = from_hugging_face(theirs.state_dict(), dropout_rate=0.0)
ids = torch.randint(2, sizes["vocab_size"], (args.batch, 64))
labels = torch.randint(2, sizes["vocab_size"], (args.batch, 32))


@torch.no_grad()
def their_answers():
    return theirs.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=args.tokens,
        do_sample=False, suppress_tokens=[0, 1],
    )[:, 1:]  # fmt: skip


def step(model, loss):
    model.zero_grad()
    loss().backward()


contests = {
    f"{args.tokens} tokens for each of {args.batch} texts, greedy": (
        lambda: greedy(ours, ids, args.tokens), their_answers,
    ),
    "forward and backward of a loss": (
        lambda: step(ours, lambda: ours.loss(ids, labels)),
        lambda: step(theirs, lambda: theirs(input_ids=ids, labels=labels).loss),
    ),
}  # fmt: skip
got, want = greedy(ours, ids, args.tokens), their_answers()
same = (got == want[:, : got.shape[1]]).float().mean().item()
print(f"{100 * same:.0f}% of the ids are equal (an answer of ours may end, theirs goes on)")
for title, pair in contests.items():
    seconds = ([], [])
    for _ in range(args.rounds + 1):  # in turns, since a busy machine disturbs whoever runs then
        for run, found in zip(pair, seconds):
            began = timer()
            run()
            found.append(timer() - began)
    a, b = (statistics.median(found[1:]) for found in seconds)  # the first is a warm-up
    print(f"{title}: ours {a:.3f} s, transformers {b:.3f} s, ratio {a / b:.2f}")
