"""The base model on a padded batch, and a step of pre-training: ours beside Hugging Face's.

python packages/bert/benchmarks/bench_bert.py [--threads 1] [--rounds 5] [--preset mini]
"""

import argparse
import copy
import time
from typing import Any

import torch
import torch.nn.functional as F
from transformers import BertConfig as TheirConfig
from transformers import BertForMaskedLM as TheirForMaskedLM
from transformers import BertModel as TheirModel

from lessons.bert import (
    BertForMaskedLM,
    BertModel,
    from_hugging_face,
    mask_tokens,
    to_hugging_face,
)
from lessons.bert.config import PRESETS

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--rounds", type=int, default=5, help="each is timed so often, in turns")
parser.add_argument("--device", default="cpu")
parser.add_argument("--preset", default="base", help="one of PRESETS (default: base)")
parser.add_argument("--batch", type=int, default=8)
args = parser.parse_args()
torch.set_num_threads(args.threads)
torch.manual_seed(0)


def wait():
    if args.device.startswith("cuda"):
        torch.cuda.synchronize()


def compare(title, calls):
    """Time the calls in turns, since a busy machine disturbs whoever runs at that moment."""
    times = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(args.rounds):
        for name, call in calls.items():
            wait()
            began = time.perf_counter()
            call()
            wait()
            times[name].append(time.perf_counter() - began)
    medians = {name: sorted(values)[len(values) // 2] for name, values in times.items()}
    base = next(iter(medians.values()))
    print(f"{title}: ms, and of the peer's")
    for name, median in medians.items():
        print(f"  {name:48} {1e3 * median:8.1f}  {median / base:5.2f}")


config = PRESETS[args.preset]
theirs = TheirConfig(
    vocab_size=config.vocab_size, hidden_size=config.hidden_size,
    num_hidden_layers=config.num_hidden_layers, num_attention_heads=config.num_attention_heads,
    intermediate_size=config.feed_forward_size, hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)  # fmt: skip
options: dict[str, Any] = {
    "num_attention_heads": config.num_attention_heads, "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}  # fmt: skip
print(f"torch {torch.__version__}, {args.device}, {args.threads} thread(s), {args.preset}")

# A batch of texts of 16 to 128 tokens: a little over half of it is no padding.
length = torch.linspace(16, 128, args.batch).long()
mask = (torch.arange(128) < length[:, None]).long().to(args.device)
ids = torch.randint(1000, config.vocab_size, mask.shape, device=args.device) * mask
peer = TheirModel(copy.deepcopy(theirs)).to(args.device).eval()
padded = from_hugging_face(peer.state_dict(), BertModel, **options).to(args.device)
packed = from_hugging_face(peer.state_dict(), BertModel, drop_padding=True, **options)
packed = packed.to(args.device)
real = mask.bool()
with torch.inference_mode():
    want = peer(ids, mask).last_hidden_state[real]
    for ours in (padded, packed):
        got = ours(ids, mask).last_hidden_state[real]
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)


def encode(model):
    with torch.inference_mode():
        model(ids, mask)


compare(
    f"a batch of {args.batch} texts of 16 to 128 tokens, {int(mask.sum()) / mask.numel():.0%} real",
    {
        "transformers": lambda: encode(peer),
        "ours": lambda: encode(padded),
        "ours, padding dropped": lambda: encode(packed),
    },
)

# A step of masked language modelling on full rows: 15% of the places meet the vocabulary, or all.
ids = torch.randint(1000, config.vocab_size, (args.batch, 128), device=args.device)
inputs, labels = mask_tokens(ids, ids < 1000, 103, config.vocab_size)
peer = TheirForMaskedLM(copy.deepcopy(theirs)).to(args.device).train()
ours = from_hugging_face(peer.state_dict(), BertForMaskedLM, **options).to(args.device).train()
assert to_hugging_face(ours).keys() >= dict(peer.named_parameters()).keys()


def their_step():
    peer(inputs, labels=labels).loss.backward()
    peer.zero_grad(set_to_none=True)


def our_step(gathered):
    if gathered:
        loss = ours.loss(inputs, labels)
    else:
        loss = F.cross_entropy(ours(inputs).flatten(0, 1), labels.flatten())
    loss.backward()
    ours.zero_grad(set_to_none=True)


with torch.no_grad():
    torch.testing.assert_close(ours.loss(inputs, labels), peer(inputs, labels=labels).loss)
compare(
    f"forward and backward of hidden words, {args.batch} x 128 tokens",
    {
        "transformers": their_step,
        "ours, only hidden places meet the vocabulary": lambda: our_step(True),
        "ours, all places": lambda: our_step(False),
    },
)
