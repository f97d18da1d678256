r"""Multi-head self-attention (Dosovitskiy et al. 2021, appendix A), with relative positions (D.4).

Shapes: B batch, S sequence, D width, H heads, E width of a head (D/H).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import forward_ad


class Attention(nn.Module):
    r"""Every token looks at every other: $\mathrm{MSA}(z) = [A_1v_1; …; A_kv_k]\,U_{msa}$.

    Args:
        hidden_size: D.
        num_heads: k; each head has D/k dimensions.
        dropout: of the result, in training (B.1).
        attention_dropout: of the weights, in training.
        relative_length: sequence length of relative positions; None: there are none.

    Source: eq. 5–8. The paper's U are matrices; the released code has biases, and so have these.
    """

    offsets: Tensor | None

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        relative_length: int | None = None,
    ) -> None:
        super().__init__()
        if num_heads < 1 or hidden_size % num_heads:
            raise ValueError(
                f"hidden_size ({hidden_size}) must be divisible by num_heads ({num_heads})"
            )
        self.num_heads, self.attention_dropout = num_heads, attention_dropout
        self.qkv = nn.Linear(hidden_size, 3 * hidden_size)  # U_qkv of all heads (eq. 5)
        self.out = nn.Linear(hidden_size, hidden_size)  # U_msa (eq. 8)
        self.dropout = nn.Dropout(dropout)
        if relative_length is None:
            self.register_parameter("offsets", None)
        else:
            # D.4: an embedding for each offset p_q − p_k. Whether heads share it is not said; here
            # they do, and layers do not.
            shape = (2 * relative_length - 1, hidden_size // num_heads)
            self.offsets = nn.Parameter(torch.zeros(shape))

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw U_q, U_k, U_v and U_msa after Xavier, each for itself, and offsets from N(0, .02²).

        The matrices of all heads of one kind count as one, as in the released code.
        """
        for matrix in (*self.qkv.weight.chunk(3), self.out.weight):
            nn.init.xavier_uniform_(matrix, generator=generator)
        if self.offsets is not None:
            self.offsets.normal_(std=0.02, generator=generator)

    def forward(self, z_BSD: Tensor, maps: list[Tensor] | None = None) -> Tensor:
        """Map (B, S, D) to the same shape; the weights (B, H, S, S) are appended to ``maps``."""
        qkv_3BHSE = self.qkv(z_BSD).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        query_BHSE, key_BHSE, value_BHSE = qkv_3BHSE.unbind(0)
        bias_BHSS = None
        if self.offsets is not None:
            bias_BHSS = relative_logits(query_BHSE, self.offsets)
        dropout_p = self.attention_dropout if self.training else 0.0
        # The kernel gives no weights, and has no derivative forward: there they are written out.
        if maps is not None or forward_ad._current_level >= 0:
            scores_BHSS = query_BHSE @ key_BHSE.transpose(-2, -1) * query_BHSE.shape[-1] ** -0.5
            if bias_BHSS is not None:
                scores_BHSS = scores_BHSS + bias_BHSS
            weights_BHSS = scores_BHSS.softmax(-1)  # eq. 6
            if maps is not None:
                maps.append(weights_BHSS)
            heads_BHSE = F.dropout(weights_BHSS, dropout_p) @ value_BHSE  # eq. 7
        else:
            heads_BHSE = F.scaled_dot_product_attention(
                query_BHSE, key_BHSE, value_BHSE, bias_BHSS, dropout_p
            )
        return self.dropout(self.out(heads_BHSE.transpose(1, 2).flatten(2)))  # eq. 8


@torch.fx.wrap  # one node: it looks at sizes
def relative_logits(query_BHSE: Tensor, offsets: Tensor) -> Tensor:
    """Return the logits of queries against the embeddings of offsets, (B, H, S, S).

    They are scaled as the others are: a score is q·(k + r)/√E.

    Raises:
        ValueError: another sequence length than the offsets (2S − 1, E) are for.

    Source: D.4.
    """
    s = query_BHSE.shape[2]
    if 2 * s - 1 != offsets.shape[0]:
        length = (offsets.shape[0] + 1) // 2
        raise ValueError(f"relative positions are for {length} tokens, got {s}")
    place = torch.arange(s, device=query_BHSE.device)
    table_SSE = offsets[place[:, None] - place + s - 1].to(query_BHSE.dtype)
    logits_BHSS = torch.einsum("bhqe,qke->bhqk", query_BHSE, table_SSE)
    return logits_BHSS * query_BHSE.shape[-1] ** -0.5
