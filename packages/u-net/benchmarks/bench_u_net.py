"""The U-Net at inference and in training beside plain torch modules, and the memory of tiles.

python packages/u-net/benchmarks/bench_u_net.py [--threads 1] [--seconds 6]

The peer is the same net written as most code for it is, with torch's own modules one by one, as it
comes and in channels_last. Memory: the peak of a fresh process for images from 512 to 2,048 pixels
a side, in tiles and in one pass.
"""

import argparse
import itertools
import subprocess
import sys

import torch
from torch import nn
from torch.utils import benchmark

from lessons.u_net import UNet, UNetConfig, tile_predict

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--seconds", type=float, default=6.0, help="how long each is measured")
parser.add_argument("--device", default="cpu")
parser.add_argument("--peak", nargs=2, metavar=("HOW", "SIDE"), help=argparse.SUPPRESS)
args = parser.parse_args()

ROUNDS = 6
CHANNELS = (16, 32, 64, 128, 256)  # a quarter of the paper's widths


class Plain(nn.Module):
    """The net of Fig. 1 as in most tutorials."""

    def __init__(self, widths):
        super().__init__()

        def double(channels, out):
            return nn.Sequential(
                nn.Conv2d(channels, out, 3), nn.ReLU(inplace=True),
                nn.Conv2d(out, out, 3), nn.ReLU(inplace=True),
            )  # fmt: skip

        self.pool = nn.MaxPool2d(2)
        self.down = nn.ModuleList(map(double, (1, *widths), widths))
        pairs = list(itertools.pairwise(widths))[::-1]
        self.up = nn.ModuleList(nn.ConvTranspose2d(deep, w, 2, 2) for w, deep in pairs)
        self.merge = nn.ModuleList(double(2 * w, w) for w, _ in pairs)
        self.score = nn.Conv2d(widths[0], 2, 1)

    def forward(self, x):
        maps = []
        for level, block in enumerate(self.down):
            x = block(self.pool(x) if level else x)
            maps.append(x)
        maps.pop()
        for up, merge in zip(self.up, self.merge):
            x, copy = up(x), maps.pop()
            cut = (copy.shape[-1] - x.shape[-1]) // 2
            x = merge(torch.cat([copy[:, :, cut:-cut, cut:-cut], x], 1))
        return self.score(x)


def last(module):
    return module.to(memory_format=torch.channels_last)


def memory(name):
    """Return this process's VmRSS or VmHWM, its memory now or at its highest, in MB (Linux)."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name)) / 1024


def peak(how, side):
    """Print the megabytes that a prediction of a large image adds to this process."""
    torch.set_num_threads(args.threads)
    model = last(UNet(UNetConfig(channels=tuple(c // 4 for c in CHANNELS))).eval())
    image, out = torch.ones(1, side, side), torch.ones(2, side, side)
    tile_predict(model, image[:, :200, :200])  # what is made once
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the highest begins anew
    before = memory("VmRSS")
    tile_predict(model, image, 572 if how == "tiles" else 16 * -(-side // 16) + 188, out=out)
    print(memory("VmHWM") - before)


if args.peak:
    peak(args.peak[0], int(args.peak[1]))
    sys.exit()


def compare(title, calls):
    """Time the calls in turns, since a busy machine disturbs whoever runs at that moment."""
    times = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            timer = benchmark.Timer("call()", globals={"call": call}, num_threads=args.threads)
            times[name] += timer.blocked_autorange(min_run_time=args.seconds / ROUNDS).times
    medians = {name: sorted(values)[len(values) // 2] for name, values in times.items()}
    base = medians["plain, channels_last"]
    print(f"{title}: ms, and of plain modules with channels_last")
    for name, median in medians.items():
        print(f"  {name:24} {1e3 * median:8.1f}  {median / base:5.2f}")


torch.manual_seed(0)
plain = Plain(CHANNELS).to(args.device)
ours = UNet(UNetConfig(channels=CHANNELS, dropout=0.0)).to(args.device)
ours.load_state_dict(dict(zip(ours.state_dict(), plain.state_dict().values())))
models = {
    "plain, as it comes": plain,
    "plain, channels_last": last(Plain(CHANNELS).to(args.device)),
    "ours, as it comes": ours,
    "ours, channels_last": last(UNet(UNetConfig(channels=CHANNELS, dropout=0.0)).to(args.device)),
}
models["plain, channels_last"].load_state_dict(plain.state_dict())
models["ours, channels_last"].load_state_dict(ours.state_dict())


def forward(model, x):
    with torch.inference_mode():
        return model(x)


def train(model, x, y):
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    model.zero_grad()


print(f"torch {torch.__version__}, {args.device}, {args.threads} thread(s)")
SETTINGS = (("inference, 572 by 572", 572, forward), ("training, 380 by 380", 380, train))
for title, size, run in SETTINGS:
    x = torch.randn(1, 1, size, size, device=args.device)
    y = torch.randint(0, 2, (1, size - 184, size - 184), device=args.device)
    want, calls = forward(plain, x), {}
    for name, model in models.items():
        assert torch.allclose(forward(model, x), want, rtol=1e-3, atol=1e-4), name
        images = x.to(memory_format=torch.channels_last) if "last" in name else x
        given = (model, images) if run is forward else (model, images, y)
        calls[name] = lambda run=run, given=given: run(*given)
    compare(title, calls)

if sys.platform != "linux":
    sys.exit()
print("memory beside image and output, MB, by pixels a side, of a net a quarter as wide")
for how in ("tiles", "one pass"):
    found = []
    for side in (512, 1024, 2048):
        command = [sys.executable, __file__, "--threads", str(args.threads)]
        command += ["--peak", how, str(side)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found.append(f"{side}: {float(done.stdout):.0f}")
    print(f"  {how:9} {', '.join(found)}")
