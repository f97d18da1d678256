"""Errata: slips in the papers' print, each with its computation."""

import torch

from ..advantages import gae
from ..lab.claim import Finding, erratum
from ..lab.run import Run


@erratum("E1", "PPO eq. 11",
         "The last term's weight is (γλ)^(T−1−t), not (γλ)^(T−t+1).")  # fmt: skip
def last_weight(run: Run) -> Finding:
    """At t = T − 1 there is one term, δ, with weight 1."""
    delta, keep = torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.double), 0.9
    got = gae(delta, torch.zeros_like(delta), gamma=1.0, lam=keep)[0][0].tolist()
    printed = [keep ** (3 - t + 1) for t in range(3)]
    right = [keep ** (3 - 1 - t) for t in range(3)]
    if max(abs(a - b) for a, b in zip(got, right)) > 1e-12:
        raise ValueError(f"gae gives {got}, not {right}")
    return Finding(
        None, ours="(γλ)^(T−1−t)", ran="T = 3, γλ = .9, a surprise of 1 at the end",
        measured=f"The sum gives {', '.join(f'{x:.2f}' for x in got)}; as printed it would be "
        f"{', '.join(f'{x:.2f}' for x in printed)}.",
        numbers={"sum": got, "printed": printed},
    )  # fmt: skip


@erratum("E2", "PPO eq. 10", "The last reward's weight is γ^(T−1−t), not γ^(T−t+1).")
def last_reward(run: Run) -> Finding:
    """At λ = 1 the advantage is the discounted sum of rewards."""
    rewards = torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.double)
    got = gae(rewards, torch.zeros_like(rewards), gamma=0.9, lam=1.0)[0][0].tolist()
    printed = [0.9 ** (3 - t + 1) for t in range(3)]
    return Finding(
        None, ours="γ^(T−1−t)", ran="T = 3, γ = .9, a reward of 1 at the end",
        measured=f"Discounting step by step gives {', '.join(f'{x:.2f}' for x in got)}; as printed "
        f"it would be {', '.join(f'{x:.2f}' for x in printed)}.",
        numbers={"sum": got, "printed": printed},
    )  # fmt: skip


@erratum("E3", "Ziegler §1", "“86% … and 77%” are of two tasks: sentiment has 88 and 77.")
def mixed(run: Run) -> Finding:
    """Table 1 has both tasks in columns."""
    return Finding(
        None, ours="88%", ran="Table 1 beside §1",
        measured="Table 1: against zero-shot 88% for sentiment and 86% for descriptiveness; the "
        "77% against the supervised sentiment network is for sentiment.",
        numbers={"sentiment": 88, "descriptiveness": 86, "mock": 77},
    )  # fmt: skip


@erratum("E4", "Ziegler eq. 1", "The loss lacks its minus sign.")
def sign(run: Run) -> Finding:
    """What is minimized must fall as the chosen one's reward rises."""
    values = [torch.tensor([r, 0.0, 0.0, 0.0]).log_softmax(0)[0].item() for r in (0.0, 1.0)]
    return Finding(
        None, ours="−log", ran="four rewards, the chosen one at 0 and at 1",
        measured=f"As printed the “loss” rises from {values[0]:.2f} to {values[1]:.2f} when the "
        "chosen response's reward rises by 1.",
        numbers={"printed": values},
    )  # fmt: skip


@erratum("E5", "Ouyang, appendix E.2",
         "“inter- and intra-group … 72.4 and 69.6%” are named the wrong way round.")  # fmt: skip
def swapped(run: Run) -> Finding:
    """§4.1 has them right."""
    return Finding(
        None, ours="intra 72.4, inter 69.6", ran="§4.1 beside E.2",
        measured="§4.1 gives 69.6 ± 0.9% for the group that was held out, which is between groups, "
        "and 72.4 ± 0.4% for the groups trained on.",
        numbers={"within": 72.4, "between": 69.6},
    )  # fmt: skip


@erratum("E6", "Ouyang, Table 14", "CNN/DM and TLDR have the same twelve numbers.")
def repeated(run: Run) -> Finding:
    """Two data sets and twelve models: one row was likely copied."""
    row = [0.182, 0.197, 0.196, 0.198, 0.235, 0.225, 0.218, 0.231, 0.227, 0.214, 0.231, 0.220]
    return Finding(
        None, ours="one row is likely a copy", ran="both rows of the table",
        measured=f"Both ROUGE-L rows read {row[0]}, {row[1]}, … {row[-1]}, equal in all twelve.",
        numbers={"row": row},
    )  # fmt: skip
