"""Several processes take the steps of one; a run goes on from a checkpoint; the commands."""

import contextlib
import io
import json
import math
import os
import socket
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from lessons.gpt_2 import GPT2, GPT2Config, log_probabilities, prompt
from lessons.gpt_2.claims import COMMANDS, shipped
from lessons.gpt_2.parallel import spread
from lessons.gpt_2.pretrain import main
from lessons.gpt_2.pretrained import from_folder
from lessons.gpt_2.token_file import TokenFile, write_tokens
from lessons.gpt_2.training import train

SMALL = GPT2Config(
    vocab_size=8, n_positions=12, n_embd=16, n_layer=2, n_head=2,
    embd_pdrop=0.0, attn_pdrop=0.0, resid_pdrop=0.0,
)  # fmt: skip
HOW = {"batch": 8, "peak": 1e-2, "warmup": 2, "weight_decay": 0.1, "clip": 0.5}
SIZES = "--n-layer 1 --n-embd 8 --n-head 2 --n-positions 16 --vocab-size 260"
SHORT = "--batch 4 --steps 4 --dropout 0"


def model():
    return GPT2(SMALL, torch.Generator().manual_seed(0)).double()


def ask(folder, *more):
    text = str(folder / "text.txt")
    return main(
        [
            text,
            "--out",
            str(folder / "model"),
            *SIZES.split(),
            *SHORT.split(),
            "--device",
            "cpu",
            *more,
        ]
    )


@pytest.fixture
def folder(tmp_path):
    documents = [[0, 1, 2, 3, 4, 5, 6] * 9] * 5
    write_tokens(tmp_path / "tokens.bin", documents, 8, end=7)
    (tmp_path / "text.txt").write_text("the cat sat on the mat. " * 40, encoding="utf-8")
    return tmp_path


def whole(net):
    """Return the tensors of a model that may be sharded."""
    state = getattr(net, "module", net).state_dict()
    return {k: getattr(v, "full_tensor", lambda v=v: v)() for k, v in state.items()}


def work(rank, folder, port):
    """Train in both ways, straight and stopped; then the command, as torchrun would start it."""
    torch.set_num_threads(1)
    about = {"RANK": rank, "WORLD_SIZE": 2, "LOCAL_RANK": rank, "MASTER_PORT": port}
    os.environ.update({k: str(v) for k, v in about.items()}, MASTER_ADDR="127.0.0.1")
    data, results = TokenFile(f"{folder}/tokens.bin", 8), {}
    dist.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    for sharded in (False, True):
        net = spread(model(), sharded)
        losses = [p.loss for p in train(net, data, 4, accumulate=2, **HOW)]
        kept = {"checkpoint": f"{folder}/{sharded}", "every": 2}
        steps = train(spread(model(), sharded), data, 4, accumulate=2, **HOW, **kept)
        for _ in range(3):  # the third step is not on disk
            next(steps)
        again = spread(model(), sharded)
        rest = [p.loss for p in train(again, data, 4, accumulate=2, **HOW, **kept)]
        assert rest == losses[2:]
        state = whole(again)
        assert all(torch.equal(tensor, state[name]) for name, tensor in whole(net).items())
        results[str(sharded)] = {"losses": torch.tensor(losses), **state}
    with pytest.raises(ValueError, match=r"accumulate \(3\) times processes \(2\)"):
        train(net, data, 4, **HOW | {"batch": 9}, accumulate=3)
    torch.save(results, f"{folder}/{rank}.pt")
    dist.destroy_process_group()
    assert ask(Path(folder), "--sharded", "--every", "2") == 0
    assert not dist.is_initialized()


@pytest.mark.skipif(not dist.is_available(), reason="torch without distributed")
def test_two_processes_take_the_steps_of_one(folder):
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.spawn(work, (str(folder), port), nprocs=2)
    data, alone = TokenFile(folder / "tokens.bin", 8), model()
    losses = [p.loss for p in train(alone, data, 4, **HOW)]
    first, second = (torch.load(folder / f"{rank}.pt") for rank in (0, 1))
    for how in ("False", "True"):
        assert all(torch.equal(tensor, second[how][k]) for k, tensor in first[how].items())
        assert first[how].pop("losses").tolist() == pytest.approx(losses, rel=1e-6)
        for name, tensor in alone.state_dict().items():
            torch.testing.assert_close(first[how][name], tensor, rtol=1e-6, atol=1e-8)
        # One process goes on from what two have written.
        again = model()
        assert list(train(again, data, 4, **HOW, checkpoint=folder / how)) == []
        for name, tensor in again.state_dict().items():
            assert torch.equal(first[how][name], tensor)
    # The command: two processes with sharded tensors, and one.
    made, tokens = from_folder(folder / "model")
    (folder / "model").rename(folder / "two")
    assert ask(folder) == 0
    same, _ = from_folder(folder / "model")
    x = torch.tensor([tokens.encode("the cat sat")])
    torch.testing.assert_close(made(x), same(x), rtol=1e-4, atol=1e-5)


def test_the_command_goes_on_and_refuses_another_run(folder, capsys):
    assert ask(folder, "--every", "2") == 0
    told = capsys.readouterr().out
    assert "loss" in told
    assert "bits a byte" in told
    out = folder / "model"
    once = (out / "model.safetensors").read_bytes()
    assert ask(folder) == 0, "all is done: nothing is trained"
    assert "step" not in capsys.readouterr().out.replace("steps", "")
    assert (out / "model.safetensors").read_bytes() == once
    assert ask(folder, "--rate", "1") == 1
    assert "another rate (0.00025, not 1.0)" in capsys.readouterr().out
    (folder / "text.txt").write_bytes(b"\xff")
    assert ask(folder) == 1
    assert "no text in UTF-8" in capsys.readouterr().out


def test_transformers_reads_the_folder(folder):
    from transformers import GPT2LMHeadModel

    assert ask(folder) == 0
    ours, tokens = from_folder(folder / "model")
    theirs = GPT2LMHeadModel.from_pretrained(folder / "model").eval()
    x = torch.tensor([tokens.encode("the cat sat on the mat")])
    torch.testing.assert_close(ours(x), theirs(x).logits, rtol=1e-4, atol=1e-5)


def test_the_model_that_ships_is_kept_and_recalled(folder, monkeypatch, capsys):
    assert ask(folder) == 0
    net, tokens = from_folder(folder / "model")
    path = folder / "kept.safetensors"
    shipped.keep(path, net, tokens, {"data": "cats"})
    again, same = shipped.recall(path)
    assert (same.merges, same.special) == (tokens.merges, tokens.special)
    assert again.config.n_head == net.config.n_head
    x = torch.tensor([tokens.encode("the cat")])
    torch.testing.assert_close(again(x), net(x), rtol=1e-2, atol=1e-3)
    out = io.StringIO()
    argv = ["the", "cat", "--length", "30", "--numbers", "--seed", "3"]
    assert prompt.main(argv, lambda: (again, same), out) == 0
    lines = out.getvalue().splitlines()
    shares = [float(line.split()[0]) for line in lines[1:31]]
    assert lines[0] == "the cat"
    assert all(0 < share < 1 for share in shares)
    mean = math.exp(sum(map(math.log, shares)) / 30)
    assert f"probability of {mean:.3f}" in lines[-1] or abs(mean - 1 / 260) < 1e-3
    assert prompt.main(["x", "--temperature", "-1"], lambda: (again, same), io.StringIO()) == 1
    capsys.readouterr()
    monkeypatch.setattr(shipped, "PATH", folder / "absent")
    assert "In the beginning" in COMMANDS
    assert "--full" not in COMMANDS
    with pytest.raises(SystemExit):  # a misspelt command with options that are not the prompt's
        COMMANDS["trainn"](["x.txt", "--out", "y"])
    assert "unrecognized arguments: --out y" in capsys.readouterr().err
    with pytest.raises(FileNotFoundError, match=r"no trained model at .*absent"):
        shipped.recall(folder / "absent")
    (folder / "model" / "config.json").write_text(json.dumps({}))
    assert prompt.main(["x", "--model", str(folder / "model")], shipped.recall, out) == 1
    assert "config.json is no model's" in capsys.readouterr().err
    assert log_probabilities(again, x[0]).shape == (x.shape[1] - 1,)
