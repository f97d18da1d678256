"""What the claims stand on: pieces of words, known rewards, labellers' noise, the command."""

import io
import math

import pytest
import torch
from rich.console import Console

from lessons.instruct_gpt import RewardModel
from lessons.instruct_gpt.claims import shipped, steps, worlds, write
from lessons.instruct_gpt.claims.pieces import Pieces
from lessons.instruct_gpt.config import GPTConfig
from lessons.instruct_gpt.model import GPT

TEXT = "And he said unto them, Go. And they went unto him; and he said, Who art thou?\n" * 3


def test_pieces_give_the_text_back_and_merge_what_is_frequent():
    pieces = Pieces.learn(TEXT, 60)
    assert pieces.decode(pieces.encode(TEXT)) == TEXT
    assert " unto" in pieces.vocabulary
    assert len(set(pieces.vocabulary)) == len(pieces.vocabulary)
    assert len(pieces.encode(TEXT)) < len(TEXT) / 2
    assert Pieces.from_json(pieces.to_json()).encode(TEXT) == pieces.encode(TEXT)
    assert pieces.encode("Ω") == [0], "a letter that was never seen"


def test_a_negation_turns_a_word_and_the_sum_is_squashed():
    valence = {"good": 1.9, "bad": -2.5}
    assert worlds.compound(["good"], valence) == pytest.approx(1.9 / math.sqrt(1.9**2 + 15))
    assert worlds.compound("not a very good".split(), valence) < 0
    assert worlds.compound("not one of them is good".split(), valence) > 0, "too far away"
    assert worlds.compound("good bad".split(), valence) < 0
    assert worlds.compound([], valence) == 0


def test_made_up_text_is_the_same_each_time_and_rewards_both_ways():
    known = worlds.made_up(1_500)
    rewards = known.reward(known.windows(300, 12, torch.Generator().manual_seed(0)))
    assert rewards.min() < -0.3
    assert rewards.max() > 0.3
    assert known.words(known.train[:4].tolist())[0] in ("the", "a")


def test_labellers_agree_as_often_as_is_asked():
    utilities = torch.randn(4_000, 2, generator=torch.Generator().manual_seed(0))
    utilities[:800] = 0  # ties
    temperature = steps.temperature_for(utilities)
    from lessons.instruct_gpt import draw_ranks

    one, two = (
        draw_ranks(utilities, temperature, torch.Generator().manual_seed(i)) for i in (1, 2)
    )
    assert (one[:, 0] == two[:, 0]).float().mean().item() == pytest.approx(0.726, abs=0.03)
    with pytest.raises(ValueError, match="no noise lets labellers agree"):
        steps.temperature_for(torch.zeros(5, 3))


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="give their folder with --data"):
        worlds.content(None, "lexicon")
    with pytest.raises(FileNotFoundError, match=r"vader_lexicon\.txt is missing"):
        worlds.content(tmp_path, "lexicon")
    (tmp_path / "vader").mkdir()
    (tmp_path / "vader" / "vader_lexicon.txt").write_text("good\t1.9\n")
    with pytest.raises(ValueError, match="is another file: SHA-256"):
        worlds.content(tmp_path, "lexicon")


def test_the_command_shows_three_policies_and_says_what_is_missing(tmp_path):
    out = io.StringIO()
    console = Console(file=out, width=80)
    missing = tmp_path / "none.safetensors"
    assert write.main(["And he", "--model", str(missing)], console) == 1
    assert "trains them" in " ".join(out.getvalue().split())

    pieces, g = Pieces.learn(TEXT, 60), torch.Generator().manual_seed(0)
    config = GPTConfig(len(pieces.vocabulary), 40, 16, 1, 2)
    policies = {name: GPT(config, g) for name in shipped.POLICIES}
    made = shipped.Shipped(policies, RewardModel(GPT(config, g), g), pieces, 6)
    path = tmp_path / "model.safetensors"
    shipped.keep(made, path)
    assert write.main(["And he said", "--model", str(path)], console) == 0
    shown = out.getvalue()
    assert all(name in shown for name in shipped.POLICIES)
    again = shipped.go_on(shipped.recall(path), "And he said")
    assert again == shipped.go_on(shipped.recall(path), "And he said"), "the same seed, the same"
    assert again["SFT"][0][2] == pytest.approx(0, abs=1e-4), "SFT is its own reference"
    assert write.main(["Ω", "--model", str(path)], console) == 1
    path.write_bytes(b"nothing")
    assert write.main(["And", "--model", str(path)], console) == 1
