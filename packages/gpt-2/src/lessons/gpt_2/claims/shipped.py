"""The small model that this package ships, with its tokens, in one file; and the commands."""

import base64
import json
from pathlib import Path

import torch
from safetensors import safe_open

from .. import pretrain, prompt
from ..bpe import END_OF_TEXT, ByteLevelBPE
from ..model import GPT2
from ..weights import from_hugging_face, load, save, to_hugging_face

PATH = Path(__file__).parents[1] / "model.safetensors"


class Commands(dict):
    """``train`` is one command; any other text that is no option is a prompt."""

    def __contains__(self, name: object) -> bool:
        """Return whether an argument is a text."""
        return isinstance(name, str) and not name.startswith("-")

    def __missing__(self, name: str):
        """Return the command that goes on with a text."""
        return lambda rest: prompt.main([name, *rest], recall)


COMMANDS = Commands(train=pretrain.main)


def keep(path: Path, model: GPT2, tokens: ByteLevelBPE, told: dict[str, str]) -> None:
    """Write weights in half precision, and tokens and what is told of them in the header."""
    state = {name: tensor.half() for name, tensor in to_hugging_face(model).items()}
    state.pop("lm_head.weight")  # the embedding's own
    pairs = [[base64.b64encode(part).decode() for part in pair] for pair in tokens.merges]
    about = {"n_head": model.config.n_head, "merges": pairs} | told
    save(path, state, {"about": json.dumps(about)})


def recall(path: Path = PATH) -> tuple[GPT2, ByteLevelBPE]:
    """Return the model that was kept, in single precision, and its tokens.

    Raises:
        OSError: there is none; says how one is made.
        ValueError: the file is something else.
    """
    if not path.is_file():
        command = "python -m lessons.gpt_2 --full --claim D3 --data FOLDER --out OTHER"
        raise FileNotFoundError(
            f"There is no trained model at {path} yet. `{command}` trains one in about ten minutes "
            "of one core, where FOLDER has the texts that README.md names; or name the folder of "
            "another, your own (`train --help`) or a released GPT-2, with --model."
        )
    state = load(path)
    with safe_open(path, "pt") as file:
        about = json.loads((file.metadata() or {}).get("about", "{}"))
    if {"n_head", "merges"} - set(about):
        raise ValueError(f"{path} has no tokens beside its weights: it is another model's")
    tokens = dict(enumerate(ByteLevelBPE.train(["a"], 257).tokens.values()))
    merges = [(base64.b64decode(a), base64.b64decode(b)) for a, b in about["merges"]]
    known = set(tokens.values())
    for a, b in merges:
        if a + b not in known:  # two pairs may make the same bytes
            known.add(a + b)
            tokens[len(tokens)] = a + b
    bpe = ByteLevelBPE(tokens, merges, {END_OF_TEXT: len(tokens)})
    model = from_hugging_face(state, n_head=about["n_head"]).to(torch.float32)
    return model.eval(), bpe
