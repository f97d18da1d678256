"""Equality with independent implementations: transformers' GPT-2 in both layouts, trl's losses."""

import collections
import copy
import types

import pytest
import torch

from lessons.instruct_gpt import (
    GPT,
    PRESETS,
    GPTConfig,
    count_parameters,
    dpo_loss,
    from_transformers,
    load,
    preference_loss,
    ranking_loss,
    reward_from_transformers,
    reward_to_transformers,
    save,
    sft_loss,
    to_transformers,
    token_log_probs,
)

SIZES = {"vocab_size": 37, "n_positions": 20, "n_embd": 24, "n_layer": 3, "n_head": 4}


def hugging_face(kind, **changes):
    import transformers

    torch.manual_seed(0)
    config = transformers.GPT2Config(
        **SIZES, initializer_range=0.2, bos_token_id=0, eos_token_id=0, pad_token_id=36,
        attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0, **changes,
    )  # fmt: skip
    model = getattr(transformers, kind)(copy.deepcopy(config)).eval().double()
    for parameter in model.parameters():  # biases are zero at first, gains one
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model


def ids(*shape, seed=0):
    return torch.randint(1, 36, shape, generator=torch.Generator().manual_seed(seed))


def test_logits_equal_transformers_with_padding_on_the_left():
    theirs = hugging_face("GPT2LMHeadModel")
    ours, x = from_transformers(theirs.state_dict(), n_head=4), ids(3, 11)
    torch.testing.assert_close(ours(x), theirs(x).logits, atol=1e-10, rtol=1e-8)
    mask = (torch.arange(11)[None] >= torch.tensor([0, 3, 7])[:, None]).long()
    places = mask.cumsum(-1).sub(1).clamp(min=0)
    want = theirs(x, attention_mask=mask, position_ids=places).logits
    got = ours(x, mask)
    torch.testing.assert_close(got[mask.bool()], want[mask.bool()], atol=1e-10, rtol=1e-8)


def test_rewards_equal_transformers_sequence_classification():
    theirs = hugging_face("GPT2ForSequenceClassification", num_labels=1)
    ours = reward_from_transformers(theirs.state_dict(), n_head=4)
    x = ids(4, 11)
    lengths = torch.tensor([11, 4, 7, 1])
    mask = torch.arange(11)[None] < lengths[:, None]
    x = x.masked_fill(~mask, 36)  # they look for the last token that is no padding
    want = theirs(x, attention_mask=mask.long()).logits[:, 0]
    torch.testing.assert_close(ours(x, mask), want, atol=1e-10, rtol=1e-8)


@pytest.mark.parametrize("kind", ["GPT2LMHeadModel", "GPT2ForSequenceClassification"])
def test_state_dicts_go_there_and_back_through_a_file(kind, tmp_path):
    reward = kind.endswith("Classification")
    theirs = hugging_face(kind, **({"num_labels": 1} if reward else {}))
    read, write = (
        (reward_from_transformers, reward_to_transformers) if reward
        else (from_transformers, to_transformers)
    )  # fmt: skip
    save(tmp_path / "model.safetensors", write(read(theirs.state_dict(), n_head=4)))
    state = load(tmp_path / "model.safetensors")
    back = theirs.load_state_dict(state, strict=True)
    assert not back.missing_keys + back.unexpected_keys
    fresh = hugging_face(kind, **({"num_labels": 1} if reward else {}))
    for name, tensor in fresh.state_dict().items():
        assert torch.equal(state[name], tensor), name


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_the_size_of_transformers(name):
    import transformers

    c = PRESETS[name]
    config = transformers.GPT2Config(
        vocab_size=c.vocab_size, n_positions=c.n_positions, n_embd=c.n_embd, n_layer=c.n_layer,
        n_head=c.n_head, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    with torch.device("meta"):
        theirs = transformers.GPT2Model(config)
    assert sum(p.numel() for p in theirs.parameters()) == count_parameters(c)


def stub(**more):
    """Return what trl's trainers ask of themselves in a loss, without data sets or devices."""
    same = types.SimpleNamespace(gather=lambda x: x, gather_for_metrics=lambda x: x, device="cpu")
    return types.SimpleNamespace(
        model=torch.nn.Linear(1, 1), accelerator=same, _total_train_tokens=0, _tp_size=1,
        _metrics=collections.defaultdict(lambda: collections.defaultdict(list)), **more,
    )  # fmt: skip


@pytest.mark.parametrize("margin", [None, 0.7])
def test_the_preference_loss_is_trls(margin):
    from trl import RewardTrainer

    rewards = torch.randn(10, 1, generator=torch.Generator().manual_seed(0), requires_grad=True)
    inputs = {"attention_mask": torch.ones(10, 3)}
    if margin is not None:
        inputs["margin"] = torch.full((5,), margin)
    trainer = stub(args=types.SimpleNamespace(center_rewards_coefficient=None))
    model = lambda **_: types.SimpleNamespace(logits=rewards)  # noqa: E731
    want = RewardTrainer.compute_loss(trainer, model, inputs)
    chosen, rejected = rewards[:, 0].chunk(2)
    got = preference_loss(chosen, rejected, margin or 0.0)
    torch.testing.assert_close(got, want)
    grads = [torch.autograd.grad(loss, rewards)[0] for loss in (got, want)]
    torch.testing.assert_close(*grads)
    if margin is None:  # pairs are rankings of two
        ranks = torch.tensor([[0, 1]]).expand(5, 2)
        torch.testing.assert_close(ranking_loss(torch.stack([chosen, rejected], 1), ranks), want)


def test_the_direct_loss_is_trls():
    from trl import DPOTrainer

    policy = from_transformers(hugging_face("GPT2LMHeadModel").state_dict(), n_head=4)
    reference = GPT(GPTConfig(**SIZES), torch.Generator().manual_seed(1)).double().eval()
    prompt, answers = ids(6, 5), ids(6, 4, seed=1)
    prompt[3:] = prompt[:3]  # chosen in the upper half, rejected in the lower
    whole = torch.cat([prompt, answers], 1)
    completion = torch.arange(9)[None].expand(6, 9) >= 5

    def as_trl_calls_it(model):
        def call(input_ids, labels, **_):
            log = model(input_ids)[:, :-1].log_softmax(-1)
            log = log.gather(-1, input_ids[:, 1:, None])[..., 0]
            outputs = types.SimpleNamespace(log_probs=log.masked_fill(labels[:, 1:] == -100, 0.0))
            # What their metrics ask for, and no loss does.
            outputs.entropy = outputs.mean_logits = torch.zeros_like(log)
            outputs.is_top1 = torch.zeros_like(log, dtype=torch.bool)
            return outputs

        return call

    trainer = stub(
        aux_loss_enabled=False, ld_alpha=None, precompute_ref_logps=False, beta=0.3,
        f_divergence_type="reverse_kl", loss_types=["sigmoid"], loss_weights=[1.0],
        use_weighting=False, label_smoothing=0.0, ref_model=as_trl_calls_it(reference),
        args=types.SimpleNamespace(gradient_checkpointing_kwargs=None),
    )  # fmt: skip
    trainer.model.is_gradient_checkpointing = False
    inputs = {"input_ids": whole, "completion_mask": completion.long(),
              "attention_mask": torch.ones_like(whole)}  # fmt: skip
    want = DPOTrainer._compute_loss(trainer, as_trl_calls_it(policy), inputs, False)
    got = dpo_loss(
        *token_log_probs(policy, prompt, answers).sum(-1).chunk(2),
        *token_log_probs(reference, prompt, answers).sum(-1).chunk(2), beta=0.3,
    )  # fmt: skip
    torch.testing.assert_close(got.double(), want, atol=1e-5, rtol=1e-5)


def test_the_prompts_mask_is_trls_and_transformers():
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    theirs = hugging_face("GPT2LMHeadModel")
    ours = from_transformers(theirs.state_dict(), n_head=4)
    rows = [(3, ids(8, seed=1).tolist()), (1, ids(5, seed=2).tolist())]
    collate = DataCollatorForLanguageModeling(pad_token_id=36)
    batch = collate([
        {"input_ids": row, "labels": [-100] * n + row[n:]} for n, row in rows
    ])  # fmt: skip
    want = theirs(
        batch["input_ids"], attention_mask=batch["attention_mask"], labels=batch["labels"]
    ).loss
    prompt = torch.arange(8)[None] < torch.tensor([n for n, _ in rows])[:, None]
    got = sft_loss(ours(batch["input_ids"], batch["attention_mask"]), batch["input_ids"], prompt,
                   batch["attention_mask"])  # fmt: skip
    assert got.item() == pytest.approx(want.item(), abs=1e-5)


def broken(state, what):
    state = dict(state)
    if what == "missing":
        del state["transformer.h.1.ln_2.weight"]
    elif what == "extra":
        state["transformer.h.1.surprise"] = torch.ones(3)
    elif what == "shape":
        state["transformer.h.0.mlp.c_fc.weight"] = torch.ones(3, 3)
    elif what == "untied":
        state["lm_head.weight"] = state["lm_head.weight"] + 1
    return state


@pytest.mark.parametrize(("what", "message"), [
    ("missing", "state_dict has no 'h.1.ln_2.weight'"), ("extra", "1 tensors too many"),
    ("shape", r"must have shape \(96, 24\)"), ("untied", "lm_head.weight differs"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(what, message):
    state = hugging_face("GPT2LMHeadModel").state_dict()
    with pytest.raises(ValueError, match=message):
        from_transformers(broken(state, what), n_head=4)


def test_a_reward_model_of_several_labels_or_normalized_is_refused():
    state = hugging_face("GPT2ForSequenceClassification", num_labels=2).state_dict()
    with pytest.raises(ValueError, match="num_labels=1, got"):
        reward_from_transformers(state, n_head=4)
    with pytest.raises(ValueError, match=r"no 'score\.weight'"):
        reward_from_transformers(hugging_face("GPT2LMHeadModel").state_dict(), n_head=4)
    ours = reward_from_transformers(
        hugging_face("GPT2ForSequenceClassification", num_labels=1).state_dict(), n_head=4
    )
    ours.normalize(torch.tensor([1.0, 2.0]))
    with pytest.raises(ValueError, match="no place for a normalization"):
        reward_to_transformers(ours)
