"""Claims C4 to C6: heads, positions, label smoothing and dropout (Table 3)."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from . import language
from .claims import HOLDS, NOT_SEEN, REFUTED, Finding, claim
from .config import TransformerConfig
from .experiment import (
    as_pairs,
    bleu,
    exact_match,
    forced_scores,
    in_full_run_only,
    mean_and_error,
    rotated,
    train_side_by_side,
    transformer,
    translations,
)
from .figures import BLUE, PURPLE
from .model import EncoderLayer
from .positions import SinusoidalPositionalEncoding, shift_matrix

RATE = 3e-3  # as the races have it


# C4: several heads


def name_two_places(run, heads, seed):
    """Train one layer to name the symbols 1 and 5 places back.

    Return its accuracy, and the weights that the first head gives to the two places on average.
    """
    generator = torch.Generator().manual_seed(seed)
    d, n, symbols = 64, 24, 16
    config = TransformerConfig(
        vocab_size=symbols, d_model=d, d_ff=128, num_heads=heads, dropout=0.0
    )
    torch.manual_seed(seed)
    embedding, layer, output = (
        nn.Embedding(symbols, d),
        EncoderLayer(config),
        nn.Linear(d, 2 * symbols),
    )
    net = nn.ModuleList([embedding, layer, output]).to(run.device)
    places = SinusoidalPositionalEncoding(d)(torch.arange(n, device=run.device))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

    def batch(size):
        x = torch.randint(symbols, (size, n), generator=generator).to(run.device)
        return x, torch.stack([rotated(x, 1), rotated(x, 5)], -1)

    def logits(x, maps=None):
        return output(layer(embedding(x) + places, maps=maps)).unflatten(-1, (2, symbols))

    steps = run.pick(test=3, default=600, full=1000)
    for _ in run.track(range(steps), f"{heads} heads, seed {seed}"):
        x, wanted = batch(64)
        loss = F.cross_entropy(logits(x).flatten(0, 2), wanted.flatten(), ignore_index=-1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        x, wanted = batch(500)
        maps: list = []
        right = (logits(x, maps).argmax(-1) == wanted)[wanted >= 0]
    weights_QK = maps[0][:, 0].mean(0)
    seen = [weights_QK.diagonal(-back)[5 - back :].mean().item() for back in (1, 5)]
    return {"accuracy": right.float().mean().item(), "weights": seen}


def draw_heads(figure, numbers):
    """Draw accuracy against the number of heads."""
    axes = figure.subplots()
    found = {int(heads): [trial["accuracy"] for trial in trials]
             for heads, trials in numbers.items()}  # fmt: skip
    for heads, values in found.items():
        axes.semilogx([heads] * len(values), values, "o", color=BLUE)
    axes.semilogx(list(found), [sum(v) / len(v) for v in found.values()], color=BLUE)
    axes.set_xticks(list(found), [str(heads) for heads in found])
    axes.minorticks_off()
    axes.set(xlabel="heads (the same parameters in all)", ylabel="accuracy", ylim=(0, 1.02))


def _heads(run) -> tuple[dict, dict]:
    """Return the trials by number of heads, and their accuracies with standard errors."""
    seeds = run.seeds(run.pick(test=1, default=2, full=3))
    counts = run.pick(test=(1, 8, 32), default=(1, 8, 32), full=(1, 2, 4, 8, 16, 32))
    found = {h: [run.trial(name_two_places, heads=h, seed=s) for s in seeds] for h in counts}
    accuracy = {h: mean_and_error([t["accuracy"] for t in trials]) for h, trials in found.items()}
    return found, accuracy


@claim("C4a", "§3.2.2, Table 3 (A)",
       "With a single head, averaging inhibits attention to several places at once (24.9 BLEU "
       "instead of 25.8 with 8).", draw_heads)  # fmt: skip
def one_head(run):
    """Let each position name two others, with one head and with more."""
    found, accuracy = _heads(run)
    few = [mean for heads, (mean, _) in accuracy.items() if 2 <= heads <= 8]
    # One place named and the other guessed gives (1 + 1/16) / 2 = 0.53; both, 1.
    holds = accuracy[1][0] < 0.75 and min(few) > 0.95
    text = ", ".join(f"{mean:.3f} with {heads}" for heads, (mean, _) in accuracy.items())
    (one, error), (eight, other) = accuracy[1], accuracy[8]
    near, far = (mean_and_error([t["weights"][i] for t in found[1]])[0] for i in (0, 1))
    return Finding(
        verdict=HOLDS if holds else NOT_SEEN,
        ran=f"One encoder layer, width 64, 24 of 16 symbols; each position names those 1 and 5 "
        f"places back; {run.pick(test=3, default=600, full=1000)} steps, {len(found[1])} seeds.",
        measured=f"Accuracy {text} heads; one head is {eight - one:.3f} below eight, standard "
        f"error {math.hypot(error, other):.3f}. The single head gives {near:.2f} of its weight to "
        f"the nearer place and {far:.2f} to the other.",
        numbers={str(heads): trials for heads, trials in found.items()},
        between="Averaging loses which was which only if the weights are equal. Trained longer, "
        "one head weighs one place more, and the net reads from the sum which symbol has the "
        "larger share; with 16 symbols in 64 dimensions there is room for that, in language less.",
    )


@claim("C4b", "Table 3 (A), §6.2", "Too many heads are worse than the best number.", draw_heads)
def too_many_heads(run):
    """Compare 32 heads, of two dimensions each, with 8."""
    found, accuracy = _heads(run)
    (eight, error), (most, other) = accuracy[8], accuracy[32]
    spread = math.hypot(error, other)
    return Finding(
        # Two standard errors; and a difference below a thousandth is none, whatever its error.
        verdict=HOLDS if eight - most > max(2 * spread, 1e-3) else NOT_SEEN,
        ran=f"As C4a: 8 heads of 8 dimensions against 32 of 2, {len(found[8])} seeds.",
        measured=f"Accuracy {eight:.3f} with 8 heads, {most:.3f} with 32: a difference of "
        f"{eight - most:.3f}, standard error {spread:.3f}.",
        numbers={str(heads): trials for heads, trials in found.items()},
        between="The paper's difference is 0.4 BLEU; here heads only have to find two places.",
    )


# C5: positions


@claim("C5a", "§3.5", "For any fixed offset k, PE(pos+k) is a linear function of PE(pos).")
def shifts(run):
    """Compare the rotation with the encoding at the shifted positions."""
    encoding, worst = SinusoidalPositionalEncoding(512), {}
    positions = torch.arange(run.pick(test=50, default=1000))
    for k in (1, 37, 1000):
        moved = encoding(positions, torch.float64) @ shift_matrix(k, 512).T
        worst[k] = (moved - encoding(positions + k, torch.float64)).abs().max().item()
    # sin and cos of angles up to 2000 are rounded to 2000 * 2**-53, about 2e-13.
    return Finding(
        verdict=HOLDS if max(worst.values()) < 1e-12 else REFUTED,
        ran=f"d = 512, offsets 1, 37 and 1000, {len(positions)} positions, double precision.",
        measured=f"One rotation for each offset, with an error of at most "
        f"{max(worst.values()):.0e}. (The wavelengths reach 60,611, not 10000·2π = 62,832 as the "
        "section says: its formula ends one step before.)",
        numbers={"worst": worst},
    )


def positions(run, seed):
    """Train with sinusoids and with learned positions; test on lengths trained on, and longer."""
    count = run.pick(test=8, default=200, full=500)
    test = language.corpus(count, 1000, lengths=(0, 10))
    longer = as_pairs(language.corpus(count, 1001, lengths=(11, 30)))
    train = as_pairs(
        language.corpus(run.pick(test=50, default=12000), 0, lengths=(0, 10), apart_from=test)
    )
    size = len(language.WORDS)
    models = {
        "sinusoids": transformer(size, seed),
        "learned": transformer(size, seed, positions="learned", max_len=40),
    }
    steps = run.pick(test=3, default=250, full=600)
    train_side_by_side(models, dict.fromkeys(models, RATE), train, steps, 64, seed,
                       run.device, track=run.track)  # fmt: skip
    return {
        f"{name}, {what}": {
            "exact": exact_match(translations(model, pairs, run.device), pairs),
            "accuracy": forced_scores(model, pairs, run.device)[0],
        }
        for name, model in models.items()
        for what, pairs in (("seen lengths", as_pairs(test)), ("longer", longer))
    }


def _positions(run) -> tuple[dict, str]:
    seeds = run.seeds(run.pick(test=1, default=2, full=3))
    trials = [run.trial(positions, seed=seed) for seed in seeds]
    found = {
        (key, what): [trial[key][what] for trial in trials]
        for key in trials[0]
        for what in ("exact", "accuracy")
    }
    steps = run.pick(test=3, default=250, full=600)
    ran = f"C1a's Transformer and language, at most 10 words, {steps} steps, {len(trials)} seeds"
    return found, ran


def draw_positions(figure, numbers):
    """Draw exact translations for both encodings, at seen lengths and longer."""
    axes = figure.subplots()
    for i, (key, values) in enumerate(numbers.items()):
        axes.plot([i] * len(values), values, "o", color=BLUE if "sinusoids" in key else PURPLE)
    axes.set_xticks(range(len(numbers)), [key.replace(", ", "\n") for key in numbers])
    axes.set(ylabel="sentences right from end to end", ylim=(-0.03, 1.03))


@claim("C5b", "Table 3 (E)", "Learned positions give nearly identical results.", draw_positions)
def learned_positions(run):
    """Compare the two encodings at the lengths trained on."""
    found, ran = _positions(run)
    fixed, learned = (found[f"{n}, seen lengths", "exact"] for n in ("sinusoids", "learned"))
    difference, error = mean_and_error([a - b for a, b in zip(fixed, learned)])
    return Finding(
        verdict=HOLDS if abs(difference) <= 0.03 and error <= 0.03 else NOT_SEEN,
        ran=f"{ran}.",
        measured=f"Right from end to end: {mean_and_error(fixed)[0]:.3f} with sinusoids, "
        f"{mean_and_error(learned)[0]:.3f} with learned positions; difference {difference:+.3f}, "
        f"standard error {error:.3f} (asked for: at most 0.03 each).",
        numbers={key: values for (key, what), values in found.items() if what == "exact"},
        between="Training this short measures which learns sooner, not where both end.",
    )


@claim("C5c", "§3.5", "Sinusoids may extrapolate to sentences longer than those trained on.",
       draw_positions)  # fmt: skip
def extrapolation(run):
    """Compare sentences longer than any in training with those of seen lengths."""
    found, ran = _positions(run)
    mean = {key: mean_and_error(values)[0] for key, values in found.items()}
    seen, longer = (mean[f"sinusoids, {what}", "exact"] for what in ("seen lengths", "longer"))
    tokens = [mean[f"{name}, longer", "accuracy"] for name in ("sinusoids", "learned")]
    return Finding(
        # To extrapolate is to lose little; half of what was right is a generous "little".
        verdict=HOLDS if longer >= 0.5 * seen and seen >= 0.5 else NOT_SEEN,
        ran=f"{ran}; tested on 11 to 21 words.",
        measured=f"Right from end to end with sinusoids: {seen:.3f} at seen lengths, {longer:.3f} "
        f"at longer ones (learned positions: {mean['learned, longer', 'exact']:.3f}). Tokens right "
        f"there: {tokens[0]:.3f} with sinusoids, {tokens[1]:.3f} with learned positions.",
        numbers={key: values for (key, what), values in found.items() if what == "exact"},
        between="The paper only supposes it. Lengths up to 10 leave a small net no reason to learn "
        "positions as distances.",
    )


# C6: label smoothing and dropout


def regularised(run, eps, dropout, seed):
    """Train on few and noisy pairs; return accuracy and perplexity on clean ones."""
    test = language.corpus(run.pick(test=8, default=300, full=500), 1000)
    train = as_pairs(language.corpus(run.pick(test=50, default=1000), 0, apart_from=test))
    generator = torch.Generator().manual_seed(seed)
    low, high = language.IDS[language.TARGET[0]], len(language.WORDS)
    noisy = []
    for src, tgt in train:  # 5% of the target words replaced
        wrong = torch.rand(len(tgt), generator=generator) < 0.05
        other = torch.randint(low, high, (len(tgt),), generator=generator).tolist()
        kept = [o if w else t for t, o, w in zip(tgt[:-1], other, wrong.tolist())]
        noisy.append((src, (*kept, tgt[-1])))
    models = {"net": transformer(len(language.WORDS), seed, dropout=dropout)}
    torch.manual_seed(seed)
    steps = run.pick(test=3, default=300, full=600)
    train_side_by_side(models, {"net": RATE}, noisy, steps, 64, seed, run.device,
                       eps={"net": eps}, track=run.track)  # fmt: skip
    pairs = as_pairs(test)
    accuracy, perplexity = forced_scores(models["net"], pairs, run.device)
    answers = translations(models["net"], pairs, run.device)
    return {"accuracy": accuracy, "perplexity": perplexity, "bleu": bleu(answers, pairs)}


def _regularised(run, changed: tuple[float, float]):
    """Return mean differences (with - without) and their standard errors, paired by seed."""
    seeds = run.seeds(run.pick(test=1, default=2, full=3))
    base, other = (
        [run.trial(regularised, eps=eps, dropout=dropout, seed=seed) for seed in seeds]
        for eps, dropout in ((0.1, 0.1), changed)
    )
    differences = {
        what: mean_and_error([a[what] - b[what] for a, b in zip(base, other)])
        for what in ("accuracy", "perplexity", "bleu")
    }
    numbers = {"with": base, "without": other}
    steps = run.pick(test=3, default=300, full=600)
    ran = (f"C1a's Transformer, 1,000 training pairs with 5% of the target words replaced, "
           f"{steps} steps, {len(seeds)} seeds; tested on clean pairs.")  # fmt: skip
    text = ", ".join(f"{what} {difference:+.3f} (±{error:.3f})"
                     for what, (difference, error) in differences.items())  # fmt: skip
    return differences, numbers, ran, text


@claim("C6a", "§5.4, Table 3 (D)", "Label smoothing hurts perplexity, improves accuracy and BLEU.")
def label_smoothing(run):
    """Compare ε = 0.1 with 0."""
    if run.scale == "default":
        return in_full_run_only("ten minutes")
    change, numbers, ran, text = _regularised(run, (0.0, 0.1))
    (worse, worse_error), (better, better_error) = change["perplexity"], change["accuracy"]
    return Finding(
        verdict=HOLDS if worse > 2 * worse_error and better > 2 * better_error else NOT_SEEN,
        ran=ran,
        measured=f"With ε = 0.1 against 0: {text}.",
        numbers=numbers,
        between="Here noise in 5% of the targets makes even sure answers costly, so that "
        "smoothing need not hurt perplexity.",
    )


@claim("C6b", "§6.2, Table 3 (D)", "Dropout is very helpful in avoiding over-fitting.")
def dropout(run):
    """Compare P_drop = 0.1 with 0."""
    if run.scale == "default":
        return in_full_run_only("ten minutes")
    change, numbers, ran, text = _regularised(run, (0.1, 0.0))
    (less, less_error), (better, better_error) = change["perplexity"], change["accuracy"]
    return Finding(
        verdict=HOLDS if less < -2 * less_error and better > 2 * better_error else NOT_SEEN,
        ran=ran,
        measured=f"With P_drop = 0.1 against 0: {text}.",
        numbers=numbers,
        between="Few steps: over-fitting comes after fitting.",
    )
