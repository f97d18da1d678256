"""Files of weights: what is read, what is refused and in which words, what is written."""

import io
import json
import pickle
import zipfile

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from lessons.transformer import load, save

STATE = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.tensor([1.0, -1.0])}


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def prefixed(prefix):
    return {prefix + name: tensor for name, tensor in STATE.items()}


@pytest.mark.parametrize("wrapped", [
    STATE,
    {"state_dict": STATE, "epoch": 3},
    {"model": STATE, "optimizer": {"state": {}}},
    {"model_state_dict": prefixed("module.")},
    {"model": {"state_dict": prefixed("_orig_mod.module.")}},
    prefixed("module._orig_mod."),
    {"a._orig_mod.weight": STATE["a.weight"], "a._orig_mod.bias": STATE["a.bias"]},
    {"n_averaged": torch.tensor(5), **prefixed("module.")},
], ids=lambda wrapped: " ".join(wrapped))  # fmt: skip
@pytest.mark.parametrize("legacy", [False, True])
def test_wrappers_are_undone(tmp_path, wrapped, legacy):
    path = tmp_path / "model.safetensors"  # what it is called does not count
    torch.save(wrapped, path, _use_new_zipfile_serialization=not legacy)
    assert equal(load(path), STATE)


def test_what_is_written_reads_back_whatever_it_is_called(tmp_path):
    base = torch.arange(12.0)
    state = {
        "turned": base.view(3, 4).t(), "again": base.view(3, 4), "part": base[2:5],
        "half": base.bfloat16(), "count": torch.tensor(3), "empty": torch.zeros(0, 2),
    }  # fmt: skip
    for name in ("new/model.safetensors", "model.pt"):
        save(tmp_path / name, state)
        assert equal(load(tmp_path / name), state)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.pt", "new"]
    save(tmp_path / "model.pt", STATE, {"licence": "free"})
    with safe_open(tmp_path / "model.pt", "pt") as file:
        assert file.metadata() == {"licence": "free"}
    save_file(STATE, tmp_path / "model.bin")
    assert equal(load(tmp_path / "model.bin"), STATE)


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "model.safetensors"
    save(path, STATE)
    meta, sparse = torch.empty(2, device="meta"), torch.eye(2).to_sparse()
    for bad in ({"a": meta}, {"a": sparse}, {"a": 1.0}, [STATE]):
        with pytest.raises(ValueError, match=r"meta device|expected"):
            save(path, bad)
    assert equal(load(path), STATE)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def saved(thing, **how):
    file = io.BytesIO()
    torch.save(thing, file, **how)
    return file.getvalue()


class Trap:
    def __reduce__(self):
        return eval, ("1 / 0",)


def around(thing):
    thing["state_dict"] = thing
    return thing


ZIP = io.BytesIO()
with zipfile.ZipFile(ZIP, "w") as archive:
    archive.writestr("readme.txt", "hello")
KINDS = {
    b"": "is empty",
    b"<!DOCTYPE html><html>": "is a web page",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n": "is a pointer of Git LFS",
    b"\x89HDF\r\n\x1a\n" + bytes(90): "is an HDF5 file",
    b"\x93NUMPY\x01\x00v\x00" + bytes(90): "is an array of NumPy",
    b"\x1f\x8b\x08" + bytes(90): "is a gzip archive",
    json.dumps({"a": 1}).encode(): "is no file of weights",
    bytes(range(256)): "is no file of weights",
    ZIP.getvalue(): "is damaged or cut short",
    saved(STATE)[:-100]: "is damaged or cut short",
    saved(STATE, _use_new_zipfile_serialization=False)[:-9]: "is damaged or cut short",
    (60).to_bytes(8, "little") + b'{"a":': "is damaged or cut short",
    saved(nn.Linear(1, 1)): "is a pickle of more than tensors, which was not executed",
    saved({"a": Trap()}): "is a pickle of more than tensors, which was not executed",
    saved([STATE]): "holds list",
    saved(torch.zeros(2)): "holds Tensor",
    saved({}): "holds nothing",
    saved({"a": 1.0}): "holds 'a': float",
    saved({1: torch.zeros(1)}): "holds 1: Tensor",
    saved({"a": torch.eye(2).to_sparse()}): r"holds 'a' of torch.float32, torch.sparse_coo",
    saved({"a": torch.zeros(2, dtype=torch.complex64)}): "holds 'a' of torch.complex64",
    saved({"module.a": torch.ones(1), "_orig_mod.module.a": torch.ones(1)}): "holds two tensors",
    saved(around({})): "holds 'state_dict': dict",
}


@pytest.mark.parametrize(("data", "says"), KINDS.items(), ids=KINDS.values())
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_what_is_no_file_of_weights_is_named(tmp_path, data, says, suffix):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=rf"model{suffix} {says}.*; expected a state dict|dense"):
        load(path)


@given(data=st.data())
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_damaged_files_raise_a_value_error_or_load(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damaged") / "model"
    save(path, STATE)
    whole = data.draw(st.sampled_from([
        path.read_bytes(), saved(STATE), saved(STATE, _use_new_zipfile_serialization=False),
        pickle.dumps(STATE),
    ]))  # fmt: skip
    place = data.draw(st.integers(0, len(whole) - 1))
    patch = data.draw(st.binary(max_size=8))
    path.write_bytes(whole[:place] + patch + whole[place + data.draw(st.integers(0, 8)) :])
    try:
        load(path)
    except ValueError as error:
        assert str(path) in str(error)  # noqa: PT017


def test_a_file_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load(tmp_path / "nowhere")
    with pytest.raises(IsADirectoryError):
        load(tmp_path)
