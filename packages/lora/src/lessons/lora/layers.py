r"""A frozen layer with low-rank updates beside it: $h = W_0 x + \frac{\alpha}{r} B A x$ (eq. 3).

Shapes: I inputs, O outputs, R rank, G packed matrices that are adapted, N numbers of an embedding.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import LoRAConfig, scale

QUERY_VALUE = (True, False, True)  # of q, k and v, the paper's choice


class LoRALayer(nn.Module):
    """What all adapted layers share: adapters by name, which of them act, and merging.

    A layer of a kind says how its update looks (`delta`) and how it acts without being formed
    (`branch`). Several active adapters add up.

    Args:
        base: the module whose weight stays as it is.
    """

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        self.base: Any = base.requires_grad_(False)
        self.lora_A, self.lora_B = nn.ParameterDict(), nn.ParameterDict()
        self.magnitude = nn.ParameterDict()  # DoRA's lengths of rows
        self.scaling: dict[str, float] = {}
        self.dropout: dict[str, float] = {}
        self.active: tuple[str, ...] = ()
        self.merged: tuple[str, ...] = ()
        self.disabled = False
        self.route: tuple[str | None, ...] | None = None  # an adapter for each sample of a batch
        self._kept: Tensor | None = None  # a copy of W_0, while merged
        self._changes: dict[str, Tensor] = {}  # what DoRA added, which cannot be told afterwards

    # What a kind of layer says of itself.

    def shapes(self, r: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the shapes of A and B."""
        raise NotImplementedError

    def product(self, name: str) -> Tensor:
        """Return BA of an adapter, in the shape and layout of the weight, unscaled."""
        raise NotImplementedError

    def branch(self, x: Tensor, name: str) -> Tensor:
        """Return BAx of an adapter, unscaled."""
        raise NotImplementedError

    @property
    def frozen(self) -> Tensor:
        """The weight as it lies in the base, with what was merged into it."""
        return self.base.weight

    def reset(self, name: str, init: str, generator: torch.Generator | None) -> None:
        """Draw A, and set B to zero: the update is zero at first (§4.1)."""
        A = self.lora_A[name]
        bound = 1 / math.sqrt(A.shape[-1])
        if init == "gaussian":
            nn.init.normal_(A, std=bound, generator=generator)
        else:  # kaiming_uniform_(a=√5), as in loralib and peft
            nn.init.uniform_(A, -bound, bound, generator=generator)
        nn.init.zeros_(self.lora_B[name])

    # What is the same for all.

    @property
    def names(self) -> list[str]:
        """The adapters that this layer has."""
        return list(self.lora_A)

    def add(
        self,
        name: str,
        config: LoRAConfig,
        path: str = "",
        generator: torch.Generator | None = None,
    ) -> None:
        """Add an adapter, which changes nothing as yet.

        Raises:
            ValueError: a name that is taken or has a dot in it, or a rank that the weight has not.
        """
        if name in self.lora_A:
            raise ValueError(f"there is an adapter {name!r} already")
        if not name or "." in name:
            raise ValueError(f"an adapter's name must have a letter and no dot, got {name!r}")
        r = config.rank(path)
        A_shape, B_shape = self.shapes(r)
        most = min(A_shape[-1], B_shape[-2])
        if r > most:
            where = f" at {path}" if path else ""
            raise ValueError(f"r ({r}) must be at most {most}, the weight's smaller side{where}")
        if config.dropout and isinstance(self, LoRAAttention):
            raise ValueError(
                "nn.MultiheadAttention reads a weight: dropout of the update must be 0"
            )
        if config.use_dora and type(self) is not LoRALinear:
            raise ValueError(
                f"use_dora is for unpacked linear layers, and {path or 'this'} is none"
            )
        weight = self.frozen
        # Over weights of half precision (or integers) A and B are single: their steps are small.
        low = not weight.is_floating_point() or torch.finfo(weight.dtype).bits < 32
        made: dict[str, Any] = {
            "device": weight.device,
            "dtype": torch.float32 if low else weight.dtype,
        }
        self.lora_A[name] = nn.Parameter(torch.empty(A_shape, **made))
        self.lora_B[name] = nn.Parameter(torch.empty(B_shape, **made))
        self.reset(name, config.init, generator)
        self.scaling[name] = scale(config.alpha_of(path), r, config.scaling)
        self.dropout[name] = config.dropout
        if config.use_dora:
            self.magnitude[name] = nn.Parameter(self.row_lengths(weight).to(made["dtype"]))

    def remove(self, name: str) -> None:
        """Forget an adapter."""
        for each in (self.lora_A, self.lora_B, self.magnitude, self.scaling, self.dropout):
            if name in each:
                del each[name]
        self.active = tuple(each for each in self.active if each != name)

    def row_lengths(self, weight: Tensor) -> Tensor:
        """Return the length of what gives each output (DoRA)."""
        return weight.float().norm(dim=1)

    def delta(self, name: str) -> Tensor:
        """Return an adapter's whole change of the weight, in at least single precision.

        With DoRA this is not linear in B and A: the row of the sum is brought to a length of its
        own, and the change is what that differs by from the weight.
        """
        change = self.scaling[name] * self.product(name)
        if name not in self.magnitude:
            return change
        weight = self.frozen.to(change.dtype)
        moved = weight + change
        factor = self.magnitude[name] / self.row_lengths(moved).detach()
        return self.along_outputs(factor) * moved - weight

    def along_outputs(self, factor_O: Tensor) -> Tensor:
        """Return numbers of the outputs so that they multiply a weight."""
        return factor_O[:, None]

    @property
    def weight(self) -> Tensor:
        """The weight that acts: whoever reads it here, as torch's fast paths do, gets the sum.

        Raises:
            RuntimeError: what a weight cannot hold: dropout of inputs, an adapter for each sample.
        """
        weight = self.frozen
        if self.route is not None:
            raise RuntimeError("one weight cannot hold an adapter for each sample")
        for name in self.acting():
            if self.training and self.dropout[name]:
                raise RuntimeError(f"one weight cannot hold {name!r}'s dropout of inputs: eval()")
            weight = weight + self.delta(name).to(weight.dtype)
        return weight

    @property
    def bias(self) -> Tensor | None:
        """The base's bias."""
        return self.base.bias

    def acting(self) -> Iterator[str]:
        """Yield the adapters that are to be added to what the base gives."""
        if not self.disabled and not self.merged:
            yield from (name for name in self.active if name in self.lora_A)

    def forward(self, input: Tensor) -> Tensor:
        """Return the base's output plus each active adapter's.

        Raises:
            RuntimeError: in training with gradients while merged, as A and B would get none.
            ValueError: an adapter for each sample, and another number of samples.
        """
        if self.merged and self.training and torch.is_grad_enabled():
            raise RuntimeError("merged: A and B would get no gradient; unmerge before training")
        y = self.base(input)
        if self.route is not None:
            return self.routed(input, y)
        for name in self.acting():
            y = self.adapted(input, y, name)
        return y

    def adapted(self, x: Tensor, y: Tensor, name: str) -> Tensor:
        """Return y, to which an adapter's output is added."""
        low = self.branch(self.dropped(x, name), name)
        return y + (self.scaling[name] * low).to(y.dtype)

    def dropped(self, x: Tensor, name: str) -> Tensor:
        """Return the update's own input: with dropout, and in the precision of A and B."""
        if not x.is_floating_point():
            return x
        A = self.lora_A[name]
        if not torch.is_autocast_enabled(x.device.type):
            x = x.to(A.dtype)
        return F.dropout(x, self.dropout[name], self.training)

    def routed(self, x: Tensor, y: Tensor) -> Tensor:
        """Return y, to which each sample's own adapter is added (§4.2, "Limitations")."""
        route = self.route or ()
        if self.merged:
            raise RuntimeError("merged: unmerge before samples get adapters of their own")
        if len(route) != len(x):
            raise ValueError(f"adapter_ids ({len(route)}) must be as many as samples ({len(x)})")
        for name in dict.fromkeys(route):
            if name is not None and name in self.lora_A:
                rows = torch.tensor([i for i, own in enumerate(route) if own == name])
                rows = rows.to(y.device)
                y = y.index_copy(0, rows, self.adapted(x[rows], y[rows], name))
        return y

    def _save_to_state_dict(self, *args: Any, **named: Any) -> None:
        """Refuse while merged: what loads W_0 + BA, B and A would apply the update twice."""
        if self.merged:
            raise RuntimeError(
                f"{', '.join(self.merged)} is merged: a state dict would hold the update twice; "
                "unmerge, or merge_and_unload, before saving"
            )
        super()._save_to_state_dict(*args, **named)

    def _load_from_state_dict(self, *args: Any, **named: Any) -> None:
        """Refuse while merged: unmerging would subtract another update than was added."""
        if self.merged:
            raise RuntimeError(f"{', '.join(self.merged)} is merged: unmerge before loading")
        super()._load_from_state_dict(*args, **named)

    @torch.no_grad()
    def merge(self, keep: bool = False) -> None:
        """Add the active adapters to the weight: $W = W_0 + BA$ (§4.1, "No Additional…").

        The sum is formed in single precision at least and then rounded once to the weight's own.

        Args:
            keep: keep a copy of W_0, so that `unmerge` gives back every bit.

        Raises:
            RuntimeError: merged already, or in training with dropout.
            TypeError: a weight of integers, to which nothing can be added.
        """
        if self.merged:
            raise RuntimeError(f"merged already: {', '.join(self.merged)}; unmerge first")
        active = list(self.acting())
        if self.training and any(self.dropout[name] for name in active):
            raise RuntimeError("merging in training would leave dropout out: call eval() first")
        weight = self.frozen
        if not weight.is_floating_point():
            raise TypeError(f"a weight of {weight.dtype} cannot take an update")
        if getattr(self.base, "max_norm", None) is not None:
            raise ValueError("an embedding with max_norm would cut what is merged into it")
        if sum(name in self.magnitude for name in active) and len(active) > 1:
            raise ValueError(f"DoRA is no sum: merge one adapter, not {', '.join(active)}")
        if active:
            self._kept = weight.clone() if keep else None
            changes = {name: self.delta(name) for name in active}
            self._changes = {name: c for name, c in changes.items() if name in self.magnitude}
            weight.copy_(single(weight) + sum(changes.values()))
        self.merged = tuple(active)

    @torch.no_grad()
    def unmerge(self) -> None:
        """Subtract what was merged, or put the kept copy back.

        Raises:
            RuntimeError: nothing is merged.
        """
        if not self.merged:
            raise RuntimeError("nothing is merged")
        weight = self.frozen
        if self._kept is not None:
            weight.copy_(self._kept)
        else:
            changes = [self._changes[n] if n in self._changes else self.delta(n)
                       for n in self.merged]  # fmt: skip
            weight.copy_(single(weight) - sum(c.to(weight.device) for c in changes))
        self.merged, self._kept, self._changes = (), None, {}


class LoRALinear(LoRALayer):
    """A linear layer, `nn.Linear` or the transposed `Conv1D` of GPT-2, and its updates.

    A is (R, I) and B (O, R), whatever the weight's layout.
    """

    @property
    def transposed(self) -> bool:
        """Whether the weight lies as (I, O)."""
        return is_conv1d(self.base)

    @property
    def in_features(self) -> int:
        """The base's number of inputs."""
        return self.frozen.shape[0 if self.transposed else 1]

    @property
    def out_features(self) -> int:
        """The base's number of outputs."""
        return self.frozen.shape[1 if self.transposed else 0]

    def shapes(self, r: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return (R, I) and (O, R)."""
        outputs, inputs = self.frozen.shape[::-1] if self.transposed else self.frozen.shape
        return (r, inputs), (outputs, r)

    def product(self, name: str) -> Tensor:
        """Return BA, (O, I) or (I, O)."""
        product_OI = self.lora_B[name] @ self.lora_A[name]
        return product_OI.T if self.transposed else product_OI

    def branch(self, x: Tensor, name: str) -> Tensor:
        """Return B(Ax): two thin products, and BA itself is never formed."""
        return F.linear(F.linear(x, self.lora_A[name]), self.lora_B[name])

    def row_lengths(self, weight: Tensor) -> Tensor:
        """Return the length of the weights of each output."""
        return weight.float().norm(dim=0 if self.transposed else 1)

    def along_outputs(self, factor_O: Tensor) -> Tensor:
        """Return (1, O) or (O, 1)."""
        return factor_O if self.transposed else factor_O[:, None]

    def adapted(self, x: Tensor, y: Tensor, name: str) -> Tensor:
        """Return y with an adapter's output; DoRA scales the sum, the bias apart."""
        if name not in self.magnitude:
            return super().adapted(x, y, name)
        weight = self.frozen.to(self.lora_A[name].dtype)
        moved = weight + self.scaling[name] * self.product(name)
        factor_O = self.magnitude[name] / self.row_lengths(moved).detach()  # as its authors do
        bias = 0.0 if self.bias is None else self.bias
        low = self.scaling[name] * self.branch(self.dropped(x, name), name)
        return (factor_O * ((y - bias) + low)).to(y.dtype) + bias


class LoRAPacked(LoRALinear):
    """A linear layer whose output is several matrices' side by side, and updates of some of them.

    Each adapted matrix has its own A and B, as §4.2 counts them: A is (G, R, I), B (G, O/n, R),
    for G of n.

    Args:
        base: the layer, such as GPT-2's c_attn with q‖k‖v.
        enable: which of the n matrices are adapted.

    Raises:
        ValueError: outputs that n does not divide.
    """

    def __init__(self, base: nn.Module, enable: Sequence[bool]) -> None:
        super().__init__(base)
        self.enable = tuple(enable)
        outputs = self.frozen.shape[1 if self.transposed else 0]
        if outputs % len(self.enable):
            raise ValueError(f"enable ({len(self.enable)}) must divide the outputs ({outputs})")

    def shapes(self, r: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return (G, R, I) and (G, O/n, R)."""
        (_, inputs), (outputs, _) = super().shapes(r)
        group = sum(self.enable)
        return (group, r, inputs), (group, outputs // len(self.enable), r)

    def product(self, name: str) -> Tensor:
        """Return BA, zero where nothing is adapted."""
        parts = iter((self.lora_B[name] @ self.lora_A[name]).unbind())
        rows = self.frozen.shape[1 if self.transposed else 0] // len(self.enable)
        A = self.lora_A[name]
        product_OI = torch.cat([next(parts) if on else A.new_zeros(rows, A.shape[-1])
                                for on in self.enable])  # fmt: skip
        return product_OI.T if self.transposed else product_OI

    def branch(self, x: Tensor, name: str) -> Tensor:
        """Return B(Ax) of each adapted matrix, zeros between."""
        A_GRI, B_GOR = self.lora_A[name], self.lora_B[name]
        low = F.linear(x, A_GRI.flatten(0, 1)).unflatten(-1, A_GRI.shape[:2])
        high = torch.einsum("...gr,gor->...go", low, B_GOR)
        parts, zeros = iter(high.unbind(-2)), torch.zeros_like(high[..., 0, :])
        return torch.cat([next(parts) if on else zeros for on in self.enable], -1)


class LoRAEmbedding(LoRALayer):
    """An embedding and its updates: A is (R, N) and zero at first, B (D, R) random.

    A picks a column for each id, so it is A that has to be zero, or all ids would begin alike.
    """

    def shapes(self, r: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return (R, N) and (D, R)."""
        numbers, width = self.frozen.shape
        return (r, numbers), (width, r)

    def reset(self, name: str, init: str, generator: torch.Generator | None) -> None:
        """Set A to zero and draw B."""
        nn.init.zeros_(self.lora_A[name])
        nn.init.normal_(self.lora_B[name], generator=generator)

    def product(self, name: str) -> Tensor:
        """Return (BA)ᵀ, (N, D); the padding's row is zero."""
        A_RN = self.lora_A[name]
        padding = self.base.padding_idx
        if padding is not None:
            A_RN = A_RN.index_fill(1, torch.tensor([padding], device=A_RN.device), 0.0)
        return (self.lora_B[name] @ A_RN).T

    def branch(self, x: Tensor, name: str) -> Tensor:
        """Return the ids' columns of A, times B."""
        low = F.embedding(x, self.lora_A[name].T)
        if self.base.padding_idx is not None:
            low = low * (x != self.base.padding_idx)[..., None]
        return F.linear(low, self.lora_B[name])

    def adapted(self, x: Tensor, y: Tensor, name: str) -> Tensor:
        """Return y with an adapter's output; dropout of the one 1 that an id is drops it whole."""
        low = self.branch(x, name)
        kept = F.dropout(torch.ones_like(low[..., :1]), self.dropout[name], self.training)
        return y + (self.scaling[name] * kept * low).to(y.dtype)

    @property
    def num_embeddings(self) -> int:
        """The base's number of ids."""
        return self.base.num_embeddings

    @property
    def embedding_dim(self) -> int:
        """The base's width."""
        return self.base.embedding_dim

    @property
    def padding_idx(self) -> int | None:
        """The base's padding."""
        return self.base.padding_idx

    @property
    def bias(self) -> Tensor | None:
        """None: an embedding has no bias."""
        return None


class LoRAConv(LoRALayer):
    """A convolution and its updates: the kernel as a matrix, (O, I·K), gets BA of rank R.

    A is (R, I, …kernel), a convolution with R outputs, and B (O, R) mixes these at each place.
    """

    def shapes(self, r: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return (R, I·K) and (O, R)."""
        outputs, *rest = self.frozen.shape
        return (r, math.prod(rest)), (outputs, r)

    def product(self, name: str) -> Tensor:
        """Return BA in the kernel's shape."""
        return (self.lora_B[name] @ self.lora_A[name]).view_as(self.frozen)

    def branch(self, x: Tensor, name: str) -> Tensor:
        """Convolve with A and then mix by B; with groups, convolve with BA itself."""
        conv: Any = self.base
        if conv.groups > 1:
            return conv._conv_forward(x, self.product(name), None)
        low = conv._conv_forward(x, self.lora_A[name].unflatten(1, self.frozen.shape[1:]), None)
        channels = low.dim() - len(conv.kernel_size) - 1  # without a batch the channels are first
        return F.linear(low.movedim(channels, -1), self.lora_B[name]).movedim(-1, channels)


class LoRAAttention(LoRAPacked):
    """`nn.MultiheadAttention` and updates of its packed W_q, W_k, W_v.

    torch's layer reads its weights itself, so the sum W_0 + BA is formed at each call; what the
    output projection gets is a layer of its own.

    Args:
        base: the attention, whose keys and values are as wide as its queries.
        enable: which of W_q, W_k, W_v are adapted; the paper's choice is q and v.

    Raises:
        TypeError: keys or values of another width.
        ValueError: not three.
    """

    def __init__(self, base: nn.MultiheadAttention, enable: Sequence[bool] | None = None) -> None:
        if base.in_proj_weight is None:
            raise TypeError("kdim and vdim must equal embed_dim: q, k and v are not packed here")
        enable = tuple(enable or QUERY_VALUE)
        if len(enable) != 3:
            raise ValueError(f"enable must be for q, k and v, got {enable}")
        super().__init__(base, enable)

    @property
    def transposed(self) -> bool:
        """False: the packed weight is (3O, I)."""
        return False

    def __getattr__(self, name: str) -> Any:
        """Return what else torch's encoder asks an attention for, such as batch_first."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("base"), name)

    @property
    def frozen(self) -> Tensor:
        """The packed weight."""
        return self.base.in_proj_weight

    @property
    def in_proj_weight(self) -> Tensor:
        """The packed weight that acts."""
        return self.weight

    @property
    def bias(self) -> Tensor | None:
        """The packed bias."""
        return self.base.in_proj_bias

    def forward(self, *args: Any, **named: Any) -> Any:
        """Attend with W_0 + BA.

        Raises:
            RuntimeError: in training with gradients while merged.
            ValueError: an adapter for each sample, which a single weight cannot serve.
        """
        if self.merged and self.training and torch.is_grad_enabled():
            raise RuntimeError("merged: A and B would get no gradient; unmerge before training")
        if self.route is not None:
            raise ValueError("nn.MultiheadAttention has one weight for all samples of a batch")
        if not list(self.acting()):
            return self.base(*args, **named)
        return torch.func.functional_call(
            self.base, {"in_proj_weight": self.weight}, args, named, strict=False
        )


def single(x: Tensor) -> Tensor:
    """Return half precision as single, in which sums are formed; anything else as it is."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def is_conv1d(module: nn.Module) -> bool:
    """Return whether a module is GPT-2's linear layer, whose weight is transposed: (I, O)."""
    return type(module).__name__ == "Conv1D" and hasattr(module, "nf")


def adapt(module: nn.Module, enable: Sequence[bool] | None = None) -> LoRALayer:
    """Return a module's layer with room for updates.

    Args:
        module: `nn.Linear`, GPT-2's `Conv1D`, `nn.Embedding`, `nn.Conv1d` to `nn.Conv3d`, or
            `nn.MultiheadAttention`.
        enable: of packed matrices, see `LoRAConfig`.

    Raises:
        TypeError: another module.
        ValueError: enable of an embedding or a convolution; see `LoRAPacked`, `LoRAAttention`.
    """
    if isinstance(module, nn.MultiheadAttention):
        return LoRAAttention(module, enable)
    if isinstance(module, nn.Linear) or is_conv1d(module):
        return LoRALinear(module) if enable is None else LoRAPacked(module, enable)
    if enable is not None and isinstance(module, nn.Embedding | nn.Conv1d | nn.Conv2d | nn.Conv3d):
        kind = type(module).__name__
        raise ValueError(f"enable is for packed linear layers, and {kind} is none; got {enable}")
    if isinstance(module, nn.Embedding):
        return LoRAEmbedding(module)
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return LoRAConv(module)
    kinds = "Linear, Conv1D, Embedding, Conv1d, Conv2d, Conv3d and MultiheadAttention"
    raise TypeError(f"{type(module).__name__} cannot be adapted; these can: {kinds}")
