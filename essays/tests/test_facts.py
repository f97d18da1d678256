"""The essays print what the data and the packages give, and no number without a source."""

import csv
import math
import re

import pytest

from lessons.essays import facts
from lessons.papers import bibliography

ESSAYS = ("introduction", "compute")
ASSAULTS = "optimization & regularization", "data", "architecture", "compute", "size"


def text(essay):
    """Return an essay's source with single spaces."""
    return " ".join((facts.ESSAYS / f"{essay}.md").read_text(encoding="utf-8").split())


def scientific(number):
    """Write a number as the essays do: 2.5 · 10¹²."""
    power = math.floor(math.log10(number))
    digits = str(power).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{number / 10**power:.1f} · 10{digits}"


def in_words(number):
    """Write a small number in words."""
    tens = "twenty", "thirty"
    units = (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen"
    ).split()
    if number < 20:
        return units[number]
    return tens[number // 10 - 2] + (f"-{units[number % 10]}" if number % 10 else "")


def introduction():
    """Return every computed passage of the introduction."""
    found = facts.papers()
    lags = [paper.lag for paper in found]
    recent = [paper for paper in found if paper.year >= 2010]
    since = sum(paper.forerunner_year >= 2010 for paper in recent)
    before = sum(paper.forerunner_year < 2000 for paper in recent)
    lenet = float(facts.row("models", "LeNet-5")["training_compute_flop"])
    plain, residual = facts.training_errors("plain", 44), facts.training_errors("residual", 44)
    agree, kappa = facts.agreement()
    seen, pairs, chance, _ = facts.company("constraint")
    seen2, _, chance2, _ = facts.company("catalogue")
    dated, age = facts.reference_age()
    ngrams = "Stupid-backoff 5-gram LM (not neural)"
    early, late = facts.with_compute(before=2010), facts.with_compute(since=2010)
    fewer = facts.with_compute(before=2010, without=ngrams)
    counts = [sum(getattr(p, c) == "compute" for p in found) for c in ("constraint", "catalogue")]
    years = {paper.slug: paper.lag for paper in found}
    return [
        f"which makes {scientific(lenet)} operations at the most",
        f"between {min(plain):.0%} and {max(plain):.0%} of its training digits wrong",
        f"Now at most {max(residual):.1%} were wrong",
        f"The median reach is {in_words(round(sorted(lags)[len(lags) // 2]))} years",
        f"{in_words(sum(lag < 10 for lag in lags)).capitalize()} papers pick up something less "
        f"than ten years old, {in_words(sum(lag <= 3 for lag in lags))} of them something of the "
        "last three years",
        f"{in_words(sum(lag >= 15 for lag in lags)).capitalize()} reach back fifteen years or more",
        f"our shelf shows {in_words(sum(lag >= 15 for lag in lags))} ideas",
        f"{in_words(years['mixture-of-experts']).capitalize()} years later the gate was taken down",
        f"what it names first is {years['clip']} years older",
        f"Of the {in_words(len(recent))} papers since 2010, {in_words(since)} name a forerunner "
        f"from 2010 or later and {in_words(before)} one from before 2000. "
        f"{in_words(len(recent) - since - before).capitalize()} name one from the ten years",
        f"double every {facts.doubling_time(early):.0f} months until 2009, or every "
        f"{facts.doubling_time(fewer):.0f} without",
        f"on {in_words(len(early))} systems in all",
        f"double every {facts.doubling_time(late):.1f} months, over {len(late)} systems",
        f"Of the {pairs} pairs of papers that appeared within a year of each other, {seen} share a "
        f"constraint by our coding; when the labels are shuffled, {chance:.1f} do on average",
        f"By the second coding it is {seen2} against {chance2:.1f}",
        f"They agree on {agree} papers of {len(found)}; allowing for chance, Cohen's κ is "
        f"{kappa:.2f}",
        f"finds attacked in {in_words(counts[0])} papers and the other in {in_words(counts[1])}",
        f"The median reference in these papers is {in_words(round(age))} years old ({dated} of",
        "340,908 connections, 60,000 digits, ten to twenty passes",
    ]


def compute():
    """Return every computed passage of the essay on compute."""
    llama, since_gpt3 = facts.growth("Llama 3.1"), facts.growth("Llama 3.1", "GPT-3")
    total = llama["flop"]
    part = facts.shares("Llama 3.1")
    gpt3, later = facts.shares("GPT-3"), facts.shares("Llama 3.1", "GPT-3")
    money = {k: facts.share(v, total) for k, v in facts.by_money().items()}
    silicon = facts.by_silicon()
    dollar = facts.per_dollar("H100 SXM 80GB") / facts.per_dollar("GTX 580 3GB")
    games = facts.per_dollar("RTX 4090") / facts.per_dollar("GTX 580 3GB")
    k20 = facts.per_dollar("GTX 580 3GB") / facts.per_dollar("Tesla K20X")
    yearly = 2 ** (12 / facts.doubling_time(facts.with_compute(since=2010)))
    used = [facts.account(system.label)["utilization"] for system in facts.SYSTEMS]
    months = 12 * (
        facts.date(facts.row("models", "Llama 3.1 405B"))
        - facts.date(facts.row("models", "AlexNet"))
    )
    plain = {depth: sum(facts.training_errors("plain", depth)) / 3 for depth in (8, 44)}
    operations = facts.residual_experiment(44) / facts.residual_experiment(8)
    devices = facts.devices()
    price = facts.row("hardware", "H100 SXM 80GB")["price_usd"]
    return [
        f"at {facts.row('hardware', 'GTX 580 3GB')['price_usd']} dollars",
        f"used up to {facts.account('Llama 3.1')['chips']:,.0f} cards, each of which had cost some "
        f"{int(price):,} dollars",
        f"The second run did {scientific(total)} times the arithmetic",
        f"the chips multiplied by {llama['chips']:,.0f}, which is {part['chips']:.0%} of the "
        f"logarithm; the rate by {llama['rate']:.0f}, or {part['rate']:.0%}; the days by "
        f"{llama['days']:.0f}, or {part['days']:.0%}; the utilization by "
        f"{llama['utilization']:.1f}, or {part['utilization']:.0%}",
        f"over twelve years and {llama['chips']:,.0f} times as many chips",
        f"the training takes {scientific(facts.transformer_training('base'))} and "
        f"{scientific(facts.transformer_training('big'))}",
        f"{facts.resnet_multiply_adds() / 1e9:.1f} billion of them, hence "
        f"{2 * facts.resnet_multiply_adds() / 1e9:.0f} billion operations",
        f"Against {scientific(total)} it is bearable, since a factor of three is "
        f"{facts.share(3, total):.0%}",
        f"a GTX 580 that became {llama['rate']:.0f} times as fast; it is another object, with a "
        f"price {facts.chip_ratio('price_usd'):.0f} times as high. For a dollar the rate rose only "
        f"{dollar:.1f}-fold in twelve years, which is a doubling every "
        f"{facts.doubling_years(dollar, 'H100 SXM 80GB'):.1f} years",
        f"make {money['chips'] + money['price'] + money['days']:.0%} of the growth. What a dollar "
        f"buys makes {money['per dollar']:.0%}",
        f"cost {k20:.1f} times as much for the same rate, and counted from there the dollar's "
        f"share would be {facts.share(k20 * dollar, total):.0%}",
        f"gives {games:.0f} times as much for a dollar as that of 2010: a doubling every "
        f"{facts.doubling_years(games, 'RTX 4090'):.1f} years",
        f"for every dollar the games card does {games / dollar:.1f} times what the H100 does",
        f"{facts.account('Llama 3.1')['chips'] - 1:,.0f} others",
        f"compute has grown {yearly:.1f}-fold a year since 2010, so that by their figure money "
        f"makes {facts.share(2.4, yearly):.0%} of the growth. That is less than our "
        f"{money['chips'] + money['price'] + money['days']:.0%}",
        f"has {silicon['transistors']:.0f} times the transistors of the GTX 580, a doubling every "
        f"{facts.doubling_years(silicon['transistors'], 'H100 SXM 80GB'):.1f} years, and that is "
        f"{facts.share(silicon['transistors'], total):.0%} of the growth",
        f"32 bits wide, it is only {facts.chip_ratio('fp32_flops'):.0f} times as fast. The "
        f"remaining factor of {silicon['matrix units']:.0f} comes from 16 bits",
        f"AlexNet got {used[0]:.0%} of the peak out of its two cards. Llama 3.1 got {used[-1]:.0%} "
        f"out of {facts.account('Llama 3.1')['chips']:,.0f}",
        f"the {in_words(len(used))} accounts in the figure lie between {min(used):.0%} and "
        f"{max(used):.0%}",
        f"compute grew {since_gpt3['flop']:.0f}-fold, and there the chip's rate makes "
        f"{later['rate']:.0%}, days {later['days']:.0%}, utilization {later['utilization']:.0%}, "
        f"and the number of chips only {later['chips']:.0%}",
        f"the product of chips and days, {later['chips'] + later['days']:.0%}",
        f"Between AlexNet and GPT-3 the chips alone made {gpt3['chips']:.0%}",
        f"ideas were worth a factor of {2 ** (months / 8) / 1e5:.0f} · 10⁵",
        f"takes {operations:.1f} times the operations of one of 8 and [ends with {plain[44]:.1%}]",
        f"of its training digits wrong in place of {plain[8]:.1%}",
        f"of the {len(devices)} papers here that ran on a known number of GPUs or TPUs, "
        f"{in_words(sum(n <= 8 for n in devices.values()))} used eight or fewer, and attention was "
        f"found on {in_words(devices['attention'])}",
    ]


PASSAGES = {"introduction": introduction, "compute": compute}


@pytest.mark.parametrize("essay", ESSAYS)
def test_the_essay_prints_what_is_computed(essay):
    printed = text(essay)
    assert [passage for passage in PASSAGES[essay]() if passage not in printed] == []


@pytest.mark.parametrize("essay", ESSAYS)
def test_every_number_has_a_source_or_a_computation(essay):
    """A sentence with a number has a link to its source, or is one that is computed above."""
    printed = re.sub(r"!\[[^]]*\]\([^)]*\)", "", text(essay))
    computed = PASSAGES[essay]()
    bare = []
    for sentence in re.split(r"(?<=[.:;?])\s+(?=[A-Z*(“\"])", printed):
        words = re.sub(r"\]\([^)]*\)", "]", sentence)
        # Names and years are no claims: GPT-3, Llama 3.1, 1998, the 1990s, the heading's number.
        words = re.sub(r"[A-Z][\w-]*[ -]\d[\w.]*|#+ [\d.]+|\b(?:19|20)\d\ds?\b|\b36\b", "", words)
        linked = re.search(r"\]\((?!figures)", sentence)
        known = any(re.search(r"\d", p) and _overlap(p, sentence) for p in computed)
        if re.search(r"\d", words) and not linked and not known:
            bare.append(sentence)
    assert bare == []


def _overlap(passage, sentence):
    """Say whether a sentence and a computed passage share their text."""
    return (
        passage in sentence
        or sentence in passage
        or any(
            piece in sentence and re.search(r"\d", piece)
            for piece in re.split(r"(?<=[.:;])\s+(?=[A-Z])", passage)
        )
    )


@pytest.mark.parametrize("essay", ESSAYS)
def test_the_essay_has_the_length_and_the_parts_of_its_genre(essay):
    source = (facts.ESSAYS / f"{essay}.md").read_text(encoding="utf-8")
    prose = re.sub(r"!\[[^]]*\]\([^)]*\)|\]\([^)]*\)", "", source)
    assert 1_500 <= len(prose.split()) <= 2_500
    for heading in ("## The best objection", "## What would change our mind"):
        assert heading in source
    assert f"](figures/{'queue' if essay == 'introduction' else 'compute'}.svg)" in source


def test_parts_of_a_growth_multiply_to_it_and_their_shares_sum_to_one():
    for system in facts.SYSTEMS[1:]:
        factors = facts.growth(system.label)
        assert math.prod(factors[p] for p in facts.PARTS) == pytest.approx(factors["flop"])
        assert sum(facts.shares(system.label).values()) == pytest.approx(1)
    for cut in (facts.by_money(), facts.by_silicon()):
        assert math.prod(cut.values()) == pytest.approx(facts.growth("Llama 3.1")["flop"])


def test_doubling_time_of_an_exact_exponential():
    rows = [
        {"year": str(2000 + i), "month": "06", "training_compute_flop": str(2.0 ** (2 * i))}
        for i in range(5)
    ]
    assert facts.doubling_time(rows) == pytest.approx(6)


def test_agreement_allows_for_chance(monkeypatch):
    def paper(ours, theirs):
        return facts.Paper("s", "T", 2000, ours, theirs, "f", 1990)

    monkeypatch.setattr(facts, "papers", lambda: [paper("a", "a"), paper("b", "b")] * 5)
    assert facts.agreement() == (10, 1.0)
    chance = [paper("a", "a"), paper("a", "b"), paper("b", "a"), paper("b", "b")]
    monkeypatch.setattr(facts, "papers", lambda: chance)
    assert facts.agreement() == (2, 0.0)


def test_company_tells_a_succession_from_a_shuffle(monkeypatch):
    labels = ["a"] * 8 + ["b"] * 8
    row = [
        facts.Paper("s", "T", 2000 + i, label, "ab"[i % 2], "f", 1990)
        for i, label in enumerate(labels)
    ]
    monkeypatch.setattr(facts, "papers", lambda: row)
    seen, pairs, chance, luck = facts.company("constraint", shuffles=500)
    assert (seen, pairs) == (14, 15)
    assert chance == pytest.approx(7, abs=0.5)
    assert luck < 0.01
    assert facts.company("catalogue", shuffles=500)[3] == 1.0


def test_the_queue_has_the_36_in_terms_of_the_catalogue_and_its_sources_exist():
    records = bibliography.load(facts.REPOSITORY)
    assert len(facts.papers()) == 36
    for paper in facts.papers():
        entry = facts.row("queue", paper.slug)
        assert records[entry["named_by"]].fields.get("package") == paper.slug or paper.slug == "cnn"
        assert re.match(r"§|pp?\.", entry["where"]), paper.slug
        assert 0 < paper.lag < 100
        assert paper.constraint in (*ASSAULTS, "compute efficiency")


@pytest.mark.parametrize("name", ["queue", "models", "hardware", "reference_ages"])
def test_tables_are_whole(name):
    with open(facts.ESSAYS / "data" / f"{name}.csv", newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert len({row[0] for row in rows}) == len(rows) > 0
    assert all(len(row) == len(header) for row in rows)
    for column in ("source_url", "source_title"):
        if column in header:
            assert all(row[header.index(column)] for row in rows)


def test_models_quote_the_counts_of_our_packages():
    for name, preset in (("Transformer (base)", "base"), ("Transformer (big)", "big")):
        quoted = float(facts.row("models", name)["training_compute_flop"])
        assert quoted == pytest.approx(facts.transformer_training(preset), rel=0.01)
    steps_of = 1.28e6 * 120  # pictures seen
    residual = float(facts.row("models", "ResNet-152")["training_compute_flop"])
    assert residual == pytest.approx(6 * facts.resnet_multiply_adds() * steps_of, rel=0.03)


def test_depth_is_cured_but_does_not_pay_on_digits():
    assert facts.residual_claim("C2a")["verdict"] == "holds"
    runs = facts.residual_claim("C1")["numbers"]["residual"]
    losses = {depth: [run["train_loss"] for run in of] for depth, of in runs.items()}
    errors = {depth: [run["test_error"] for run in of] for depth, of in runs.items()}
    for values in losses, errors:
        assert sum(values["44"]) >= sum(values["20"])
