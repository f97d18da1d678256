#!/usr/bin/env bash
# transformers: a second model made from the same config switches the attention of the first.
#
# Two models are made from one config object to compare two implementations of attention: the first
# with attn_implementation="eager", the second with "sdpa".
# Expected: an eager model and an sdpa model. Eager attention gives attention maps, sdpa does not.
# Seen, without an error or a warning: once the second exists, the first is sdpa too, and what gave
# one map per layer gives an empty tuple. A comparison of the two compares sdpa with itself. Both
# keep the very object that they were given, and the choice of attention is a field of it that is
# read at every call; set_attn_implementation on one of them switches the other as well.
# We found nothing on two models of one config in the documentation or in the issues.
# What to do: copy.deepcopy(config) for each model, and look at config._attn_implementation after
# the last of them is made.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q transformers==5.24.0 torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import copy
import platform

import torch
import transformers
from transformers import AutoModelForCausalLM, GPT2Config

print(f"transformers {transformers.__version__}, torch {torch.__version__}, "
      f"Python {platform.python_version()}")
words = torch.tensor([[1, 2, 3]])


def maps(share):
    """Return how many attention maps the eager model gives before and after a second is made."""
    config = GPT2Config(
        vocab_size=8, n_positions=8, n_embd=8, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    one = config if share else copy.deepcopy(config)
    eager = AutoModelForCausalLM.from_config(one, attn_implementation="eager").eval()
    before = len(eager(words, output_attentions=True).attentions)
    AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
    return before, len(eager(words, output_attentions=True).attentions)


shared, apart = maps(share=True), maps(share=False)
print(f"maps of the eager model before and after the second: {shared}, with a copy: {apart}")
if shared != (2, 0) or apart != (2, 2):
    raise SystemExit("CHANGED: this is not what was found")
print("as found: the second model switched the first")
PYTHON
