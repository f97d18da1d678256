"""D3: the vectors that the package ships, from texts that are free; and the papers' picture."""

from typing import Any

import torch

from ..evaluation import read_questions
from ..lab.claim import Finding, demonstration
from ..lab.figures import BLUE, MUTED, RED
from ..lab.run import Run
from ..training import Word2Vec
from ..vectors import KeyedVectors
from ..weights import SHIPPED, load_vectors, save_vectors
from . import corpus, entities
from .world import reading, real

WORDS, DIM, EPOCHS = 9_000, 100, 10
COUNTRIES = {
    "china": "beijing", "japan": "tokyo", "france": "paris", "russia": "moscow",
    "germany": "berlin", "italy": "rome", "spain": "madrid", "greece": "athens",
    "turkey": "ankara", "poland": "warsaw", "portugal": "lisbon",
}  # fmt: skip
LISTS = ("wordsim353.tsv", "simlex999.txt")  # beside the list of questions, if they are there
ASKED = (("paris", "france", "italy"), ("king", "man", "woman"), ("father", "man", "woman"))


def train(run: Run, seed: int) -> dict[str, Any]:
    """Train vectors on the free texts, keep them, and return what they answer."""
    if real(run):
        vocab, *text = reading(corpus.read(run, () if run.scale == "paper" else corpus.FREE), WORDS)
        model = Word2Vec(
            vector_size=DIM, window=8, negative=10, sample=1e-4, alpha=0.05, epochs=EPOCHS,
            seed=seed,
        ).build_vocab(vocab, run.device)  # fmt: skip
        vectors = model.train(text=(text[0], text[1]), track=run.track).wv
    else:
        model = Word2Vec(vector_size=8, epochs=1, min_count=1, seed=seed)
        vectors = model.fit(entities.text(300), run.device, run.track).wv
    # Beside the results: whoever ships it copies it into the package by hand.
    path = run.out / SHIPPED.name
    save_vectors(path, vectors)
    return examined(run, load_vectors(path))


def examined(run: Run, vectors: KeyedVectors) -> dict[str, Any]:
    """Return what vectors answer: questions, and where countries and capitals lie."""
    pairs = [(a, b) for a, b in COUNTRIES.items() if a in vectors and b in vectors]
    if not pairs:  # the made-up world of a test
        made = [(f"country{i}", f"capital{i}") for i in range(entities.TOPICS)]
        pairs = [pair for pair in made if all(word in vectors for word in pair)][:8]
    rows = torch.stack([vectors.unit[vectors.index[w]] for pair in pairs for w in pair])
    centred = rows - rows.mean(0)
    plane = centred @ torch.linalg.svd(centred, full_matrices=False).Vh[:2].T
    found: dict[str, Any] = {
        "words": len(vectors),
        "places": [[w, *xy] for w, xy in zip([w for p in pairs for w in p], plane.tolist())],
        "answers": {
            f"{a} − {b} + {c}": vectors.most_similar([a, c], b, topn=3)
            for a, b, c in ASKED
            if a in vectors and b in vectors and c in vectors
        },
    }
    if real(run):
        path = corpus.questions_file(run)
        share, sections = vectors.evaluate_word_analogies(path)
        asked = {s.name: len(s.correct) + len(s.incorrect) for s in sections}
        lists = {name: path.with_name(name) for name in LISTS if path.with_name(name).is_file()}
        found |= {
            "similarity": {name: vectors.evaluate_word_pairs(p) for name, p in lists.items()},
            "percent": 100 * share,
            "asked": sum(asked.values()),
            "sections": {s.name: [100 * s.accuracy, asked[s.name]] for s in sections},
            "list": sum(len(questions) for _, questions in read_questions(path)),
        }
    return found


def draw(figure, numbers) -> None:
    """Draw countries and capitals in the plane of their largest variance, a line a pair."""
    figure.set_size_inches(6.4, 4.6)
    axes = figure.subplots()
    places = numbers["places"]
    for (a, ax, ay), (b, bx, by) in zip(places[::2], places[1::2]):
        axes.plot([ax, bx], [ay, by], ":", color=MUTED, lw=1)
        axes.plot(ax, ay, "o", color=BLUE, ms=4)
        axes.plot(bx, by, "o", color=RED, ms=4)
        for word, x, y in ((a, ax, ay), (b, bx, by)):
            axes.annotate(word.capitalize(), (x, y), (4, 3), textcoords="offset points", size=8)
    axes.grid(visible=False)
    axes.set(xticks=[], yticks=[], xlabel="first principal component", ylabel="second")


@demonstration(
    "D3",
    "The vectors in the package, trained on free texts, answer analogies.",
    draw,
    source="2013b, Fig. 2",
    asks="King James, Shakespeare, Austen, the World Factbook and LibreOffice's help: 9,000 words, "
    "100 dimensions, half precision. In the factbook we set the country's name before each fact; "
    "nearly all meetings of a country and its capital come from that. The default run examines the "
    "file that is shipped, a full run trains one. The picture is the papers' own: countries and "
    "capitals by their first two "
    "principal components.",
)
def vectors(run: Run) -> Finding:
    """Train the vectors, or take the shipped ones; ask them."""
    if run.scale == "default" and SHIPPED.is_file():
        found = examined(run, load_vectors())
    else:
        found = run.trial(train, seed=run.seed)
    first = {question: answers[0][0] for question, answers in found["answers"].items()}
    said = "; ".join(f"{question} = {word}" for question, word in first.items()) or "no questions"
    alike = "".join(
        f" Rank correlation with people, {name.partition('.')[0]}: {rho:.2f} ({n} pairs)."
        for name, (rho, n, _) in found.get("similarity", {}).items()
    )
    share = f"{found['percent']:.1f}% of {found['asked']:,} questions" if "percent" in found else ""
    return Finding(
        None,
        ours=share or f"{found['words']:,} words",
        ran=f"{found['words']:,} words. Windows of 8, 10 noise words, t = 10⁻⁴, {EPOCHS} passes, "
        "rate .05.",
        measured=f"{said}. {share or str(len(found['places'])) + ' places drawn'}.{alike}",
        numbers=found,
    )
