"""Generation and one step of training: ours beside Hugging Face's, on the same weights.

python packages/gpt-2/benchmarks/bench_gpt_2.py [--preset gpt2] [--threads 1] [--seconds 2]
"""

import argparse
import dataclasses
import time

import numpy as np
import torch
import transformers
from torch.utils import benchmark

from lessons.gpt_2 import GPT2, PRESETS, ByteLevelBPE, greedy, to_hugging_face

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--preset", choices=PRESETS, default="nano")
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--seconds", type=float, default=2.0, help="how long each is measured")
parser.add_argument("--new", type=int, default=64, help="tokens that are generated")
args = parser.parse_args()
torch.set_num_threads(args.threads)
# CPU time, where one thread is all there is: a busy machine counts less.
timer = time.process_time if args.threads == 1 else benchmark.timer

rates = dict.fromkeys(("embd_pdrop", "attn_pdrop", "resid_pdrop"), 0.0)
config = dataclasses.replace(PRESETS[args.preset], **rates)
ours = GPT2(config, torch.Generator().manual_seed(0)).eval()
names = {name: getattr(config, name) for name in ("vocab_size", "n_positions", "n_embd", "n_layer",
                                                  "n_head", *rates)}  # fmt: skip
theirs = transformers.GPT2LMHeadModel(
    transformers.GPT2Config(**names, bos_token_id=0, eos_token_id=0)
)
theirs.load_state_dict(to_hugging_face(ours), strict=False)
theirs.tie_weights()
theirs.eval()


def measure(contenders, rounds=6):
    """Print milliseconds and the ratio to Hugging Face's; they take turns."""
    times = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, call in contenders.items():
            run = benchmark.Timer(
                "call()", globals={"call": call}, num_threads=args.threads, timer=timer
            ).blocked_autorange(min_run_time=args.seconds / rounds)
            times[name].append(run.median)
    base = np.array(times["Hugging Face"])
    for name, found in times.items():
        ratio = np.array(found) / base
        print(f"  {name:16} {1e3 * np.median(found):9.2f} ms   {np.median(ratio):.2f}")


print(
    f"torch {torch.__version__}, transformers {transformers.__version__}, {args.threads} thread(s)"
)
prompt = torch.randint(config.vocab_size, (1, 16), generator=torch.Generator().manual_seed(1))
how = {"max_new_tokens": args.new, "do_sample": False, "num_beams": 1, "pad_token_id": 0,
       "eos_token_id": None, "attention_mask": torch.ones_like(prompt)}  # fmt: skip
assert torch.equal(theirs.generate(prompt, **how)[:, 16:], greedy(ours, prompt, args.new))
print(f"greedy, {args.new} tokens after 16")
measure({
    "Hugging Face": lambda: theirs.generate(prompt, **how),
    "ours": lambda: greedy(ours, prompt, args.new),
    "ours, no cache": lambda: greedy(ours, prompt, args.new, use_cache=False),
})  # fmt: skip

batch = torch.randint(config.vocab_size, (4, min(config.n_positions, 256)))
print(f"forward and backward, {batch.shape[0]} sequences of {batch.shape[1]}")
measure({
    "Hugging Face": lambda: theirs(batch, labels=batch).loss.backward(),
    "ours": lambda: ours(batch, labels_BT=batch).backward(),
    "ours, chunked": lambda: ours(batch, labels_BT=batch, chunk=1 << 20).backward(),
})  # fmt: skip

text = "The quick brown fox jumps over the lazy dog, again and again. " * 200
tokens = ByteLevelBPE.train([text], 300)
count = len(tokens.encode(text))
run = benchmark.Timer(
    "tokens._cache.clear(); tokens.encode(text)", globals={"tokens": tokens, "text": text},
    timer=timer,
).blocked_autorange(min_run_time=args.seconds / 4)  # fmt: skip
print(f"encoding: {count / run.median / 1e3:,.0f} thousand tokens a second")
