"""Claims C9a and C9b: what additive attention costs beside dot products (§3.2.1).

Shapes: B batch, H heads, Q queries, K keys, D d_k, E d_v, M d_model.
"""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..attention import (
    KeyValueCache,
    MultiHeadAttention,
    causal_mask,
    scaled_dot_product_attention,
)
from ..lab.claim import Finding, claim
from ..lab.run import Run
from ..lab.statistics import every, exact, judge, ratio
from ..model import Transformer
from .race import would_decide

HEADS, WIDTH = 8, 64  # the base model's heads, and their d_k
MUCH = 2.0


def additive_attention(
    query_BHQD: Tensor,
    key_BHKD: Tensor,
    value_BHKE: Tensor,
    energy_HD: Tensor,
    mask: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return softmax(v·tanh(q + k)) of the values, and the weights (Bahdanau et al. 2015).

    Queries and keys are projected already; mask: bool, True where a query may look.
    """
    hidden_BHQKD = (query_BHQD[:, :, :, None] + key_BHKD[:, :, None]).tanh()
    scores_BHQK = torch.einsum("bhqkd,hd->bhqk", hidden_BHQKD, energy_HD)
    if mask is not None:
        scores_BHQK = scores_BHQK.masked_fill(~mask, -torch.inf)
    weights_BHQK = scores_BHQK.softmax(-1)
    return weights_BHQK @ value_BHKE, weights_BHQK


class AdditiveAttention(MultiHeadAttention):
    """Heads whose queries and keys meet in a layer of tanh units in place of a dot product.

    Args:
        attention: whose widths and matrices are taken over; it has no biases.
        generator: randomness of the energies' weights, which begin as torch's linear layers do.
    """

    def __init__(self, attention: MultiHeadAttention, generator: torch.Generator) -> None:
        d_model, h = attention.in_proj.in_features, attention.num_heads
        super().__init__(d_model, h, attention.d_k, attention.d_v)
        self.load_state_dict(attention.state_dict())
        self.energy_HD = nn.Parameter(torch.empty(h, self.d_k))
        nn.init.uniform_(self.energy_HD, -(self.d_k**-0.5), self.d_k**-0.5, generator)

    def forward(
        self,
        query_BQM: Tensor,
        memory_BKM: Tensor | None = None,
        mask: Tensor | None = None,
        is_causal: bool = False,
        cache: KeyValueCache | None = None,
        maps: list[Tensor] | None = None,
    ) -> Tensor:
        """Attend as `MultiHeadAttention` does."""
        query_BHQD = self._heads(F.linear(query_BQM, self.in_proj.weight[: self.splits[0]]))
        if memory_BKM is not None and cache is not None:
            key_BHKD, value_BHKE = cache.key_BHKD, cache.value_BHKE
        else:
            source = query_BQM if memory_BKM is None else memory_BKM
            key_BHKD, value_BHKE = self.keys_and_values(source)
            if cache is not None:
                key_BHKD, value_BHKE = cache.append(key_BHKD, value_BHKE)
        if is_causal:  # with a cache the queries are the last positions
            q, k = query_BHQD.shape[2], key_BHKD.shape[2]
            causal_QK = causal_mask(k, query_BQM.device)[k - q :]
            mask = causal_QK if mask is None else mask & causal_QK
        result, weights = additive_attention(query_BHQD, key_BHKD, value_BHKE, self.energy_HD, mask)
        if maps is not None:
            maps.append(weights)
        return self.out_proj(result.transpose(1, 2).flatten(2))


def replace_attention(net: Transformer, generator: torch.Generator) -> None:
    """Let all attention of a net be additive, with the matrices that it has."""
    for layer in (*net.encoder.layers, *net.decoder.layers):
        for name, module in list(layer.named_children()):
            if isinstance(module, MultiHeadAttention):
                setattr(layer, name, AdditiveAttention(module, generator))


def clock(run: Run, task: Callable[[], Any]) -> float:
    """Return the seconds that a task takes: of the processor, or of a device until it is done."""
    if run.device.type == "cpu":
        began = time.process_time()
        task()
        return time.process_time() - began
    torch.accelerator.synchronize()
    began = time.perf_counter()
    task()
    torch.accelerator.synchronize()
    return time.perf_counter() - began


def attentions(run: Run, n: int, seed: int) -> dict[str, Callable[[], Any]]:
    """Return both attentions of n places, as functions of nothing, and the fused one."""
    tokens = run.pick(test=16, default=256, full=512, paper=25000)
    generator = torch.Generator().manual_seed(seed)
    shape = (3, max(tokens // n, 1), HEADS, n, WIDTH)
    q, k, v = (x.to(run.device).requires_grad_() for x in torch.randn(shape, generator=generator))
    energy = torch.randn(HEADS, WIDTH, generator=generator) * WIDTH**-0.5
    energy = energy.to(run.device).requires_grad_()
    return {
        "dot product": lambda: scaled_dot_product_attention(q, k, v, need_weights=True)[0],
        "additive": lambda: additive_attention(q, k, v, energy)[0],
        "fused": lambda: scaled_dot_product_attention(q, k, v),
    }


def attention_costs(run: Run, seed: int) -> dict[str, Any]:
    """Return seconds, forward and backward in turns, and bytes that are kept for the gradient."""
    repeats = run.pick(test=2, default=10)
    seconds: dict[str, Any] = {}
    kept: dict[str, Any] = {}
    for n in _lengths(run):
        both = attentions(run, n, seed)
        kept[str(n)] = {name: bytes_kept(task) for name, task in both.items()}
        seconds[str(n)] = {name: [] for name in both}
        for repeat in range(repeats + 1):
            for name, task in both.items():
                spent = clock(run, lambda task=task: task().sum().backward())
                if repeat:  # the first is a warm-up
                    seconds[str(n)][name].append(spent)
    return {"seconds": seconds, "bytes": kept}


def bytes_kept(task: Callable[[], Tensor]) -> int:
    """Return how many bytes autograd keeps until the gradient is taken, each memory once."""
    sizes: dict[int, int] = {}
    alive: list[Tensor] = []  # so that no address is used twice

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        alive.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        task()
    return sum(sizes.values())


def _lengths(run: Run) -> list[int]:
    return run.pick(test=[4, 8], default=[16, 32, 64, 128], paper=[16, 32, 64])


QUOTE = (
    "While the two are similar in theoretical complexity, dot-product attention is much faster and "
    "more space-efficient in practice, since it can be implemented using highly optimized matrix "
    "multiplication code."
)
WHAT = (
    "softmax(QKᵀ/√d_k)V with its weights written out, and softmax(v·tanh(q + k))V, of queries, "
    "keys and values that are projected already: 8 heads of 64 dimensions, batches of 512 places "
    "(256 in a short run), sentences of 16 to 128, forward and backward."
)


@claim(
    "C9a",
    "§3.2.1",
    "Dot-product attention is much faster than additive attention.",
    quotes=QUOTE,
    asks=f"{WHAT} Seconds of the processor. (“Much” has no number in the paper: twice as fast is "
    "our line.)",
    holds_if="at every length the 95% interval of seconds(additive) / seconds(dot product), over "
    "ten repeats in turns on one machine, lies above 2",
    fails_if="it lies below 2 at one length",
)
def faster(run: Run) -> Finding:
    """Time both attentions."""
    found, lengths = run.trial(attention_costs, seed=run.seed), _lengths(run)
    times = [ratio(*(_positive(found, n, name) for name in ("additive", "dot product")))
             for n in lengths]  # fmt: skip
    fused = [ratio(*(_positive(found, n, name) for name in ("additive", "fused")))
             for n in lengths]  # fmt: skip
    kept = [found["bytes"][str(n)] for n in lengths]
    memory = [of["additive"] / of["dot product"] for of in kept]
    judged = every([judge(t, above=MUCH, paper_regime=False) for t in times])
    least = min(times, key=lambda t: t.mean)
    where = {"cpu": "one core"}.get(run.device.type, run.device.type)
    told = ", ".join(f"{t.text(1)} at {n}" for t, n in zip(times, lengths))
    said = ", ".join(f"{m:.1f} at {n}" for m, n in zip(memory, lengths))
    of_fused = ", ".join(f"{t.mean:.1f}" for t in fused)
    return Finding(
        ran=f"Random numbers; times in turns on {where}, {times[0].n} repeats, which measure this "
        "machine's noise and no other machine. Bytes are those that autograd keeps until the "
        "gradient is taken, queries, keys and values included.",
        measured=f"Additive over dot products, seconds: {told} places; bytes: {said}. Over the "
        f"fused kernel, which writes no weights, seconds: {of_fused}.",
        numbers={"lengths": lengths, "memory": memory, "bytes": kept},
        timings={"seconds": found["seconds"], "additive over dot product": [t.mean for t in times],
                 "additive over fused": [t.mean for t in fused]},
        between="One core in place of a GPU.",
        would_decide=would_decide(least, MUCH, "repeats"),
        judgement=judged,
        ours=f"{least.text(1)} times as fast at the least",
    )  # fmt: skip


def _positive(found: dict[str, Any], n: int, name: str) -> list[float]:
    return [max(seconds, 1e-9) for seconds in found["seconds"][str(n)][name]]


@claim(
    "C9b",
    "§3.2.1",
    "Dot-product attention takes less memory than additive attention.",
    quotes=QUOTE,
    asks=f"{WHAT} The bytes that are kept for the gradient, counted.",
    holds_if="additive attention keeps more bytes at every length",
    fails_if="it keeps as many or fewer at one",
)
def smaller(run: Run) -> Finding:
    """Count what both attentions keep."""
    kept = run.trial(attention_costs, seed=run.seed)["bytes"]
    more = [of["additive"] / of["dot product"] for of in kept.values()]
    ours = f"additive keeps {min(more):.1f} to {max(more):.1f} times the bytes"
    return dataclasses.replace(faster.experiment(run), judgement=exact(min(more) > 1), ours=ours)
