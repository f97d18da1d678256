"""A layer per device (§3.5): each hands its states on "as soon as they were computed".

Shapes: S source positions, T target positions, B batch, H hidden.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .lstm import LSTM, State, by_kernel, readable, scan
from .model import Seq2Seq
from .reversal import reverse_padded, to_the_end
from .scan import fast


class Pipeline(nn.Module):
    """A translator whose layers lie on several devices and work at the same time.

    Time is cut into pieces. While layer 2 works on a piece, layer 1 has gone on to the next: a
    wave that runs through the stack. On GPUs, whose work is only queued here, the layers overlap.

    Args:
        model: its layers are moved.
        devices: of the layers, from the first; embeddings lie with the first, the softmax with the
            last.
        piece: steps of a piece.

    Raises:
        ValueError: not a device for each layer, or a piece below 1.
    """

    def __init__(self, model: Seq2Seq, devices: Sequence[torch.device | str], piece: int = 8):
        super().__init__()
        self.model, self.piece = model, piece
        self.devices = [torch.device(device) for device in devices]
        layers = model.config.num_layers
        if len(devices) != layers:
            raise ValueError(f"a device for each of {layers} layers is needed, got {len(devices)}")
        if piece < 1:
            raise ValueError(f"piece must be at least 1, got {piece}")
        for net in (model.encoder, model.decoder):
            for l, device in enumerate(self.devices):
                for name in ("weight_ih", "weight_hh", "bias", "peephole"):
                    weight = getattr(net, f"{name}_l{l}")
                    if weight is not None:
                        weight.data = weight.data.to(device)
        model.source_embedding.to(self.devices[0])
        model.target_embedding.to(self.devices[0])
        model.output.to(self.devices[-1])

    def forward(self, src_BS: Tensor, src_len_B: Tensor, tgt_BT: Tensor) -> Tensor:
        """Return what the model returns, logits (B, T, V), on the last device."""
        c, start = self.model.config, self.devices[0]
        ids_BS, length_B = src_BS.to(start), src_len_B.to(start)
        if c.reverse_source:
            ids_BS = reverse_padded(ids_BS, length_B)
        ids_BS = to_the_end(ids_BS, length_B)
        if c.eos_in_encoder:
            ids_BS = torch.cat([ids_BS, torch.full_like(ids_BS[:, :1], c.eos_id)], 1)
            length_B = length_B + 1
        size = ids_BS.shape[1]
        words = self.model.source_embedding(ids_BS.T)
        real = torch.arange(size, device=start)[:, None] >= size - length_B
        _, state = self.wave(self.model.encoder, words, None, real)
        tgt_BT = tgt_BT.to(start)
        first = torch.full_like(tgt_BT[:, :1], c.eos_id)
        before = torch.cat([first, tgt_BT[:, :-1]], 1)
        hidden, _ = self.wave(self.model.decoder, self.model.target_embedding(before.T), state)
        return self.model.output(hidden).transpose(0, 1)

    def wave(
        self, net: LSTM, x_TBI: Tensor, state: list[State] | None, word_TB: Tensor | None = None
    ) -> tuple[Tensor, list[State]]:
        """Run a net in a wave; states are a list here, each layer's on its own device."""
        word = None if word_TB is None else word_TB[..., None].to(x_TBI.dtype)
        x_TBI = x_TBI if word is None else x_TBI * word
        pieces = list(x_TBI.split(self.piece))
        words = [None] * len(pieces) if word is None else list(word.split(self.piece))
        if state is None:
            zero = net.zero_state(x_TBI)
            state = [tuple(part[l].to(device) for part in zero)
                     for l, device in enumerate(self.devices)]  # fmt: skip
        state = list(state)
        run = readable if not fast(x_TBI) else scan if net.peephole else None
        for tick in range(len(pieces) + net.num_layers - 1):
            for l in reversed(range(net.num_layers)):  # the deepest first: it reads what is there
                k = tick - l
                if not 0 <= k < len(pieces):
                    continue
                device = self.devices[l]
                x, w = pieces[k].to(device), words[k]
                w = None if w is None else w.to(device)
                if run is None:
                    pieces[k], state[l] = by_kernel(x, state[l], *net.layer(l)[:3], w)
                else:
                    pieces[k], state[l] = run(x, state[l], *net.layer(l), w)
        return torch.cat(pieces), state
