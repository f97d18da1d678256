"""Train on a folder of images, on a CPU, on a GPU or on several, and go on after a kill.

python -m lessons.alex_net.train DATA --out RUN
torchrun --nproc-per-node 2 -m lessons.alex_net.train DATA --out RUN

DATA has train/<class>/ and val/<class>/ with images. Everything that is random follows from the
seed, the epoch, the step and the process, so a run that was killed goes on from its last checkpoint
to the same weights as one that was not.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from .folder import (
    Batches,
    Folder,
    Images,
    Statistics,
    load_statistics,
    measure,
    mix,
    save_statistics,
    scan,
)
from .net import PRESETS, AlexNet
from .recipe import BATCH, EPOCHS, AlexSGD, PlateauByHand

# What a checkpoint was made with; a run that says otherwise is another run.
FIXED = ("preset", "classes", "seed", "batch", "lr", "patience", "size", "crop", "bf16")


def arguments(argv: list[str]) -> argparse.Namespace:
    """Parse the command line; a wrong one ends the program with a message."""
    parser = argparse.ArgumentParser(
        prog="python -m lessons.alex_net.train", description=__doc__.splitlines()[0]
    )
    flag = parser.add_argument
    flag("data", type=Path, help="folder with train/<class>/ and val/<class>/")
    flag("--out", type=Path, required=True, help="folder for checkpoints, the log and the weights")
    flag("--preset", choices=list(PRESETS), default="alexnet_224")
    flag("--epochs", type=int, default=EPOCHS, help="at most (default: 90, the paper's)")
    flag("--batch", type=int, default=BATCH, help="images a step, of all processes (default: 128)")
    flag("--lr", type=float, default=0.01, help="at the start (default: 0.01)")
    flag("--patience", type=int, default=1, help="epochs without a lower error before it drops")
    flag("--size", type=int, default=256, help="the shorter side is scaled to it (default: 256)")
    flag("--crop", type=int, help="what the net sees (default: the preset's size)")
    flag("--measure", type=int, default=10_000, help="images for mean and colours; 0: all")
    flag("--workers", type=int, default=4, help="processes that prepare images, for each process")
    flag("--save-every", type=int, default=500, help="steps between checkpoints")
    flag("--bf16", action="store_true", help="compute in bfloat16")
    flag("--compile", action="store_true", help="compile the net")
    flag("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    flag("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    args.crop = args.crop or PRESETS[args.preset].in_size
    for name in ("epochs", "batch", "size", "crop", "save_every"):
        if getattr(args, name) < 1:
            parser.error(
                f"--{name.replace('_', '-')} must be at least 1, got {getattr(args, name)}"
            )
    if args.crop > args.size:
        parser.error(f"--crop ({args.crop}) must not be larger than --size ({args.size})")
    return args


class Trainer:
    """One process of a run, and where the run stands.

    Args:
        args: of the command line.
        rank: of this process. world: the number of processes.

    Raises:
        ValueError: data, options and the checkpoint in ``--out`` do not agree.
    """

    def __init__(self, args: argparse.Namespace, rank: int = 0, world: int = 1) -> None:
        self.args, self.rank, self.world = args, rank, world
        if args.batch % world:
            raise ValueError(f"--batch ({args.batch}) must be divisible by {world} processes")
        index = int(os.environ.get("LOCAL_RANK", 0))
        name = f"cuda:{index}" if args.device == "cuda" else args.device
        self.device = torch.device(name)
        self.train, self.val = (scan(args.data / split) for split in ("train", "val"))
        if self.train.classes != self.val.classes:
            odd = sorted({*self.train.classes} ^ {*self.val.classes})
            raise ValueError(f"train and val must have the same classes; only one has {odd[0]!r}")
        if len(self.train.paths) < args.batch:
            raise ValueError(f"--batch ({args.batch}) exceeds the {len(self.train.paths)} images")
        self.steps = len(self.train.paths) // args.batch
        args.out.mkdir(parents=True, exist_ok=True)
        self.statistics = self.measured()
        torch.manual_seed(args.seed)
        classes = len(self.train.classes)
        model = AlexNet.from_preset(args.preset, num_classes=classes, in_size=args.crop)
        # The paper's weights of 0.01 are for raw pixels; other nets expect a variance of 1.
        raw = model.config.init == "paper"
        self.scale = 1.0 if raw else 1 / max(self.statistics.std.item(), 1e-6)
        self.model = model.to(self.device).to(memory_format=torch.channels_last)
        self.optimizer = AlexSGD(self.model.parameters(), args.lr)
        self.plateau = PlateauByHand(self.optimizer, args.patience)
        self.epoch, self.step, self.loss, self.log = 0, 0, 0.0, []
        self.resume()
        ids = [index] if self.device.type == "cuda" else None
        self.parallel: Any = self.model
        if world > 1:
            self.parallel = DistributedDataParallel(self.model, device_ids=ids)
        if args.compile:
            self.parallel = torch.compile(self.parallel)

    @property
    def path(self) -> Path:
        """Where the checkpoint is."""
        return self.args.out / "checkpoint.pt"

    def measured(self) -> Statistics:
        """Return the training images' statistics; the first process measures them, once."""
        path = self.args.out / f"statistics-{self.args.size}.safetensors"
        if self.rank == 0 and not path.exists():
            save_statistics(path, measure(self.train, self.args.size, self.args.measure))
        if self.world > 1:
            dist.barrier()
        return load_statistics(path)

    def options(self) -> dict[str, Any]:
        """Return what makes this run the one that it is."""
        said = vars(self.args) | {"classes": self.train.classes}
        return {name: said[name] for name in FIXED}

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one."""
        if not self.path.exists():
            return
        wanted = "a checkpoint of this program: choose another --out"
        try:
            state = torch.load(self.path, map_location=self.device, weights_only=True)
        except Exception as error:  # damaged files raise many types
            raise ValueError(f"{self.path} cannot be read; expected {wanted}") from error
        parts = {"options", "model", "optimizer", "plateau", "epoch", "step", "loss", "log"}
        if not isinstance(state, dict) or not parts <= state.keys():
            raise ValueError(f"{self.path} is something else; expected {wanted}")
        for name, value in self.options().items():
            if state["options"][name] != value:
                was = state["options"][name]
                raise ValueError(
                    f"{self.path} was made with {name}={was}, not {value}: choose another --out"
                )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.plateau.load_state_dict(state["plateau"])
        self.epoch, self.step = state["epoch"], state["step"]
        self.loss, self.log = state["loss"], state["log"]

    def save(self) -> None:
        """Write a checkpoint, so that a kill at any moment leaves the old one or the new one."""
        if self.rank:
            return
        state = {
            "options": self.options(),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "plateau": self.plateau.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "loss": self.loss,
            "log": self.log,
        }
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        torch.save(state, temporary)
        os.replace(temporary, self.path)
        log = self.path.with_name("log.json")
        temporary = log.with_name(f".{log.name}.{os.getpid()}")
        temporary.write_text(json.dumps(self.log, indent=1) + "\n", encoding="utf-8")
        os.replace(temporary, log)

    def loader(self, folder: Folder, mode: str, batches) -> DataLoader:
        """Return an iterator over prepared batches."""
        args = self.args
        images = Images(folder, self.statistics, args.size, args.crop, self.scale, mode, args.seed)
        pinned = self.device.type == "cuda"
        return DataLoader(
            images, batch_sampler=batches, num_workers=args.workers, pin_memory=pinned
        )

    def logits(self, model: nn.Module, x: torch.Tensor) -> torch.Tensor:
        """Return the net's output in single precision."""
        x = x.to(self.device, memory_format=torch.channels_last, non_blocking=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.args.bf16):
            return model(x).float()

    def train_epoch(self) -> None:
        """Train from where the run stands to the end of its epoch."""
        args = self.args
        batches = Batches(
            len(self.train.paths), args.batch, args.seed, self.epoch, self.step, self.rank,
            self.world,
        )  # fmt: skip
        self.parallel.train()
        began, first = time.perf_counter(), self.step
        for x, y in self.loader(self.train, "train", batches):
            torch.manual_seed(mix(args.seed, self.epoch, self.step, self.rank))  # for dropout
            loss = F.cross_entropy(self.logits(self.parallel, x), y.to(self.device))
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.step += 1
            self.loss += self.mean(loss.detach())
            if self.step % args.save_every == 0 and self.step < self.steps:
                self.save()
            self.progress(began, first)

    def mean(self, value: torch.Tensor) -> float:
        """Return a number's mean over the processes."""
        if self.world > 1:
            value = value.clone()
            dist.all_reduce(value)
        return value.item() / self.world

    def progress(self, began: float, first: int) -> None:
        """Show the run's state on a terminal."""
        if self.rank == 0 and sys.stdout.isatty():
            rate = (self.step - first) * self.args.batch / (time.perf_counter() - began)
            where = f"epoch {self.epoch + 1}, step {self.step} of {self.steps}"
            mean = self.loss / self.step
            print(f"\r{where}: loss {mean:.4f}, {rate:,.0f} images/s ", end="", flush=True)

    @torch.no_grad()
    def evaluate(self, mode: str = "center") -> dict[str, float]:
        """Return top-1 and top-5 error on the validation images, for the centre or ten crops."""
        self.model.eval()
        mine = range(self.rank, len(self.val.paths), self.world)
        size = max(1, self.args.batch // (10 if mode == "ten" else 1) // self.world)
        batches = [[(i, 0) for i in mine[at : at + size]] for at in range(0, len(mine), size)]
        right = torch.zeros(2, dtype=torch.float64)
        for x, y in self.loader(self.val, mode, batches):
            crops = x[:, None] if mode == "center" else x
            scores = self.logits(self.model, crops.flatten(0, 1)).softmax(-1)
            mean = scores.unflatten(0, crops.shape[:2]).mean(1).cpu()  # of the softmax (§4.1)
            top = mean.topk(min(5, mean.shape[1])).indices == y[:, None]
            right += torch.stack([top[:, 0].sum(), top.sum()])
        if self.world > 1:
            right = right.to(self.device)
            dist.all_reduce(right)
        top1, top5 = (1 - right / len(self.val.paths)).tolist()
        return {"top1_error": top1, "top5_error": top5}

    def run(self) -> dict[str, float]:
        """Train to the end; return the errors with ten crops."""
        while self.epoch < self.args.epochs and not self.plateau.finished:
            self.train_epoch()
            line: dict[str, Any] = {"epoch": self.epoch + 1, "loss": self.loss / self.steps}
            line |= {"lr": self.optimizer.param_groups[0]["lr"]} | self.evaluate()
            self.log.append(line)
            self.plateau.step(line["top1_error"])
            self.epoch, self.step, self.loss = self.epoch + 1, 0, 0.0
            self.save()
            if self.rank == 0:
                print("\r" + ", ".join(f"{k} {v:.4g}" for k, v in line.items()), flush=True)
        errors = self.evaluate("ten")
        if self.rank == 0:
            weights = {name: tensor.cpu() for name, tensor in self.model.state_dict().items()}
            path = self.args.out / "model.safetensors"
            temporary = path.with_name(f".{path.name}.{os.getpid()}")
            weights = {name: tensor.contiguous() for name, tensor in weights.items()}
            safetensors.torch.save_file(weights, temporary)
            os.replace(temporary, path)
            print("ten crops: " + ", ".join(f"{k} {v:.4g}" for k, v in errors.items()))
        return errors


def main(argv: list[str]) -> int:
    """Train as the command line says; return the exit status."""
    args = arguments(argv)
    world, rank = (int(os.environ.get(name, default)) for name, default in
                   (("WORLD_SIZE", 1), ("RANK", 0)))  # fmt: skip
    if world > 1:
        if args.device == "cuda":
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        dist.init_process_group("nccl" if args.device == "cuda" else "gloo")
    try:
        Trainer(args, rank, world).run()
    except (ValueError, OSError) as error:
        print(f"lessons.alex_net.train: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. The same command goes on from the last checkpoint.", file=sys.stderr)
        return 130
    finally:
        if world > 1:
            dist.destroy_process_group()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
