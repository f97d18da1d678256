"""ViT-B/16's inference and training step: ours beside timm, torchvision and Hugging Face.

python packages/vision-transformer/benchmarks/bench_vision_transformer.py [--threads 1] [--batch 4]
"""

import argparse
import time

import timm
import torch
import torch.nn.functional as F
import transformers

from lessons.vision_transformer import from_timm, to_hugging_face, to_torchvision

try:
    import torchvision
except ImportError:
    torchvision = None

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--rounds", type=int, default=5, help="each is timed so often, in turns")
parser.add_argument("--batch", type=int, default=4)
parser.add_argument("--device", default="cpu")
args = parser.parse_args()
torch.set_num_threads(args.threads)
torch.manual_seed(0)


def wait():
    if args.device.startswith("cuda"):
        torch.cuda.synchronize()


def compare(title, calls):
    """Time the calls in turns, since a busy machine disturbs whoever runs at that moment."""
    times = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(args.rounds):
        for name, call in calls.items():
            wait()
            began = time.perf_counter()
            call()
            wait()
            times[name].append(time.perf_counter() - began)
    medians = {name: sorted(values)[len(values) // 2] for name, values in times.items()}
    base = next(iter(medians.values()))
    print(f"{title}: ms, and of the peer's")
    for name, median in medians.items():
        print(f"  {name:24} {1e3 * median:8.1f}  {median / base:5.2f}")


def forward(model):
    with torch.inference_mode():
        return model(images)


def step(model):
    result = model(images)
    F.cross_entropy(getattr(result, "logits", result), labels).backward()
    model.zero_grad(set_to_none=True)


print(f"torch {torch.__version__}, {args.device}, {args.threads} thread(s), batch {args.batch}")
images = torch.randn(args.batch, 3, 224, 224, device=args.device)
labels = torch.randint(0, 1000, (args.batch,), device=args.device)
peer = timm.create_model("vit_base_patch16_224")
ours = from_timm(peer.state_dict())
face = transformers.ViTForImageClassification(
    transformers.ViTConfig.from_dict({"num_labels": 1000, "layer_norm_eps": 1e-6})
)
released = to_hugging_face(ours)
with torch.no_grad():
    for name, parameter in face.named_parameters():
        name = name.replace("vit.layers.", "vit.encoder.layer.")
        for short, long in (("q", "query"), ("k", "key"), ("v", "value")):
            name = name.replace(f"attention.{short}_proj", f"attention.attention.{long}")
        name = name.replace("attention.o_proj", "attention.output.dense")
        name = name.replace("mlp.fc1", "intermediate.dense").replace("mlp.fc2", "output.dense")
        parameter.copy_(released[name])
models = {"timm": peer, "Hugging Face": face, "ours": ours}
if torchvision is not None:
    other = torchvision.models.vit_b_16()
    other.load_state_dict(to_torchvision(ours))
    models["torchvision"] = other
models = {name: model.to(args.device).eval() for name, model in models.items()}
with torch.inference_mode():
    wanted = models["timm"](images)
    for model in models.values():
        result = model(images)
        result = getattr(result, "logits", result)
        torch.testing.assert_close(result, wanted, rtol=1e-3, atol=1e-4)
compare("inference, ViT-B/16 at 224", {n: lambda m=m: forward(m) for n, m in models.items()})
for model in models.values():
    model.train()
compare("forward and backward", {n: lambda m=m: step(m) for n, m in models.items()})
