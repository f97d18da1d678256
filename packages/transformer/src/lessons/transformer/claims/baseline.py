"""What the Transformer is measured against: a recurrent encoder-decoder with attention.

After Bahdanau et al. 2015. What does not depend on the step before is computed for all steps at
once: the inputs' projections, the keys, the outputs. What is left is the chain that the paper
means, one step after the other.

It has the methods of `Transformer` by which greedy decoding and beam search go, so that both
contenders are decoded by the same lines.

Shapes: B batch, S source length, T target length, E embedding, H decoder state, C memory,
K key, V words, R rows of a beam.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import TransformerConfig

PAD = 0


class RecurrentCache:
    """A decoder's states after the words so far, and what each row of a beam attends to."""

    def __init__(self, state_RH: Tensor, memory_RSC: Tensor, key_RSH: Tensor) -> None:
        self.state_RH, self.memory_RSC, self.key_RSH = state_RH, memory_RSC, key_RSH

    def reorder(self, rows_R: Tensor) -> None:
        """Let row i go on from what was row ``rows_R[i]``, of the same source (beam search)."""
        self.state_RH = self.state_RH[rows_R]


class RecurrentTranslator(nn.Module):
    """A bidirectional GRU, additive attention, a GRU.

    Args:
        vocab_size: words of source and target, in one matrix.
        embedding: width of the embeddings.
        encoder: width of each direction's state.
        decoder: width of the decoder's state, of the keys, and of the output's hidden layer.
        tied: let one matrix be embedding and output (Press and Wolf 2016); else they are two.
        dropout: of the embeddings and of the output's hidden layer.
        generator: randomness of the initial weights.
    """

    def __init__(
        self,
        vocab_size: int,
        embedding: int = 64,
        encoder: int = 80,
        decoder: int = 128,
        tied: bool = False,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.config = TransformerConfig(vocab_size=vocab_size)  # for the ids of the marks
        self.dropout = nn.Dropout(dropout)
        self.embedding = nn.Embedding(vocab_size, embedding)
        self.encoder = nn.GRU(embedding, encoder, batch_first=True, bidirectional=True)
        self.start = nn.Linear(2 * encoder, decoder)
        self.key = nn.Linear(2 * encoder, decoder, bias=False)
        self.query = nn.Linear(decoder, decoder)
        self.energy = nn.Linear(decoder, 1, bias=False)
        self.embedding_in = nn.Linear(embedding, 3 * decoder)
        self.context_in = nn.Linear(2 * encoder, 3 * decoder, bias=False)
        self.state_in = nn.Linear(decoder, 3 * decoder)
        self.hidden = nn.Linear(decoder + 2 * encoder, embedding)
        self.output = nn.Linear(embedding, vocab_size)
        for module in self.modules():  # begin as torch's own do, but by the generator
            if isinstance(module, nn.Linear | nn.GRU):
                width = module.in_features if isinstance(module, nn.Linear) else encoder
                for parameter in module.parameters():
                    nn.init.uniform_(parameter, -(width**-0.5), width**-0.5, generator=generator)
        self.scale, spread = 1.0, 1.0
        if tied:  # small as an output matrix needs it, and of variance 1 on the way in
            self.scale, spread = embedding**0.5, embedding**-0.5
            self.output.weight = self.embedding.weight
        nn.init.normal_(self.embedding.weight, std=spread, generator=generator)

    def forward(self, src_BS: Tensor, tgt_BT: Tensor) -> Tensor:
        """Return the logits (B, T, V) of the token after each target position."""
        return self.project(self.states(src_BS, tgt_BT))

    def states(self, src_BS: Tensor, tgt_BT: Tensor) -> Tensor:
        """Return decoder state and context side by side, (B, T, H + C)."""
        memory, state_BH = self._encode(src_BS)
        inputs_BTX = self.embedding_in(self._embed(tgt_BT))
        states, contexts = [], []
        for input_BX in inputs_BTX.unbind(1):
            state_BH, context_BC = self._step(input_BX, state_BH, memory)
            states.append(state_BH)
            contexts.append(context_BC)
        return torch.cat([torch.stack(states, 1), torch.stack(contexts, 1)], -1)

    def project(self, states_BTX: Tensor) -> Tensor:
        """Return the logits (…, V) of what ``states`` returned."""
        return self.output(self.dropout(self.hidden(states_BTX).tanh()))

    def encode(self, src_BS: Tensor, mask: Tensor) -> Tensor:
        """Return the memory (B, S, C); the mask (B, 1, 1, S) is true at words."""
        return self._memory(src_BS, mask[:, 0, 0].sum(-1).cpu())

    def start_cache(self, memory_BSC: Tensor, max_len: int, copies: int = 1) -> RecurrentCache:
        """Return the decoder's state before the first word, for so many rows of each source."""
        state_BH, key_BSH = self._start(memory_BSC), self.key(memory_BSC)
        each = [x.repeat_interleave(copies, 0) for x in (state_BH, memory_BSC, key_BSH)]
        return RecurrentCache(*each)

    def decode(
        self, new_R1: Tensor, memory_BSC: Tensor, mask: Tensor | None, cache: RecurrentCache
    ) -> Tensor:
        """Go on by one word; return decoder state and context side by side, (R, 1, H + C)."""
        shape = cache.memory_RSC.shape[:2]
        hidden_RS = new_R1.new_zeros(shape, dtype=torch.bool) if mask is None else ~mask[:, 0, 0]
        memory = (cache.memory_RSC, cache.key_RSH, hidden_RS)
        input_RX = self.embedding_in(self._embed(new_R1[:, 0]))
        cache.state_RH, context_RC = self._step(input_RX, cache.state_RH, memory)
        return torch.cat([cache.state_RH, context_RC], -1)[:, None]

    def _embed(self, ids):
        return self.dropout(self.embedding(ids) * self.scale)

    def _encode(self, src_BS):
        # On the meta device operations are counted; there are no lengths there.
        lengths_B = None if src_BS.is_meta else (src_BS != PAD).sum(-1).cpu()
        memory_BSC = self._memory(src_BS, lengths_B)
        return (memory_BSC, self.key(memory_BSC), src_BS == PAD), self._start(memory_BSC)

    def _memory(self, src_BS, lengths_B):
        if lengths_B is None:
            return self.encoder(self._embed(src_BS))[0]
        packed = nn.utils.rnn.pack_padded_sequence(
            self._embed(src_BS), lengths_B, batch_first=True, enforce_sorted=False
        )
        return nn.utils.rnn.pad_packed_sequence(
            self.encoder(packed)[0], batch_first=True, total_length=src_BS.shape[1]
        )[0]

    def _start(self, memory_BSC):
        half = memory_BSC.shape[-1] // 2
        return self.start(F.pad(memory_BSC[:, 0, half:], (half, 0))).tanh()  # the backward one

    def _step(self, input_BX, state_BH, memory):
        memory_BSC, key_BSH, hidden_BS = memory
        energy_BS = self.energy((key_BSH + self.query(state_BH)[:, None]).tanh())[..., 0]
        weights_BS = energy_BS.masked_fill(hidden_BS, -torch.inf).softmax(-1)
        context_BC = (weights_BS[:, None] @ memory_BSC)[:, 0]
        r, z, n = (input_BX + self.context_in(context_BC)).chunk(3, -1)
        r_state, z_state, n_state = self.state_in(state_BH).chunk(3, -1)
        z = (z + z_state).sigmoid()
        n = (n + (r + r_state).sigmoid() * n_state).tanh()
        return n + z * (state_BH - n), context_BC
