r"""The encoder's layers as fixed features of a small recurrent net (Devlin et al. 2018, §5.3).

Shapes: B batch, T length, H hidden size, L layers, W width of the recurrent net, K labels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from .config import BertConfig
from .tasks import check_labels

# Table 7, from the top: which of the L + 1 states are used, and how.
TABLE7 = {
    "embeddings": (slice(0, 1), "concat"),
    "second_to_last": (slice(-2, -1), "concat"),
    "last": (slice(-1, None), "concat"),
    "weighted_last_four": (slice(-4, None), "sum"),
    "concat_last_four": (slice(-4, None), "concat"),
    "weighted_all": (slice(1, None), "sum"),
}


class FeatureTagger(nn.Module):
    r"""Tag words from an encoder's states: a bidirectional LSTM of two layers, and a layer on it.

    A weighted sum is $\gamma \sum_l \mathrm{softmax}(a)_l\, h_l$ with learned $a$ and $\gamma$, as
    Peters et al. 2018 have it; the paper does not say more than its name.

    Args:
        config: of the encoder.
        num_labels: K.
        kind: one of ``TABLE7``.
        width: of each direction; the paper: "two-layer 768-dimensional". It does not say whether
            that is one direction or both.
        generator: randomness of the initial weights: U(-1/√W, 1/√W), as in torch.

    Raises:
        ValueError: an unknown kind, a width or a number of labels below 1, or fewer layers than
            the kind takes.

    Source: §5.3, Table 7.
    """

    def __init__(
        self,
        config: BertConfig,
        num_labels: int,
        kind: str = "concat_last_four",
        width: int = 768,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_labels(num_labels)
        if kind not in TABLE7:
            raise ValueError(f"kind must be one of {', '.join(TABLE7)}; got {kind!r}")
        if width < 1:
            raise ValueError(f"width must be at least 1, got {width}")
        self.which, how = TABLE7[kind]
        self.depth = config.num_hidden_layers + 1
        used = len(range(self.depth)[self.which])
        if kind.endswith("last_four") and used < 4:
            raise ValueError(f"{kind} needs four states, this encoder has {self.depth}")
        self.mix = nn.Parameter(torch.zeros(used)) if how == "sum" else None
        self.scale = nn.Parameter(torch.ones(())) if how == "sum" else None
        size = config.hidden_size * (1 if how == "sum" else used)
        self.lstm = nn.LSTM(size, width, num_layers=2, batch_first=True, bidirectional=True)
        self.classifier = nn.Linear(2 * width, num_labels)
        for module in (self.lstm, self.classifier):
            for parameter in module.parameters():
                nn.init.uniform_(parameter, -(width**-0.5), width**-0.5, generator=generator)

    def features(self, states: Sequence[Tensor]) -> Tensor:
        """Return what the LSTM reads, (B, T, H) or (B, T, 4H), of L + 1 states (B, T, H).

        Raises:
            ValueError: another number of states.
        """
        if len(states) != self.depth:
            raise ValueError(f"states must be {self.depth}, got {len(states)}")
        used = list(states[self.which])
        if self.mix is None or self.scale is None:
            return torch.cat(used, -1)
        return self.scale * torch.einsum("lbth,l->bth", torch.stack(used), self.mix.softmax(0))

    def forward(self, states: Sequence[Tensor], attention_mask: Tensor) -> Tensor:
        """Return logits (B, T, K).

        Args:
            states: of ``BertModel.hidden_states``, under ``torch.no_grad`` where the encoder is
                not trained.
            attention_mask: (B, T), with padding on the right only.

        Raises:
            ValueError: another number of states, or padding elsewhere.
        """
        return self.classifier(run_lstm(self.lstm, self.features(states), attention_mask))


def run_lstm(lstm: nn.LSTM, x_BTH: Tensor, attention_mask: Tensor) -> Tensor:
    """Return a bidirectional LSTM's states (B, T, 2W) of what stands for tokens; 0 at padding.

    Raises:
        ValueError: padding elsewhere than on the right, or a row of padding alone.
    """
    real_BT = attention_mask != 0
    lengths_B = real_BT.sum(-1)
    place_T = torch.arange(real_BT.shape[1], device=real_BT.device)
    if (real_BT != (place_T < lengths_B[:, None])).any() or not lengths_B.all():
        raise ValueError("attention_mask must have padding on the right only, and a token a row")
    # From the right, the net must begin with the last token and not with padding.
    packed = pack_padded_sequence(x_BTH, lengths_B.cpu(), batch_first=True, enforce_sorted=False)
    hidden_BTW, _ = pad_packed_sequence(
        lstm(packed)[0], batch_first=True, total_length=real_BT.shape[1]
    )
    return hidden_BTW
