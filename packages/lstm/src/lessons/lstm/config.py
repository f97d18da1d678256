"""What a net of the paper's is made of, and the nets of its experiments (Table 10).

A *block* has S memory cells that share an input gate and an output gate (§4.4).
"""

import dataclasses
from typing import Any

SQUASH_IN = ("g2", "g1")  # A.3, in [−2, 2]; the logistic function, of experiments 2a and 2b
SQUASH_OUT = ("h1", "identity")  # A.2, in [−1, 1]; experiments 2a and 2b
BIASES = ("all", "hidden", "gates", None)


@dataclasses.dataclass(frozen=True)
class Config:
    """The sizes and the wiring of a net.

    Attributes:
        input_size: I. num_blocks: C. block_size: S, cells in a block.
        output_size: K logistic units that see the cells; None for no output layer.
        input_gate, output_gate: whether blocks have them; what is not gated passes whole.
        cell_recurrence: whether cells and gates see the cells' outputs one step before.
        gate_recurrence: whether they see the gates' too, as in the paper, and not in later nets.
        bias: which units have one: "all", "hidden" (cells and gates), "gates", or none.
        shortcut: whether the outputs see the inputs as well (experiments 2a and 2b).
        squash_in: g, of a cell's net input. squash_out: h, of its state.
        truncate: whether errors end where they would leave a cell through a net input (§4.5);
            False gives the full gradient.
        init: weights are drawn from ± this.
        input_gate_bias, output_gate_bias: the first biases, one a block; None: drawn like weights.
        embed: whether inputs may be numbers of symbols in place of their one-hot vectors.
    """

    input_size: int
    num_blocks: int
    block_size: int = 1
    output_size: int | None = None
    _: dataclasses.KW_ONLY
    input_gate: bool = True
    output_gate: bool = True
    cell_recurrence: bool = True
    gate_recurrence: bool = True
    bias: str | None = "all"
    shortcut: bool = False
    squash_in: str = "g2"
    squash_out: str = "h1"
    truncate: bool = True
    init: float = 0.1
    input_gate_bias: tuple[float, ...] | None = None
    output_gate_bias: tuple[float, ...] | None = None
    embed: bool = False

    def __post_init__(self) -> None:
        for name in ("input_size", "num_blocks", "block_size", "output_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        for name, known in (("bias", BIASES), ("squash_in", SQUASH_IN), ("squash_out", SQUASH_OUT)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {known}, got {getattr(self, name)!r}")
        for kind in ("input_gate", "output_gate"):
            values = getattr(self, f"{kind}_bias")
            if values is None:
                continue
            if not getattr(self, kind) or self.bias is None:
                raise ValueError(f"{kind}_bias is given, but there is no {kind} with a bias")
            if len(values) != self.num_blocks:
                want = f"{self.num_blocks} numbers, one a block"
                raise ValueError(f"{kind}_bias must have {want}, has {len(values)}")
            object.__setattr__(self, f"{kind}_bias", tuple(float(v) for v in values))

    @property
    def cells(self) -> int:
        """N = C S."""
        return self.num_blocks * self.block_size

    @property
    def gates(self) -> int:
        """How many gate units there are."""
        return self.num_blocks * (self.input_gate + self.output_gate)

    @property
    def units(self) -> int:
        """U: gates and cells."""
        return self.gates + self.cells

    @property
    def sources(self) -> int:
        """R: what a unit sees of the step before."""
        return self.cells * self.cell_recurrence + self.gates * self.gate_recurrence

    @property
    def biased(self) -> int:
        """How many of the units have a bias: gates stand first."""
        return {"gates": self.gates, None: 0}.get(self.bias, self.units)


REBER: dict[str, Any] = {"bias": "gates", "init": 0.2, "embed": True}
LONG_LAG: dict[str, Any] = {"bias": None, "init": 0.2, "embed": True}
PRESETS = {
    "exp1-4x1": Config(7, 4, 1, 7, output_gate_bias=(-1, -2, -3, -4), **REBER),
    "exp1-3x2": Config(7, 3, 2, 7, output_gate_bias=(-1, -2, -3), **REBER),
    "exp2a": Config(
        101, 1, 1, 101, output_gate=False, cell_recurrence=False, gate_recurrence=False,
        shortcut=True, squash_in="g1", squash_out="identity", **LONG_LAG,
    ),
    **{f"exp2c-{p}": Config(p + 4, 2, 1, 2, **LONG_LAG) for p in (50, 100, 200, 500, 1000)},
    "exp3": Config(1, 3, 1, 1, bias="hidden", input_gate_bias=(-1, -3, -5),
                   output_gate_bias=(-2, -4, -6)),
    "exp4": Config(2, 2, 2, 1, input_gate_bias=(-3, -6)),
    "exp5": Config(2, 2, 2, 1),
    "exp6a": Config(8, 2, 2, 4, input_gate_bias=(-2, -4), embed=True),
    "exp6b": Config(8, 3, 2, 8, input_gate_bias=(-2, -4, -6), embed=True),
}  # fmt: skip
PRESETS["exp2b"] = PRESETS["exp2a"]
RATES = {"exp1-4x1": 0.5, "exp1-3x2": 0.5, "exp2a": 1.0, "exp2b": 1.0, "exp3": 1.0, "exp4": 0.5,
         "exp5": 0.1, "exp6a": 0.5, "exp6b": 0.1,
         **{f"exp2c-{p}": 0.01 for p in (50, 100, 200, 500, 1000)}}  # fmt: skip
