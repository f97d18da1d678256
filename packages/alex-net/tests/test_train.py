"""Training on a folder of real photographs: two processes, a kill, and what was asked wrongly."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.datasets import load_sample_images

from lessons.alex_net import folder, train

OPTIONS = "--preset small --size 28 --crop 23 --batch 16 --epochs 2 --workers 0 --save-every 2"

# Runs in a process of its own, which forks the others: torch is imported once. They get the
# variables that torchrun sets. A run named "killed" is killed behind its second checkpoint.
RUNS = """
import dataclasses, json, multiprocessing, os, signal, socket, sys
import torch
torch.set_num_threads(1)
from lessons.alex_net import net, train

def process(rank, world, port, argv, killed, dropout):
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world),
                   "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    if not dropout:
        train.PRESETS["small"] = dataclasses.replace(net.PRESETS["small"], dropout=0.0)
    save, saved = train.Trainer.save, []
    def save_and_die(self):
        save(self)
        saved.append(1)
        if len(saved) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
    if killed:
        train.Trainer.save = save_and_die
    sys.stdout = open(os.devnull, "w")
    sys.exit(train.main(argv))

fork = multiprocessing.get_context("fork")
codes = {}
for name, world, killed, dropout, argv in json.loads(sys.argv[1]):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    started = [fork.Process(target=process, args=(rank, world, port, argv, killed, dropout))
               for rank in range(world)]
    for one in started:
        one.start()
    started[0].join()
    for one in started[1:]:
        if killed:
            one.kill()
        one.join()
    codes[name] = [one.exitcode for one in started]
print(json.dumps(codes))
"""


@pytest.fixture(scope="session")
def photographs(tmp_path_factory):
    """Parts of two photographs, the left of each to train and the right to validate."""
    from PIL import Image

    root, generator = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    for image, name in zip(load_sample_images().images, ("china", "flower")):
        height, width, _ = image.shape
        for split, count, left, right in (("train", 34, 0, 0.7), ("val", 15, 0.7, 1)):
            place = root / split / name
            place.mkdir(parents=True)
            for i in range(count):
                y = generator.integers(height - 40)
                x = generator.integers(int(left * width), int(right * width) - 60)
                Image.fromarray(image[y : y + 40, x : x + 60]).save(place / f"{i:02}.png")
    return root


@pytest.fixture(scope="session")
def runs(photographs, tmp_path_factory):
    """Train four times; return the folders and the exit codes."""
    out = tmp_path_factory.mktemp("runs")
    argv = [str(photographs), *OPTIONS.split(), "--out"]
    asked = [
        ("whole", 2, False, True, [*argv, str(out / "whole")]),
        ("killed", 2, True, True, [*argv, str(out / "killed")]),
        ("resumed", 2, False, True, [*argv, str(out / "killed")]),
        ("two", 2, False, False, [*argv, str(out / "two")]),
        ("one", 1, False, False, [*argv, str(out / "one")]),
    ]
    done = subprocess.run(
        [sys.executable, "-c", RUNS, json.dumps(asked)], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return out, json.loads(done.stdout)


def test_a_killed_run_goes_on_to_the_same_weights_bit_for_bit(runs):
    out, codes = runs
    assert codes["whole"] == codes["resumed"] == [0, 0]
    assert codes["killed"] == [-9, -9]
    whole, resumed = (load_file(out / name / "model.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    logs = [json.loads((out / name / "log.json").read_text()) for name in ("whole", "killed")]
    assert logs[0] == logs[1]
    assert [line["epoch"] for line in logs[0]] == [1, 2]


def test_two_processes_train_as_one(runs):
    out, codes = runs
    assert codes["one"] == [0]
    one, two = (load_file(out / name / "model.safetensors") for name in ("one", "two"))
    start = train.AlexNet.from_preset("small", num_classes=2).state_dict()
    for name in one:
        assert torch.allclose(one[name], two[name], atol=1e-6)
        assert not torch.allclose(one[name], start[name], atol=1e-4), "it has moved"


def test_it_tells_a_temple_from_a_flower(runs):
    out, _ = runs
    losses = [line["loss"] for line in json.loads((out / "one" / "log.json").read_text())]
    assert losses[1] < losses[0]


def test_an_image_depends_on_seed_epoch_and_image_alone(photographs):
    found = folder.scan(photographs / "train")
    statistics = folder.measure(found, 28, 0)
    images = folder.Images(found, statistics, 28, 23, seed=3)
    first, label = images[5, 0]
    assert label == 0
    images[7, 0]
    assert torch.equal(images[5, 0][0], first)
    assert not torch.equal(images[5, 1][0], first)


def test_every_process_gets_its_share_of_each_batch_and_all_images_once():
    batches = [list(folder.Batches(50, 8, 0, 3, rank=rank, world=2)) for rank in range(2)]
    seen = [index for steps in zip(*batches) for half in steps for index, epoch in half]
    assert len(seen) == len(set(seen)) == 48
    assert list(folder.Batches(50, 8, 0, 3, first=4, rank=1, world=2)) == batches[1][4:]
    assert list(folder.Batches(50, 8, 0, 4)) != list(folder.Batches(50, 8, 0, 3))


def test_statistics_are_those_of_the_training_images(photographs, tmp_path):
    found = folder.scan(photographs / "train")
    statistics = folder.measure(found, 16, 0)
    images = torch.stack([folder.preprocess(folder.read(path), 16) for path in found.paths])
    assert torch.allclose(statistics.mean, images.mean(0), atol=1e-3)
    assert statistics.std.item() == pytest.approx(images.std().item(), rel=1e-3)
    pca = folder.fit_rgb_pca(images)
    assert torch.allclose(statistics.eigvals, pca.eigvals, rtol=1e-4)
    folder.save_statistics(tmp_path / "s.safetensors", statistics)
    again = folder.load_statistics(tmp_path / "s.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(again, statistics))


# What was asked wrongly


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--batch 0", "--batch must be at least 1, got 0"),
        ("--crop 40", r"--crop \(40\) must not be larger than --size \(28\)"),
        ("--preset vgg", "invalid choice: 'vgg'"),
    ],
)
def test_a_wrong_option_is_named(options, says, tmp_path, capsys):
    with pytest.raises(SystemExit):
        train.main([str(tmp_path), "--out", str(tmp_path), *OPTIONS.split(), *options.split()])
    assert re.search(says, capsys.readouterr().err)


def complaint(capsys, data, out, options=OPTIONS):
    assert train.main([str(data), "--out", str(out), *options.split()]) == 1
    return capsys.readouterr().err


def test_wrong_data_is_named(tmp_path, photographs, capsys):
    assert "data must have a folder" in complaint(capsys, tmp_path / "nowhere", tmp_path)
    (tmp_path / "train" / "cat").mkdir(parents=True)
    assert "has no image" in complaint(capsys, tmp_path, tmp_path / "out")
    (tmp_path / "train" / "cat" / "1.png").write_text("no image")
    (tmp_path / "val").symlink_to(photographs / "val")
    options = f"{OPTIONS} --batch 1"
    assert "only one has 'cat'" in complaint(capsys, tmp_path, tmp_path / "out", options)
    (tmp_path / "val").unlink()
    (tmp_path / "val").symlink_to(tmp_path / "train")
    assert "1.png cannot be read" in complaint(capsys, tmp_path, tmp_path / "out", options)
    options = f"{OPTIONS} --batch 69"
    said = complaint(capsys, photographs, tmp_path / "out", options)
    assert "--batch (69) exceeds the 68 images" in said


def test_a_checkpoint_of_another_run_is_not_overwritten(runs, photographs, capsys):
    out, _ = runs
    said = complaint(capsys, photographs, out / "one", f"{OPTIONS} --lr 0.5")
    assert "was made with lr=0.01, not 0.5: choose another --out" in said


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"<html>"])
def test_a_damaged_checkpoint_is_named(data, photographs, tmp_path, capsys):
    (tmp_path / "checkpoint.pt").write_bytes(data)
    said = complaint(capsys, photographs, tmp_path)
    assert "checkpoint.pt cannot be read; expected a checkpoint of this program" in said
    torch.save({"model": {}}, tmp_path / "checkpoint.pt")
    assert "checkpoint.pt is something else" in complaint(capsys, photographs, tmp_path)


def test_all_16_bits_of_a_gray_image_count(tmp_path):
    from PIL import Image

    levels = np.arange(16, dtype=np.uint16) * 4369
    Image.fromarray(levels[None]).save(tmp_path / "levels.png")
    pixels = folder.read(tmp_path / "levels.png")
    assert pixels.shape == (3, 1, 16)
    assert pixels[0, 0].tolist() == [17 * level for level in range(16)]


def test_an_image_is_read_upright(tmp_path):
    from PIL import Image

    image = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3) * 40)
    exif = image.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees, clockwise
    image.save(tmp_path / "turned.png", exif=exif)
    assert folder.read(tmp_path / "turned.png")[0].tolist() == [[120, 0], [160, 40], [200, 80]]
