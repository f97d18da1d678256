"""In torch's place: torch's own optimizer inputs, copies, files, hooks, empty tensors, halves."""

import copy
import io
import pickle
import re
import sys
import weakref
from pathlib import Path

import pytest
import torch
from torch import nn, optim

from lessons.adam import Adam, AdaMax, AdamW


def adamax(params, eps=1e-8, **options):
    return AdaMax(params, eps=eps, **options)  # the paper has no eps


PAIRS = {
    "adam": (optim.Adam, Adam),
    "adamw": (optim.AdamW, AdamW),
    "adamax": (optim.Adamax, adamax),
}
PATHS = {"readable": {"foreach": False, "fused": False}, "foreach": {"foreach": True},
         "fused": {"fused": True}, "default": {}}  # fmt: skip
MANY = 70_000  # numbers of a tensor: torch's kernel then takes other paths
REFUSED_ALONE = {
    "a param group cannot have duplicate parameters"
}  # torch warns: "will be an error"
ALLOWED_ALONE = {  # torch refuses as its foreach has no way to do it, and betas of two kinds
    "lr as Tensor doesn't work with foreach & not capturable",
    "betas must be either both floats or both Tensors",
}


def torchs_inputs(name, kind="inputs"):
    """Return what torch tests an optimizer with, read from its source.

    To import it takes packages that nothing else here needs, and changes torch's global flags.
    """
    source = (Path(torch.__file__).parent / "testing/_internal/common_optimizers.py").read_text()
    names = {
        "torch": torch, "Parameter": nn.Parameter, "_get_device_type": str, "CUDA_CONFIG_GPUS": (),
        "OptimizerInput": lambda params, kwargs, desc: (params, kwargs, desc),
        "ErrorOptimizerInput": lambda given, error_type, error_regex: (*given, error_type),
    }  # fmt: skip
    for each in ("get_error_inputs_for_all_optims", f"optim_{kind}_func_adam",
                 f"optim_{kind}_func_{name}"):  # fmt: skip
        function = re.search(rf"^def {each}\(.*?(?=^[^\s#)])", source, re.MULTILINE | re.DOTALL)
        exec(function[0], names)
    return names[f"optim_{kind}_func_{name}"]("cpu", torch.float64)


def paths(name):
    known = (
        PATHS
        if name != "adamax"
        else {"readable": {"foreach": False}, "foreach": {"foreach": True}}
    )
    return known.items()


CASES = pytest.mark.parametrize(("theirs", "ours", "options", "path"), [
    pytest.param(theirs, ours, options, path, id=f"{name}-{what}-{which}")
    for name, (theirs, ours) in PAIRS.items()
    for _, options, what in [*torchs_inputs(name), (None, {"lr": torch.tensor(0.01)}, "tensor lr")]
    for which, path in paths(name)
    if not (what == "tensor lr" and which == "foreach")
])  # fmt: skip
ERRORS = pytest.mark.parametrize(("theirs", "ours", "params", "options", "what"), [
    pytest.param(*PAIRS[name], params, options, what, id=f"{name}-{what}")
    for name in PAIRS
    for params, options, what, _ in torchs_inputs(name, "error_inputs")
])  # fmt: skip
EACH = pytest.mark.parametrize(("theirs", "ours"), PAIRS.values(), ids=PAIRS)


def noise(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def walk(optimizer, params, steps, seed=0):
    for t in range(steps):
        for i, p in enumerate(params):
            p.grad = noise(*p.shape, seed=seed + 100 * t + i, dtype=p.dtype)
        optimizer.step()
    return [p.detach().clone() for p in params]


@CASES
def test_torchs_own_inputs(theirs, ours, options, path):
    shapes = [(3, 4), (), (0, 5), (MANY,), (4, 3, 2, 2)]
    first, second = ([nn.Parameter(noise(*shape)) for shape in shapes] for _ in range(2))
    second[-1].data = second[-1].data.contiguous(memory_format=torch.channels_last)
    want = walk(theirs(first, **copy.deepcopy(options) | path), first, 4)
    got = walk(ours(second, **copy.deepcopy(options) | path), second, 4)
    # A tensor of single precision has another 0.01, and torch's paths round that differently.
    near = 1e-7 if torch.is_tensor(options.get("lr")) else 1e-12
    for a, b in zip(got, want):
        torch.testing.assert_close(a, b, rtol=near, atol=near)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:.*duplicate parameters")
@ERRORS
def test_what_torch_refuses_is_refused(theirs, ours, params, options, what):
    def outcome(make):
        given = [nn.Parameter(noise(1, 1))] if params is None else params
        try:
            optimizer = make(given, **options)
            walk(optimizer, optimizer.param_groups[0]["params"], 1)
        except Exception as error:
            return type(error)

    got, want = outcome(ours), outcome(theirs)
    if what in REFUSED_ALONE:
        assert (got, want) == (ValueError, None)
    elif what in ALLOWED_ALONE:
        assert (got, want) == (None, ValueError)
    else:
        assert (got is None) == (want is None)


@CASES
def test_complex_numbers(theirs, ours, options, path):
    first, second = ([nn.Parameter(noise(5, 3, dtype=torch.complex128))] for _ in range(2))
    torchs_path = {} if path.get("fused") else path  # that is for real numbers only
    want = walk(theirs(first, **copy.deepcopy(options) | torchs_path), first, 4)
    got = walk(ours(second, **copy.deepcopy(options) | path), second, 4)
    torch.testing.assert_close(got, want, rtol=1e-6, atol=1e-6)


HALVES = [("adam", "readable"), ("adam", "foreach"), ("adam", "fused"), ("adamw", "fused"),
          ("adamax", "readable"), ("adamax", "foreach")]  # fmt: skip


@pytest.mark.parametrize(("name", "path"), HALVES)
def test_a_thousand_steps_in_half_precision_are_torchs(name, path):
    ends, path = [], dict(paths(name))[path]
    for make in PAIRS[name]:
        params = [nn.Parameter(noise(20).to(dtype)) for dtype in (torch.bfloat16, torch.float16)]
        optimizer = make(params, lr=1e-2, eps=1e-3, weight_decay=0.1, **path)
        for t in range(1000):
            for w in params:
                w.grad = w.detach() - noise(20, seed=t % 7).to(w.dtype)
            optimizer.step()
        ends.append([w.detach() for w in params])
    for got, want in zip(*ends):
        assert torch.isfinite(got).all()
        torch.testing.assert_close(got, want, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_a_decay_and_a_step_of_wider_state_are_rounded_once(path):
    ends = []
    for dtype in (torch.bfloat16, torch.float32):
        w = nn.Parameter((1 + noise(500).abs()).bfloat16().to(dtype))
        optimizer = AdamW([w], lr=1e-2, weight_decay=0.1, state_dtype=torch.float32, **path)
        w.grad = noise(500, seed=1).bfloat16().to(dtype)
        optimizer.step()
        ends.append(w.detach().bfloat16())
    assert torch.equal(*ends)


@EACH
def test_copies_and_files_go_on_alike(theirs, ours):
    w = nn.Parameter(noise(6))
    optimizer = ours([w], lr=0.1, weight_decay=0.2)
    walk(optimizer, [w], 2)
    whole, state = io.BytesIO(), io.BytesIO()
    torch.save(optimizer, whole)
    torch.save(optimizer.state_dict(), state)
    whole.seek(0)
    state.seek(0)
    others = [copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer)),
              torch.load(whole, weights_only=False)]  # fmt: skip
    named = ours([("w", nn.Parameter(w.detach().clone()))])  # a state without names goes there too
    named.load_state_dict(torch.load(state, weights_only=True))
    assert named.param_groups[0]["lr"] == 0.1
    want = walk(optimizer, [w], 3, seed=7)
    for other in (*others, named):
        assert torch.equal(walk(other, other.param_groups[0]["params"], 3, seed=7)[0], want[0])


@pytest.mark.parametrize("dtype", [torch.float64, torch.int64, torch.bfloat16])
@pytest.mark.parametrize("shape", [(), (1,)])
@EACH
def test_a_count_of_steps_of_any_type_goes_on(theirs, ours, dtype, shape):
    w = nn.Parameter(noise(6))
    optimizer = ours([w], lr=0.1)
    walk(optimizer, [w], 3)
    state = copy.deepcopy(optimizer.state_dict())
    state["state"][0]["step"] = state["state"][0]["step"].to(dtype).reshape(shape)
    twin = nn.Parameter(w.detach().clone())
    other = ours([twin])
    other.load_state_dict(state)
    # In bfloat16 the count would stay at 256.
    assert torch.equal(walk(optimizer, [w], 300)[0], walk(other, [twin], 300)[0])
    assert other.state[twin]["step"].item() == 303


@EACH
def test_hooks_are_called_where_torchs_are(theirs, ours):
    everywhere = sys.modules[optim.Optimizer.__module__]
    called = []
    for make in (theirs, ours):
        w, calls = nn.Parameter(noise(3)), []
        optimizer = make([w])
        for kind in ("step_pre", "step_post", "state_dict_pre", "state_dict_post",
                     "load_state_dict_pre", "load_state_dict_post"):  # fmt: skip
            register = getattr(optimizer, f"register_{kind}_hook")
            register(lambda *_, kind=kind, calls=calls: calls.append(kind))
        handles = [
            getattr(everywhere, f"register_optimizer_step_{when}_hook")(
                lambda *_, when=when, calls=calls: calls.append(f"any {when}")
            )
            for when in ("pre", "post")
        ]
        walk(optimizer, [w], 1)
        optimizer.load_state_dict(optimizer.state_dict())
        for handle in handles:
            handle.remove()
        optimizer.register_load_state_dict_pre_hook(lambda _, state: state["inner"])
        optimizer.load_state_dict({"inner": optimizer.state_dict()} | optimizer.state_dict())
        called.append(calls)
    assert called[0] == called[1]
    assert len(called[0]) > 8


@EACH
def test_a_step_within_the_backward_pass(theirs, ours):
    ends = []
    for make in (theirs, ours):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 1)).double()
        steps = {p: make([p], lr=0.1) for p in model.parameters()}

        def at_once(p, steps=steps):
            steps[p].step()
            steps[p].zero_grad()

        for p in model.parameters():
            p.register_post_accumulate_grad_hook(at_once)
        for t in range(3):
            model(noise(8, 4, seed=t)).square().sum().backward()
        ends.append([p.detach() for p in model.parameters()])
    torch.testing.assert_close(*ends)


SCHEDULES = {
    "exponential": lambda o: [optim.lr_scheduler.ExponentialLR(o, 0.8)],
    "linear and plateau": lambda o: [optim.lr_scheduler.LinearLR(o, 0.4, total_iters=4),
                                     optim.lr_scheduler.ReduceLROnPlateau(o)],
    "one cycle": lambda o: [optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=20)],  # betas too
}  # fmt: skip


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize(
    "lr", [0.1, torch.tensor(0.1, dtype=torch.float64)], ids=["number", "tensor"]
)
@EACH
def test_schedules_go_the_way_that_torchs_go(theirs, ours, lr, schedule):
    ends = []
    for make in (theirs, ours):
        w = nn.Parameter(noise(10, 5)[:, :3].mT)  # with gaps
        other = nn.Parameter(noise(3, seed=1))
        rates = [copy.deepcopy(lr) for _ in range(2)]  # a schedule writes into a tensor
        groups = [{"params": [w], "weight_decay": 0.1}, {"params": [other], "lr": rates[1]}]
        optimizer = make(groups, lr=rates[0])
        schedules, losses = schedule(optimizer), []
        for t in range(20):
            optimizer.zero_grad(set_to_none=t % 2 == 0)
            loss = (w.sum(1) - other).square().sum()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            for each in schedules:
                plateau = isinstance(each, optim.lr_scheduler.ReduceLROnPlateau)
                each.step(loss.item()) if plateau else each.step()
        assert losses[-1] < losses[0]
        ends.append([w.detach(), other.detach()])
    torch.testing.assert_close(*ends)


@EACH
def test_a_gradient_scaler_skips_what_is_not_finite(theirs, ours):
    ends = []
    for make in (theirs, ours):
        w, scaler = nn.Parameter(noise(4)), torch.amp.GradScaler("cpu", init_scale=8.0)
        optimizer = make([w], lr=0.1)
        for t in range(4):
            optimizer.zero_grad()
            scaler.scale(w.square().sum()).backward()
            if t == 2:
                w.grad[0] = torch.inf
            scaler.step(optimizer)
            scaler.update()
        assert optimizer.state[w]["step"].item() == 3
        ends.append(w.detach())
    torch.testing.assert_close(*ends)


PLACES = {
    "without numbers": lambda: nn.Parameter(torch.zeros(3, device="meta")),
    "half": lambda: nn.Parameter(noise(3).half()),
    "brain": lambda: nn.Parameter(noise(3).bfloat16()),
    "double": lambda: nn.Parameter(noise(3)),
    "single": lambda: nn.Parameter(noise(3).float()),
    "number": lambda: nn.Parameter(noise()),
    "empty": lambda: nn.Parameter(noise(0, 3)),
    "no gradient wanted": lambda: noise(3),
}


@EACH
def test_types_and_devices_side_by_side(theirs, ours):
    ends = []
    for make in (theirs, ours):
        params = [make_one() for make_one in PLACES.values()]
        options = {"fused": False} if ours is not adamax else {}
        optimizer = make(params, lr=0.1, eps=1e-3, **(options if make is theirs else {}))
        for p in params:
            p.grad = torch.full_like(p, 0.5, requires_grad=False)
        optimizer.step()
        assert all(state["step"].device.type == "cpu" for state in optimizer.state.values())
        with torch.device("meta") if make is ours else torch.device("cpu"):  # torch's AdaMax fails
            optimizer.step()
        ends.append([p.detach() for p in params[1:]])
    torch.testing.assert_close(*ends)
    assert all(p.isfinite().all() for p in ends[1])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@EACH
def test_the_default_type_may_change(theirs, ours, dtype):
    ends = []
    for make in (theirs, ours):
        w = nn.Parameter(noise(5))
        torch.set_default_dtype(dtype)
        try:
            optimizer = make([w], lr=0.1, foreach=True)
            walk(optimizer, [w], 1)
            torch.set_default_dtype(torch.float32)
            ends += walk(optimizer, [w], 2)
        finally:
            torch.set_default_dtype(torch.float32)
    torch.testing.assert_close(*ends)


@EACH
def test_nothing_holds_a_dropped_optimizer(theirs, ours):
    w = nn.Parameter(noise(3))
    optimizer = ours([w])
    walk(optimizer, [w], 1)
    gone = weakref.ref(optimizer)
    del optimizer  # without the collector of cycles: its state goes at once
    assert gone() is None


COMPILED = {
    "Adam": (Adam, {}),
    "Adam of a tensor": (Adam, {"lr": torch.tensor(0.1), "amsgrad": True, "eps_mode": "hat"}),
    "AdamW": (AdamW, {"lr": torch.tensor(0.1), "weight_decay": 0.1}),
    "Adam uncorrected": (Adam, {"bias_correction": False, "betas": (0.0, 0.99)}),
    "AdaMax": (AdaMax, {"lr": torch.tensor(0.1), "betas": (0.0, 0.99)}),
}


@pytest.mark.parametrize(("make", "options"), COMPILED.values(), ids=COMPILED)
def test_compiled_steps_are_one_graph_and_not_made_anew(make, options):
    torch.compiler.reset()
    graphs = []

    def backend(module, inputs):
        graphs.append(module)
        return module.forward

    first, second = ([nn.Parameter(noise(4, 3)), nn.Parameter(noise(2))] for _ in range(2))
    plain, compiled = (make(params, **copy.deepcopy(options)) for params in (first, second))
    compiled.step = torch.compile(compiled.step, backend=backend, fullgraph=True)
    for t in range(14):  # more than the limit, 8, of how often one function is compiled
        want, got = (walk(o, p, 1, t) for o, p in ((plain, first), (compiled, second)))
        torch.testing.assert_close(got, want, rtol=1e-6, atol=1e-6)
        if torch.is_tensor(options.get("lr")) and t == 7:  # as a schedule does it
            for optimizer in (plain, compiled):
                optimizer.param_groups[0]["lr"].fill_(0.01)
    assert len(graphs) == 2  # with the state's beginning, and all others
