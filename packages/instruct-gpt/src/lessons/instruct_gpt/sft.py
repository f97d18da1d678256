r"""Step 1: a language model learns from demonstrations (Ouyang et al. 2022, §3.1, §3.5).

Shapes: B batch, T length, V vocabulary.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import no_empty_row, same_shape


def sft_loss(
    logits_BTV: Tensor,
    ids_BT: Tensor,
    prompt_mask_BT: Tensor | None = None,
    attention_mask_BT: Tensor | None = None,
) -> Tensor:
    r"""Return the mean of $-\log\pi$ over the tokens of the responses, in nats.

    A demonstration is a prompt and the response that somebody wrote to it. The prompt is read and
    not learned: how customers ask is not what the model is to imitate.

    Args:
        logits_BTV: at each position, of the token after it.
        ids_BT: prompt and response.
        prompt_mask_BT: True at the tokens of the prompt; None: learn all, as in pretraining.
        attention_mask_BT: True where there is a token; None: no padding.

    Raises:
        ValueError: shapes that differ, or a row without a token to learn.
    """
    if logits_BTV.shape[:2] != ids_BT.shape:
        raise ValueError(
            f"logits must have shape ({', '.join(map(str, ids_BT.shape))}, vocabulary), "
            f"got {(*logits_BTV.shape,)}"
        )
    same_shape(ids=ids_BT, prompt_mask=prompt_mask_BT, attention_mask=attention_mask_BT)
    labels_BT = ids_BT[:, 1:].long()
    learned_BT = torch.ones_like(labels_BT, dtype=torch.bool)
    if prompt_mask_BT is not None:
        learned_BT = learned_BT & ~prompt_mask_BT[:, 1:].bool()
    if attention_mask_BT is not None:
        # The last padding on the left predicts nothing either.
        learned_BT = learned_BT & (attention_mask_BT[:, 1:] & attention_mask_BT[:, :-1]).bool()
    no_empty_row(learned_BT, "what is left to learn")
    labels_BT = labels_BT.masked_fill(~learned_BT, -100)
    return F.cross_entropy(logits_BTV[:, :-1].flatten(0, 1).float(), labels_BT.flatten())
