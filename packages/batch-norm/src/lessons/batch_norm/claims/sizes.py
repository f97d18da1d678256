"""C10: the network of Fig. 5, counted (§4.2)."""

import torch

from ..inception import PRESETS, BNInception
from ..lab.claim import Finding, claim
from ..lab.statistics import HOLDS, REFUTED


@claim(
    "C10",
    "§4.2, Fig. 5",
    "The network of Fig. 5 has 13.6 million parameters and the outputs printed.",
    asks="The network of Fig. 5 contains 13.6·10⁶ parameters, and its modules have the outputs "
    "printed.",
)
def sizes(run):
    """Count on the meta device."""
    counts, channels = {}, {}
    with torch.device("meta"):
        for name in ("bn-inception", "bn-inception-full", "bn-inception-576"):
            net = BNInception(PRESETS[name])
            counts[name] = sum(p.numel() for p in net.parameters())
            outputs = net.features(torch.empty(1, 3, 224, 224))
            channels[name] = {module: list(out.shape[1:]) for module, out in outputs.items()}
    printed = [channels["bn-inception"][m][0] for m in ("4c", "4d", "4e")] == [576, 576, 1024]
    fits = printed and any(abs(n - 13.6e6) < 0.05e6 for n in counts.values())
    auxiliary = 576 * 128 + 2048 * 1024 + 1024 + 1024 * 1000 + 1000
    return Finding(
        HOLDS if fits else REFUTED,
        ran="The table's columns as printed, with the appendix' separable first convolution and "
        "with a full one, and with a projection of 96 in rows 4c and 4d.",
        measured=f"{counts['bn-inception']:,}, {counts['bn-inception-full']:,} and "
        f"{counts['bn-inception-576']:,} parameters. The columns of 4c and 4d sum to 608 channels, "
        f"not the 576 printed, and so 4e has 1,056, not 1,024. An auxiliary classifier as "
        f"GoogLeNet has would add {auxiliary:,} parameters, too many by a million.",
        numbers={"parameters": counts, "outputs": channels, "auxiliary": auxiliary},
    )
