"""Slips in the paper's print, each with the computation."""

import dataclasses
from typing import Any

import torch

from ..config import PRESETS, count_parameters
from ..gru import GRU
from ..lab.claim import Finding, erratum
from ..lab.run import Run


@erratum(
    "E1",
    "App. A.1.1",
    "G_r (500 × 1000) does not fit a maxout layer of 500 units.",
    quotes="where Gl ∈ R^{K×500} and Gr ∈ R^{500×1000}",
    asks="§4.1.1 has 500 maxout units, each of two inputs, so s has 500 numbers and O 1,000 rows; "
    "G_r as printed multiplies a vector of 1,000. Weights of each reading, without biases, by "
    "the formulas of App. A at 15,000 words, 1,000 units.",
)
def readings(run: Run) -> Finding:
    """Count each reading."""
    base = dataclasses.replace(PRESETS["paper"], bias=False)
    kinds: dict[str, dict[str, Any]] = {
        "§4.1.1, embeddings and G of rank 100": {},
        "§4.1.1, G as one matrix": {"output_rank": None},
        "App. A, G as one matrix": {"embedding_size": 500, "output_rank": None},
        "App. A, G_r 500 × 500": {"embedding_size": 500, "output_rank": 500},
        "App. A, G_r 500 × 1000, 1,000 maxout units": {
            "embedding_size": 500, "output_rank": 500, "maxout_size": 1000,
        },
    }  # fmt: skip
    found = {
        name: count_parameters(dataclasses.replace(base, **changes))
        for name, changes in kinds.items()
    }
    return Finding(
        None,
        ours="18.25 to 42 million weights, by the reading",
        ran="Formulas, which the tests hold to the models; exact.",
        measured="; ".join(f"{name}: {n:,}" for name, n in found.items())
        + ". The released code has rank 100 in both places.",
        numbers={"weights": found},
    )


@erratum(
    "E2",
    "App. A.1.1",
    "O_y multiplies a word's embedding, not the word itself.",
    quotes="s'⟨t⟩ = O_h h'⟨t⟩ + O_y y_{t−1} + O_c c.",
    asks="y_{t−1} is a vector of K numbers, one of them 1 (first lines of App. A): O_y would be a "
    "second embedding of 1,000 numbers a word. The released code multiplies e(y_{t−1}).",
)
def embedded(run: Run) -> Finding:
    """Count O_y both ways."""
    c = PRESETS["paper"]
    rows = 2 * (c.maxout_size or 0)
    sizes = {"of the word": rows * c.target_vocab_size, "of e(y)": rows * c.embedding_size}
    return Finding(
        None,
        ours=f"O_y has {sizes['of e(y)']:,} weights, not {sizes['of the word']:,}",
        ran="Counted.",
        measured=f"O_y of the word itself has {sizes['of the word']:,} weights, of its embedding "
        f"{sizes['of e(y)']:,}.",
        numbers={"weights": sizes},
    )


@erratum(
    "E3",
    "§2.3, App. A",
    "Two units: one has its reset gate before U, the other after it.",
    quotes="h̃'_j = tanh([W'e(y_{t−1})]_j + r'_j [U'h'⟨t−1⟩ + Cc])",
    asks="Eq. 8 and the encoder of App. A have U(r ∘ h), its decoder r' ∘ (U'h' + Cc). The same "
    "weights in both, in double precision, six steps: how far apart are the states, and how far "
    "if U is diagonal?",
)
@torch.no_grad()
def two_units(run: Run) -> Finding:
    """Run both on the same weights."""
    generator = torch.Generator().manual_seed(run.seed)
    before, after = GRU(4, 6).double(), GRU(4, 6, bias=False, reset="after").double()
    x = torch.randn(6, 1, 4, dtype=torch.float64, generator=generator)
    apart = {}
    for kind in ("full", "diagonal"):
        for name, weight in after.named_parameters():
            weight.normal_(0, 0.6, generator=generator)
            if kind == "diagonal" and "hh" in name:
                weight[12:] = torch.diag(weight[12:].diagonal())
        before.load_state_dict({**before.state_dict(), **after.state_dict()})
        apart[kind] = float((before(x)[0] - after(x)[0]).abs().max())
    return Finding(
        None,
        ours=f"states {apart['full']:.2f} apart after six steps; equal if U is diagonal",
        ran="Random weights in double precision.",
        measured=f"The states differ by {apart['full']:.2f}; with a diagonal U by "
        f"{apart['diagonal']:.0e}.",
        numbers={"full": apart["full"], "equal if diagonal": apart["diagonal"] < 1e-12},
    )


@erratum(
    "E4",
    "§2.3, footnote 1",
    "An LSTM cell has three gates; the fourth unit counted is its input.",
    quotes="The LSTM unit, which has shown impressive results in several applications such as "
    "speech recognition, has a memory cell and four gating units",
    asks="Blocks of rows of torch.nn.LSTM: input, forget and output gate, and what enters.",
)
def three_gates(run: Run) -> Finding:
    """Count the blocks."""
    with torch.device("meta"):
        blocks = len(torch.nn.LSTM(1, 7).state_dict()["weight_ih_l0"]) // 7
    return Finding(
        None,
        ours="three gates and the input: four blocks",
        ran="Counted in torch.nn.LSTM.",
        measured=f"{blocks} blocks of weights, of which three are gates.",
        numbers={"blocks": blocks},
    )
