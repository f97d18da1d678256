"""Demonstration D3: the models that ship with this package, trained by a full run."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch

from ..config import GPTConfig
from ..lab.claim import Finding, demonstration
from ..lab.run import Run
from ..model import GPT
from ..reward import RewardModel
from ..sampling import Responses, joined, sample, token_log_probs
from ..weights import load, save
from .outcomes import examined, gamma, rate
from .pieces import Pieces
from .steps import base, by_model, reinforced, reward_model, scored_by, supervised
from .worlds import VOCABULARY, world

POLICIES = ("base", "SFT", "PPO-ptx")
FROM = "the King James Version, public domain; trained by this package, rewards after VADER (MIT)"


def model_path() -> Path:
    """Return where the models lie that a full run trained and this package ships."""
    return Path(__file__).parents[1] / "model.safetensors"


def kept_at(run: Run) -> Path:
    """Return where a run keeps its models: the package's own only in a full one."""
    return model_path() if run.scale == "full" else run.out / "model.safetensors"


@dataclasses.dataclass(frozen=True)
class Shipped:
    """Three policies, the reward model, and the pieces that they read."""

    policies: dict[str, GPT]
    reward: RewardModel
    pieces: Pieces | None
    response: int

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text.

        Raises:
            ValueError: nothing in it is known.
        """
        if self.pieces is None:
            known = {word: i for i, word in enumerate(VOCABULARY)}
            ids = [known[w] for w in text.lower().replace(".", " .").split() if w in known]
        else:
            ids = self.pieces.encode(text)
            ids = [] if not any(ids) else ids
        if not ids:
            raise ValueError(f"nothing to go on from in {text!r}: English words are asked for")
        return ids

    def decode(self, ids: list[int]) -> str:
        """Return the text of ids."""
        if self.pieces is None:
            return " " + " ".join(VOCABULARY[i] for i in ids)
        return self.pieces.decode(ids)


def keep(found: Shipped, path: Path) -> None:
    """Write the models in half precision, atomically."""
    models = found.policies | {"reward": found.reward}
    state = {f"{name}/{key}": tensor.half() for name, model in models.items()
             for key, tensor in model.state_dict().items()}  # fmt: skip
    known = {
        "config": dataclasses.asdict(found.reward.backbone.config), "response": found.response,
        "pieces": None if found.pieces is None else found.pieces.to_json(), "data": FROM,
    }  # fmt: skip
    save(path, state, models=json.dumps(known, ensure_ascii=False))


def recall(path: Path) -> Shipped:
    """Return the models that were kept.

    Raises:
        OSError: nothing was kept there; says how to train them.
        ValueError: the file is of another version of this package.
    """
    if not path.is_file():
        raise OSError(
            f"no trained models at {path}: this package ships none yet; "
            "`python -m lessons.instruct_gpt --full --claim D3 --data FOLDER` trains them "
            "(about half an hour; README.md says what FOLDER is)"
        )
    from safetensors import safe_open

    try:
        with safe_open(path, "pt") as file:
            known = json.loads((file.metadata() or {})["models"])
        config, state = GPTConfig(**known["config"]), load(path)
        policies = {name: GPT(config) for name in POLICIES}
        reward = RewardModel(GPT(config))
        for name, model in (policies | {"reward": reward}).items():
            own = {k.removeprefix(f"{name}/"): v.float() for k, v in state.items()
                   if k.startswith(f"{name}/")}  # fmt: skip
            model.load_state_dict(own)
            model.eval()
        pieces = known["pieces"] and Pieces.from_json(known["pieces"])
        return Shipped(policies, reward, pieces, known["response"])
    except Exception as error:
        raise ValueError(f"{path} is of another version of this package: {error}") from error


@torch.no_grad()
def go_on(
    found: Shipped, text: str, count: int = 2, seed: int = 0
) -> dict[str, list[tuple[str, float, float]]]:
    """Return for each policy continuations of a text: text, learned reward, KL from SFT in nats.

    The KL is of the continuation's own log ratio: below 0 where SFT thinks it likelier.
    """
    room = found.reward.backbone.config.n_positions - found.response
    ids = torch.tensor([found.encode(text)[-room:]]).expand(count, -1)
    out = {}
    for name, policy in found.policies.items():
        drawn: Responses = sample(policy, ids, found.response,
                                  generator=torch.Generator().manual_seed(seed))  # fmt: skip
        reward = found.reward(joined(ids, drawn.ids, None)[0])
        ratio = drawn.log_probs - token_log_probs(found.policies["SFT"], ids, drawn.ids)
        out[name] = [
            (found.decode(row), r, k)
            for row, r, k in zip(drawn.ids.tolist(), reward.tolist(), ratio.sum(-1).tolist())
        ]
    return out


def learn_shipped(run: Run, seed: int) -> dict[str, Any]:
    """Take the three steps at the middle size, and keep the models."""
    known, size, judge = world(run), scored_by(run), reward_model(run, seed)
    start = supervised(run, size, seed)
    policy = reinforced(
        run, start, by_model(judge), judge, seed, ptx=gamma(run), lr=rate(run)
    )  # fmt: skip
    policies = dict(zip(POLICIES, (base(run, size, seed), start, policy)))
    keep(Shipped(policies, judge, known.pieces, known.response), kept_at(run))
    found = recall(kept_at(run))  # as it is kept: in half precision
    seen = {name: examined(run, model, found.policies["SFT"], found.reward, seed)
            for name, model in found.policies.items()}  # fmt: skip
    text = found.decode(known.windows(1, known.prompt, torch.Generator().manual_seed(3), True)[0]
                        .tolist())  # fmt: skip
    means = {
        name: {**{k: s[k] for k in ("score", "kl", "loss", "words")},
               "reward": sum(s["reward"]) / len(s["reward"])}
        for name, s in seen.items()
    }  # fmt: skip
    texts = {name: rows[0][0] for name, rows in go_on(found, text, 1).items()}
    size_on_disk = kept_at(run).stat().st_size
    return {"means": means, "bytes": size_on_disk, "prompt": text, "texts": texts}


@demonstration(
    "D3",
    "Base, SFT and PPO-ptx side by side, in two megabytes.",
    source="Ouyang, Figure 2",
    asks="The three steps at the middle size. A full run trains the models that this package "
    "ships, in half precision; `python -m lessons.instruct_gpt write TEXT` asks them.",
    full_only=True,
)
def side_by_side(run: Run) -> Finding:
    """Train, keep, and show."""
    trial = run.trial(learn_shipped, seed=run.seed)
    means = trial["means"]
    said = "; ".join(f"{name} {m['reward']:.2f} (learned {m['score']:.2f}, KL {m['kl']:.1f})"
                     for name, m in means.items())  # fmt: skip
    shown = " | ".join(f"{name}: “{text.strip()}”" for name, text in trial["texts"].items())
    return Finding(
        None,
        ours="; ".join(f"{name} {m['reward']:.2f}" for name, m in means.items()),
        ran=f"{world(run).name}, width/layers {scored_by(run)[0]}/{scored_by(run)[1]}, "
        f"{trial['bytes'] / 1e6:.1f} MB",
        measured=f"True reward: {said}. After “{trial['prompt'].strip()}” — {shown}.",
        numbers={"means": means, "bytes": trial["bytes"]},
    )
