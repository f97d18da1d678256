"""The rooms of a package, and how its claims are told: every breach is named."""

import pytest

from lessons.papers import claims, house, topics, verdicts
from lessons.papers.topics import Topic

TOPIC = Topic("demo", 1, "Demo", "Demos", 1986, "data", ("key",))
SOURCE = "src/lessons/demo"
SVG = "<svg xmlns='http://www.w3.org/2000/svg'><text>a</text></svg>"
CLAIM = {
    "id": "C1", "kind": "claim", "source": "§1", "says": "Ours ends lower than theirs.",
    "quotes": "usually it reaches a lower loss", "asks": "The loss.", "holds_if": "it is below 0",
    "fails_if": "it is above", "paper": "0.1 against 0.2 nats", "full_only": False, "draws": False,
}  # fmt: skip
RECORD = {key: value for key, value in CLAIM.items() if key != "draws"} | {
    "verdict": "holds", "ours": "−0.25 ± 0.12 nats", "ran": "5 seeds", "measured": "0.1",
    "between": "", "would_decide": "", "seconds": 1.0, "machine": "m", "figure": None,
}  # fmt: skip


def write(package, file, text=""):
    path = package / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def package(tmp_path):
    """A package of the files that every package has."""
    package = tmp_path / "demo"
    for file in ("pyproject.toml", "README.md", "CLAIMS.md", "ANSWERS.md", "LICENSE", "paper.pdf",
                 f"{SOURCE}/__init__.py", f"{SOURCE}/py.typed", f"{SOURCE}/model-small.safetensors",
                 f"{SOURCE}/claims/committed.json", "tests/conftest.py", "tests/test_step.py",
                 "benchmarks/bench_demo.py", "results/claims.json", "results/trials.json",
                 "src/lessons/demo/__pycache__/step.pyc", ".pytest_cache/x", "dist/x.whl",
                 "src/lessons_demo.egg-info/PKG-INFO"):  # fmt: skip
        write(package, file)
    write(package, "results/C1.svg", SVG)
    write(package, f"{SOURCE}/step.py", "from . import other\nfrom .other import claims\n")
    write(package, f"{SOURCE}/__main__.py", "from .lab.runner import main\n")
    write(
        package, f"{SOURCE}/claims/__init__.py", "from ..lab.claim import x\nfrom ..step import y"
    )
    write(package, f"{SOURCE}/lab/runner.py", "from .. import claims\nfrom . import run\n")
    write(
        package, f"{SOURCE}/lab/run.py", "from .claim import Claim\nfrom lessons.demo.lab import x"
    )
    return package


def found(package, shown=("results/C1.svg",)):
    return [f"{file}: {what}" for file, what in house.problems(package, TOPIC, set(shown))]


def test_a_package_in_order_has_nothing_to_say(package):
    assert found(package) == []


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("NOTES.txt", "", "NOTES.txt: is none of the files"),
        ("tests/data.json", "", "tests/data.json: is none"),
        ("tests/more/test_step.py", "", "is none"),
        ("benchmarks/run.sh", "", "is none"),
        ("results/C9.svg", SVG, "results/C9.svg: is none"),
        ("results/log.txt", "", "is none"),
        (f"{SOURCE}/vocabulary.json", "", "is none"),
        (f"{SOURCE}/claims/notes.md", "", "is none"),
        (f"{SOURCE}/reproduce.py", "", "belongs into claims/"),
        (f"{SOURCE}/mnist.py", "", "belongs into lab/"),
        (f"{SOURCE}/ladder.py", "", "belongs into essays/"),
        (f"{SOURCE}/lab/extra.py", "", "is not the template's"),
        (f"{SOURCE}/claims/long.py", "x = 1\n" * 301, "301 lines; an experiment has at most 300"),
        (f"{SOURCE}/other.py", "\nfrom .claims import CLAIMS\n", "line 2: the paper must know"),
        (f"{SOURCE}/other.py", "from .lab.statistics import paired\n", "the paper must know"),
        (f"{SOURCE}/other.py", "import lessons.demo.lab.run\n", "the paper must know"),
        (f"{SOURCE}/parts/other.py", "from ..lab import run\n", "the paper must know"),
        (f"{SOURCE}/other.py", "def f():\n    from . import claims\n", "line 2: the paper must"),
        (f"{SOURCE}/lab/run.py", "from ..step import step\n", "line 1: the lab must know neither"),
        (f"{SOURCE}/lab/run.py", "from .. import claims\n", "the lab must know neither"),
        (f"{SOURCE}/lab/runner.py", "from .. import step\n", "the lab must know neither"),
        ("idea.svg", SVG.replace("</text>", ""), "idea.svg: is not well-formed XML"),
        ("results/C1.svg", "<svg>a & b</svg>", "results/C1.svg: is not well-formed XML"),
    ],
)
def test_a_breach_of_the_house_is_named(package, file, text, complaint):
    write(package, file, text)
    assert any(complaint in line for line in found(package)), found(package)


def test_a_model_that_ships_is_small(package, monkeypatch):
    monkeypatch.setattr(house, "LARGEST", 10)
    write(package, f"{SOURCE}/model-small.safetensors", "x" * 11)
    assert found(package) == [
        f"{SOURCE}/model-small.safetensors: has 11 bytes; at most 10 are kept in git"
    ]


def test_pictures_are_those_of_texts_and_results():
    texts = ["![a b c](results/run.svg)", '<img src="cell.svg" alt="x">']
    assert house.pictures(texts, ["C1.svg", "None"]) >= {
        "results/run.svg",
        "cell.svg",
        "results/C1.svg",
    }


def said(claim=CLAIM, record=RECORD, earlier=False):
    """Return what is wrong with a claim and its record."""
    return [*verdicts.wording(claim, earlier), *verdicts.judged(claim, record, earlier)]


def test_a_claim_as_agreed_has_nothing_to_say():
    assert said() == []
    interval = "1.42 [1.30, 1.55] times, −0.1 [−0.2, 0.05]"
    assert said(record=RECORD | {"ours": interval}) == []


WORD = "word "


@pytest.mark.parametrize(
    ("claim", "record", "complaint"),
    [
        ({"says": WORD * 16}, {}, "says has 16 words; a cell of the table has at most 15"),
        ({"paper": WORD * 16}, {}, "paper has 16 words"),
        ({}, {"ours": WORD * 16}, "ours has 16 words"),
        ({}, {"ours": "[730, 730, 730]"}, "ours reads like a program's output: '['"),
        ({}, {"ours": "0.2 ± 2e-05"}, "'2e-0'"),
        ({}, {"ours": "None of 5"}, "'None'"),
        ({}, {"ours": "0.2, 3 seed(s)"}, "'(s)'"),
        ({"says": "The gate f[t] opens."}, {}, "says reads like"),
        ({}, {"ours": ""}, "ours is empty"),
        ({"says": ""}, {}, "says nothing"),
        ({"quotes": WORD * 31}, {}, "quotes 31 words; at most 30"),
        ({"quotes": ""}, {}, "quotes nothing of the paper"),
        ({"holds_if": ""}, {}, "holds_if is empty"),
        ({"fails_if": ""}, {}, "fails_if is empty"),
        ({"asks": ""}, {}, "asks is empty"),
        ({"id": "claim1"}, {}, "an id is C1"),
        ({}, {"holds_if": "it is below 1"}, "holds_if differs from the claim's"),
        ({}, {"says": "Theirs ends lower."}, "says differs from the claim's"),
        ({}, {"verdict": "true"}, "the verdict is 'true'"),
        ({}, {"verdict": None}, "the verdict is None"),
        ({}, {"verdict": "not seen at this scale"}, "does not say what stands between"),
        ({}, {"verdict": "undecided"}, "does not say what would decide"),
        ({}, {"measured": "lower"}, "has no number in what was measured"),
        ({"id": "D1", "kind": "demonstration"}, {}, "got 'holds' for this demonstration"),
        ({"id": "E1", "kind": "erratum"}, {}, "only claims have a verdict"),
        ({"id": "E1", "kind": "erratum", "quotes": ""}, {"verdict": None}, "quotes nothing"),
    ],
)
def test_a_breach_of_a_claims_form_is_named(claim, record, complaint):
    claim = CLAIM | claim
    words = {key: value for key, value in claim.items() if key != "draws"}
    lines = said(claim, RECORD | words | record)
    assert any(complaint in line for line in lines), lines


def test_demonstrations_need_no_quotation_and_no_rule():
    bare = {"id": "D1", "kind": "demonstration", "quotes": "", "holds_if": "", "fails_if": ""}
    assert said(CLAIM | bare, RECORD | bare | {"verdict": None}) == []


def test_what_awaits_judgement_may_be_told_as_it_was():
    old = {"says": "A long story.", "verdict": "holds", "measured": "0.1", "source": "§1"}
    bare = CLAIM | {"quotes": "", "holds_if": "", "fails_if": "", "paper": ""}
    assert said(bare, old, earlier=True) == []
    assert "says has 16 words" in said(bare | {"says": WORD * 16}, old, earlier=True)[0]


@pytest.mark.parametrize(
    ("undecided", "of", "fails"), [(1, 4, False), (2, 20, True), (2, 21, False)]
)
def test_one_verdict_in_twenty_may_be_undecided(tmp_path, monkeypatch, undecided, of, fails):
    words = [CLAIM | {"id": f"C{n}"} for n in range(1, of + 1)]
    given = ["undecided"] * undecided + ["holds"] * (of - undecided)
    records = [
        RECORD | {"id": claim["id"], "verdict": verdict, "would_decide": "20 seeds"}
        for claim, verdict in zip(words, given)
    ]
    content = {"run": "full, seed 0, cpu", "claims": records}
    monkeypatch.setattr(claims, "results", lambda package: content)
    lines = [what for _, what in verdicts.problems(tmp_path / "demo", words, earlier=False)]
    assert lines == (
        [f"{undecided} of {of} verdicts are undecided; at most one in 20 may be"] if fails else []
    )


def test_an_id_that_is_there_twice_is_named(tmp_path):
    lines = [what for _, what in verdicts.problems(tmp_path, [CLAIM, CLAIM], earlier=False)]
    assert lines == ["C1 is there twice"]


def test_size_is_what_the_paper_needs_and_no_lab(package, tmp_path):
    (tmp_path / "packages").mkdir()
    package.rename(tmp_path / "packages" / "demo")
    package = tmp_path / "packages" / "demo"
    write(package, "results/claims.json", '{"claims": [{"verdict": "holds"}, {"verdict": null}]}')
    state = topics.state(tmp_path, TOPIC)
    assert (state.holds, state.claims, state.lines) == (1, 1, 2 + 2), "step.py and claims/"
