"""Every claim's experiment runs and decides, at its smallest size, and resumes where it was killed.

The same in every package: copied from the template under papers/, never edited in the package.
"""

import importlib
import json
import re
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1]
PROJECT = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))
MODULE = PROJECT["project"]["name"].replace("lessons-", "lessons.").replace("-", "_")
REJUDGE = PROJECT["tool"]["lessons"].get("rejudge", False)  # older than the rules on wording
CLAIMS = importlib.import_module(f"{MODULE}.claims").CLAIMS
Run = importlib.import_module(f"{MODULE}.lab.run").Run
VERDICTS = importlib.import_module(f"{MODULE}.lab.statistics").VERDICTS


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A run at the smallest scale, which each test asks for the records that it needs."""
    return Run(tmp_path_factory.mktemp("undisturbed"), scale="test")


def record_of(claim, run):
    return run.records.get(claim.id) or run.judge(claim)


@pytest.mark.parametrize("claim", CLAIMS, ids=[claim.id for claim in CLAIMS])
def test_the_experiment_decides_and_draws(claim, undisturbed):
    record = record_of(claim, undisturbed)
    content = json.loads((undisturbed.out / "claims.json").read_text(encoding="utf-8"))
    assert record in content["claims"], "what was found is on disk"
    if claim.kind == "claim":
        assert record["verdict"] in VERDICTS
    else:
        assert record["verdict"] is None, "demonstrations and errata have no verdict"
    assert record["ran"]
    shown = [record["measured"]] if REJUDGE else [record["measured"], record["ours"]]
    for text in shown if claim.kind != "erratum" else ():  # the right value may be a formula
        assert re.search(r"\d", text), "a result has numbers"
    assert REJUDGE or 1 <= len(record["ours"].split()) <= 15
    if claim.draw:
        svg = (undisturbed.out / record["figure"]).read_text(encoding="utf-8")
        ET.fromstring(svg)
        assert "<text" in svg, "text in a figure is text"


def test_claims_have_their_own_ids():
    ids = [claim.id for claim in CLAIMS]
    assert len(set(ids)) == len(ids)


def test_a_killed_run_resumes_with_the_same_numbers(undisturbed, tmp_path):
    before = {claim.id: record_of(claim, undisturbed) for claim in CLAIMS}
    if undisturbed.trials:
        # Every second trial is on disk, no claim is: as after a kill.
        content = json.loads((undisturbed.out / "trials.json").read_text(encoding="utf-8"))
        kept = list(content["trials"])[::2]
        content["trials"] = {key: content["trials"][key] for key in kept}
        (tmp_path / "trials.json").write_text(json.dumps(content), encoding="utf-8")
    run = Run(tmp_path, scale="test")
    for claim in CLAIMS:
        assert run.judge(claim)["numbers"] == before[claim.id]["numbers"], claim.id


def test_another_seed_does_not_mix_with_what_is_there(undisturbed):
    record_of(CLAIMS[0], undisturbed)
    with pytest.raises(ValueError, match="--fresh"):
        Run(undisturbed.out, scale="test", seed=1)
