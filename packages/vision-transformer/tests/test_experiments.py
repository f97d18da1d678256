"""What the claims rest on: equal contenders, honest curves, pictures, the command."""

import io
import json

import matplotlib.image
import pytest
import torch
from rich.console import Console

from lessons.vision_transformer import VisionTransformer
from lessons.vision_transformer import claims as package
from lessons.vision_transformer.claims import budgets, clothes, data, glyphs, look, nets, train
from lessons.vision_transformer.config import count_operations, count_parameters
from lessons.vision_transformer.lab.run import Run


@pytest.mark.parametrize("scale", ["test", "default", "full"])
def test_contenders_are_equal_in_operations_and_parameters(scale, tmp_path):
    from torch.utils.flop_counter import FlopCounterMode

    run = Run(tmp_path, scale)
    size = run.pick(test=8, default=8, full=28)
    for width in nets.widths(run):
        config = nets.config(run, width)
        model, operations = nets.resnet_like(run, width)
        with FlopCounterMode(display=False) as counter:
            model.eval()(torch.zeros(1, 1, size, size))
        assert counter.get_total_flops() == operations
        assert abs(operations / count_operations(config) - 1) <= 0.05
        parameters = sum(p.numel() for p in model.parameters())
        assert abs(parameters / count_parameters(config) - 1) <= 0.10
        hybrid, cost = nets.built(run, "hybrid", width, torch.Generator(), "1d", "cls")
        assert hybrid(torch.zeros(2, 1, size, size)).shape == (2, 10)
        if scale == "full" and width == nets.widths(run)[0]:  # C1c's
            assert cost <= count_operations(config), "a hybrid has no more"


def test_compute_to_a_target_is_read_between_points():
    curve = [[0.25, 50.0], [0.5, 40.0], [0.75, 70.0]]
    assert budgets.compute_to(curve, 50.0) == 0.25
    assert budgets.compute_to(curve, 30.0) == pytest.approx(0.125)
    assert budgets.compute_to(curve, 55.0) == pytest.approx(0.5 + 0.25 * 0.5)
    with pytest.raises(ValueError, match="never reaches"):
        budgets.compute_to(curve, 71.0)


def test_batches_give_so_many_pictures_in_passes():
    x, y = torch.arange(10.0).reshape(10, 1, 1, 1), torch.arange(10)
    seen = list(train.batches(x, y, 25, 4, 1, torch.Generator().manual_seed(0)))
    assert [len(labels) for _, labels in seen] == [4] * 6 + [1], "25, in ⌈25/4⌉ steps"
    first = torch.cat([labels for _, labels in seen])[:10]
    assert first.sort().values.tolist() == list(range(10)), "a pass has each once"
    assert all(torch.equal(images.flatten().long(), labels) for images, labels in seen)


def test_copies_are_altered_and_the_first_is_the_picture_itself():
    x = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    seen = list(train.batches(x, torch.arange(6), 12, 12, 2, torch.Generator().manual_seed(0)))
    (images, labels) = seen[0]
    same = [torch.equal(image, x[label]) for image, label in zip(images, labels)]
    assert sum(same) == 6
    assert sorted(labels.tolist()) == sorted(2 * list(range(6)))
    still = data.altered(x, torch.Generator().manual_seed(0), amount=0.0)
    torch.testing.assert_close(still, x)


def test_moved_shifts_and_fills_with_background():
    x = torch.arange(9.0).reshape(1, 1, 3, 3)
    assert data.moved(x, 1, 0)[0, 0].tolist() == [[-1] * 3, [0, 1, 2], [3, 4, 5]]
    assert data.moved(x, 0, -2)[0, 0].tolist() == [[2, -1, -1], [5, -1, -1], [8, -1, -1]]


def test_the_model_of_the_best_dev_point_is_kept(tmp_path):
    run = Run(tmp_path, "test")
    model = VisionTransformer(nets.config(run, 16), torch.Generator().manual_seed(0))
    x, y = data.subset(run, 40, 0)
    dev = data.sets(run)["dev"]
    feed = train.batches(x, y, 40 * 32, 32, 1, torch.Generator().manual_seed(0))
    curve, _ = train.fit(run, model, feed, 40, 3e-3, dev, "")
    assert curve[-1][0] == 1
    assert 8 <= len(curve) <= train.POINTS
    assert train.accuracy(model, *dev) == pytest.approx(max(p[1] for p in curve))


def test_glyphs_are_where_they_are_said_to_be():
    images, labels = glyphs.glyphs(400, 3)
    patterns = torch.randint(0, 2, (8, 5, 5), generator=torch.Generator().manual_seed(0)) * 2.0 - 1
    scores = torch.nn.functional.conv2d(images, patterns[:, None]).amax((2, 3))
    assert (scores.argmax(1) == labels).double().mean() > 0.95


def file(tmp_path, pixels, name="shoe.png"):
    matplotlib.image.imsave(tmp_path / name, pixels, cmap="gray", vmin=0, vmax=1)
    return tmp_path / name


def test_pictures_are_read_as_fashion_mnist_has_them(tmp_path):
    shape = torch.zeros(28, 28)
    shape[4:24, 8:20] = 0.8
    exact = clothes.picture(file(tmp_path, shape.numpy()))
    assert exact.shape == (1, 1, 28, 28)
    assert (exact[0, 0, 4:24, 8:20] - 0.6).abs().max() < 0.01
    assert exact[0, 0, 0, 0] == -1
    large = torch.ones(100, 140)  # dark on white, off the middle
    large[10:90, 60:100] = 0.2
    found = clothes.picture(file(tmp_path, large.numpy(), "large.png"))[0, 0]
    there = found > 0
    assert there.any(1).all(), "the longer side fills the picture"
    assert 13 <= there.any(0).sum() <= 15
    assert abs(there.any(0).nonzero().double().mean() - 13.5) < 1
    with pytest.raises(ValueError, match="empty: nothing stands out"):
        clothes.picture(file(tmp_path, torch.ones(9, 9).numpy(), "white.png"))
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"text\.png is no picture"):
        clothes.picture(tmp_path / "text.png")
    with pytest.raises(OSError, match="no such file"):
        clothes.picture(tmp_path / "nowhere.png")


def test_the_command_says_what_it_sees_and_what_is_missing(tmp_path):
    assert "shoe.png" in package.COMMANDS
    assert "--full" not in package.COMMANDS
    shape = torch.zeros(28, 28)
    shape[10:20, 3:25] = 0.9
    path = str(file(tmp_path, shape.numpy()))

    def run(*argv):
        console = Console(record=True, width=100, file=io.StringIO())
        return look.main(list(argv), console), console.export_text()

    status, text = run(path, "--model", str(tmp_path / "none.safetensors"))
    assert status == 1
    assert "--full --claim D4" in text.replace("\n", " ")
    model = VisionTransformer(clothes.CONFIG, torch.Generator().manual_seed(0))
    torch.nn.init.normal_(model.head.weight, generator=torch.Generator().manual_seed(0))
    clothes.keep(model, tmp_path / "m.safetensors")
    assert (tmp_path / "m.safetensors").stat().st_size < 2_000_000
    status, text = run(
        path, "--model", str(tmp_path / "m.safetensors"), "--svg", str(tmp_path / "a.svg")
    )
    assert status == 0
    assert sum(name in text for name in data.CLASSES) >= 3
    assert "<svg" in (tmp_path / "a.svg").read_text()
    seen = look.look(model, clothes.picture(path))
    assert sum(seen.probabilities) == pytest.approx(1, abs=1e-5)
    assert seen.attention.shape == (28, 28)
    assert seen.attention.max() == 1
    status, text = run(str(tmp_path / "gone.png"))
    assert status == 1
    assert "no such file" in text
    clothes.keep(
        VisionTransformer(nets.config(Run(tmp_path, "test"), 16)), tmp_path / "o.safetensors"
    )
    status, text = run(path, "--model", str(tmp_path / "o.safetensors"))
    assert "is not this model's" in text.replace("\n", " ")


def test_a_full_run_says_what_is_missing_without_its_data(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(
        "urllib.request.urlopen", lambda *_, **__: (_ for _ in ()).throw(OSError("off"))
    )
    with pytest.raises(OSError, match="say --data FOLDER"):
        data.sets(Run(tmp_path / "out", "full"))
    assert json.dumps(package.CLAIMS[0].words)
