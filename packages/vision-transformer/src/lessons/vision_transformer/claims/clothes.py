"""The trained model that ships with the package: what piece of clothing is in a picture."""

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..config import ViTConfig
from ..files import load, save
from ..lab.run import Run
from ..model import VisionTransformer
from .data import COPIES, sets
from .train import batches, fit

# 7 × 7 patches of 4 × 4 pixels; .2 million weights.
CONFIG = ViTConfig(image_size=28, patch_size=4, in_channels=1, num_classes=10, hidden_size=64,
                   mlp_dim=256, num_layers=4, num_heads=4)  # fmt: skip
LICENCE = "Trained on Fashion-MNIST, copyright 2017 Zalando SE, MIT licence."


def model_path() -> Path:
    """Return where the trained model lies in the package."""
    return Path(__file__).parents[1] / "model.safetensors"


def train(run: Run, seed: int, config: ViTConfig = CONFIG) -> VisionTransformer:
    """Train on all of Fashion-MNIST and altered copies (of digits at the smallest scale)."""
    data = sets(run)
    generator = torch.Generator(run.device).manual_seed(seed)
    model = VisionTransformer(config, torch.Generator().manual_seed(seed)).to(run.device)
    count = run.pick(test=96, default=96, full=220_000)
    batch = run.pick(test=32, default=32, full=128)
    feed = batches(*data["train"], count, batch, COPIES, generator)
    fit(run, model, feed, -(-count // batch), 1e-3, data["dev"], "the model that ships")
    return model


def keep(model: VisionTransformer, path: Path) -> None:
    """Write a trained model, with its sizes and the licence of what it was trained on."""
    about = {"config": repr(model.config), "licence": LICENCE}
    save(path, model.state_dict(), {"about": "; ".join(about.values())})


def recall(path: Path, config: ViTConfig = CONFIG) -> VisionTransformer:
    """Return the trained model, in eval mode.

    Raises:
        OSError: there is no such file; says how to make it.
        ValueError: it is not this model's.
    """
    if not path.exists():
        raise OSError(
            f"the trained model is not at {path}; a full run makes it: "
            f"python -m lessons.vision_transformer --full --claim D4"
        )
    state = load(path)
    model = VisionTransformer(config)
    wanted = {name: tuple(t.shape) for name, t in model.state_dict().items()}
    got = {name: tuple(t.shape) for name, t in state.items()}
    if wanted != got:
        differ = sorted(n for n in wanted.keys() | got.keys() if wanted.get(n) != got.get(n))
        raise ValueError(f"{path} is not this model's: {differ[0]} differs")
    model.load_state_dict(state)
    return model.eval()


def picture(path: str | Path, reader: Callable | None = None) -> Tensor:
    """Return a picture from a file as Fashion-MNIST has them: (1, 1, 28, 28) in [−1, 1].

    Grey, light on black (turned round if the border is light), cut to what is there, its longer
    side 28 pixels, in the middle. A picture of 28 × 28 on black stays as it is.

    Raises:
        OSError: there is no such file.
        ValueError: it holds no picture, or one without contrast.
    """
    from matplotlib.image import imread

    try:
        pixels = torch.from_numpy((reader or imread)(path).copy())
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise OSError(f"no such file: {path}") from error
        raise ValueError(f"{path} is no picture that can be read ({error})") from error
    except (SyntaxError, ValueError) as error:  # a damaged file
        raise ValueError(f"{path} is no picture that can be read ({error})") from error
    grey = pixels.double() / (1 if pixels.is_floating_point() else torch.iinfo(pixels.dtype).max)
    if grey.dim() == 3:
        if grey.shape[2] in (2, 4):  # transparent: on white
            alpha = grey[..., -1:]
            grey = grey[..., :-1] * alpha + (1 - alpha)
        weights = torch.tensor([0.299, 0.587, 0.114] if grey.shape[2] == 3 else [1.0])
        grey = grey @ weights.double()
    border = torch.cat([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    if border.median() > 0.5:
        grey = 1 - grey
    grey = grey.clamp(0, 1)
    there = grey > 0.05
    if not there.any() or grey.max() - grey.min() < 0.05:
        raise ValueError(f"{path} is empty: nothing stands out from its background")
    if grey.shape != (28, 28):
        rows, columns = there.any(1).nonzero().flatten(), there.any(0).nonzero().flatten()
        grey = grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        scale = 28 / max(grey.shape)
        size = [max(1, round(n * scale)) for n in grey.shape]
        grey = F.interpolate(grey[None, None], size, mode="bilinear", antialias=True)[0, 0]
        top, left = (28 - size[0]) // 2, (28 - size[1]) // 2
        grey = F.pad(grey, (left, 28 - size[1] - left, top, 28 - size[0] - top))
    return (2 * grey - 1).float()[None, None]
