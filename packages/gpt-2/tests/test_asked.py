"""What nets are asked in the claims: texts in bits, questions, and gains from size to size."""

from types import SimpleNamespace

import pytest
import torch

from lessons.gpt_2 import GPT2, ByteLevelBPE, GPT2Config
from lessons.gpt_2.claims import cloze, nets, tasks
from lessons.gpt_2.lab.run import Run

TOKENS = ByteLevelBPE.train(["a"], 257)


@pytest.mark.parametrize(
    ("length", "most", "least"), [(8000, 400, 400), (300, 400, 288), (5, 9, 3)]
)
def test_bits_are_of_the_whole_text(tmp_path, monkeypatch, length, most, least):
    a, b = TOKENS.encode("ab")
    ids = torch.full((length,), a)
    ids[length // 2 :] = b
    share = torch.full((len(TOKENS),), (1 - 1 / 2 - 1 / 8) / (len(TOKENS) - 2))
    share[a], share[b] = 1 / 2, 1 / 8
    net = SimpleNamespace(
        config=SimpleNamespace(n_positions=16),
        states=lambda rows: rows,
        project=lambda rows: share.log().expand(*rows.shape, -1),
    )
    scored = []
    decode = TOKENS.decode_bytes
    told = SimpleNamespace(
        special=TOKENS.special, decode_bytes=lambda ids: scored.extend(ids) or decode(ids)
    )
    monkeypatch.setattr(nets, "encoded", lambda run, what: (ids, length))
    monkeypatch.setattr(nets, "tokens_of", lambda run: told)
    found = nets.bits(Run(tmp_path, scale="test"), net, "web test", most)
    assert least <= len(scored) <= min(most, length)
    assert found == pytest.approx(1 + 2 * scored.count(b) / len(scored), rel=1e-5)
    if length > 16:
        assert found == pytest.approx(2, abs=0.06), "half of one kind, half of the other"


def test_a_question_too_long_for_the_net_is_not_made(tmp_path):
    run = Run(tmp_path, scale="test")
    room = 24
    made = cloze.questions(run, "names", 30, TOKENS, room)
    wide = cloze.questions(run, "names", 30, TOKENS, 10_000)
    longest = [max(len(TOKENS.encode(f" {w}{q.after}")) for w in q.choices) for q in (*made, *wide)]
    assert max(longest[: len(made)]) < room < max(longest[len(made) :])
    config = GPT2Config(len(TOKENS), n_positions=room, n_embd=8, n_layer=1, n_head=1)
    net = GPT2(config, torch.Generator().manual_seed(0)).eval()
    assert 0 <= cloze.share_right(net, TOKENS, made) <= 1
    with pytest.raises(ValueError, match=r"choice and end have .* tokens, too many"):
        cloze.share_right(net, TOKENS, wide)


def test_gains_on_a_line_are_equal_for_a_doubling():
    sizes = [100, 300, 1200]
    scores = [[5 * torch.tensor(float(n)).log2().item() + seed for seed in (0, 1)] for n in sizes]
    for gain in tasks.per_doubling(scores, sizes):
        assert gain == pytest.approx([5, 5], abs=1e-4)
