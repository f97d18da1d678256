"""Training: files of tokens, the schedule, accumulation, and going on after a kill."""

import copy
import math

import pytest
import torch

from lessons.gpt_2 import GPT2, GPT2Config
from lessons.gpt_2.token_file import TokenFile, write_tokens
from lessons.gpt_2.training import learning_rate, param_groups, train

SMALL = GPT2Config(vocab_size=8, n_positions=12, n_embd=16, n_layer=2, n_head=2)


def model(dropout=0.1):
    rates = {"embd_pdrop": dropout, "attn_pdrop": dropout, "resid_pdrop": dropout}
    config = GPT2Config(**{**SMALL.__dict__, **rates})
    return GPT2(config, torch.Generator().manual_seed(0)).double()


@pytest.fixture
def data(tmp_path):
    documents = [[0, 1, 2, 3, 4, 5, 6] * 9] * 5
    assert write_tokens(tmp_path / "tokens.bin", documents, 8, end=7) == 5 * 64
    return TokenFile(tmp_path / "tokens.bin", 8)


def run(net, data, steps=4, **how):
    how = {"batch": 8, "peak": 1e-2, "warmup": 2, "weight_decay": 0.1} | how
    return list(train(net, data, steps, **how))


def test_windows_are_of_the_file(data):
    assert len(data) == 320
    windows = data.batch(50, 12, torch.Generator().manual_seed(0))
    text = data.ids.tolist()
    joined = ",".join(map(str, text))
    for window in windows.tolist():
        assert ",".join(map(str, window)) in joined
    again = data.batch(50, 12, torch.Generator().manual_seed(0))
    assert torch.equal(windows, again)
    assert len({tuple(w) for w in windows.tolist()}) > 5
    assert torch.equal(data.batch(1, 320, torch.Generator())[0], torch.tensor(text))
    with pytest.raises(ValueError, match="320 tokens, fewer than length=321"):
        data.batch(1, 321, torch.Generator())


@pytest.mark.parametrize(("vocab_size", "width"), [(65536, 2), (65537, 4)])
def test_files_hold_the_largest_id(tmp_path, vocab_size, width):
    path = tmp_path / "a.bin"
    write_tokens(path, [[0, vocab_size - 1]], vocab_size, end=None)
    assert path.stat().st_size == 2 * width
    assert TokenFile(path, vocab_size).ids.tolist() == [0, vocab_size - 1]


def test_bad_files(tmp_path):
    path = tmp_path / "a.bin"
    for bad in (-1, 8):
        with pytest.raises(ValueError, match=f"document 1 has the id {bad}, allowed are 0 to 7"):
            write_tokens(path, [[1], [bad]], 8, end=None)
    assert not list(tmp_path.iterdir()), "nothing is left behind"
    path.write_bytes(b"abc")
    with pytest.raises(ValueError, match="has 3 bytes, expected 2 for each token"):
        TokenFile(path, 8)
    with pytest.raises(OSError, match="absent"):
        TokenFile(tmp_path / "absent", 8)


def test_the_rate_rises_and_falls():
    rates = [learning_rate(step, 100, 1.0, 9) for step in range(100)]
    assert rates[:3] == pytest.approx([0.1, 0.2, 0.3])
    assert rates[9] == max(rates) == 1.0
    assert rates[9 + 45] == pytest.approx(0.5, abs=0.01)
    assert 0 < rates[99] < 0.001
    assert learning_rate(0, 10, 1.0, 0, last=0.5) == 1.0
    for step, warmup, text in ((100, 9, "step must be 0 to 99"), (0, 100, "warmup must be 0")):
        with pytest.raises(ValueError, match=text):
            learning_rate(step, 100, 1.0, warmup)


def test_matrices_decay_and_each_parameter_is_there_once():
    net = model()
    decayed, plain = (group["params"] for group in param_groups(net, 0.1))
    names = {id(p): name for name, p in net.named_parameters()}
    assert {names[id(p)].rsplit(".", 1)[1] for p in plain} == {"weight", "bias"}
    assert all("ln_" in names[id(p)] or names[id(p)].endswith("bias") for p in plain)
    assert sorted(names) == sorted(id(p) for p in (*decayed, *plain))


@pytest.mark.parametrize("chunk", [None, 50])
def test_a_batch_in_parts_is_the_batch(data, chunk):
    whole, parts = model(0.0), model(0.0)
    one = run(whole, data)
    four = run(parts, data, accumulate=4, chunk=chunk)
    for a, b in zip(one, four):
        assert (a.step, a.learning_rate) == (b.step, b.learning_rate)
        assert a.loss == pytest.approx(b.loss, rel=1e-9)
        assert a.gradient_norm == pytest.approx(b.gradient_norm, rel=1e-9)
    for a, b in zip(whole.parameters(), parts.parameters()):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-8)


def test_a_killed_run_ends_with_the_same_weights(data, tmp_path):
    straight, killed, path = model(), model(), tmp_path / "run"
    torch.manual_seed(1)
    losses = [p.loss for p in run(straight, data, 6)]
    state = torch.random.get_rng_state()
    how = {"checkpoint": path, "every": 2}
    steps = train(killed, data, 6, batch=8, peak=1e-2, warmup=2, weight_decay=0.1, **how)
    for _ in range(3):  # the third step is not yet on disk
        next(steps)
    del steps
    again = model()
    torch.manual_seed(5)
    rest = run(again, data, 6, **how)
    assert [p.step for p in rest] == [2, 3, 4, 5]
    assert [p.loss for p in rest] == losses[2:]
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), straight.parameters()))
    assert run(model(), data, 6, **how) == []
    torch.manual_seed(1)
    assert torch.equal(torch.random.get_rng_state(), state), "the global seed is left alone"
    with pytest.raises(ValueError, match="is of seed 0, not 1"):
        run(model(), data, 6, seed=1, **how)
    assert [p.name for p in path.iterdir()] == ["step-000000006"], "one is kept, and it is whole"
    with pytest.raises(ValueError, match=r"checkpoint must be a folder, .* is a file"):
        run(model(), data, 6, checkpoint=tmp_path / "tokens.bin")


def test_it_learns(data):
    net = model(0.0).float()
    found = run(net, data, 60, peak=3e-2, warmup=5, batch=16, clip=1.0)
    assert found[0].loss == pytest.approx(math.log(8), abs=0.1)
    # The file is a cycle but for its ends: what is left is the first token of a document.
    assert found[-1].loss < 0.3


def test_clipping_and_half_precision(data):
    net = model(0.0).float()
    before = copy.deepcopy(net)
    run(net, data, 2, peak=0.0, warmup=0, dtype=torch.bfloat16)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), before.parameters()))
    (found,) = run(net, data, 1, warmup=0, clip=1e-3, dtype=torch.bfloat16)
    assert found.gradient_norm > 1e-3
    norm = torch.stack([p.grad.norm() for p in net.parameters()]).norm().item()
    assert norm == pytest.approx(1e-3, rel=1e-3)


def test_bad_input(data):
    for how, text in (
        ({"accumulate": 3}, "batch .8. must be divisible by accumulate .3."),
        ({"steps": 0}, "steps must be at least 1"),
        ({"warmup": 4}, "warmup must be 0 to 3, got 4"),
    ):
        with pytest.raises(ValueError, match=text):  # at the call, not at the first step
            train(model(), data, **{"steps": 4, "batch": 8, "warmup": 2} | how)
