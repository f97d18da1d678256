"""A folder with a model and its tokens, as Hugging Face has it: also one that holds GPT-2 itself.

``config.json``, ``model.safetensors``, ``vocab.json`` and ``merges.txt``; OpenAI's names of the
last two, ``encoder.json`` and ``vocab.bpe``, are read as well.
"""

import json
import os
from pathlib import Path

from .bpe import ByteLevelBPE
from .model import GPT2
from .weights import from_hugging_face, load, save, to_hugging_face

NAMES = {"resid_pdrop", "embd_pdrop", "attn_pdrop", "layer_norm_epsilon", "initializer_range"}
VOCABULARIES = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))


def from_folder(folder: str | os.PathLike) -> tuple[GPT2, ByteLevelBPE]:
    """Return the model in a folder, in eval mode, and its tokens.

    Raises:
        OSError: a file is missing; says which.
        ValueError: a file is something else, or the model has fewer ids than the vocabulary.
    """
    folder = Path(folder)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        own = {name: config[name] for name in NAMES & set(config)} | {"n_head": config["n_head"]}
        own["activation"] = config.get("activation_function", "gelu_new")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder / 'config.json'} is no model's: {error!r}") from error
    tokens = vocabulary_of(folder)
    model = from_hugging_face(load(folder / "model.safetensors"), **own)
    most = max([*tokens.tokens, *tokens.special.values()])
    if most >= model.config.vocab_size:
        raise ValueError(
            f"{folder}: the vocabulary has the id {most}, the model only {model.config.vocab_size}"
        )
    return model, tokens


def vocabulary_of(folder: str | os.PathLike) -> ByteLevelBPE:
    """Return the tokens in a folder.

    Raises:
        OSError: they are not there. ValueError: the files are something else.
    """
    folder = Path(folder)
    for encoder, merges in VOCABULARIES:
        if (folder / encoder).is_file() and (folder / merges).is_file():
            return ByteLevelBPE.load(folder / encoder, folder / merges)
    known = " nor ".join(" with ".join(names) for names in VOCABULARIES)
    raise FileNotFoundError(f"{folder} has no vocabulary: neither {known}")


def to_folder(folder: str | os.PathLike, model: GPT2, tokens: ByteLevelBPE) -> None:
    """Write a model and its tokens so that `from_folder` and transformers read them.

    Raises:
        ValueError: a model that theirs cannot be.
    """
    folder, c = Path(folder), model.config
    state = to_hugging_face(model)  # first: it refuses before anything is written
    if c.tied:
        state.pop("lm_head.weight")
    config = {
        "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "vocab_size": c.vocab_size,
        "n_positions": c.n_positions, "n_embd": c.n_embd, "n_layer": c.n_layer,
        "n_head": c.n_head, "n_inner": c.n_inner, "activation_function": c.activation,
        "tie_word_embeddings": c.tied, **{name: getattr(c, name) for name in sorted(NAMES)},
    }  # fmt: skip
    end = next(iter(tokens.special.values()), None)
    config |= {"bos_token_id": end, "eos_token_id": end}
    folder.mkdir(parents=True, exist_ok=True)
    tokens.save(folder / "vocab.json", folder / "merges.txt")
    save(folder / "model.safetensors", state, {"format": "pt"})
    temporary = folder / f".config.json.{os.getpid()}"
    temporary.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, folder / "config.json")
