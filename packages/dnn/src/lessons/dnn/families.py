"""Two families of twelve: who is whose aunt (Hinton 1986; the letter in Nature, Fig. 2)."""

from typing import NamedTuple

import torch
from torch import Tensor

RELATIONS = (
    "father", "mother", "husband", "wife", "son", "daughter",
    "uncle", "aunt", "brother", "sister", "nephew", "niece",
)  # fmt: skip
# The same tree twice, the people in the same places. Husband, wife, and their children's places.
ENGLISH = (
    "Christopher", "Penelope", "Andrew", "Christine", "Margaret", "Arthur",
    "Victoria", "James", "Jennifer", "Charles", "Colin", "Charlotte",
)  # fmt: skip
ITALIAN = (
    "Roberto", "Maria", "Pierro", "Francesca", "Gina", "Emilio",
    "Lucia", "Marco", "Angela", "Tomaso", "Alfonso", "Sophia",
)  # fmt: skip
COUPLES = (
    (0, 1, (5, 6)), (2, 3, (7, 8)), (5, 4, ()), (7, 6, (10, 11)), (9, 8, ()),
)  # fmt: skip
MEN = {0, 2, 5, 7, 9, 10}
GENERATION = (1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3)


class FamilyTrees(NamedTuple):
    """Questions (104, 36), a person and a relation each; answers (104, 24); what is behind them."""

    inputs: Tensor
    truths: Tensor
    people: tuple[str, ...]
    triples: list[tuple[str, str, str]]  # Colin, aunt, Jennifer: Colin has the aunt Jennifer
    nationality: Tensor  # of the 24 people: 0 English, 1 Italian
    generation: Tensor  # 1, 2 or 3


def kin() -> list[tuple[int, str, int]]:
    """Return all relations in one tree: (place, relation, place of who stands in it)."""
    spouse = {a: b for man, woman, _ in COUPLES for a, b in ((man, woman), (woman, man))}
    parents = {child: (man, woman) for man, woman, children in COUPLES for child in children}
    siblings = {a: b for _, _, c in COUPLES if c for a, b in (c, c[::-1])}

    def sexed(other: int, male: str, female: str) -> tuple[str, int]:
        return (male if other in MEN else female), other

    found: set[tuple[int, str, int]] = set()
    for me in range(12):
        mine = [sexed(p, "father", "mother") for p in parents.get(me, ())]
        if me in spouse:
            mine.append(sexed(spouse[me], "husband", "wife"))
        couple = {me, spouse.get(me)}
        mine += [sexed(c, "son", "daughter") for c, p in parents.items() if couple & set(p)]
        if me in siblings:
            mine.append(sexed(siblings[me], "brother", "sister"))
        for parent in parents.get(me, ()):
            theirs = siblings.get(parent)
            for elder in (theirs, spouse.get(theirs)) if theirs is not None else ():
                if elder is not None:
                    mine.append(sexed(elder, "uncle", "aunt"))
                    found.add((elder, "nephew" if me in MEN else "niece", me))
        found |= {(me, relation, other) for relation, other in mine}
    return sorted(found, key=lambda t: (t[0], RELATIONS.index(t[1]), t[2]))


def family_trees() -> FamilyTrees:
    """Return 104 questions about 24 people, such as "whose is Colin's aunt?", and their answers.

    Some have two right answers, and then both outputs are to be on: 112 triples in all.
    """
    people, tree = ENGLISH + ITALIAN, kin()
    answers: dict[tuple[int, str], list[int]] = {}
    for family in (0, 12):
        for me, relation, other in tree:
            answers.setdefault((family + me, relation), []).append(family + other)
    inputs, truths = torch.zeros(len(answers), 36), torch.zeros(len(answers), 24)
    for row, ((me, relation), others) in enumerate(answers.items()):
        inputs[row, [me, 24 + RELATIONS.index(relation)]] = 1
        truths[row, others] = 1
    triples = [(people[me], r, people[o]) for (me, r), others in answers.items() for o in others]
    nationality = torch.tensor([0.0] * 12 + [1.0] * 12)
    return FamilyTrees(inputs, truths, people, triples, nationality, torch.tensor(GENERATION * 2))
