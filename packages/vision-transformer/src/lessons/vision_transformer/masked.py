r"""Self-supervision by masked patches (§4.6, B.1.2).

Shapes: B batch, C channels, P patch side, N patches, S sequence, D width, K colours.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .model import VisionTransformer, patchify

Target = Literal["mean", "grid", "pixels"]


class MaskedPatchPrediction(nn.Module):
    """Corrupt half of the patches' embeddings, and predict what was there.

    Of the corrupted ones 80% become a learned [mask] embedding, 10% the embedding of a random other
    patch of the picture, 10% stay as they are.

    Args:
        model: learns by it; its head is not used. No hybrid: what is predicted are its patches.
        target: "mean": the patch's mean colour, 3 bits a channel (512 colours of three channels);
            "grid": the same of each of 4 × 4 parts of it; "pixels": all of them, by squared error.
        corruption: share of the patches.
        bits: of each channel of a colour.
        low, high: the range of pixels' values.
        generator: randomness of the new weights.

    Raises:
        ValueError: a hybrid, an unknown target, a share outside (0, 1), or patches that 4 × 4 parts
            do not divide.

    Source: B.1.2.
    """

    def __init__(
        self,
        model: VisionTransformer,
        target: Target = "mean",
        corruption: float = 0.5,
        bits: int = 3,
        low: float = -1.0,
        high: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        c = model.config
        p, q = model.patch_embedding.kernel_size
        if c.backbone is not None:
            raise ValueError("masked patches are predicted by models without a backbone")
        if target not in ("mean", "grid", "pixels"):
            raise ValueError(f"target must be 'mean', 'grid' or 'pixels', got {target!r}")
        if target == "grid" and (p % 4 or q % 4):
            raise ValueError(f"target 'grid' needs patches divisible by 4, got {(p, q)}")
        if not 0 < corruption < 1:
            raise ValueError(f"corruption must be in (0, 1), got {corruption}")
        if bits < 1 or not low < high:
            raise ValueError(f"bits must be at least 1 and low < high, got {bits}, {low}, {high}")
        self.model, self.target, self.corruption = model, target, corruption
        self.bits, self.low, self.high = bits, low, high
        colours = 2 ** (bits * c.in_channels)
        outputs = {"mean": colours, "grid": 16 * colours, "pixels": c.in_channels * p * q}[target]
        self.mask_token = nn.Parameter(torch.empty(c.hidden_size))
        self.predict = nn.Linear(c.hidden_size, outputs)
        with torch.no_grad():
            self.mask_token.normal_(std=0.02, generator=generator)
            nn.init.xavier_uniform_(self.predict.weight, generator=generator)
            nn.init.zeros_(self.predict.bias)

    def corrupt(
        self, patches_BND: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the embeddings with half of them corrupted, and which those are, bool (B, N)."""
        b, n, _ = patches_BND.shape
        device = patches_BND.device
        count = min(n, max(1, round(self.corruption * n)))
        place_BN = torch.rand(b, n, generator=generator, device=device).argsort(1).argsort(1)
        chosen_BN = place_BN < count
        draw_BN = torch.rand(b, n, generator=generator, device=device)
        # Another patch than itself: 1 … N − 1 places further on.
        step_BN = torch.randint(1, max(n, 2), (b, n), generator=generator, device=device)
        other_BN = (torch.arange(n, device=device) + step_BN) % n
        other_BND = patches_BND.gather(1, other_BN[..., None].expand_as(patches_BND))
        mask = (chosen_BN & (draw_BN < 0.8))[..., None]
        swap = (chosen_BN & (draw_BN >= 0.8) & (draw_BN < 0.9))[..., None]
        token = self.mask_token.to(patches_BND.dtype)
        return torch.where(mask, token, torch.where(swap, other_BND, patches_BND)), chosen_BN

    def targets(self, images_BChw: Tensor) -> Tensor:
        """Return what is to be predicted: colours (B, N) or (B, N, 16), or pixels (B, N, C·P·P)."""
        c, (p, q) = self.model.config.in_channels, self.model.patch_embedding.kernel_size
        patches_BNX = patchify(images_BChw, (p, q))
        if self.target == "pixels":
            return patches_BNX
        patches = patches_BNX.unflatten(-1, (c, p, q))
        side = 1 if self.target == "mean" else 4
        means_BNTC = F.adaptive_avg_pool2d(patches.flatten(0, 2), side)  # (B·N·C, side, side)
        means_BNTC = means_BNTC.reshape(*patches.shape[:3], side * side).transpose(2, 3)
        levels = 2**self.bits
        share = (means_BNTC - self.low) / (self.high - self.low)
        level_BNTC = (share * levels).long().clamp(0, levels - 1)
        place = levels ** torch.arange(c - 1, -1, -1, device=level_BNTC.device)
        colour_BNT = (level_BNTC * place).sum(-1)
        return colour_BNT[..., 0] if side == 1 else colour_BNT

    def forward(self, images_BChw: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the loss over the corrupted patches: cross-entropy in nats, or squared error.

        Raises:
            TypeError, ValueError: no pictures, or pictures of another kind or shape.
        """
        model = self.model
        patches_BND, chosen_BN = self.corrupt(model.embed(images_BChw), generator)
        if not len(images_BChw):
            raise ValueError("images must be one or more, got none: their mean loss is undefined")
        grid = model.config.grid_of((images_BChw.shape[2], images_BChw.shape[3]))
        states_BSD = model.encode(patches_BND, grid)
        behind = states_BSD[:, states_BSD.shape[1] - patches_BND.shape[1] :]
        said, wanted = self.predict(behind[chosen_BN]), self.targets(images_BChw)[chosen_BN]
        if self.target == "pixels":
            return F.mse_loss(said, wanted)
        if self.target == "grid":
            said, wanted = said.unflatten(-1, (16, -1)).flatten(0, 1), wanted.flatten()
        return F.cross_entropy(said, wanted)
