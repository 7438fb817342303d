"""What stands in a file of behavioural tests: terms, slots, and tests; what single values do not show is checked here.

A test takes texts from one source and asks one thing of them (CheckList, Ribeiro et al. 2020):

    expect                         minimum functionality: the label that every text must get
    change                         invariance: the answer stays the same when the text is changed so
    change, lowers/raises/becomes  direction: the change moves the probability of a label, or leads to a label
"""

import string
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, cast

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from shoal.config.reading import Mistake, nearest, table
from shoal.config.values import RULE, Count, Name, Share, Table, Text, Words, rule

CHANGES = (
    *("typos", "neighbour_key", "swapped_letters", "dropped_letter"),
    *("upper", "lower", "punctuation", "contractions", "spaces", "negation"),
)
ROW = "row"  # the slot that a row of the project's own test texts fills
_SOURCES = ("texts", "templates", "pairs")
_ASKED = ("lowers", "raises", "becomes")
_WITH_PAIRS = "does not go with pairs, whose second texts are the change"

Pairs = Annotated[
    list[list[str]],
    rule(
        'a list of pairs of texts such as [["where is it?", "where has it got to?"]]',
        lambda v: isinstance(v, list) and bool(cast(list[object], v)) and all(map(_pair, cast(list[object], v))),
    ),
]


def _pair(value: object) -> bool:
    parts = cast(list[object], value) if isinstance(value, list) else []
    return len(parts) == 2 and all(isinstance(part, str) and part.strip() for part in parts)


class Change(Table):
    """What is done to a text: a change by name, or one with words of its own; exactly one of the keys.

    Attributes:
        name: one of `CHANGES`; may stand without its table.
        swap: name of a table of `terms`: each term gives way to those of the other groups.
        prepend: texts to put before.
        append: texts to put behind.
        replace: word -> word.
    """

    name: Annotated[str, rule(f"one of {', '.join(CHANGES)}", lambda v: v in CHANGES)] | None = None
    swap: Text | None = None
    prepend: Words | None = None
    append: Words | None = None
    replace: dict[Text, Text] | None = None

    @model_validator(mode="before")
    @classmethod
    def _one(cls, value: Any) -> Any:
        if isinstance(value, dict) and len(table(cast(object, value))) != 1:
            raise PydanticCustomError(
                RULE, "{allowed}", {"allowed": "a name, or a table with one of swap, prepend, append, replace"}
            )
        return cast(object, value)


def _listed(value: Any) -> Any:
    """Let a single change be written without brackets, and one by name without its table."""
    items = cast(list[Any], value) if isinstance(value, list) else [value]
    return [{"name": item} if isinstance(item, str) else item for item in items]


class BehaviourTest(Table):
    """`[tests.NAME]`.

    Attributes:
        about: what it is for, in a sentence.
        texts: the texts themselves.
        templates: texts with {slots}; {row} is a text of the project's own test rows.
        pairs: texts that mean the same.
        rows: how many of the project's own test rows, drawn by seed; without templates the rows as they are.
        expect: label that every text must get.
        change: what is done to a text; several are all tried, and all must hold.
        lowers: label whose probability must fall by `by`.
        raises: label whose probability must rise by `by`.
        becomes: label that the changed text must get.
        by: how much a probability must move, unless the change takes it below 0.1 or above 0.9.
        pass_rate: share of cases that must pass.
    """

    about: str = ""
    texts: Words | None = None
    templates: Words | None = None
    pairs: Pairs | None = None
    rows: Count | None = None
    expect: Text | None = None
    change: Annotated[list[Change], BeforeValidator(_listed)] = Field(default_factory=list[Change])
    lowers: Text | None = None
    raises: Text | None = None
    becomes: Text | None = None
    by: Share = 0.1
    pass_rate: Share = 0.9

    @property
    def labels(self) -> list[str]:
        """The labels it speaks of."""
        return [label for label in (self.expect, self.lowers, self.raises, self.becomes) if label is not None]


class SuiteFile(Table):
    """A whole file.

    Attributes:
        terms: what is told apart -> group -> its terms; the n-th of one group answers the n-th of another.
        slots: slot of templates -> what may fill it.
        tests: `[tests.NAME]`.
    """

    terms: dict[Name, dict[Text, Words]] = Field(default_factory=dict[str, dict[str, list[str]]])
    slots: dict[Name, Words] = Field(default_factory=dict[str, list[str]])
    tests: dict[Name, BehaviourTest] = Field(
        examples=['a table [tests.polite] with texts = ["thanks!"] and expect = "..."']
    )


def references(raw: Mapping[str, Any]) -> Iterator[Mistake]:
    """Find what no single value shows: tests that ask for nothing or too much, slots and terms that are not there."""
    terms, slots = table(raw.get("terms")), table(raw.get("slots"))
    for by, groups in terms.items():
        sizes = {
            name: len(cast(list[object], words)) for name, words in table(groups).items() if isinstance(words, list)
        }
        if len(set(sizes.values())) > 1:
            told = ", ".join(f"{name} {size}" for name, size in sizes.items())
            yield ("terms", by), f"the groups must have equally many terms, each answering those at its place ({told})"
    if "tests" in raw and not table(raw["tests"]):
        yield ("tests",), "holds no test; begin one with [tests.NAME]"
    for name, value in table(raw.get("tests")).items():
        test = table(value)
        for key, told in (*_source(test), *_question(test), *_slots(test, slots), *_swaps(test, terms)):
            yield ("tests", name, *key), told


def _source(test: Mapping[str, Any]) -> Iterator[Mistake]:
    sources = [source for source in _SOURCES if source in test]
    if len(sources) > 1 or (not sources and "rows" not in test):
        yield (), f"needs one of {', '.join(_SOURCES)}, or rows; it has {' and '.join(sources) or 'none'}"
    elif "rows" in test and sources not in ([], ["templates"]):
        yield ("rows",), f"goes alone or with templates, not with {sources[0]}"


def _question(test: Mapping[str, Any]) -> Iterator[Mistake]:
    asked = [key for key in _ASKED if key in test]
    if len(asked) > 1:
        yield (asked[1],), f"only one of {', '.join(_ASKED)} can be asked"
    if "by" in test and not {"lowers", "raises"} & set(asked):
        yield ("by",), "says how far lowers or raises must move a probability; there is neither"
    if "pairs" in test:
        yield from (((key,), _WITH_PAIRS) for key in ("change", "expect") if key in test)
    elif "change" in test:
        if "expect" in test:
            yield ("expect",), 'is asked of texts as they are; of changed ones write becomes = "..."'
    else:
        yield from (((key,), "is asked of a change: add change, or give pairs") for key in asked)
        if "expect" not in test and not asked:
            yield (), "asks for nothing: add expect, or change"
        if "expect" in test and "rows" in test:
            yield ("expect",), "does not go with rows, whose labels differ"


def _slots(test: Mapping[str, Any], slots: Mapping[str, Any]) -> Iterator[Mistake]:
    templates = test.get("templates")
    for number, template in enumerate(cast(list[object], templates) if isinstance(templates, list) else []):
        if not isinstance(template, str):
            continue
        try:
            names = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
        except ValueError:
            yield ("templates", number), f"got {template!r}: write {{{{ and }}}} for braces that are no slot"
            continue
        for name in names:
            known = [*slots, ROW]
            if name not in known:
                yield (
                    ("templates", number),
                    f"there is no slot {name!r}{nearest(name, known)}; there are {', '.join(known)}",
                )
            elif name == ROW and "rows" not in test:
                yield ("templates", number), "{row} is a test row of the project: say how many, such as rows = 100"
        if "rows" in test and ROW not in names:
            yield ("templates", number), "with rows every template must hold {row}"


def _swaps(test: Mapping[str, Any], terms: Mapping[str, Any]) -> Iterator[Mistake]:
    change = test.get("change")
    listed = cast(list[object], change) if isinstance(change, list) else [change]
    for number, item in enumerate(listed):
        swap = table(item).get("swap")
        if isinstance(swap, str) and swap not in terms:
            there = ", ".join(terms) or "none"
            key = ("change", number) if isinstance(change, list) else ("change",)
            yield key, f"there is no table terms.{swap}{nearest(swap, terms)}; there are {there}"
