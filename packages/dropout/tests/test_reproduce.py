"""Every claim's experiment runs and decides, at its smallest size, and resumes where it was killed.

The same in every package: copied from the template under papers/, never edited in the package.
"""

import importlib
import json
import tomllib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1]
MODULE = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]["name"]
MODULE = MODULE.replace("lessons-", "lessons.").replace("-", "_")
claims = importlib.import_module(f"{MODULE}.claims")
CLAIMS = importlib.import_module(f"{MODULE}.reproduce").CLAIMS


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Judge all claims once, at the smallest scale."""
    run = claims.Run(tmp_path_factory.mktemp("undisturbed"), scale="test")
    for claim in CLAIMS:
        run.judge(claim)
    return run


@pytest.mark.parametrize("claim", CLAIMS, ids=[claim.id for claim in CLAIMS])
def test_the_experiment_decides_and_draws(claim, undisturbed):
    records = {
        r["id"]: r for r in json.loads((undisturbed.out / "claims.json").read_text())["claims"]
    }
    record = records[claim.id]
    assert record["verdict"] in claims.VERDICTS
    assert record["ran"]
    assert any(character.isdigit() for character in record["measured"]), "a result has numbers"
    if claim.draw:
        svg = (undisturbed.out / record["figure"]).read_text()
        assert "<text" in svg, "text in a figure is text"


def test_claims_have_their_own_ids():
    ids = [claim.id for claim in CLAIMS]
    assert len(set(ids)) == len(ids)


def test_a_killed_run_resumes_with_the_same_numbers(undisturbed, tmp_path):
    # Half of the trials are on disk, no claim is: as after a kill.
    trials = (
        json.loads((undisturbed.out / "trials.json").read_text()) if undisturbed.trials else None
    )
    if trials:
        kept = list(trials["trials"])[::2]
        trials["trials"] = {key: trials["trials"][key] for key in kept}
        (tmp_path / "trials.json").write_text(json.dumps(trials))
    run = claims.Run(tmp_path, scale="test")
    for claim in CLAIMS:
        again, before = run.judge(claim), undisturbed.records[claim.id]
        assert again["numbers"] == before["numbers"], claim.id


def test_another_seed_does_not_mix_with_what_is_there(undisturbed):
    with pytest.raises(ValueError, match="--fresh"):
        claims.Run(undisturbed.out, scale="test", seed=1)
