"""The base model's training step and its greedy decoding: ours beside the best peer, in one run.

python packages/transformer/benchmarks/bench_transformer.py [--threads 1] [--rounds 5]
"""

import argparse
import time

import torch
import torch.nn.functional as F
from torch import nn
from transformers import MarianConfig, MarianMTModel

from lessons.transformer import Transformer, from_marian, from_torch_transformer, greedy

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--rounds", type=int, default=5, help="each is timed so often, in turns")
parser.add_argument("--device", default="cpu")
args = parser.parse_args()
torch.set_num_threads(args.threads)
torch.manual_seed(0)

VOCABULARY, BATCH, LENGTH, NEW = 8000, 8, 32, 48


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
        print(f"  {name:44} {1e3 * median:8.1f}  {median / base:5.2f}")


class Peer(nn.Module):
    """torch.nn.Transformer with the rest of the paper's model around it."""

    def __init__(self, ours):
        super().__init__()
        self.ours = ours
        self.stacks = nn.Transformer(512, 8, 6, 6, 2048, dropout=0.0, batch_first=True)

    def forward(self, src, tgt):
        mask = nn.Transformer.generate_square_subsequent_mask(tgt.shape[1], device=tgt.device)
        embedded = (
            self.ours._embed(ids, self.ours.tgt_embedding, self.ours.src_positions, 0)
            for ids in (src, tgt)
        )
        states = self.stacks(*embedded, tgt_mask=mask, tgt_is_causal=True)
        return self.ours.project(states)


def train(model, src, tgt):
    logits = model(src, tgt[:, :-1])
    F.cross_entropy(logits.flatten(0, 1), tgt[:, 1:].flatten()).backward()
    model.zero_grad(set_to_none=True)


def forward(model, src, tgt):
    with torch.inference_mode():
        return model(src, tgt)


print(f"torch {torch.__version__}, {args.device}, {args.threads} thread(s)")
ours = Transformer.from_preset(
    "base", vocab_size=VOCABULARY, dropout=0.0, attention_bias=True, final_norm=True
).to(args.device)
peer = Peer(ours).to(args.device)
encoder, decoder = from_torch_transformer(peer.stacks)
ours.encoder.load_state_dict(encoder.state_dict())
ours.decoder.load_state_dict(decoder.state_dict())
src, tgt = torch.randint(3, VOCABULARY, (2, BATCH, LENGTH), device=args.device)
torch.testing.assert_close(ours.eval()(src, tgt), peer.eval()(src, tgt), rtol=1e-4, atol=1e-4)
models = {"torch.nn.Transformer": peer.train(), "ours": ours.train()}
compare(
    f"forward and backward, 6 + 6 layers of 512, {BATCH} x {LENGTH} tokens",
    {name: lambda model=model: train(model, src, tgt) for name, model in models.items()},
)

marian = MarianMTModel(MarianConfig(
    vocab_size=VOCABULARY, d_model=512, encoder_layers=6, decoder_layers=6,
    encoder_attention_heads=8, decoder_attention_heads=8, encoder_ffn_dim=2048,
    decoder_ffn_dim=2048, activation_function="swish", scale_embedding=True,
    pad_token_id=VOCABULARY - 1, decoder_start_token_id=VOCABULARY - 1, eos_token_id=0,
    forced_eos_token_id=None,
)).to(args.device).eval()  # fmt: skip
same = from_marian(marian.state_dict()).to(args.device)
both = {"pad_token_id": VOCABULARY - 1, "bad_words_ids": [[VOCABULARY - 1], [0]]}


def generate(ids):
    return marian.generate(
        ids, attention_mask=torch.ones_like(ids), min_new_tokens=NEW, max_new_tokens=NEW,
        num_beams=1, do_sample=False, **both,
    )  # fmt: skip


# No sentence may end early: the time is that of the same number of tokens.
same.state_dict()["output_bias"][0] = -torch.inf
for batch in (1, 16):
    ids = torch.randint(1, VOCABULARY - 1, (batch, LENGTH), device=args.device)
    assert torch.equal(generate(ids)[:, 1:], greedy(same, ids, max_len=NEW))
    calls = {
        "transformers' Marian, generate": lambda ids=ids: generate(ids),
        "ours, greedy": lambda ids=ids: greedy(same, ids, max_len=NEW),
        "ours, greedy, without the cache": lambda ids=ids: greedy(
            same, ids, max_len=NEW, use_cache=False
        ),
    }
    compare(f"{NEW} tokens for {batch} sentence(s) of {LENGTH}", calls)
