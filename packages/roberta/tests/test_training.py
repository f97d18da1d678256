"""Table 9 and 10; the schedule; a large batch in parts is the large batch (§4.3, footnote 8)."""

import pytest
import torch

from lessons.roberta import (
    Part,
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaForPreTraining,
    accumulate,
    linear_schedule,
    parameter_groups,
    training,
)

TINY = RobertaConfig(
    vocab_size=40, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
    max_position_embeddings=14, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
)  # fmt: skip
IDS = torch.tensor([[0, 5, 6, 7, 2], [0, 9, 8, 2, 1], [0, 7, 2, 1, 1]])
LABELS = torch.tensor([[-100, 5, 6, 7, -100], [-100, 9, -100, -100, -100],
                       [-100, 7, -100, -100, -100]])  # fmt: skip


def net(kind=RobertaForMaskedLM):
    return kind(TINY, generator=torch.Generator().manual_seed(0))


def gradients(model):
    return [p.grad for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize("sizes", [(1, 2), (2, 1), (1, 1, 1)])
def test_parts_give_the_gradient_of_the_whole(sizes):
    whole, parts = net(), net()
    loss = whole.loss(IDS, LABELS)
    loss.backward()
    pieces = [Part(*piece) for piece in zip(IDS.split(sizes), LABELS.split(sizes))]
    assert accumulate(parts, pieces) == pytest.approx(loss.item(), rel=1e-6)
    for a, b in zip(gradients(parts), gradients(whole), strict=True):
        torch.testing.assert_close(a, b, atol=1e-7, rtol=1e-5)


def test_the_mean_of_means_is_another_gradient():
    whole, parts = net(), net()
    whole.loss(IDS, LABELS).backward()
    for ids, labels in zip(IDS.split(1), LABELS.split(1)):
        (parts.loss(ids, labels) / 3).backward()
    apart = [float((a - b).norm() / b.norm()) for a, b in zip(gradients(parts), gradients(whole))]
    assert max(apart) > 0.1


def test_parts_with_nsp():
    whole, parts = net(RobertaForPreTraining), net(RobertaForPreTraining)
    nsp = torch.tensor([0, 1, 1])
    lm, relation = whole.losses(IDS, LABELS, nsp)
    (lm + relation).backward()
    pieces = [Part(*piece) for piece in zip(IDS.split(2), LABELS.split(2), nsp.split(2))]
    assert accumulate(parts, pieces) == pytest.approx(float(lm.detach() + relation.detach()))
    for a, b in zip(gradients(parts), gradients(whole), strict=True):
        torch.testing.assert_close(a, b, atol=1e-7, rtol=1e-5)


def test_parts_in_bfloat16():
    single, half = net(), net()
    loss = accumulate(single, [Part(IDS, LABELS)])
    assert accumulate(half, [Part(IDS, LABELS)], torch.bfloat16) == pytest.approx(loss, rel=0.01)
    one, two = (torch.cat([g.flatten() for g in gradients(m)]) for m in (single, half))
    assert torch.nn.functional.cosine_similarity(one, two, dim=0) > 0.99


def test_equal_cost_of_table_3():
    """§4.3: 1M steps of 256 are 125K of 2K or 31K of 8K."""
    sequences = [size * steps for size, steps, _ in training.TABLE3]
    assert sequences == [256_000_000, 256_000_000, 253_952_000]


def test_table_9_and_10():
    assert (training.BASE.lr, training.BASE.warmup) == (6e-4, 24_000)
    assert (training.LARGE.lr, training.LARGE.warmup) == (4e-4, 30_000)
    for recipe in (training.BASE, training.LARGE):
        assert (recipe.batch_size, recipe.steps, recipe.betas) == (8192, 500_000, (0.9, 0.98))
        assert (recipe.eps, recipe.weight_decay, recipe.clip_norm) == (1e-6, 0.01, None)
    assert (training.BERT.batch_size, training.BERT.steps) == (256, 1_000_000)
    assert training.RACE == (1e-5, 16, 0.1, 4, 0.06, (0.9, 0.98), 1e-6)
    assert training.SQUAD[:4] == (1.5e-5, 48, 0.01, 2)
    assert {(each.lr, each.batch_size) for each in training.GLUE} == {
        (lr, size) for lr in (1e-5, 2e-5, 3e-5) for size in (16, 32)
    }


def test_table_4s_first_row_saw_three_times_as_many_sequences_as_bert():
    ours, berts = 8192 * 100_000, 256 * 1_000_000
    assert round(ours / berts, 1) == 3.2


def test_the_rate_rises_and_falls_in_lines():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=6.0)
    schedule = linear_schedule(optimizer, steps=10, warmup=4)
    rates = []
    for _ in range(10):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([0, 1.5, 3, 4.5, 6, 5, 4, 3, 2, 1])
    assert schedule.get_last_lr() == [0.0]
    with pytest.raises(ValueError, match="0 to 9, below steps, got 10"):
        linear_schedule(optimizer, 10, 10)


def test_all_weights_decay_or_all_but_biases_and_norms():
    model = net()
    (every,) = parameter_groups(model, 0.1)
    assert len(every["params"]) == len(list(model.parameters()))
    decayed, spared = parameter_groups(model, 0.1, spare=True)
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)
    assert all(p.dim() == 2 for p in decayed["params"])
    assert all(p.dim() == 1 for p in spared["params"])


def test_bad_input():
    with pytest.raises(ValueError, match="got none"):
        accumulate(net(), [])
    with pytest.raises(ValueError, match="all are -100"):
        accumulate(net(), [Part(IDS, torch.full_like(LABELS, -100))])
    for kind, nsp in ((RobertaForMaskedLM, torch.tensor([0, 1, 1])), (RobertaForPreTraining, None)):
        with pytest.raises(ValueError, match="RobertaForPreTraining only"):
            accumulate(net(kind), [Part(IDS, LABELS, nsp)])
