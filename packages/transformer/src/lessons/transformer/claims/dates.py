"""A real task: dates as people write them in eight languages, into ISO 8601.

Months, weekdays and the order of things are those of the Unicode locale data that Babel carries.
"""

import dataclasses
import datetime
import functools
import re
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor

from ..config import TransformerConfig
from ..decoding import greedy
from ..model import Transformer
from ..training import LabelSmoothingLoss, average_checkpoints, batch_by_tokens, noam_lr, pad
from ..weights import load, save

LOCALES = ("en", "en_GB", "de", "fr", "es", "it", "pt", "nl", "hu")
# Not "short": 03/06/14 is a day in March in some of these languages and in June in others.
STYLES = ("medium", "long", "full")
FIRST, LAST = datetime.date(1900, 1, 1), datetime.date(2099, 12, 31)
UNREADABLE = "?"

PAD, BOS, EOS = 0, 1, 2
ALPHABET = "".join(
    dict.fromkeys(" 0123456789-.,?abcdefghijklmnopqrstuvwxyzàâäáãçéèêëíìîïóòôöõőúùûüűñ")
)
IDS = {character: i for i, character in enumerate(ALPHABET, start=3)}
LONGEST = 48  # characters of an input
# Of the answer, 11 tokens. Smoothed labels ask for 0.9 at each, and 0.9 ** 11 = 0.31.
SURE = 0.2

CONFIG = TransformerConfig(
    vocab_size=len(ALPHABET) + 3, d_model=64, d_ff=256, num_heads=2, num_encoder_layers=2,
    num_decoder_layers=2, dropout=0.0,
)  # fmt: skip


def normalize(text: str) -> str:
    """Return text in lower case with single spaces, its accents composed."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text)).strip().lower()


def encode(text: str) -> list[int]:
    """Return a text's ids, with the end mark.

    Raises:
        ValueError: an empty or too long text, or a character outside the alphabet.
    """
    text = normalize(text)
    if not 1 <= len(text) <= LONGEST:
        raise ValueError(f"text must have 1 to {LONGEST} characters, got {len(text)}: {text!r}")
    strange = sorted(set(text) - set(ALPHABET))
    if strange:
        raise ValueError(f"text has characters that no date was written with: {' '.join(strange)}")
    return [*(IDS[character] for character in text), EOS]


def decode(ids: Iterable[int]) -> str:
    """Return the text of ids, up to the end mark."""
    text = ""
    for i in ids:
        if i == EOS:
            break
        text += ALPHABET[i - 3] if i >= 3 else ""
    return text


@functools.cache
def _locale(name: str):
    from babel import Locale  # only training needs it

    return Locale.parse(name)


def write(day: datetime.date, locale: str, style: str) -> str:
    """Return a date as people write it: ``write(day, "fr", "full")`` is "mardi 3 juin 2014"."""
    from babel.dates import format_date

    return normalize(format_date(day, style, _locale(locale)))


def split_days(test_share: float = 0.1) -> tuple[list[datetime.date], list[datetime.date]]:
    """Return the days of two centuries to train on, and those to test on, always the same."""
    count = (LAST - FIRST).days + 1
    order = torch.randperm(count, generator=torch.Generator().manual_seed(2014)).tolist()
    days = [FIRST + datetime.timedelta(days=i) for i in order]
    n_test = round(test_share * count)
    return days[n_test:], days[:n_test]


def examples(
    days: list[datetime.date], count: int, generator: torch.Generator
) -> list[tuple[list[int], list[int]]]:
    """Draw pairs of ids: a date as written somewhere, and as ISO 8601.

    One in 10 is no date (a part is missing, there is no such day, or its characters are shuffled)
    and has the target "?": the reader is to say when there is nothing to read.
    """

    def draw(n: int) -> int:
        return int(torch.randint(n, (), generator=generator))

    pairs = []
    for _ in range(count):
        day = days[draw(len(days))]
        text = write(day, LOCALES[draw(len(LOCALES))], STYLES[draw(len(STYLES))])
        target = day.isoformat()
        if draw(10) == 0:
            target = UNREADABLE
            # Without its year, its day or its words; on a day from 32 on; or shuffled.
            lost, new, count = [
                (r"\d{4}", "", 0), (r"\b\d{1,2}\b", "", 0), (r"[^\W\d]+", "", 0),
                (r"\b\d{1,2}\b", str(32 + draw(68)), 1), (r"\b\d{1,2}\b", str(32 + draw(68)), 1),
                (r"^.*$", "".join(text[i] for i in _shuffled(text, generator)), 0),
            ][draw(6)]  # fmt: skip
            text = re.sub(lost, new, text, count=count)
        pairs.append((encode(text), encode(target)))
    return pairs


def _shuffled(text: str, generator: torch.Generator) -> list[int]:
    return torch.randperm(len(text), generator=generator).tolist()


def train(
    steps: int = 1400,
    seed: int = 0,
    device: torch.device | str = "cpu",
    track: Callable[[Iterable, str], Iterable] = lambda iterable, what: iterable,
) -> Transformer:
    """Train a reader by the paper's recipe: warm-up, smoothed labels, the last checkpoints' mean.

    Args:
        steps: of 64 dates each.
        seed: of weights, examples and batches.
        device: where to.
        track: wraps the steps to show progress.

    Source: §5.1, §5.3, §5.4, §6.1; the rate's factor and warm-up are ours, for a small model.
    """
    generator = torch.Generator().manual_seed(seed)
    pairs = examples(split_days()[0], 40 * steps, generator)
    model = Transformer(CONFIG, generator).to(device).train()
    criterion = LabelSmoothingLoss(0.1, PAD)
    optimizer = torch.optim.Adam(model.parameters(), lr=1.0, betas=(0.9, 0.98), eps=1e-9)
    checkpoints, batches = [], []
    for step in track(range(1, steps + 1), "learning to read dates"):
        if not batches:
            batches = list(batch_by_tokens(pairs, 1600, generator))
        chosen = [pairs[i] for i in batches.pop()]
        src, tgt = pad([s for s, _ in chosen]), pad([[BOS, *t] for _, t in chosen])
        src, tgt = src.to(device), tgt.to(device)
        for group in optimizer.param_groups:
            group["lr"] = 0.42 * noam_lr(step, CONFIG.d_model, warmup=300)  # at most 3e-3
        loss = criterion(model(src, tgt[:, :-1]), tgt[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step > steps - 250 and (steps - step) % 50 == 0:
            checkpoints.append({n: t.detach().clone() for n, t in model.state_dict().items()})
    model.load_state_dict(average_checkpoints(checkpoints))  # §6.1: the last 5
    return model.eval()


@torch.no_grad()
def read_all(model: Transformer, texts: list[str]) -> list[str]:
    """Return what the model makes of texts: ISO 8601, or "?"."""
    answers = []
    for start in range(0, len(texts), 500):
        src = pad([encode(text) for text in texts[start : start + 500]])
        ids = greedy(model, src.to(next(model.parameters()).device), max_len=12)
        answers += [decode(row) for row in ids.tolist()]
    return answers


@dataclasses.dataclass(frozen=True)
class Reading:
    """What the model read, and where it looked."""

    text: str  # normalised
    answer: str  # ISO 8601
    probability: float  # of the answer, by the model
    weights: Tensor  # (characters of the answer, characters of the text): mean over heads


def read(model: Transformer, text: str) -> Reading:
    """Read one date.

    Raises:
        ValueError: the text is empty, too long, has characters that no date was written with, or
            the model finds no date in it, or one that is in no calendar, or is too unsure.
    """
    reading = look(model, text)
    if reading.answer == UNREADABLE:
        raise ValueError(f"no date can be read in {reading.text!r}")
    try:
        datetime.date.fromisoformat(reading.answer)
    except ValueError:
        why = f"{reading.answer!r} is in no calendar"
        raise ValueError(f"no date can be read in {reading.text!r}: {why}") from None
    if reading.probability < SURE:
        raise ValueError(
            f"no date can be read in {reading.text!r} with confidence: perhaps {reading.answer}, "
            f"with a probability of {reading.probability:.0%} (at least {SURE:.0%} is asked for)"
        )
    return reading


@torch.no_grad()
def look(model: Transformer, text: str) -> Reading:
    """Return what the model says of a text, be it a date or not, and where it looked.

    The attention is that of the last decoder layer to the source, averaged over heads.
    """
    text = normalize(text)
    src = torch.tensor([encode(text)], device=next(model.parameters()).device)
    ids = greedy(model, src, max_len=12)
    answer = decode(ids[0].tolist())
    tgt = torch.cat([src.new_full((1, 1), BOS), ids[:, :-1]], 1)
    log_probability = model(src, tgt)[0].log_softmax(-1).gather(-1, ids[0, :, None]).sum()
    weights = model.attention_maps(src, tgt).cross[-1][0, :, : len(answer), : len(text)].mean(0)
    return Reading(text, answer, log_probability.exp().item(), weights.cpu())


def model_path() -> Path:
    """Return where the model lies that a full run trained and this package ships."""
    return Path(__file__).parents[1] / "model.safetensors"


def keep(model: Transformer, path: Path) -> None:
    """Write a trained model, atomically."""
    written_in = "Unicode locale data (CLDR), Unicode License v3; trained by this package"
    save(path, model.state_dict(), {"alphabet": ALPHABET, "data": written_in})


def recall(path: Path) -> Transformer:
    """Return the model that was kept.

    Raises:
        OSError: nothing was kept there.
        ValueError: the file is of another version of this package.
    """
    if not path.is_file():
        raise OSError(
            f"no trained model at {path}: `python -m lessons.transformer --full --claim D1 "
            "--out FOLDER` trains one"
        )
    model = Transformer(CONFIG)
    state = load(path)
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items()}
    if {name: tensor.shape for name, tensor in state.items()} != wanted:
        raise ValueError(f"{path} is of another version of this package")
    model.load_state_dict(state)
    return model.eval()
