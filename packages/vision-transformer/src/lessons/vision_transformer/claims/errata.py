"""Slips in the paper's print, each with the computation."""

import dataclasses

from ..config import PRESETS, count_parameters
from ..lab.claim import Finding, erratum
from ..lab.run import Run

# Table 2: (mean, deviation) of ViT-L/16 on JFT and of BiT-L.
TABLE_2 = {
    "ImageNet": (87.76, 87.54), "ImageNet ReaL": (90.54, 90.54), "CIFAR-10": (99.42, 99.37),
    "CIFAR-100": (93.90, 93.51), "Pets": (97.32, 96.62), "Flowers": (99.74, 99.63),
    "VTAB": (76.28, 76.29),
}  # fmt: skip
# ViT-H/14, 14 epochs on JFT: (Table 5, Table 6).
H_14 = {"ImageNet": (88.04, 88.08), "ReaL": (90.33, 90.36), "CIFAR-10": (99.50, 99.50),
        "CIFAR-100": (94.55, 94.71), "Pets": (97.56, 97.11), "Flowers": (99.68, 99.71)}  # fmt: skip


@erratum(
    "E1",
    "§4.2, Table 2",
    "ViT-L/16 outperforms BiT-L on five of the seven, not on all.",
    quotes="The smaller ViT-L/16 model pre-trained on JFT-300M outperforms BiT-L (which is "
    "pre-trained on the same dataset) on all tasks",
    asks="Table 2's own rows.",
)
def all_tasks(run: Run) -> Finding:
    """Compare the columns."""
    not_above = {name: pair for name, pair in TABLE_2.items() if not pair[0] > pair[1]}
    told = ", ".join(f"{name} {a:.2f} and {b:.2f}" for name, (a, b) in not_above.items())
    return Finding(
        None, ours=told, ran="Table 2.",
        measured=f"ViT-L/16 is not above BiT-L on {len(not_above)} of {len(TABLE_2)}: {told}.",
        numbers={name: list(pair) for name, pair in not_above.items()},
    )  # fmt: skip


@erratum(
    "E2",
    "Table 1",
    "307 million is ViT-L/32; ViT-L/16 has 304.",
    quotes="ViT-Large 24 1024 4096 16 307M",
    asks="Parameters at 224 pixels with the hidden layer of pre-training (D × D) and no classes "
    "behind it: so counted, the other two rows are those of /16 and /14, 86.4 and 632.4 million. "
    "With 1,000 classes and no hidden layer ViT-B/16 would be 87.",
)
def large(run: Run) -> Finding:
    """Count."""
    sizes = {}
    for name in ("B/16", "L/16", "L/32", "H/14"):
        hidden = {"num_classes": 0, "representation_size": PRESETS[name].hidden_size}
        sizes[name] = count_parameters(dataclasses.replace(PRESETS[name], **hidden))
    thousand = count_parameters(PRESETS["L/16"])
    told = ", ".join(f"{name} {n / 1e6:.1f}" for name, n in sizes.items())
    return Finding(
        None, ours=f"L/16: {sizes['L/16']:,}", ran="Counted.",
        measured=f"Millions of parameters: {told}; L/16 with 1,000 classes instead "
        f"{thousand / 1e6:.1f}.",
        numbers=sizes | {"L/16, 1,000 classes": thousand},
    )  # fmt: skip


@erratum(
    "E3",
    "Tables 5 and 6",
    "The same ViT-H/14 has other accuracies in the two tables.",
    quotes="Table 6: Detailed results of model scaling experiments.",
    asks="ViT-H/14 after 14 epochs of JFT-300M in both; the other four models agree.",
)
def two_tables(run: Run) -> Finding:
    """Compare the rows."""
    differ = {name: pair for name, pair in H_14.items() if pair[0] != pair[1]}
    told = ", ".join(f"{name} {a:.2f}/{b:.2f}" for name, (a, b) in differ.items())
    return Finding(
        None, ours=f"{len(differ)} of {len(H_14)} differ", ran="Tables 5 and 6.",
        measured=f"Table 5/Table 6: {told}.", numbers={k: list(v) for k, v in differ.items()},
    )  # fmt: skip
