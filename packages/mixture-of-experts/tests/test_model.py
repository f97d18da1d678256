"""The language model: exact sizes of Tables 7 and 8, its equations, state, and training."""

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F

from lessons.mixture_of_experts import (
    PRESETS,
    FactoredAdam,
    MoEConfig,
    MoELanguageModel,
    ProjectedLSTM,
    count_parameters,
    gnmt_attention,
    inverse_sqrt,
)

# Weights without embedding and softmax, multiply-adds a step: exact, from the sizes in App. C, D.
EXACT = {
    "moe-4": (8_392_704, 8_392_704), "moe-32": (37_781_504, 8_421_376),
    "moe-256": (272_891_904, 8_650_752), "moe-256-h": (272_908_288, 8_437_760),
    "moe-1024-h": (1_079_001_088, 8_536_064), "moe-4096-h": (4_303_372_288, 8_929_280),
    "moe-1-wide": (8_388_608, 8_388_608), "moe-1-deep": (8_388_608, 8_388_608),
    "4xlstm-512": (8_388_608, 8_388_608), "lstm-2048-512": (9_437_184, 9_437_184),
    "2xlstm-8192-1024": (150_994_944, 150_994_944),
    "moe-34m": (4_313_907_200, 33_751_040), "moe-143m": (4_371_054_592, 142_704_640),
    "news-4xlstm-512": (8_388_608, 8_388_608), "news-moe-32": (37_781_504, 8_421_376),
    "news-moe-256-h": (272_924_672, 8_437_760), "news-moe-1024-h": (1_079_017_472, 8_486_912),
    "news-moe-4096-h": (4_303_421_440, 8_585_216),
    "news-moe-16384-h": (17_200_971_776, 8_781_824),
    "news-moe-65536-h": (68_791_042_048, 9_175_040),
    "news-moe-131072-h": (137_577_627_648, 9_699_328),
}  # fmt: skip
TINY = MoEConfig(11, 6, num_experts=4, hidden=5, k=2, dropout=0.0)


def tiny(seed=0, **changes):
    model = MoELanguageModel(
        dataclasses.replace(TINY, **changes), torch.Generator().manual_seed(seed)
    )
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0, 0.5, generator=torch.Generator().manual_seed(seed))
    return model.double()


@pytest.mark.parametrize("name", PRESETS)
def test_every_model_of_the_paper_has_its_size(name):
    config = PRESETS[name]
    assert (config.parameters, config.operations) == EXACT[name]
    with torch.device("meta"):
        model = MoELanguageModel(config)
    assert count_parameters(model) == EXACT[name][0]
    whole = count_parameters(model, embeddings=True)
    assert whole == EXACT[name][0] + 2 * config.vocab_size * config.width


@pytest.mark.parametrize(
    "changes",
    [
        {"gate": "topk", "w_load": 0.0},
        {"gate": "softmax", "k": 4, "w_load": 0.0},
        {"gate": "strict", "w_load": 0.0},
        {"depth": 3},
        {"depth": 3, "num_experts": 8, "groups": 4},
    ],
)
def test_weights_are_counted_right_with_every_option(changes):
    assert count_parameters(tiny(**changes)) == dataclasses.replace(TINY, **changes).parameters


def test_totals_are_those_of_table_7():
    for name, billions in {"moe-4": 0.8, "moe-32": 0.9, "moe-256": 1.1, "moe-1024-h": 1.9,
                           "moe-4096-h": 5.1, "moe-143m": 6.0}.items():  # fmt: skip
        c = PRESETS[name]
        total = (c.parameters + 2 * c.vocab_size * c.width) / 1e9
        assert abs(total - billions) < 0.06, name


def test_layers_are_dropped_out_then_added():
    model, ids = tiny(), torch.tensor([[1, 5, 2, 9]])
    model.eval()
    x = model.embedding(ids)
    x = x + model.lstms[0](x)[0]
    y = model.middle(x)[0]
    assert (y > 0).all()  # a sigmoid is behind the mixture
    assert (y < 1).all()
    x = x + y
    x = x + model.lstms[1](x)[0]
    torch.testing.assert_close(model(ids).logits, model.softmax(x))


def test_the_projected_lstm_written_out():
    lstm = ProjectedLSTM(3, 5).double()
    x = torch.randn(2, 4, 3, dtype=torch.float64)
    w_ih, w_hh, w_hr = lstm.weight_ih_l0, lstm.weight_hh_l0, lstm.weight_hr_l0
    h, c, found = torch.zeros(2, 3).double(), torch.zeros(2, 5).double(), []
    for x_t in x.unbind(1):
        i, f, g, o = (x_t @ w_ih.T + h @ w_hh.T).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = (o.sigmoid() * c.tanh()) @ w_hr.T  # the next step sees the projected output
        found.append(h)
    torch.testing.assert_close(lstm(x)[0], torch.stack(found, 1))


@pytest.mark.parametrize("changes", [{}, {"groups": 2, "num_experts": 8}, {"num_experts": 1},
                                     {"num_experts": 0}])  # fmt: skip
def test_state_continues_a_text_and_generation_uses_it(changes):
    model = tiny(**changes).eval()
    ids = torch.tensor([[1, 5, 2, 9, 3, 3, 7]])
    whole = model(ids)
    first = model(ids[:, :4])
    rest = model(ids[:, 4:], first.state)
    torch.testing.assert_close(torch.cat([first.logits, rest.logits], 1), whole.logits)
    found = model.generate(ids[:, :2], 5, temperature=0)
    by_hand = ids[:, :2]
    for _ in range(5):
        by_hand = torch.cat([by_hand, model(by_hand).logits[:, -1:].argmax(-1)], 1)
    assert found.tolist() == by_hand.tolist()
    drawn = [model.generate(ids, 4, generator=torch.Generator().manual_seed(1)) for _ in range(2)]
    assert drawn[0].tolist() == drawn[1].tolist()


@pytest.mark.parametrize("changes", [{}, {"groups": 2, "num_experts": 8}])
def test_routes_are_those_that_the_model_takes(changes):
    model = tiny(**changes).eval()
    ids = torch.tensor([[1, 5, 2, 9], [4, 4, 0, 10]])
    expert, weight = model.route(ids)
    torch.testing.assert_close(weight.sum(-1), torch.ones(2, 4).double())
    assert (weight.diff(dim=-1) <= 0).all()
    counts = torch.bincount(expert.flatten(), minlength=model.config.num_experts)
    assert counts.tolist() == model(ids).stats.counts.tolist()
    with pytest.raises(ValueError, match="no gate"):
        tiny(num_experts=1).route(ids)
    with pytest.raises(ValueError, match="no piece a fixed number"):
        tiny(gate="strict", w_load=0.0).route(ids)


def test_routes_and_generation_leave_out_noise_and_dropout_and_the_mode_as_it_was():
    model, ids = tiny(dropout=0.5, num_experts=8), torch.tensor([[1, 5, 2, 9]])
    want = model.eval().route(ids)
    model.train()
    model.lstms.eval()  # one part is frozen
    for ours, theirs in zip(model.route(ids), want):
        assert torch.equal(ours, theirs)
    with pytest.raises(IndexError):
        model.generate(torch.tensor([[99]]), 2)
    model.generate(ids, 2)
    assert (model.training, model.lstms.training, model.middle.gate.training) == (True, False, True)


@pytest.mark.parametrize("name", ["moe-4", "moe-1-wide", "moe-1-deep", "4xlstm-512", "moe-256-h",
                                  "lstm-2048-512"])  # fmt: skip
def test_presets_train(name):
    small = {"vocab_size": 7, "width": 8, "hidden": 16, "dropout": 0.0}
    if PRESETS[name].lstm_units:
        small["lstm_units"] = 12
    if name == "moe-256-h":
        small |= {"num_experts": 16, "groups": 4}
    model = MoELanguageModel.from_preset(name, torch.Generator().manual_seed(0), **small)
    generator = torch.Generator().manual_seed(0)
    ids = torch.arange(13).remainder(7).expand(4, -1)
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    losses = []
    for _ in range(30):
        loss, aux, _, _ = model.loss(ids, generator=generator)
        optimizer.zero_grad()
        (loss + aux).backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 1.5
    assert losses[-1] < 0.3
    assert all(p.grad is not None for p in model.parameters())


def test_the_loss_is_cross_entropy_of_the_next_piece():
    model, ids = tiny().eval(), torch.tensor([[1, 5, 2, 9]])
    want = F.cross_entropy(model(ids[:, :-1]).logits[0].float(), ids[0, 1:])
    torch.testing.assert_close(model.loss(ids)[0], want)


def test_schedule():
    assert [inverse_sqrt(s) for s in (1, 500, 1000, 4000)] == [0.001, 0.5, 1.0, 0.5]
    assert inverse_sqrt(10_000, 2000, 8000) == 1.0
    assert inverse_sqrt(40_000, 2000, 8000) == 0.5
    with pytest.raises(ValueError, match=r"step \(0\)"):
        inverse_sqrt(0)


def test_factored_moments_are_exact_for_rank_one_squares():
    row, column = torch.rand(4, dtype=torch.float64) + 0.1, torch.rand(6, dtype=torch.float64) + 0.1
    sign = torch.where(torch.rand(4, 6) < 0.5, -1.0, 1.0)
    weight, whole = (torch.nn.Parameter(torch.zeros(4, 6, dtype=torch.float64)) for _ in range(2))
    factored = FactoredAdam([weight], 0.1)
    adam = torch.optim.Adam([whole], 0.1, betas=(0.0, 0.999))
    for step in range(1, 5):  # squares stay of rank one
        gradient = sign * step * torch.outer(row, column)
        weight.grad, whole.grad = gradient, gradient.clone()
        factored.step()
        adam.step()
    torch.testing.assert_close(weight.detach(), whole.detach(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shape", [(4, 6), (5,)])
def test_factored_moments_in_half_precision_are_those_in_single(kind, shape):
    generator, found = torch.Generator().manual_seed(0), []
    small = 1e-5 * torch.randn(600, *shape, generator=generator)  # squares vanish in float16
    gradients = (small * torch.linspace(10, 1, 600).view(-1, *[1] * len(shape))).to(kind)
    for dtype in (kind, torch.float32):
        weight = torch.nn.Parameter(torch.zeros(shape, dtype=dtype))
        optimizer = FactoredAdam([weight], 0.01, beta2=0.99)
        for i, gradient in enumerate(gradients):
            weight.grad = gradient.to(dtype)
            optimizer.step()
            if i == 300:  # goes on from what was kept
                state = optimizer.state_dict()
                optimizer = FactoredAdam([weight])
                optimizer.load_state_dict(state)
        found.append(optimizer.state[weight]["averages"])
        assert weight.isfinite().all()
    for ours, theirs in zip(*found):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, theirs, rtol=0.02, atol=0)


@pytest.mark.parametrize("limit", [1, 24, 25, 48, 10**6])
def test_a_stack_is_updated_alike_however_much_at_once(limit, monkeypatch):
    import lessons.mixture_of_experts.optim as optim

    found = []
    for at_once in (limit, 24):
        monkeypatch.setattr(optim, "AT_ONCE", at_once)
        generator = torch.Generator().manual_seed(0)
        weight = torch.nn.Parameter(torch.randn(2, 3, 4, 6, generator=generator).transpose(0, 1))
        optimizer = FactoredAdam([weight], 0.1)
        for _ in range(3):
            weight.grad = torch.randn(2, 3, 4, 6, generator=generator).transpose(
                0, 1
            )  # other strides
            optimizer.step()
        found.append(weight.detach())
    torch.testing.assert_close(*found, rtol=0, atol=0)


def test_factored_moments_of_a_stack_are_those_of_each_matrix_and_are_small():
    stack = torch.nn.Parameter(torch.zeros(3, 4, 6))
    each = [torch.nn.Parameter(torch.zeros(4, 6)) for _ in range(3)]
    bias = torch.nn.Parameter(torch.zeros(5))
    one, many = FactoredAdam([stack, bias]), FactoredAdam(each)
    for _ in range(3):
        stack.grad, bias.grad = torch.randn(3, 4, 6), torch.randn(5)
        for i, own in enumerate(each):
            own.grad = stack.grad[i].clone()
        one.step()
        many.step()
    torch.testing.assert_close(stack.detach(), torch.stack([own.detach() for own in each]))
    wide = torch.nn.Parameter(torch.zeros(512, 1024))
    wide.grad = torch.ones(512, 1024)
    optimizer = FactoredAdam([wide])
    optimizer.step()
    kept = sum(average.numel() for average in optimizer.state[wide]["averages"])
    assert kept == 1_536  # in place of 1,048,576
    torch.testing.assert_close(wide.detach(), torch.full((512, 1024), -1e-3))
    with pytest.raises(ValueError, match="beta2"):
        FactoredAdam([wide], beta2=1.0)


def test_attention_functions_are_eqs_21_and_22():
    x, y = torch.randn(2, 3, 4).double(), torch.randn(2, 5, 4).double()
    u, w, v = torch.randn(4, 6).double(), torch.randn(4, 6).double(), torch.randn(6).double()
    found = {kind: gnmt_attention(x, y, u, w, v, kind) for kind in ("tanh_sum", "tanh_product")}
    for b, i, j in ((0, 0, 0), (1, 2, 4), (0, 1, 3)):
        one, other = x[b, i] @ u, y[b, j] @ w
        torch.testing.assert_close(found["tanh_sum"][b, i, j], (v * (one + other).tanh()).sum())
        torch.testing.assert_close(
            found["tanh_product"][b, i, j], (v * one.tanh() * other.tanh()).sum()
        )
    with pytest.raises(ValueError, match="tanh_sum"):
        gnmt_attention(x, y, u, w, v, "dot")


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="no preset 'moe-5'"):
        MoELanguageModel.from_preset("moe-5")
    with pytest.raises(ValueError, match=r"num_experts \(10\).*groups \(4\)"):
        MoEConfig(num_experts=10, groups=4)
    with pytest.raises(ValueError, match=r"k \(4\)"):
        MoEConfig(num_experts=8, groups=4)
    with pytest.raises(ValueError, match=r"gate must be one of.*'hard'"):
        MoEConfig(gate="hard")
    with pytest.raises(ValueError, match=r"two levels.*'topk'"):
        MoEConfig(num_experts=8, groups=4, k=2, gate="topk")
    with pytest.raises(ValueError, match="lstm_units must be at least 1, got 0"):
        MoEConfig(lstm_units=0)
    with pytest.raises(ValueError, match="dropout"):
        MoEConfig(dropout=1.0)
    with pytest.raises(ValueError, match="batch, time"):
        tiny()(torch.tensor([1, 2]))
    with pytest.raises(ValueError, match="beginning"):
        tiny().generate(torch.zeros(1, 0, dtype=torch.long), 3)


def test_perplexity_of_an_untrained_model_is_about_the_vocabulary():
    model = MoELanguageModel(
        dataclasses.replace(TINY, vocab_size=500), torch.Generator().manual_seed(0)
    )
    ids = torch.randint(500, (8, 33), generator=torch.Generator().manual_seed(1))
    assert 0.8 < math.exp(model.loss(ids)[0].item()) / 500 < 2.5
