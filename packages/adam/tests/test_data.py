"""What the claims are tested on: files as published, and errors that say what to do.

At the paper's scale the sets are too large to be here; small files of the same form stand in, and
each experiment takes its first steps on them with the paper's own network.
"""

import numpy as np
import pytest
import torch

from lessons.adam.claims import convolutional, data, dropout_network, sparse, vae
from lessons.adam.lab.run import Run


@pytest.fixture
def folder(tmp_path):
    """Return a folder with 10 pictures as CIFAR-10 has them, and 4 reviews as IMDB has them."""
    generator = np.random.default_rng(0)
    (tmp_path / data.CIFAR).mkdir()
    for i in range(1, 6):
        records = generator.integers(0, 256, (2, 3073), dtype=np.uint8)
        records[:, 0] = i
        records.tofile(tmp_path / data.CIFAR / f"data_batch_{i}.bin")
    for sentiment, texts in (
        ("neg", ("a dull film", "dull, dull")),
        ("pos", ("a good film", "Good")),
    ):
        place = tmp_path / "aclImdb" / "train" / sentiment
        place.mkdir(parents=True)
        for i, text in enumerate(texts):
            (place / f"{i}_1.txt").write_text(text, encoding="utf-8")
    return tmp_path


def test_cifar_is_read_channels_first_with_its_labels(folder):
    rows, labels = data.cifar(folder)
    first = np.fromfile(folder / data.CIFAR / "data_batch_1.bin", np.uint8)
    assert labels.tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert torch.equal(rows[0], torch.from_numpy(first[1:3073]).float() / 255)


def test_a_bag_holds_the_distinct_words_that_are_frequent(folder):
    rows, labels, words = data.indexed(*data.imdb(folder), words=3)
    # "dull" and "a", "film" and "good" occur in two reviews each; by the alphabet "good" is fourth.
    assert words == 3
    assert labels.tolist() == [0, 0, 1, 1]
    assert [sorted(row[row != data.PAD].tolist()) for row in rows] == [[1, 2, 3], [2], [1, 3], []]


def test_whitened_columns_are_uncorrelated_and_of_variance_1():
    generator = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(6, 6, generator=generator)).Q
    rows = 7 + torch.randn(5000, 6, generator=generator) * torch.linspace(1, 2, 6) @ turn
    white = data.whitened(rows)
    covariance = white.T @ white / len(white)
    assert torch.allclose(covariance, torch.diag(covariance.diag()), atol=0.05)
    assert (covariance.diag() <= 1.001).all()
    assert (covariance.diag() > 0.5).all()


@pytest.mark.parametrize("read", [data.cifar, data.imdb, data.reviews])
def test_what_is_not_there_is_named_with_where_to_put_it(read, tmp_path):
    for place in (None, tmp_path):
        with pytest.raises(OSError, match=r"is not here.*--data FOLDER"):
            read(place)


def test_another_file_of_that_name_is_refused(tmp_path):
    (tmp_path / data.REVIEWS).write_bytes(b"something else")
    with pytest.raises(ValueError, match="is not the file of"):
        data.reviews(tmp_path)


def test_the_papers_own_networks_take_their_first_steps(folder, tmp_path, monkeypatch):
    rows, labels = torch.rand(20, 784), torch.arange(20) % 10
    monkeypatch.setattr(data, "read", lambda name, split, folder: (rows, labels))
    for module in (convolutional, dropout_network, sparse):
        monkeypatch.setattr(module, "passes", lambda *_: 3)
    monkeypatch.setattr(vae, "passes", lambda *_: 2)
    run = Run(tmp_path / "out", "paper", data=folder)
    cnn = run.trial(
        convolutional.train_cnn, optimizer="Adam", lr=1e-3, dropout=0.5, batch=4, seed=0
    )
    assert len(cnn["curve"]) == 3
    mlp = run.trial(dropout_network.train_mlp, optimizer="Adam", lr=1e-3, seed=0)
    assert mlp["final"] > 0
    bags = run.trial(
        sparse.train_bags, optimizer="AdaGrad", lr=0.1, dropout=0.5, decay=False, seed=0
    )
    assert bags["final"] == pytest.approx(0.69, abs=0.1)
    losses = run.trial(
        vae.train_vae, net="small", lr=1e-3, beta1=0.9, beta2=0.999, corrected=True,
        seed=0,
    )  # fmt: skip
    assert 400 < losses[-1] < 700
