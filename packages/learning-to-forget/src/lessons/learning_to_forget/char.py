"""A net that writes on a stream of text: a character in, a distribution over the next one out.

Shapes: T characters, B texts, V characters of the alphabet, H hidden units.
"""

import dataclasses
import math
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .lstm import LSTM

# The King James Version's alphabet, 65 characters (no name begins with X), and how it begins.
KJV = "\n !'(),-.:;?ABCDEFGHIJKLMNOPQRSTUVWYZ[]abcdefghijklmnopqrstuvwxyz"
GENESIS = """In the beginning God created the heaven and the earth.
And the earth was without form, and void; and darkness was upon the face of the deep. And the \
Spirit of God moved upon the face of the waters.
And God said, Let there be light: and there was light.
And God saw the light, that it was good: and God divided the light from the darkness.
And God called the light Day, and the darkness he called Night. And the evening and the morning \
were the first day.
"""


@dataclasses.dataclass(frozen=True)
class CharConfig:
    """A net that writes."""

    alphabet: str = KJV
    hidden_size: int = 256
    num_layers: int = 1
    forget_bias: float = 1.0
    dropout: float = 0.0


PRESETS = {
    "kjv-256": CharConfig(),  # 347,457 weights
    "kjv-128": CharConfig(hidden_size=128),
}


class CharLSTM(nn.Module):
    """Characters as one-hot inputs, LSTM layers, and a softmax over the next character.

    Args:
        config: a preset's, or your own.
        device, dtype: of the weights.

    Raises:
        ValueError: an alphabet of less than two characters, or with one twice.
    """

    def __init__(self, config: CharConfig | None = None, **factory: Any) -> None:
        super().__init__()
        self.config = config = config or CharConfig()
        if len(config.alphabet) < 2 or len(set(config.alphabet)) < len(config.alphabet):
            raise ValueError(f"alphabet needs two characters or more, each once: {config.alphabet}")
        self.ids = {character: i for i, character in enumerate(config.alphabet)}
        self.lstm = LSTM(
            len(self.ids), config.hidden_size, config.num_layers, dropout=config.dropout,
            forget_bias=config.forget_bias, **factory,
        )  # fmt: skip
        self.output = nn.Linear(config.hidden_size, len(self.ids), **factory)

    @classmethod
    def from_preset(
        cls, name: str, generator: torch.Generator | None = None, *, device=None, dtype=None,
        **changes: Any,
    ) -> Self:  # fmt: skip
        """Build a net by its name in `PRESETS`, with changes of its `CharConfig`."""
        if name not in PRESETS:
            raise ValueError(f"name must be one of {', '.join(PRESETS)}, got {name!r}")
        net = cls(dataclasses.replace(PRESETS[name], **changes), device=device, dtype=dtype)
        if generator is not None:
            net.lstm.reset_parameters(generator)
            bound = 1 / math.sqrt(net.config.hidden_size)
            for weight in net.output.parameters():
                nn.init.uniform_(weight, -bound, bound, generator=generator)
        return net

    def encode(self, text: str) -> Tensor:
        """Return the ids of a text's characters, (T,).

        Raises:
            ValueError: characters that are not in the alphabet; names them.
        """
        strange = sorted(set(text) - set(self.ids))
        if strange:
            raise ValueError(f"text has characters outside the alphabet: {''.join(strange)!r}")
        device = self.output.weight.device
        return torch.tensor([self.ids[c] for c in text], dtype=torch.long, device=device)

    def decode(self, ids: Tensor) -> str:
        """Return the text of ids (T,)."""
        return "".join(self.config.alphabet[i] for i in ids.tolist())

    def forward(
        self, ids_TB: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return logits (T, B, V) of each next character, and the state, h and c (L, B, H).

        Raises:
            ValueError: ids that are not (T, B) integers with T > 0.
        """
        if ids_TB.dim() != 2 or ids_TB.is_floating_point() or not len(ids_TB):
            got = f"{tuple(ids_TB.shape)} of {ids_TB.dtype}"
            raise ValueError(f"ids must be (T, B) integers with T > 0, are {got}")
        one_hot = F.one_hot(ids_TB, len(self.config.alphabet)).to(self.output.weight.dtype)
        hidden, state = self.lstm(one_hot, state)
        return self.output(hidden), state

    @torch.no_grad()
    def bits_per_character(self, text: str) -> float:
        """Return the mean of −log₂ p(character | those before), from the second one on."""
        ids = self.encode(text)[:, None]
        if len(ids) < 2:
            raise ValueError(f"text must have two characters or more, got {text!r}")
        total, state = 0.0, None
        for part, following in zip(ids[:-1].split(1000), ids[1:].split(1000)):
            logits, state = self(part, state)
            total += F.cross_entropy(logits[:, 0], following[:, 0], reduction="sum").item()
        return total / (len(ids) - 1) / math.log(2)

    @torch.no_grad()
    def generate(
        self,
        prompt: str,
        n: int,
        temperature: float = 1.0,
        top_k: int | None = None,
        generator: torch.Generator | None = None,
    ) -> str:
        """Go on from a prompt; the state carries all that was read.

        Args:
            prompt: one character or more.
            n: how many characters to write.
            temperature: divides the logits; 0 always takes the likeliest.
            top_k: draw among so many likeliest only.
            generator: of the draws.

        Returns:
            What was written, without the prompt.

        Raises:
            ValueError: an empty prompt or one with strange characters; n or temperature below 0;
                top_k below 1.
        """
        if not prompt:
            raise ValueError("prompt must have a character to go on from, got none")
        if n < 0 or temperature < 0 or (top_k is not None and top_k < 1):
            got = f"{n}, {temperature} and {top_k}"
            raise ValueError(f"n and temperature must be at least 0, top_k at least 1: got {got}")
        logits, state = self(self.encode(prompt)[:, None])
        written = []
        for _ in range(n):
            scores = logits[-1, 0]
            if top_k is not None and top_k < len(scores):
                least = scores.topk(top_k)[0][-1]
                scores = scores.masked_fill(scores < least, -math.inf)
            if temperature == 0:
                choice = scores.argmax()
            else:
                shares = (scores / temperature).softmax(-1)
                choice = torch.multinomial(shares, 1, generator=generator)[0]
            written.append(choice)
            logits, state = self(choice.view(1, 1), state)
        return self.decode(torch.stack(written)) if written else ""
