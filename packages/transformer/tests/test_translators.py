"""How the translators of the experiments are trained and compared."""

import copy
import math

import pytest
import torch
from torch import nn

from lessons.transformer import MultiHeadAttention, Transformer
from lessons.transformer.claims import contest, curves, race, rows, translators, tuning
from lessons.transformer.claims.race import recurrent, transformer
from lessons.transformer.lab.run import Run
from lessons.transformer.lab.statistics import interval
from lessons.transformer.training import noam_lr


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path, scale="test")


def weights(net):
    return torch.cat([p.detach().flatten() for p in net.parameters()])


@pytest.mark.parametrize("model", ["Transformer", "GRU", "GRU, tied"])
def test_a_branch_ends_as_a_training_of_its_own_length(run, model, monkeypatch):
    monkeypatch.setattr(translators, "DROPOUT", 0.0)
    pairs = translators.texts(run)["ids"]["train"]
    nets = [translators.make(run, model, 0) for _ in range(2)]
    both = dict(translators.trained(run, nets[0], 0.01, [10, 30], pairs, 0))
    ((end, alone),) = translators.trained(run, nets[1], 0.01, [30], pairs, 0)
    assert list(both) == [10, 30]
    assert end == 30
    torch.testing.assert_close(weights(both[30]), weights(alone))
    assert not torch.allclose(weights(both[10]), weights(both[30]))


def test_the_rate_rises_stays_and_falls(run, monkeypatch):
    rates = []
    monkeypatch.setitem(translators.SCHEDULES, "200, stays", (5, False))
    monkeypatch.setattr(translators, "step_of", lambda *args: rates.append(args[2]))
    pairs = translators.texts(run)["ids"]["train"]
    net = translators.make(run, "Transformer", 0)
    list(translators.trained(run, net, 1.0, [30], pairs, 0))
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, *[1.0] * 23, 0.75, 0.5, 0.25])


def test_the_paper_schedule_is_that_of_eq_3_over_its_peak():
    peak = noam_lr(800, 64, 800)
    for step in (1, 400, 800, 801, 3200):
        assert translators.height(step, "800, root") == pytest.approx(noam_lr(step, 64, 800) / peak)
    assert [translators.height(step, "800, stays") for step in (400, 800, 3200)] == [0.5, 1, 1]


def test_both_nets_are_searched_alike(tmp_path, monkeypatch):
    """The same schedules and sizes, more rates where the best is at an edge; ends of equal cost."""
    run, work = Run(tmp_path, scale="full"), {"GRU": 4.0, "GRU, tied": 4.0, "Transformer": 8.0}
    work |= {f"{name}, small": cost / 4 for name, cost in work.items()}
    work |= {f"{name}, smaller": work[f"{name}, small"] / 4 for name in tuning.MODELS}
    best = {"200, stays": 1e-3, "800, stays": 4e-3, "800, root": 4e-3}

    def trial(function, **settings):
        if function is tuning.speeds:
            return {"operations": work}
        schedule = settings.get("schedule", "200, stays")
        worse = abs(math.log2(settings["rate"] / best[schedule]))
        return worse + 1.0 * ("stays" in schedule) + 0.1 * settings["model"].startswith("GRU, t")

    monkeypatch.setattr(run, "trial", trial)
    found = {name: tuning.searched(run, name) for name in ("Transformer", "GRU")}
    assert [found[n]["model"] for n in found] == ["Transformer", "GRU"]
    assert {f["schedule"] for f in found.values()} == {"800, root"}
    assert found["Transformer"]["rate"] == 4e-3
    for each in found.values():  # nothing but a grid whose best is inside
        assert {t["schedule"] for t in each["tried"]} == {*translators.SCHEDULES}
    small = [t for t in found["Transformer"]["tried"] if t["model"].endswith("small")]
    assert {t["steps"] for t in small} == {4800}  # four times the steps of 2400 · 4 / 8
    assert len({t["rate"] for t in small}) >= 3


@pytest.mark.parametrize(("loss", "chosen", "sizes"), [(2.0, "small", 3), (4.0, "", 2)])
def test_where_half_of_the_width_is_best_a_quarter_is_tried(
    tmp_path, monkeypatch, loss, chosen, sizes
):
    run, work = Run(tmp_path, scale="full"), {}
    for k, size in enumerate(("", ", small", ", smaller")):
        work |= {f"{name}{size}": 4.0 / 4**k for name in tuning.MODELS}
    losses = {"Transformer": 3.0, "Transformer, small": loss, "Transformer, smaller": 2.5}

    def trial(function, **settings):
        if function is tuning.speeds:
            return {"operations": work}
        return losses[settings["model"]] + abs(math.log2(settings["rate"] / 2e-3))

    monkeypatch.setattr(run, "trial", trial)
    found = tuning.searched(run, "Transformer")
    assert found["model"].partition(", ")[2] == chosen
    assert len({t["model"] for t in found["tried"]}) == sizes


def test_a_tied_net_has_one_matrix_and_wider_inputs():
    one, two = (recurrent(50, 0, tied=tied) for tied in (True, False))
    assert one.output.weight is one.embedding.weight
    ids = torch.randint(3, 50, (2, 7))
    torch.testing.assert_close(one._embed(ids), two._embed(ids))  # both of deviation 1
    assert one.scale == 64**0.5


def test_the_recurrent_net_begins_as_torchs_layers_do():
    net = recurrent(2000, 0)
    ours = dict(net.named_parameters())
    torch.manual_seed(0)
    for name, module in net.named_modules():
        if isinstance(module, nn.Linear | nn.GRU | nn.Embedding):
            twin = copy.deepcopy(module)
            twin.reset_parameters()
            for which, parameter in twin.named_parameters():
                if parameter.numel() > 2000:
                    spread = ours[f"{name}.{which}"].std() / parameter.std()
                    assert 0.95 < spread < 1.05, (name, which)


def test_attention_without_its_scale(run):
    net = rows.net_of(run, "1 head, no scale", 0)
    attention = next(m for m in net.modules() if isinstance(m, MultiHeadAttention))
    x = torch.randn(2, 5, rows.WIDTH)
    plain = next(
        m for m in rows.net_of(run, "1 head", 0).modules()
        if isinstance(m, MultiHeadAttention)
    )  # fmt: skip
    q, k, v = plain.in_proj(x).chunk(3, -1)
    expected = plain.out_proj((q @ k.transpose(-2, -1)).softmax(-1) @ v)
    torch.testing.assert_close(attention(x), expected)
    torch.testing.assert_close(attention(x, x), expected)


@pytest.mark.parametrize("row", rows.ROWS)
def test_every_row_of_the_variations_is_a_net(run, row):
    net = rows.net_of(run, row, 0)
    src = torch.randint(3, 20, (2, 6))
    assert isinstance(net, Transformer)
    assert net(src, src).isfinite().all()


def test_a_learned_table_begins_as_large_as_sinusoids(run):
    net = rows.net_of(run, "learned positions", 0)
    assert net.src_positions.weight.square().mean().item() == pytest.approx(0.5)


def test_the_trace_of_even_attention(run):
    net = rows.net_of(run, "1 head", 0)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, MultiHeadAttention):
                module.in_proj.weight.zero_()
    src, tgt = translators.tensors(run, translators.texts(run)["ids"]["dev"], [0])
    s, t = src.shape[1], tgt.shape[1] - 1
    kept = 2 * (s * (1 - 1 / s) + t * (1 - 1 / s) + sum(1 - 1 / n for n in range(1, t + 1)))
    known = translators.texts(run, rows.PIECES)["ids"]
    run_of_one = {**known, "dev": known["dev"][:1]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "texts", lambda *_: {"ids": run_of_one})
        assert rows.trace(run, net.eval()) == pytest.approx(kept / (2 * (s + 2 * t)), abs=1e-5)


CURVE = [{"step": s, "bleu": b} for s, b in ((100, 2.0), (200, 6.0), (400, 8.0))]


@pytest.mark.parametrize(("step", "bleu"), [
    (100, 2.0), (100 * 2**0.5, 4.0), (200, 6.0), (400, 8.0), (50, 2.0), (900, 8.0),
])  # fmt: skip
def test_a_score_is_read_off_between_two_lengths(step, bleu):
    assert curves.at(CURVE, step, lambda s: s["bleu"]) == pytest.approx(bleu)


@pytest.mark.parametrize(("bleu", "steps"), [
    (1.0, 100), (2.0, 100), (4.0, 100 * 2**0.5), (6.0, 200), (8.0, 400),
])  # fmt: skip
def test_the_time_to_a_score_is_read_off_between_two_lengths(bleu, steps):
    assert curves.steps_to(CURVE, bleu) == pytest.approx(steps)


def test_the_net_that_ends_lower_is_met_earlier_by_the_other():
    higher = [{"step": s["step"], "bleu": s["bleu"] + 2} for s in CURVE]
    both = {"Transformer": [CURVE, higher], "GRU": [higher, CURVE]}
    found = curves.times({"curves": both, "per step": {"time": 1.0}})
    assert found["Transformer"] == pytest.approx([400, 200])
    assert found["GRU"] == pytest.approx([200, 400])


@pytest.mark.parametrize(("ratio", "size", "expected"), [
    (0.737, 4800, (3538, 4800)), (1.0, 4800, (4800, 4800)), (1.25, 2400, (3000, 2400)),
    (1.25, 4800, (4800, 3840)),
])  # fmt: skip
def test_lengths_of_equal_cost(ratio, size, expected):
    contest = {"per step": {"x": ratio}, "ends": {"Transformer": [3538, 4800]}}
    assert tuple(curves.lengths(contest, "x", size).values()) == expected


def test_a_batch_has_one_plan_for_both_nets(run):
    pairs = translators.texts(run)["ids"]["train"]
    plan = translators.batches(pairs, 7, 3)
    assert plan == translators.batches(pairs, 9, 3)[:7]
    first = translators.batches(pairs, 1, 0)[0]
    src, tgt = translators.tensors(run, pairs, first)
    assert len(src) == len(tgt) == len(first)
    assert (tgt[:, 0] == translators.BOS).all()


def test_perplexity_and_accuracy_of_an_even_guess(run):
    net = transformer(len(translators.texts(run)["pieces"]), 0, d_model=16, num_heads=2)
    with torch.no_grad():
        net.tgt_embedding.weight.zero_()
    nats, accuracy = translators.forced(run, net.eval(), translators.texts(run)["ids"]["dev"])
    assert nats == pytest.approx(math.log(len(translators.texts(run)["pieces"])), rel=1e-5)
    assert accuracy == 0  # the first of equals is padding


@pytest.mark.parametrize(("mean", "told"), [
    (1.0, "About 4 seeds."), (0.0, "No number of seeds: the mean is on the line."),
    (1e-17, "No number of seeds: the mean is on the line."),
])  # fmt: skip
def test_what_would_decide(mean, told):
    found = interval([mean - 0.5, mean, mean + 0.5])
    assert race.would_decide(found, 0.0) == told


def test_places_are_read_off_the_maps():
    maps_LBHQK = torch.zeros(1, 1, 1, 4, 4)
    for query, key in ((0, 3), (1, 0), (2, 2), (3, 3)):  # end mark, before, itself, itself and end
        maps_LBHQK[0, 0, 0, query, key] = 1
    found = contest.places(maps_LBHQK, torch.tensor([[5, 6, 7, 2]]))
    at = {place: weights.flatten().tolist() for place, weights in found.items()}
    assert at["the piece before"] == [0, 1, 0, 0]
    assert at["itself"] == [0, 0, 1, 1]
    assert at["the piece behind"] == [0, 0, 0, 0]
    assert at["the end mark"] == [1, 0, 0, 1]


@torch.no_grad()
def test_a_recurrent_translator_is_decoded_by_the_same_search(run):
    net = race.recurrent(30, 3, embedding=8, encoder=8, decoder=16, tied=True).eval()
    src = torch.tensor([[5, 6, 7, 2], [9, 2, 0, 0]])
    one, four = (race.said(net, src, 9, beam, 0.6) for beam in (1, 4))
    for row, said in enumerate(one):  # each word is the likeliest after those before it
        ids = torch.tensor([[race.BOS, *said]])
        logits = net(src[row : row + 1, : 4 - 2 * row], ids)[0]
        logits[:, 0] = -torch.inf
        assert logits.argmax(-1)[: len(said)].tolist() == said

    def score(row, said):
        """Return the log-probability over the penalty of §6.1, by one pass over all words."""
        whole = [*said, race.EOS] if len(said) < 9 else said
        logits = net(src[row : row + 1, : 4 - 2 * row], torch.tensor([[race.BOS, *whole[:-1]]]))
        logits[..., 0] = -torch.inf
        each = logits.log_softmax(-1)[0].gather(-1, torch.tensor(whole)[:, None])
        return float(each.sum()) / ((5 + len(whole)) / 6) ** 0.6

    for row in range(2):
        assert score(row, four[row]) >= score(row, one[row]) - 1e-5
