"""Experts spread over two processes compute what one process computes, gradients included."""

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from lessons.mixture_of_experts import ExpertParallelMoE, SparseMoE

SIZES = (9, 4)  # tokens of each process


def whole_layer(**options):
    layer = SparseMoE(5, 6, 4, 2, generator=torch.Generator().manual_seed(0), **options).double()
    generator = torch.Generator().manual_seed(1)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, 0, 0.5, generator=generator)
    return layer


def fixed_noise(layer, rows):
    """Give a layer's gate its rows of one batch's noise: two processes draw other numbers."""
    normal = torch.randn(sum(SIZES), 4, generator=torch.Generator().manual_seed(3)).double()

    def logits(x, generator=None):
        clean = x @ layer.gate.weight
        std = torch.nn.functional.softplus(x @ layer.gate.noise_weight)
        return clean, clean + std * normal[rows][: len(x)], std

    layer.gate.logits = logits
    return layer


def tokens():
    return torch.randn(sum(SIZES), 5, generator=torch.Generator().manual_seed(2)).double()


def work(rank, folder, options):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    try:
        start = sum(SIZES[:rank])
        layer = ExpertParallelMoE(whole_layer(**options))
        layer = fixed_noise(layer, slice(start, start + SIZES[rank]))
        x = tokens().split(SIZES)[rank].clone().requires_grad_()
        y, aux, stats = layer(x)
        loss = y.square().sum() / sum(SIZES) + aux
        loss.backward()
        layer.sum_gate_gradients()
        with pytest.raises(ValueError, match=r"num_experts \(3\).*processes \(2\)"):
            ExpertParallelMoE(SparseMoE(5, 6, 3, 2))
        empty, _, _ = layer(x.detach()[: rank * 3])  # one of the two has no tokens
        found = {
            "y": y, "aux": aux, "x": x.grad, "counts": stats.counts, "importance": stats.importance,
            "gate": layer.gate.weight.grad, "noise": layer.gate.noise_weight.grad,
            "first": layer.experts.weights[0].grad,
            "second": layer.experts.weights[1].grad, "empty": torch.tensor(empty.shape),
        }  # fmt: skip
        torch.save({k: v.detach() for k, v in found.items()}, f"{folder}/{rank}.pt")
    finally:
        dist.destroy_process_group()


@pytest.mark.skipif(not dist.is_available(), reason="torch without distributed")
@pytest.mark.parametrize("options", [{"output_activation": "sigmoid"}])
def test_two_processes_equal_one(tmp_path, options):
    mp.spawn(work, (str(tmp_path), options), nprocs=2)
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]
    layer, x = fixed_noise(whole_layer(**options), slice(None)), tokens().requires_grad_()
    y, aux, stats = layer(x)
    (y.square().sum() / sum(SIZES) + aux).backward()
    close = torch.testing.assert_close
    close(torch.cat([f["y"] for f in found]), y.detach())
    close(torch.cat([f["x"] for f in found]), x.grad)
    for name, weight in (("first", 0), ("second", 1)):
        close(torch.cat([f[name] for f in found]), layer.experts.weights[weight].grad)
    for f in found:
        close(f["aux"], aux.detach())
        close(f["gate"], layer.gate.weight.grad)
        close(f["noise"], layer.gate.noise_weight.grad)
        close(f["importance"], stats.importance.detach())
        assert f["counts"].tolist() == stats.counts.tolist()
    assert [f["empty"].tolist() for f in found] == [[0, 5], [3, 5]]
