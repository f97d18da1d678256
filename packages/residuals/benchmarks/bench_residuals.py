"""ResNet-18 on one image, on sixteen, and a training step: ours beside torchvision's, in one run.

python packages/residuals/benchmarks/bench_residuals.py [--threads 1] [--seconds 6]
"""

import argparse

import torch
import torchvision
from torch.utils import benchmark

from lessons.residuals import ResNet, fuse_conv_bn, load_torchvision

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--seconds", type=float, default=6.0, help="how long each is measured")
parser.add_argument("--device", default="cpu")
args = parser.parse_args()

ROUNDS = 6
theirs = torchvision.models.resnet18().to(args.device).eval()
ours = ResNet.from_preset("resnet18").to(args.device).eval()
load_torchvision(ours, theirs.state_dict())
folded = fuse_conv_bn(ours)


def last(module):
    return module.to(memory_format=torch.channels_last)


def copy(model, make):
    twin = make().to(args.device).eval()
    twin.load_state_dict(model.state_dict())
    return twin


INFERENCE = {
    "torchvision, as it comes": (theirs, False),
    "torchvision, channels_last": (last(copy(theirs, torchvision.models.resnet18)), True),
    "ours, as it comes": (ours, False),
    "ours, folded": (folded, False),
    "ours, folded, channels_last": (last(fuse_conv_bn(ours)), True),
}


def compare(title, calls):
    """Time the calls in turns, since a busy machine disturbs whoever runs at that moment."""
    times = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            timer = benchmark.Timer("call()", globals={"call": call}, num_threads=args.threads)
            times[name] += timer.blocked_autorange(min_run_time=args.seconds / ROUNDS).times
    medians = {name: sorted(values)[len(values) // 2] for name, values in times.items()}
    base = next(iter(medians.values()))
    print(f"{title}: ms, and of torchvision's")
    for name, median in medians.items():
        print(f"  {name:28} {1e3 * median:8.1f}  {median / base:5.2f}")


def forward(model, x):
    with torch.inference_mode():
        return model(x)


print(f"torch {torch.__version__}, {args.device}, {args.threads} thread(s)")
for batch in (1, 16):
    x = torch.randn(batch, 3, 224, 224, device=args.device)
    want = forward(theirs, x)
    calls = {}
    for name, (model, channels_last) in INFERENCE.items():
        images = x.to(memory_format=torch.channels_last) if channels_last else x
        assert torch.allclose(forward(model, images), want, rtol=1e-4, atol=1e-4), name
        calls[name] = lambda model=model, images=images: forward(model, images)
    compare(f"inference, batch {batch}", calls)

x, y = torch.randn(16, 3, 224, 224, device=args.device), torch.arange(16, device=args.device)


def train(model):
    loss = torch.nn.functional.cross_entropy(model(x), y)
    loss.backward()
    model.zero_grad()


training = {"torchvision": copy(theirs, torchvision.models.resnet18).train()}
training["ours"] = copy(ours, lambda: ResNet.from_preset("resnet18")).train()
compare(
    "forward and backward, batch 16",
    {name: lambda model=model: train(model) for name, model in training.items()},
)
