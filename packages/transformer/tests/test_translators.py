"""How the translators of the experiments are trained and compared."""

import math

import pytest
import torch

from lessons.transformer import MultiHeadAttention, Transformer
from lessons.transformer.claims import translation, translators, variations
from lessons.transformer.claims.race import recurrent, transformer
from lessons.transformer.lab.run import Run


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
    monkeypatch.setattr(translators, "WARMUP", 5)
    monkeypatch.setattr(translators, "step_of", lambda *args: rates.append(args[2]))
    pairs = translators.texts(run)["ids"]["train"]
    net = translators.make(run, "Transformer", 0)
    list(translators.trained(run, net, 1.0, [30], pairs, 0))
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, *[1.0] * 23, 0.75, 0.5, 0.25])


def test_a_tied_net_has_one_matrix_and_the_same_inputs():
    one, two = (recurrent(50, 0, tied=tied) for tied in (True, False))
    assert one.output.weight is one.embedding.weight
    ids = torch.randint(3, 50, (2, 7))
    torch.testing.assert_close(one._embed(ids), two._embed(ids))


def test_attention_without_its_scale(run):
    net = variations.net_of(run, "1 head, no scale", 0)
    attention = next(m for m in net.modules() if isinstance(m, MultiHeadAttention))
    x = torch.randn(2, 5, variations.WIDTH)
    plain = next(
        m for m in variations.net_of(run, "1 head", 0).modules()
        if isinstance(m, MultiHeadAttention)
    )  # fmt: skip
    q, k, v = plain.in_proj(x).chunk(3, -1)
    expected = plain.out_proj((q @ k.transpose(-2, -1)).softmax(-1) @ v)
    torch.testing.assert_close(attention(x), expected)
    torch.testing.assert_close(attention(x, x), expected)


@pytest.mark.parametrize("row", variations.ROWS)
def test_every_row_of_the_variations_is_a_net(run, row):
    net = variations.net_of(run, row, 0)
    src = torch.randint(3, 20, (2, 6))
    assert isinstance(net, Transformer)
    assert net(src, src).isfinite().all()


CURVE = [{"step": s, "bleu": b} for s, b in ((100, 2.0), (200, 6.0), (400, 8.0))]


@pytest.mark.parametrize(("step", "bleu"), [
    (100, 2.0), (100 * 2**0.5, 4.0), (200, 6.0), (400, 8.0), (50, 2.0), (900, 8.0),
])  # fmt: skip
def test_a_score_is_read_off_between_two_lengths(step, bleu):
    assert translation.at(CURVE, step, lambda s: s["bleu"]) == pytest.approx(bleu)


@pytest.mark.parametrize(("bleu", "steps"), [
    (1.0, 100), (2.0, 100), (4.0, 100 * 2**0.5), (6.0, 200), (8.0, 400),
])  # fmt: skip
def test_the_time_to_a_score_is_read_off_between_two_lengths(bleu, steps):
    assert translation.steps_to(CURVE, bleu) == pytest.approx(steps)


def test_the_net_that_ends_lower_is_met_earlier_by_the_other(monkeypatch):
    monkeypatch.setattr(translation, "TIME_RATIO", 1.0)
    higher = [{"step": s["step"], "bleu": s["bleu"] + 2} for s in CURVE]
    found = translation.times({"curves": {"Transformer": [CURVE, higher], "GRU": [higher, CURVE]}})
    assert found["Transformer"] == pytest.approx([400, 200])
    assert found["GRU"] == pytest.approx([200, 400])


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
