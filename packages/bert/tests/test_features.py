"""Fixed features of the encoder's layers (Table 7)."""

import pytest
import torch

from lessons.bert import BertConfig, BertModel, FeatureTagger
from lessons.bert.features import TABLE7

CONFIG = BertConfig(40, 16, 5, 2, max_position_embeddings=12)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def states(b=3, t=7):
    ids = torch.randint(0, 40, (b, t), generator=rng())
    mask = (torch.arange(t) < torch.tensor([7, 3, 5])[:b, None]).long()
    with torch.no_grad():
        return BertModel(CONFIG, generator=rng()).eval().hidden_states(ids, mask), mask


@pytest.mark.parametrize("kind", TABLE7)
def test_which_states_are_used_and_how(kind):
    h, _ = states()
    net = FeatureTagger(CONFIG, 3, kind, width=8, generator=rng())
    if net.mix is not None:
        net.mix.data = torch.randn(net.mix.shape, generator=rng())
        net.scale.data.fill_(0.5)
        w = net.mix.softmax(0) * 0.5
    want = {
        "embeddings": lambda: h[0],
        "second_to_last": lambda: h[4],
        "last": lambda: h[5],
        "weighted_last_four": lambda: sum(w[i] * h[2 + i] for i in range(4)),
        "concat_last_four": lambda: torch.cat(h[2:], -1),
        "weighted_all": lambda: sum(w[i] * h[1 + i] for i in range(5)),
    }[kind]()
    torch.testing.assert_close(net.features(h), want)
    assert net.lstm.input_size == want.shape[-1]


def test_padding_changes_nothing_and_is_not_read_from_the_right():
    h, mask = states()
    net = FeatureTagger(CONFIG, 3, "last", width=8, generator=rng())
    whole = net(h, mask)
    assert whole.shape == (3, 7, 3)
    alone = net([state[1:2, :3] for state in h], mask[1:2, :3])
    torch.testing.assert_close(whole[1:2, :3], alone)
    sides = [state.clone() for state in h]
    sides[-1][1, 2] += 1  # the last token, which the first one sees through the net from the right
    assert (net(sides, mask)[1, 0] - whole[1, 0]).abs().max() > 1e-5


def test_gradients_reach_the_mixture():
    h, mask = states()
    net = FeatureTagger(CONFIG, 3, "weighted_all", width=8, generator=rng())
    net(h, mask).square().sum().backward()
    assert net.mix.grad.abs().max() > 0
    assert net.scale.grad != 0


def test_what_cannot_be():
    h, mask = states()
    net = FeatureTagger(CONFIG, 3, width=8)
    with pytest.raises(ValueError, match="states must be 6, got 5"):
        net(h[1:], mask)
    with pytest.raises(ValueError, match="padding on the right only"):
        net(h, mask.flip(-1))
    for given, says in (
        ((CONFIG, 3, "first"), "kind must be one of embeddings, .*got 'first'"),
        ((CONFIG, 0), "num_labels must be at least 1, got 0"),
        ((CONFIG, 3, "last", 0), "width must be at least 1, got 0"),
        ((BertConfig(40, 16, 2, 2), 3), "concat_last_four needs four states, this encoder has 3"),
    ):
        with pytest.raises(ValueError, match=says):
            FeatureTagger(*given)
