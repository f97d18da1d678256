"""Two nets in use, rebuilt by the names of their weights: a speaker encoder, and a voice detector.

Their weights are read from files, never shipped. The first stacks three layers of the cell, the
second carries one cell along with the sound.

Shapes: B recordings, T frames, 40 mel channels; 512 samples (32 ms at 16 kHz) a chunk.
"""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .lstm import LSTM, LSTMCell
from .weights import fill

SAMPLES, CONTEXT = 512, 64


class SpeakerEncoder(nn.Module):
    """The encoder of Resemblyzer 0.1.4: 1,423,616 weights in three layers and one product."""

    def __init__(self, **factory: Any) -> None:
        super().__init__()
        self.lstm = LSTM(40, 256, 3, batch_first=True, **factory)
        self.linear = nn.Linear(256, 256, **factory)

    def forward(self, mels_BTI: Tensor) -> Tensor:
        """Return an embedding of norm 1 for each recording, (B, 256)."""
        _, (h, _) = self.lstm(mels_BTI)
        return F.normalize(self.linear(h[-1]).relu(), dim=1)

    @classmethod
    def from_resemblyzer(cls, state: Mapping[str, Tensor]) -> "SpeakerEncoder":
        """Return the encoder from the file's ``model_state``; two weights of its loss are dropped.

        Raises:
            ValueError: names that are missing or unexpected, or wrong shapes.
        """
        loss = ("similarity_weight", "similarity_bias")
        with torch.device("meta"):
            net = cls()
        return fill(net, {k: v for k, v in state.items() if k not in loss}).eval()


class VoiceDetector(nn.Module):
    """The 16 kHz net of silero-vad 6.2.3: a fixed spectrum, four convolutions, and one cell."""

    stft: Any
    encoder: Any
    decoder: Any

    def __init__(self, **factory: Any) -> None:
        super().__init__()
        self.stft = nn.Module()
        self.stft.register_buffer("forward_basis_buffer", torch.empty(258, 1, 256, **factory))
        widths, strides = (129, 128, 64, 64, 128), (1, 2, 2, 1)
        self.encoder = nn.Sequential()
        for k, stride in enumerate(strides):
            block = nn.Module()
            block.reparam_conv = nn.Conv1d(
                widths[k], widths[k + 1], 3, stride, padding=1, **factory
            )
            self.encoder.append(block)
        self.decoder = nn.Module()
        self.decoder.rnn = LSTMCell(128, 128, **factory)
        self.decoder.decoder = nn.Sequential(
            nn.Dropout(0.1), nn.ReLU(), nn.Conv1d(128, 1, 1, **factory), nn.Sigmoid()
        )

    def forward(
        self, samples_BX: Tensor, state: tuple[Tensor, Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """Return how likely the next 512 samples have speech, (B, 1), and what is carried on.

        Raises:
            ValueError: not (B, 512).
        """
        if samples_BX.dim() != 2 or samples_BX.shape[1] != SAMPLES:
            raise ValueError(f"samples must be (B, {SAMPLES}), are {tuple(samples_BX.shape)}")
        batch = len(samples_BX)
        if state is None:
            h, c = samples_BX.new_zeros(2, batch, 128)
            state = h, c, samples_BX.new_zeros(batch, CONTEXT)
        h, c, context = state
        x = torch.cat([context, samples_BX], 1)
        padded = F.pad(x[:, None], (0, 64), mode="reflect")
        parts = F.conv1d(padded, self.stft.forward_basis_buffer, stride=128)
        y = (parts[:, :129].square() + parts[:, 129:].square()).sqrt()
        for block in self.encoder:
            y = block.reparam_conv(y).relu()
        h, c = self.decoder.rnn(y[..., 0], (h, c))
        speech = self.decoder.decoder(h[:, :, None])
        return speech.mean(2), (h, c, x[:, -CONTEXT:])

    @classmethod
    def from_silero(cls, state: Mapping[str, Tensor]) -> "VoiceDetector":
        """Return the net from the state dict of the TorchScript file; its 8 kHz half is dropped.

        The safetensors file of the same package holds other weights.

        Raises:
            ValueError: names that are missing or unexpected, or wrong shapes.
        """
        head = "_model."
        state = {k.removeprefix(head): v for k, v in state.items() if not k.startswith("_model_8k")}
        with torch.device("meta"):
            net = cls()
        return fill(net, state).eval()
