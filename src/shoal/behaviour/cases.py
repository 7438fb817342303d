"""The cases of a test: a text with the changed texts that belong to it. Drawn by seed, the same on every machine."""

import itertools
import math
import random
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from shoal.behaviour import changes
from shoal.behaviour.schema import ROW, BehaviourTest, Change
from shoal.behaviour.suite import Suite

MOST = 500  # cases a test: more would take time and hardly narrow the interval
_VARIANTS = 5  # changed texts a case and change: of more swaps some are drawn


@dataclass(frozen=True, slots=True)
class Case:
    """One text, and what it is compared with: it passes when all its changed texts do, or alone when it has none."""

    text: str
    changed: tuple[str, ...] = ()


def cases(suite: Suite, name: str, rows: Sequence[str], seed: int) -> list[Case]:
    """Make the cases of a test of the suite.

    A text on which the change does nothing is no case.

    Args:
        suite: with the terms and slots.
        name: of the test.
        rows: texts of the project's own test rows.
        seed: of draws and typos; together with the name of the test.
    """
    test = suite.tests[name]
    rng = random.Random(f"{seed} {suite.name} {name}")  # a string seeds by its SHA-512, alike in every process
    if test.pairs is not None:
        return [Case(text, (other,)) for text, other in test.pairs]
    texts = _texts(test, suite.slots, rows, rng)
    if not test.change:
        return [Case(text) for text in itertools.islice(texts, MOST)]
    changed = (Case(text, tuple(_variants(text, test.change, suite, rng))) for text in texts)
    return list(itertools.islice((case for case in changed if case.changed), test.rows or MOST))


def _texts(
    test: BehaviourTest, slots: Mapping[str, Sequence[str]], rows: Sequence[str], rng: random.Random
) -> Iterator[str]:
    if test.texts is not None:
        yield from test.texts
        return
    drawn = [text for text in dict.fromkeys(rows) if text.strip()] if test.rows is not None else []
    rng.shuffle(drawn)
    if test.templates is None:
        yield from drawn
        return
    filled = [list(_filled(template, slots, rng)) for template in test.templates]
    if test.rows is not None:
        for number, text in enumerate(drawn):  # the templates in turn, each with another filling
            frames = filled[number % len(filled)]
            yield frames[number // len(filled) % len(frames)].replace(f"{{{ROW}}}", text)
        return
    for row in itertools.zip_longest(*filled):  # so that a cut leaves something of every template
        yield from (text for text in row if text is not None)


def _filled(template: str, slots: Mapping[str, Sequence[str]], rng: random.Random) -> Iterator[str]:
    """Fill a template in every way, or in `MOST` ways drawn by chance; a slot that occurs twice gets one filling."""
    parts = [(before, name) for before, name, _, _ in string.Formatter().parse(template)]
    names = list(dict.fromkeys(name for _, name in parts if name is not None and name != ROW))
    ways = math.prod(len(slots[name]) for name in names)
    picked = range(ways) if ways <= MOST else sorted(rng.sample(range(ways), MOST))
    order = list(picked)
    rng.shuffle(order)
    for number in order:
        filling = {ROW: f"{{{ROW}}}"}
        for name in names:
            number, at = divmod(number, len(slots[name]))
            filling[name] = slots[name][at]
        yield "".join(before + (filling[name] if name is not None else "") for before, name in parts)


def _variants(text: str, wanted: Sequence[Change], suite: Suite, rng: random.Random) -> Iterator[str]:
    for change in wanted:
        if change.name is not None:
            made = [changes.NAMED[change.name](text, rng)]
        elif change.swap is not None:
            made = list(changes.swaps(text, suite.terms[change.swap]))
        elif change.replace is not None:
            made = [changes.replaced(text, change.replace)]
        else:
            made = [changes.joined(one, text) for one in change.prepend or ()]
            made += [changes.joined(text, one) for one in change.append or ()]
        found = [one for one in made if one is not None and one != text]
        yield from found if len(found) <= _VARIANTS else rng.sample(found, _VARIANTS)
