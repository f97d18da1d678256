"""The paper's own learning rule: derivatives carried along, errors never sent back in time.

Of all derivatives only those of the states are carried (A.27): of a cell's state by the weights
into that cell (A.25) and by the weights into its input gate (A.23). Their number does not depend
on how long a sequence is.

Shapes: S nets side by side, each on its own sequence; N cells, C blocks, J what a unit sees
(inputs, then cells' outputs and gates, then the bias), K outputs.
"""

import torch
from torch import Tensor

from .carousel import squash_in, squash_out
from .network import LSTM1997


class TruncatedLearner:
    """Teach a net online by equations A.17 to A.26; its parameters are changed in place.

    Args:
        net: with an output layer. What is carried fits its ``seeds``, one net if it has none.
        lr: α, one for all nets, or (S,). The updates are those of half the squared error, as in
            A.17, which drops the factor 2 of A.14.
        every_step: change the weights at each step with a target; otherwise `apply` does.

    Attributes:
        seen, s: what cells and gates put out, (S, R), and the states, (S, N).
        ds_in, ds_cell: ∂s/∂w of the weights into the input gate and into the cell, (S, N, J).

    Source: §4.5, A.1.3.
    """

    @torch.no_grad()
    def __init__(self, net: LSTM1997, lr: float | Tensor, every_step: bool = False) -> None:
        if net.weight_out is None:
            raise ValueError("the net has no output layer, hence no error: give it an output_size")
        self.net, self.config, self.every_step = net, net.config, every_step
        self.seeds = net.seeds or 1
        rate = torch.as_tensor(lr, dtype=net.weight_x.dtype, device=net.weight_x.device)
        if rate.shape not in ((), (self.seeds,)) or not (rate.isfinite() & (rate >= 0)).all():
            raise ValueError(f"lr must be at least 0, a number or one for each net, got {lr}")
        self.lr = rate.view(-1, 1, 1)
        c = self.config
        self.width = c.input_size + c.sources + bool(c.biased)
        self.changes = {n: torch.zeros_like(self.weight(n)) for n, _ in net.named_parameters()}
        self.reset()

    def weight(self, name: str) -> Tensor:
        """Return a parameter with an axis for nets."""
        value = getattr(self.net, name).detach()
        return value[None] if self.net.seeds is None else value

    def reset(self) -> None:
        """Begin a new sequence: activations, states and derivatives are zero."""
        c, like = self.config, self.net.weight_x
        self.seen = like.new_zeros(self.seeds, c.sources)
        self.s = like.new_zeros(self.seeds, c.cells)
        self.ds_in = like.new_zeros(self.seeds, c.cells * c.input_gate, self.width)
        self.ds_cell = like.new_zeros(self.seeds, c.cells, self.width)

    @torch.no_grad()
    def step(self, x: Tensor, target: Tensor | None = None) -> Tensor:
        """Advance by one step, and learn if there is a target.

        Args:
            x: (S, I), or symbols (S,).
            target: (S, K).

        Returns:
            The outputs, (S, K).
        """
        c = self.config
        if not x.is_floating_point():
            x = self.net.one_hot(x)
        if x.shape != (self.seeds, c.input_size):
            raise ValueError(f"x must be ({self.seeds}, {c.input_size}), is {tuple(x.shape)}")
        one = x.new_ones(self.seeds, bool(c.biased))
        saw_SJ = torch.cat([x, self.seen, one], 1)
        net_SU = (self.weight("weight_x") @ x[:, :, None])[..., 0]
        net_SU += (self.weight("weight_h") @ self.seen[:, :, None])[..., 0]
        if c.biased:
            net_SU[:, : c.biased] += self.weight("bias")
        gates_SG, net_SN = net_SU[:, : c.gates].sigmoid(), net_SU[:, c.gates :]
        g_SN, slope_SN = squash_in(net_SN, c.squash_in), net_SN.sigmoid()
        slope_SN = (4 if c.squash_in == "g2" else 1) * slope_SN * (1 - slope_SN)
        if c.input_gate:
            open_SN = self.stretch(gates_SG[:, : c.num_blocks])
            moved = g_SN * open_SN * (1 - open_SN)
            self.ds_in += moved[:, :, None] * saw_SJ[:, None]  # A.23
            slope_SN, g_SN = slope_SN * open_SN, g_SN * open_SN
        # Where only gates have a bias, `learn` drops what cells would take from that line.
        self.ds_cell += slope_SN[:, :, None] * saw_SJ[:, None]  # A.25
        self.s = self.s + g_SN
        h_SN = squash_out(self.s, c.squash_out)
        out_SN = self.stretch(gates_SG[:, -c.num_blocks :]) if c.output_gate else None
        y_SN = h_SN if out_SN is None else out_SN * h_SN
        y_SK = self.net.readout(y_SN[:, None], x[:, None])[:, 0] if self.net.seeds else (
            self.net.readout(y_SN, x)
        )  # fmt: skip
        if target is not None:
            self.learn(target, y_SK, y_SN, h_SN, gates_SG, out_SN, x, saw_SJ)
            if self.every_step:
                self.apply()
        parts = ([y_SN] if c.cell_recurrence else []) + ([gates_SG] if c.gate_recurrence else [])
        self.seen = torch.cat(parts, 1) if parts else self.seen
        return y_SK

    def learn(self, target, y_SK, y_SN, h_SN, gates_SG, out_SN, x, saw_SJ) -> None:
        """Add this step's contributions to the changes of all weights."""
        c = self.config
        e_SK = y_SK * (1 - y_SK) * (target - y_SK)  # A.17
        seen_SF = torch.cat([y_SN, x], 1) if c.shortcut else y_SN
        self.changes["weight_out"] += e_SK[:, :, None] * seen_SF[:, None]  # A.20
        if "bias_out" in self.changes:
            self.changes["bias_out"] += e_SK
        back_SN = torch.bmm(e_SK[:, None], self.weight("weight_out")[:, :, : c.cells])[:, 0]
        slope_SN = (1 - h_SN * h_SN) / 2 if c.squash_out == "h1" else torch.ones_like(h_SN)
        es_SN = back_SN * slope_SN * (1 if out_SN is None else out_SN)  # A.21
        rows = []
        if c.input_gate:  # A.24: a gate serves all cells of its block
            rows.append((es_SN[:, :, None] * self.ds_in).unflatten(1, (c.num_blocks, -1)).sum(2))
        if c.output_gate:  # A.19, A.20
            gate = gates_SG[:, -c.num_blocks :]
            e_SC = gate * (1 - gate) * (h_SN * back_SN).unflatten(1, (c.num_blocks, -1)).sum(2)
            rows.append(e_SC[:, :, None] * saw_SJ[:, None])
        rows.append(es_SN[:, :, None] * self.ds_cell)  # A.26
        change = torch.cat(rows, 1)
        self.changes["weight_x"] += change[..., : c.input_size]
        self.changes["weight_h"] += change[..., c.input_size : c.input_size + c.sources]
        if c.biased:
            self.changes["bias"] += change[:, : c.biased, -1]

    @torch.no_grad()
    def apply(self) -> None:
        """Change the weights by α times what has been gathered, and begin to gather anew."""
        for name, change in self.changes.items():
            rate = self.lr if change.dim() == 3 else self.lr[:, 0]
            getattr(self.net, name).add_((rate * change).view_as(getattr(self.net, name)))
            change.zero_()

    def stretch(self, gate_SC: Tensor) -> Tensor:
        """Return each block's gate for each of its cells."""
        return gate_SC.repeat_interleave(self.config.block_size, 1)
