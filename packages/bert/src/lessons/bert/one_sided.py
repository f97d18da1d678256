r"""One-sided encoders in BERT's place: §5.1's rivals (Devlin et al. 2018, §5.1, figure 3).

Shapes: B batch, T length, H hidden size, S width of what the head reads, K labels.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from .features import run_lstm
from .model import BertModel
from .tasks import check_labels

Task = Literal["tokens", "sequence"]


class OneSidedModel(nn.Module):
    r"""Encoders that read from one side, with a head on them.

    One encoder that reads from the left is "LTR & No NSP"; with ``bilstm`` it is "+ BiLSTM"; one
    from each side, whose states stand next to each other, is the concatenation that §5.1 considers
    at its end, and with ``frozen`` and ``bilstm`` used as ELMo's is.

    A sequence is read where its encoder has seen all of it: from the left at the last token, from
    the right at [CLS]. The paper does not say where its LTR model is read; at [CLS] that has seen
    nothing. A BiLSTM is read at both of its ends.

    Args:
        encoders: pre-trained; they are copied. Of one size, with any ``direction``.
        task: "tokens": a label for each token; "sequence": one for all.
        num_labels: K.
        bilstm: units of each direction of an LSTM between encoders and head; None: no LSTM. The
            paper gives no size.
        frozen: the encoders are not trained, and have no dropout.
        generator: randomness of the head's initial weights: the LSTM's from U(-1/√W, 1/√W), as in
            torch, the others as in `BertModel`.

    Raises:
        ValueError: no encoder, encoders of unequal widths, an unknown task, a number of labels or
            units below 1.

    Source: §5.1, Table 5; Peters et al. 2018 for the concatenation.
    """

    def __init__(
        self,
        encoders: Sequence[BertModel],
        task: Task = "tokens",
        num_labels: int = 2,
        bilstm: int | None = None,
        frozen: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_labels(num_labels)
        if not encoders:
            raise ValueError("encoders must be at least one, got none")
        widths = [encoder.config.hidden_size for encoder in encoders]
        if len(set(widths)) > 1:
            raise ValueError(f"encoders must have one hidden_size, got {widths}")
        if task not in ("tokens", "sequence"):
            raise ValueError(f"task must be tokens or sequence, got {task!r}")
        if bilstm is not None and bilstm < 1:
            raise ValueError(f"bilstm must be None or at least 1, got {bilstm}")
        self.encoders = nn.ModuleList(_copy(encoder) for encoder in encoders)
        self.encoders.requires_grad_(not frozen)
        self.directions = [encoder.config.direction for encoder in encoders]
        self.task, self.frozen = task, frozen
        config, size = encoders[0].config, sum(widths)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.lstm = None
        if bilstm is not None:
            self.lstm = nn.LSTM(size, bilstm, batch_first=True, bidirectional=True)
            for parameter in self.lstm.parameters():
                nn.init.uniform_(parameter, -(bilstm**-0.5), bilstm**-0.5, generator=generator)
            size = 2 * bilstm
        # As BERT's, whose C goes through a layer with tanh; the paper says nothing of its rivals'.
        self.pooler = nn.Linear(size, size) if task == "sequence" else None
        self.classifier = nn.Linear(size, num_labels)
        std = config.initializer_range
        for layer in (self.pooler, self.classifier):
            if layer is not None and not layer.weight.is_meta:
                nn.init.trunc_normal_(
                    layer.weight, std=std, a=-2 * std, b=2 * std, generator=generator
                )
                nn.init.zeros_(layer.bias)
        weight = encoders[0].embeddings.token.weight
        self.to(weight.device, weight.dtype)

    def train(self, mode: bool = True) -> "OneSidedModel":
        """Set the mode of training; frozen encoders stay in that of evaluation."""
        super().train(mode)
        if self.frozen:
            self.encoders.eval()
        return self

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
    ) -> Tensor:
        """Return logits (B, T, K), or (B, K) of sequences; arguments as for `BertModel`.

        Raises:
            ValueError: padding elsewhere than on the right, or a row of padding alone, where a
                BiLSTM or the last token is to be read.
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            states = [
                encoder(input_ids, attention_mask, token_type_ids).last_hidden_state
                for encoder in self.encoders
            ]
        hidden_BTS = torch.cat(states, -1)
        if self.lstm is not None:
            hidden_BTS = run_lstm(self.lstm, self.dropout(hidden_BTS), attention_mask)
        if self.pooler is None:
            return self.classifier(self.dropout(hidden_BTS))
        ends = self._ends(hidden_BTS, attention_mask)
        return self.classifier(self.dropout(torch.tanh(self.pooler(ends))))

    def _ends(self, hidden_BTS: Tensor, attention_mask: Tensor) -> Tensor:
        """Return (B, S): of each part its state where all of the sequence has been read."""
        last_B = (attention_mask != 0).sum(-1) - 1
        row_B = torch.arange(len(last_B), device=last_B.device)
        first_BS, last_BS = hidden_BTS[:, 0], hidden_BTS[row_B, last_B]
        if self.lstm is not None:
            half = first_BS.shape[-1] // 2
            return torch.cat([last_BS[:, :half], first_BS[:, half:]], -1)
        n = len(self.directions)
        parts = zip(self.directions, first_BS.chunk(n, -1), last_BS.chunk(n, -1))
        return torch.cat([b if d == "left_to_right" else a for d, a, b in parts], -1)


def _copy(encoder: BertModel) -> BertModel:
    """Return a copy of an encoder, without the pooler."""
    with torch.device("meta"):
        copy = BertModel(encoder.config, add_pooling_layer=False)
    state = {k: v.detach().clone() for k, v in encoder.state_dict().items() if k[:7] != "pooler."}
    copy.load_state_dict(state, assign=True)
    return copy.train(encoder.training)
