"""Files: both ways, bit for bit; and what is no such file says so."""

import contextlib
import pickle

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lessons.word2vec as ours

WORDS = ["the", "naïve", "東京", "new_york", "</s>"]


@pytest.fixture
def vectors():
    generator = torch.Generator().manual_seed(0)
    return ours.KeyedVectors(WORDS, torch.randn(5, 7, generator=generator))


@pytest.mark.parametrize(("binary", "line_ends"), [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("told", [True, False])
def test_round_trip_is_exact(vectors, tmp_path, binary, line_ends, told):
    path = tmp_path / "vectors"
    ours.save_word2vec_format(path, vectors, binary, line_ends)
    again = ours.load_word2vec_format(path, binary if told else None)
    assert again.words == WORDS
    assert torch.equal(again.vectors, vectors.vectors)
    some = ours.load_word2vec_format(path, binary if told else None, limit=2)
    assert some.words == WORDS[:2]
    assert torch.equal(some.vectors, vectors.vectors[:2])
    assert [p.name for p in tmp_path.iterdir()] == ["vectors"], "nothing is left behind"


def test_the_binary_form_is_that_of_the_released_code(vectors, tmp_path):
    path = tmp_path / "vectors.bin"
    ours.save_word2vec_format(path, vectors)
    first = vectors.vectors[0].numpy().astype("<f4").tobytes()
    assert path.read_bytes().startswith(b"5 7\nthe " + first + b"\nna")


def test_words_that_are_no_utf_8_survive(tmp_path, vectors):
    path, other = tmp_path / "one", tmp_path / "other"
    rest = b"\0" * 8
    path.write_bytes(b"1 2\n\xff\xfe " + rest)
    read = ours.load_word2vec_format(path, binary=True)
    ours.save_word2vec_format(other, read, line_ends=False)
    assert other.read_bytes() == path.read_bytes()


def test_shipped_vectors_round_trip_in_half_precision(vectors, tmp_path):
    path = tmp_path / "model.safetensors"
    ours.save_vectors(path, vectors)
    again = ours.load_vectors(path)
    assert again.words == WORDS
    assert torch.equal(again.vectors, vectors.vectors.half().float())


@pytest.mark.parametrize("hierarchical", [True, False])
@pytest.mark.parametrize("model", [ours.SkipGram, ours.CBOW])
def test_gensims_names_and_back(model, hierarchical):
    net = model(ours.EmbeddingConfig(6, 3, hierarchical), torch.Generator().manual_seed(0))
    net.output.weight.data.normal_()
    state = ours.to_gensim(net)
    assert set(state) == {"wv.vectors", "syn1" if hierarchical else "syn1neg"}
    again = ours.from_gensim(state, cbow=model is ours.CBOW)
    assert type(again) is model
    for name, value in net.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


def test_state_dicts_and_their_wrappers(tmp_path):
    net = ours.SkipGram(ours.EmbeddingConfig(6, 3))
    state = net.state_dict()
    wrapped = {"state_dict": {f"module._orig_mod.{k}": v for k, v in state.items()}}
    for name, content in (("a.pt", state), ("b.pt", wrapped), ("c.pt", {"model": state})):
        torch.save(content, tmp_path / name)
        found = ours.load(tmp_path / name)
        assert all(torch.equal(found[k], v) for k, v in state.items())
    ours.save(tmp_path / "d.safetensors", state)
    net.load_state_dict(ours.load(tmp_path / "d.safetensors"))


class Malicious:
    def __reduce__(self):
        return (pytest.fail, ("executed",))


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>404</html>", b"\x80\x04", pickle.dumps(Malicious()), b"\0" * 100],
)
@pytest.mark.parametrize("name", ["x.pt", "x.safetensors", "x.bin"])
def test_other_files_are_value_errors_that_name_them(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    for load in (ours.load, ours.load_vectors, ours.load_word2vec_format):
        with pytest.raises(ValueError, match=name):
            load(path)


def test_weights_of_another_kind(tmp_path):
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ValueError, match="list"):
        ours.load(tmp_path / "list.pt")
    torch.save({"a": torch.ones(2)}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match="'vectors' and 'words'"):
        ours.load_vectors(tmp_path / "a.pt")
    with pytest.raises(FileNotFoundError, match="none"):
        ours.load_word2vec_format(tmp_path / "none")


@pytest.mark.parametrize(
    ("content", "binary", "message"),
    [
        (b"2 3\na 1 2 3\n", False, "need more than its"),
        (b"2 3\na 1 2 3\nb 1.25 2.25\n", False, "line 3: expected a word and 3 numbers"),
        (b"1 3\na 1 2 3\nb 1 2 3\n", False, "line 3: more lines than the 1"),
        (b"2 2\na 1.5 2.5\nb 1.5 2.5\n", True, "line 2: this is a text file"),
        (b"1 2\na 12345678rest", True, "byte 14: 4 bytes are left"),
        (b"1 3\na 1.5 2.5 x.5\n", False, "line 2"),
        (b"2 2\na 12345678a 12345678", True, "'a' twice"),
        (b"999999999999 300\na ", True, "need more"),
        (b"0 3\n", False, "first line"),
        (b"a b\n", False, "first line"),
    ],
)
def test_files_that_contradict_themselves(tmp_path, content, binary, message):
    path = tmp_path / "odd"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        ours.load_word2vec_format(path, binary)
    assert "odd" in str(caught.value)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(at=st.integers(0, 200), byte=st.integers(0, 255), cut=st.integers(0, 200))
def test_damaged_files_raise_nothing_else(vectors, tmp_path, at, byte, cut):
    for binary in (True, False):
        path = tmp_path / "vectors"
        ours.save_word2vec_format(path, vectors, binary)
        data = bytearray(path.read_bytes())
        data[at % len(data)] = byte
        path.write_bytes(data[: len(data) - cut % len(data)] if cut % 3 else data)
        with contextlib.suppress(ValueError):
            ours.load_word2vec_format(path)


@pytest.mark.parametrize("first", ["nan 2.5", "-inf 1", "1 2"])
def test_a_text_is_known_as_text_whatever_its_numbers(tmp_path, first):
    # Taken for a binary file, "a nan 2.5" was a word and eight bytes of numbers.
    path = tmp_path / "x"
    path.write_bytes(f"2 2\na {first}\nb 1.5 3.5\n".encode())
    found = ours.load_word2vec_format(path)
    assert found.words == ["a", "b"]
    assert found["b"].tolist() == [1.5, 3.5]
    want = torch.tensor([float(x) for x in first.split()])
    torch.testing.assert_close(found["a"], want, equal_nan=True)


@pytest.mark.parametrize("number", ["1e60", "1_0"])
def test_numbers_that_single_precision_has_not(tmp_path, number):
    path = tmp_path / "odd"
    path.write_bytes(f"2 2\nb 1.5 3.5\na {number} 2.5\n".encode())
    with pytest.raises(ValueError, match=r"odd, line 3: expected a word and 2 numbers"):
        ours.load_word2vec_format(path, binary=False)


def test_shipped_vectors_are_written_so_that_they_can_be_read(tmp_path):
    path = tmp_path / "v.safetensors"
    odd = ours.KeyedVectors(["a\udcff", "b"], torch.ones(2, 3))  # as in the released vectors
    ours.save_vectors(path, odd)
    assert ours.load_vectors(path).words == odd.words
    with pytest.raises(ValueError, match="no line end"):
        ours.save_vectors(path, ours.KeyedVectors(["a\nb", "c"], torch.ones(2, 3)))
    large = ours.KeyedVectors(["a"], torch.tensor([[7e4, 1.0]]))
    with pytest.raises(ValueError, match="70000 is too large"):
        ours.save_vectors(path, large)
    ours.save_vectors(path, large, torch.float32)
    assert torch.equal(ours.load_vectors(path).vectors, large.vectors)


def test_words_that_could_not_be_read_back(tmp_path):
    for word in ("new york", "", "a\nb"):
        with pytest.raises(ValueError, match="white space"):
            ours.save_word2vec_format(tmp_path / "x", ours.KeyedVectors([word], torch.ones(1, 2)))
    (tmp_path / "x").write_bytes(b"1 1\na 1\n")
    for limit in (0, "1", 1.5):
        with pytest.raises(ValueError, match="limit"):
            ours.load_word2vec_format(tmp_path / "x", limit=limit)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"syn1": torch.ones(2, 2)}, "wv.vectors"),
        ({"wv.vectors": torch.ones(3, 2)}, "one of"),
        ({"wv.vectors": torch.ones(3, 2), "syn1neg": torch.ones(2, 2)}, "must fit"),
        ({"wv.vectors": torch.ones(3), "syn1neg": torch.ones(2, 2)}, "matrices"),
    ],
)
def test_arrays_that_are_not_gensims(state, message):
    with pytest.raises(ValueError, match=message):
        ours.from_gensim(state)
