"""Slips in the paper's print (the technical report of January 1999), each with the computation."""

import math

import torch
import torch.nn.functional as F

from ..blocks import PRESETS, Config, GersLSTM
from ..lab.claim import Finding, erratum
from ..lab.run import Run
from ..online import ForwardMode
from ..tasks import NEXT_NODE, cerg


@erratum(
    "E1",
    "eq. 21 and the pseudo-code",
    "The state in the forget gate's derivative is s(t − 1), not h(s(t)).",
    quotes="forget gates (21)",
    asks="Equation 18, from which 21 is said to follow, has s(t − 1); 21 and its line in the "
    "pseudo-code have h(s(t)). Both are compared with autograd on a net of 375 weights.",
)
def equation_21(run: Run) -> Finding:
    """Compare both with the derivative."""
    net = GersLSTM.from_preset("cerg", torch.Generator().manual_seed(run.seed), dtype=torch.float64)
    symbols = cerg(20, 1, torch.Generator().manual_seed(run.seed))[0]
    x = F.one_hot(symbols, 7).double()
    learner = ForwardMode(net, 0.0)
    printed, y = torch.zeros(8, dtype=torch.float64), torch.zeros(8, dtype=torch.float64)
    with torch.no_grad():
        for x_I in x[:, 0]:
            learner.step(x_I)
            keep = net.weight_x[4:8] @ x_I + net.weight_h[4:8] @ y + net.bias[4:8]
            keep, y = torch.sigmoid(keep).repeat_interleave(2), learner.y
            h = 2 * torch.sigmoid(learner.s) - 1
            printed = printed * keep + h * keep * (1 - keep)
    s = net.run(x)[1][-1, 0]
    truth = torch.stack([torch.autograd.grad(v, net.bias, retain_graph=True)[0][4 + i // 2]
                         for i, v in enumerate(s)])  # fmt: skip
    right = (learner.ds[:, 2, -1] - truth).abs().max().item()
    wrong = (printed - truth).abs().max().item()
    return Finding(
        None, ours=f"off by {wrong:.2g} as printed, by {right:.0e} with s(t − 1)",
        ran="20 symbols, derivatives by the forget gates' biases.",
        measured=f"With s(t − 1) the largest error is {right:.1e}, with h(s(t)) {wrong:.3f}.",
        numbers={"right": right, "printed": wrong},
    )  # fmt: skip


@erratum(
    "E2",
    "eq. 25",
    "Gates have no outgoing connections: B(S + 2) sources are B · S.",
    quotes="gates have no outgoing connections",
    asks="Equation 25 counts B(S + 2) recurrent sources, which are cells and two gates a block. "
    "With the text's wiring there are B · S. Both are evaluated for the net of §4.2.",
)
def complexity(run: Run) -> Finding:
    """Evaluate."""
    b, s, i, k = 4, 2, 7, 7
    per_block = s + 2 * s + 1

    def count(sources: int) -> int:
        inside = b * per_block * sources + b * (2 * s + 1)
        return inside + (b * s + 1) * k + b * per_block * i

    printed, meant = count(b * (s + 2)), count(b * s)
    return Finding(
        None, ours=f"{meant} in place of {printed}", ran="B = 4, S = 2, I = K = 7.",
        measured=f"As printed {printed} updates a step, with B · S sources {meant}.",
        numbers={"printed": printed, "meant": meant},
    )  # fmt: skip


@erratum(
    "E3",
    "§4.1, eq. 26",
    "The average size 12 is not from eq. 26, which gives a median of 11.54.",
    quotes="Given the average ERG string size of 12 (equation (26))",
    asks="Equation 26 solves P(l) = 1 − P(l), which defines the median of the exponential fit; its "
    "mean is 9 + 11/3. The mean of the grammar's own strings is computed exactly.",
)
def average(run: Run) -> Finding:
    """Compute mean and median."""
    a, o = 3 / 11, 9
    median, fitted = o + math.log(2) / a, o + 1 / a
    ways = torch.zeros(7, 7, dtype=torch.float64)  # Reber's nodes 0 … 6; 7 ends
    for node, to in {0: [1, 1], 1: [2, 3], 2: [2, 4], 3: [3, 5], 4: [3, 6], 5: [4, 6]}.items():
        for t in to:
            ways[node, t] += 0.5
    mean = 4 + torch.linalg.inv(torch.eye(7, dtype=torch.float64) - ways)[0].sum().item()
    return Finding(
        None, ours=f"mean {mean:.4g}; eq. 26 gives {median:.2f}", ran="The chain of the grammar.",
        measured=f"The mean is {mean:.6g}; the fit's median {median:.2f}, its mean {fitted:.2f}.",
        numbers={"mean": mean, "median": median, "fitted mean": fitted},
    )  # fmt: skip


@erratum(
    "E4",
    "§4.2, Figure 6",
    "375 weights have no shortcuts from inputs to outputs.",
    quotes="There are 375 adjustable weights",
    asks="§4.2 says that the output units have shortcut connections to the input units; §3.3 that "
    "connections to output units stem from memory blocks only. Weights are counted both ways.",
)
def shortcuts(run: Run) -> Finding:
    """Count."""
    counts = [sum(w.numel() for w in GersLSTM(c, device="meta").parameters())
              for c in (PRESETS["cerg"], Config(7, 4, 2, 7, shortcut=True))]  # fmt: skip
    return Finding(
        None, ours=f"{counts[0]} without, {counts[1]} with them", ran="Both wirings.",
        measured=f"{counts[0]} weights without shortcuts, {counts[1]} with them.",
        numbers={"without": counts[0], "with": counts[1]},
    )  # fmt: skip


@erratum(
    "E5",
    "eq. 9 and the pseudo-code",
    "Outputs see the cells of the same step: y(t), not y(t − 1).",
    quotes="the equations for the output units k are",
    asks="Equation 9 has y(t − 1), but 15 and 17 differentiate with respect to y(t). Taken as "
    "printed, an output does not depend on the cells of its step. The derivative of an output by "
    "the states of its step is computed both ways.",
)
def same_step(run: Run) -> Finding:
    """Differentiate outputs by the states of their step."""
    net = GersLSTM.from_preset("cerg", torch.Generator().manual_seed(run.seed), dtype=torch.float64)
    x = F.one_hot(cerg(6, 1, torch.Generator().manual_seed(run.seed))[0], 7).double()
    y, s, _ = net.run(x[:5])
    seen, last = y[-1].detach(), s[-1].detach()
    state = last.clone().requires_grad_()
    now = net.run(x[5:], (seen, state))[0][0]
    found = []
    for cells in (seen + 0 * state, now):  # y(t − 1) as printed; y(t)
        z = torch.sigmoid(cells @ net.weight_out.T + net.bias_out).sum()
        found.append(torch.autograd.grad(z, state, retain_graph=True)[0].abs().max().item())
    return Finding(
        None, ours=f"derivative {found[0]:.0f} as printed, {found[1]:.2g} with y(t)",
        ran="One step of 375 weights.",
        measured=f"As printed the derivative is {found[0]:.0f}, with y(t) {found[1]:.3g}.",
        numbers={"printed": found[0], "meant": found[1]},
    )  # fmt: skip


@erratum(
    "E6",
    "pseudo-code (p. 17)",
    "The cells' activations are equation 7, not 6.",
    quotes="cells’ activations (6)",
    asks="The pseudo-code names equation 6 for y = y_out h(s), which is 7; 6 is the state without "
    "a forget gate, which 11 replaces. (And the outline in §1 says that section 4 derives the "
    "algorithm and 5 has the experiments: they are 3.2 and 4.)",
)
def numbering(run: Run) -> Finding:
    """Name the equation."""
    return Finding(
        None, ours="equation 7", ran="The text.", measured="Equation 7 is y = y_out h(s).",
        numbers={"printed": 6, "meant": 7},
    )  # fmt: skip


@erratum(
    "E7",
    "§4.1",
    "The error below .49 is an absolute one at each output.",
    quotes="A prediction is considered correct if the mean squared error at each of the 7 output "
    "units is below 0.49",
    asks="One output has one error, of which there is no mean. Squared and below .49 it may be as "
    "large as .7, and an output of .31 would count as right where 1 is due. Below .49 itself, as "
    "we read it, each output is on the right side of one half.",
)
def criterion(run: Run) -> Finding:
    """Take the root."""
    root = math.sqrt(0.49)
    return Finding(
        None, ours=f"|error| below .49, not below {root:.1f}", ran="The root of .49.",
        measured=f"A squared error of .49 is an error of {root:.2f}.", numbers={"root": root},
    )  # fmt: skip


@erratum(
    "E8",
    "§4.1",
    "The shortest lag is 6; 9 is the shortest string.",
    quotes="The minimal time lag is 9 (at the limit of what standard recurrent networks can "
    "manage); time lags have no upper bound though.",
    asks="The lag from the second symbol, the mark, to the last but one, where it is due again. "
    "The shortest string is searched for in the grammar.",
)
def shortest(run: Run) -> Finding:
    """Find the shortest string, and the distance of its marks."""
    ways, steps = {(0, 0)}, 0  # node, symbols read
    while not any(node == 0 and read for node, read in ways):
        ways = {(int(to), steps + 1) for node, _ in ways for to in NEXT_NODE[node]}
        steps += 1
    return Finding(
        None, ours=f"a lag of {steps - 3}, strings of {steps}", ran="All ways through the grammar.",
        measured=f"The shortest string has {steps} symbols; its marks are the second and the last "
        f"but one, {steps - 3} apart.",
        numbers={"shortest": steps, "lag": steps - 3},
    )  # fmt: skip


@erratum(
    "E9",
    "§3.1, §4.2",
    "At the first biases, .5 to 2, forget gates are not at almost 1.",
    quotes="in the beginning of the training phase the forget gate activation will be almost 1.0, "
    "and the entire cell will behave like a standard LSTM cell.",
    asks="The logistic function of .5, 1, 1.5 and 2, with which the blocks of §4.2 begin, and what "
    "is left of a state after the six symbols of the shortest lag.",
)
def almost_one(run: Run) -> Finding:
    """Compute."""
    gates = [1 / (1 + math.exp(-bias)) for bias in (0.5, 1.0, 1.5, 2.0)]
    kept = [gate**6 for gate in gates]
    return Finding(
        None, ours=f"{gates[0]:.2f} to {gates[-1]:.2f}", ran="Four biases.",
        measured=f"The gates are at {', '.join(f'{g:.2f}' for g in gates)}; after six symbols "
        f"{', '.join(f'{k:.2f}' for k in kept)} of a state are left.",
        numbers={"gates": gates, "kept": kept},
    )  # fmt: skip
