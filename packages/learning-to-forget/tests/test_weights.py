"""Weights from and to torch, Keras, the paper's blocks, and files; two released nets; streams."""

import importlib.util
from pathlib import Path

import pytest
import torch
from torch import nn

from lessons.learning_to_forget import (
    LSTM,
    CharLSTM,
    Config,
    GersLSTM,
    SpeakerEncoder,
    VoiceDetector,
    cerg,
    cnto,
    from_keras,
    from_torch,
    from_torch_blocks,
    legal_next,
    load,
    nto,
    save,
    to_keras,
    to_torch,
)
from lessons.learning_to_forget.tasks import SYMBOLS, adding, outranked, within


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    "options",
    [{}, {"num_layers": 2, "bidirectional": True}, {"proj_size": 3}, {"bias": False}],
)
def test_a_state_dict_of_torchs_tells_its_layer(options):
    theirs = nn.LSTM(5, 7, **options)
    ours = from_torch(theirs.state_dict())
    x = torch.randn(6, 4, 5)
    torch.testing.assert_close(ours(x)[0], theirs(x)[0])
    theirs.load_state_dict(to_torch(ours))


@pytest.mark.parametrize("options", [{"coupled_input_forget": True}, {"activations": "1999"}])
def test_other_wirings_become_torchs_weights(options):
    ours, theirs = LSTM(5, 7, **options), nn.LSTM(5, 7)
    theirs.load_state_dict(to_torch(ours))
    x = torch.randn(6, 4, 5)
    torch.testing.assert_close(theirs(x)[0], ours(x)[0])
    size = 2 if options.get("activations") else 1
    torch.testing.assert_close(size * theirs(x)[1][1], ours(x)[1][1])


@pytest.mark.parametrize("truncate", [True, False])
def test_blocks_are_torchs_layer(truncate):
    net = GersLSTM(Config(5, 3, 2, truncate=truncate), generator=seeded(), dtype=torch.float64)
    theirs = nn.LSTM(5, 6, dtype=torch.float64)
    theirs.load_state_dict(to_torch(net))
    x = torch.randn(40, 4, 5, dtype=torch.float64, generator=seeded(1))
    y, (_, s) = net(x)
    weights = [getattr(theirs, name) for name in to_torch(net)]
    h, c, outputs = *torch.zeros(2, 4, 6, dtype=torch.float64), []
    for x_BI in x:  # torch's cell, cut where the paper cuts
        h, c = torch.lstm_cell(x_BI, (h.detach() if truncate else h, c), *weights)
        outputs.append(h)
    torch.testing.assert_close(y, torch.stack(outputs), rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(s / 2, c)
    ours = torch.autograd.grad(y.sin().sum(), [net.weight_x, net.weight_h])
    other = torch.autograd.grad(torch.stack(outputs).sin().sum(), weights[:2])
    for a, b in zip(ours, other):
        i, f, g, o = b.chunk(4)
        blocks = [v.unflatten(0, (3, 2)).sum(1) for v in (i, f, o)]
        torch.testing.assert_close(a, torch.cat([*blocks, g / 2]), rtol=1e-9, atol=1e-11)
    back = from_torch_blocks(theirs.state_dict(), truncate)
    torch.testing.assert_close(back(x)[0], y, rtol=1e-11, atol=1e-12)


def test_keras_has_transposed_weights_and_one_bias():
    ours = LSTM(5, 7)
    kernel, recurrent, bias = to_keras(ours)
    assert (kernel.shape, recurrent.shape, bias.shape) == ((5, 28), (7, 28), (28,))
    x = torch.randn(2, 6, 5)
    h = c = torch.zeros(2, 7)
    for t in range(6):  # as Keras's documentation has it: i, f, c, o
        i, f, g, o = (x[:, t] @ kernel + h @ recurrent + bias).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
    again = from_keras([kernel.numpy(), recurrent.numpy(), bias.detach().numpy()])
    torch.testing.assert_close(again(x)[0][:, -1], h)


def test_files(tmp_path):
    ours = LSTM(5, 7)
    for name in ("a.safetensors",):
        save(tmp_path / name, ours.state_dict())
        for key, value in load(tmp_path / name).items():
            assert torch.equal(value, ours.state_dict()[key])
    wrapped = {"state_dict": {f"module.{k}": v for k, v in ours.state_dict().items()}}
    torch.save(wrapped, tmp_path / "b.pt")
    assert torch.equal(from_torch(load(tmp_path / "b.pt")).weight_hh_l0, ours.weight_hh_l0)
    (tmp_path / "c.pt").write_bytes(b"<html>")
    with pytest.raises(ValueError, match=r"c\.pt holds no weights"):
        load(tmp_path / "c.pt")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: from_torch(nn.GRU(5, 7).state_dict()), "21 rows for 7 cells, 3 .* GRU"),
        (lambda: from_torch(nn.RNN(5, 7).state_dict()), "as a plain recurrent net has"),
        (lambda: from_torch({"a": torch.ones(1)}), "no matrices weight_ih_l0"),
        (lambda: from_torch(nn.LSTM(5, 7).state_dict() | {"more": torch.ones(1)}), "unexpected"),
        (lambda: from_torch_blocks(nn.LSTM(5, 7).state_dict()), "the cells have a bias"),
        (lambda: to_torch(LSTM(5, 7, peephole=True)), "no peepholes"),
        (lambda: from_keras([torch.ones(5, 28)]), "got 1 arrays"),
        (lambda: legal_next("BX"), "at 1: 'X', expected T or P"),
        (lambda: nto(3, divide=9), "divide must be in"),
        (lambda: adding(1, 3), "at least 2"),
        (lambda: VoiceDetector()(torch.ones(1, 500)), r"\(B, 512\)"),
    ],
)  # fmt: skip
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def size(net):
    return sum(w.numel() for w in net.parameters())


def test_sizes():
    assert size(LSTM(7, 16, device="meta")) == 4 * 16 * (7 + 16 + 2) == 1600
    assert size(LSTM(64, 256, device="meta")) == 4 * 256 * (64 + 256 + 2)
    assert size(CharLSTM(device="meta")) == 347_457
    assert size(SpeakerEncoder(device="meta")) == 1_423_616
    assert size(VoiceDetector(device="meta")) == 243_585


def file_of(package, *path):
    spec = importlib.util.find_spec(package)  # does not run a top-level package
    return Path(spec.submodule_search_locations[0]).joinpath(*path) if spec else None


@pytest.mark.skipif(
    file_of("resemblyzer") is None,
    reason="weights: pip install --no-deps Resemblyzer==0.1.4",
)
def test_a_speaker_encoder_is_loaded_strictly():
    path = file_of("resemblyzer", "pretrained.pt")
    state = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
    net, theirs = SpeakerEncoder.from_resemblyzer(state), nn.LSTM(40, 256, 3, batch_first=True)
    theirs.load_state_dict({k[5:]: v for k, v in state.items() if k.startswith("lstm.")})
    mels = torch.rand(2, 60, 40, generator=seeded())
    torch.testing.assert_close(net.lstm(mels)[0], theirs(mels)[0], rtol=1e-4, atol=1e-5)
    assert net(mels).norm(dim=1).allclose(torch.ones(2))


@pytest.mark.skipif(
    file_of("silero_vad") is None,
    reason="weights: pip install --no-deps silero-vad==6.2.3",
)
def test_a_voice_detector_is_its_torchscript():
    oracle = torch.jit.load(file_of("silero_vad", "data", "silero_vad.jit"))
    net, state = VoiceDetector.from_silero(oracle.state_dict()), None
    for _ in range(20):
        sound = 0.1 * torch.randn(1, 512)
        y, state = net(sound, state)
        torch.testing.assert_close(y, oracle(sound, 16000), rtol=1e-5, atol=1e-6)


def test_layouts_of_released_nets_by_name():
    state = SpeakerEncoder().state_dict()
    loss = {"similarity_weight": torch.ones(1), "similarity_bias": torch.ones(1)}
    SpeakerEncoder.from_resemblyzer(state | loss)
    with pytest.raises(ValueError, match=r"missing linear\.bias"):
        SpeakerEncoder.from_resemblyzer({k: v for k, v in state.items() if k != "linear.bias"})
    net = VoiceDetector()
    state = {f"_model.{k}": torch.rand_like(v) for k, v in net.state_dict().items()}
    assert {
        "_model.stft.forward_basis_buffer",
        "_model.decoder.rnn.weight_ih",
        "_model.encoder.3.reparam_conv.bias",
        "_model.decoder.decoder.2.weight",
    } <= {*state}
    again = VoiceDetector.from_silero(state | {"_model_8k.a": torch.ones(1)})
    y, (h, c, context) = again(torch.rand(2, 512))
    assert (y.shape, h.shape, c.shape, context.shape) == ((2, 1), (2, 128), (2, 128), (2, 64))


def test_streams_of_strings():
    symbols, legal, begins = cerg(6000, 4, seeded())
    text = "".join(SYMBOLS[i] for i in symbols[:, 0])
    assert text.startswith("B")
    for t in range(60):
        may = "".join(SYMBOLS[i] for i in range(7) if legal[t, 0, i])
        assert sorted(legal_next(text[: t + 1])) == sorted(may)
        assert text[t + 1] in may
    starts = begins[:, 0].nonzero()[:, 0]
    lengths = starts.diff()
    assert lengths.min() == 9
    assert abs(lengths.double().mean() - 12) < 0.5
    for a, b in zip(starts[:50].tolist(), starts[1:51].tolist()):
        assert text[a + 1] == text[b - 2], "the mark comes again before the end"
    right = legal.clone()
    assert outranked(right, legal).all()
    assert within(right, legal).all()
    right[0, 0] = 1 - right[0, 0]
    assert not outranked(right, legal)[0, 0]
    assert not within(right, legal)[0, 0]


def test_noisy_temporal_order():
    x, kind, lengths = nto(500, seeded())
    assert {*lengths.tolist()} == {*range(100, 111)}
    for b in range(20):
        marks = [i for i in x[:, b].tolist() if i >= 6]
        assert kind[b] == sum((m - 6) * 2 ** (2 - k) for k, m in enumerate(marks))
        assert x[0, b] == 4
        assert x[lengths[b] - 1, b] == 5
    symbols, due, begins = cnto(5, 3, seeded(), divide=3)
    assert (symbols[begins] == 4).all()
    assert (symbols[due >= 0] == 5).all()
    x, total = adding(20, 8, seeded())
    assert x[..., 1].sum(0).tolist() == [2.0] * 8
    torch.testing.assert_close((x[..., 0] * x[..., 1]).sum(0)[:, None], total)


def test_a_net_that_writes():
    net = CharLSTM.from_preset("kjv-128", seeded(), hidden_size=16)
    words = net.generate("In the", 12, generator=seeded())
    assert len(words) == 12
    assert net.bits_per_character("In the beginning") > 0
    assert net.lstm.bias_ih_l0[16:32].tolist() == [1.0] * 16
    with pytest.raises(ValueError, match="outside the alphabet"):
        net.encode("é")
