"""Slips in the paper's print, each with the computation."""

from ..lab.claim import Finding, erratum
from ..lab.run import Run
from ..memory import adapter_count, lora_count, prefix_layer_count

FT = (87.6, 94.8, 90.2, 63.6, 92.8, 91.9, 78.7, 91.2)  # Table 2, RoBERTa base
LORA = (87.5, 95.1, 89.7, 63.4, 93.3, 90.8, 86.6, 91.5)


@erratum(
    "E1", "Table 2", "The lead of RoBERTa base comes from one task, RTE.",
    quotes="RoBbase (LoRA) 0.3M … 87.2",
    asks="The means of Table 2 with and without RTE. (App. D.1: LoRA's RTE, MRPC and STS-B begin "
    "at an MNLI checkpoint.)",
)  # fmt: skip
def rte(run: Run) -> Finding:
    """Average without RTE."""
    without = [sum(row[:6] + row[7:]) / 7 for row in (FT, LORA)]
    ahead = sum(a > b for a, b in zip(FT, LORA))
    return Finding(
        None, ours=f"without RTE {without[1]:.1f} against {without[0]:.1f}", ran="Table 2.",
        measured=f"With RTE {sum(LORA) / 8:.1f} against {sum(FT) / 8:.1f}; without it "
        f"{without[1]:.2f} against {without[0]:.2f}. Fine-tuning is ahead on {ahead} of 8 tasks.",
        numbers={"without": without, "ahead": ahead},
    )  # fmt: skip


@erratum(
    "E2", "Table 3", "GPT-2's LoRA has 0.39M and 0.74M numbers, not 0.35M and 0.77M.",
    quotes="GPT-2 M (LoRA) 0.35M",
    asks="2 · 2L · d · 4 for r 4 on q and v (Table 11). The printed figures are those of the rows "
    "with prefixes.",
)  # fmt: skip
def gpt2(run: Run) -> Finding:
    """Count."""
    medium, large = lora_count(48, 1_024, 4), lora_count(72, 1_280, 4)
    return Finding(
        None, ours=f"{medium:,} and {large:,}", ran="Counted.",
        measured=f"{medium:,} and {large:,}.", numbers={"medium": medium, "large": large},
    )  # fmt: skip


@erratum(
    "E3", "Tables 2, 10", "DeBERTa's 4.7M numbers are those of r 16, not of r 8.",
    quotes="DeBXXL (LoRA) 4.7M", asks="48 layers of width 1,536, q and v, r 8 (Table 10) and r 16.",
)  # fmt: skip
def deberta(run: Run) -> Finding:
    """Count."""
    found = [lora_count(96, 1_536, r) for r in (8, 16)]
    return Finding(
        None, ours=f"r 8: {found[0]:,}", ran="Counted.",
        measured=f"r 8 gives {found[0]:,}, r 16 {found[1]:,}.", numbers={"r 8, 16": found},
    )  # fmt: skip


@erratum(
    "E4", "Tables 4, 15", "Prefix layers of 8 + 8 tokens have 18.9M numbers, not 20.2M.",
    quotes="GPT-3 (PreLayer) 20.2M",
    asks="L · d · (lp + li) of §5.1. Table 15's other rows give the same ratio, 1.07.",
)  # fmt: skip
def prelayer(run: Run) -> Finding:
    """Count."""
    n = prefix_layer_count(96, 12_288, 8, 8)
    return Finding(
        None, ours=f"{n:,}", ran="Counted.",
        measured=f"{n:,} by the paper's formula, {20.2e6 / n:.2f} "
        "times less than printed.", numbers={"n": n},
    )  # fmt: skip


@erratum(
    "E5", "Table 2", "RoBERTa large's wide adapters have 6.3M numbers, not 6.0M.",
    quotes="RoBlarge (AdptH)† 6.0M", asks="48 adapters of r 64 (Table 9) by the formula of §5.1.",
)  # fmt: skip
def wide(run: Run) -> Finding:
    """Count."""
    n = adapter_count(48, 1_024, 64)
    return Finding(None, ours=f"{n:,}", ran="Counted.", measured=f"{n:,}.", numbers={"n": n})


@erratum(
    "E6", "§7.3, Table 7", "6.91/.32 is 21.6, not 21.5.",
    quotes="21.5 ≈ 6.91/0.32", asks="The division.",
)  # fmt: skip
def quotient(run: Run) -> Finding:
    """Divide."""
    value = 6.91 / 0.32
    return Finding(None, ours=f"{value:.1f}", ran="Table 7.", measured=f"{value:.2f}.",
                   numbers={"value": value})  # fmt: skip


@erratum(
    "E7", "§7.2", "The matrix W_c of the text is W_o.",
    quotes="We adapt {Wq,Wv}, {Wq,Wk,Wv,Wc}, and just Wq for a comparison.",
    asks="Table 6 and the rest of the paper have Wo.",
)  # fmt: skip
def letter(run: Run) -> Finding:
    """Read."""
    return Finding(None, ours="W_o, of 4 matrices", ran="Read.",
                   measured="Table 6 has 4 matrices, W_q, W_k, W_v, W_o.", numbers={})  # fmt: skip


@erratum(
    "E8", "§4.2", "From 32.5 to 43.1 tokens a second is 33% more; 25% is the time saved.",
    quotes="a 25% speedup during training", asks="Footnote 5's throughputs.",
)  # fmt: skip
def faster(run: Run) -> Finding:
    """Divide both ways."""
    more, less = 100 * (43.1 / 32.5 - 1), 100 * (1 - 32.5 / 43.1)
    return Finding(
        None, ours=f"{more:.0f}% more, {less:.0f}% less time", ran="Footnote 5.",
        measured=f"{more:.1f}% more tokens a second, {less:.1f}% less time a token.",
        numbers={"more": more, "less": less},
    )  # fmt: skip
