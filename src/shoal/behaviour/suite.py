"""A suite of behavioural tests: read from a file, or one that comes with shoal; put to the labels of a specialist."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shoal.behaviour.schema import BehaviourTest, SuiteFile, references
from shoal.config.reading import nearest, read
from shoal.config.schema import SUITES
from shoal.data import Terms
from shoal.errors import InputError

_HOME = Path(__file__).parent / "suites"


@dataclass(frozen=True, slots=True)
class Suite:
    """Tests with all that they refer to.

    Attributes:
        name: file name without its ending, or name of the suite that comes with shoal.
        tests: by name.
        slots: what may fill the slots of templates.
        terms: groups whose terms can be swapped.
        labels: label of the suite -> label of the specialist, where they differ.
    """

    name: str
    tests: Mapping[str, BehaviourTest]
    slots: Mapping[str, Sequence[str]]
    terms: Terms
    labels: Mapping[str, str]

    def label(self, name: str) -> str:
        """Find the label of the specialist that is meant."""
        return self.labels.get(name, name)

    def check(self, labels: Sequence[str]) -> None:
        """Refuse a specialist with other labels than the tests speak of.

        Raises:
            InputError: lists the labels, and says how to name those that are meant.
        """
        there = ", ".join(labels[:20]) + (" ..." if len(labels) > 20 else "")
        for said, meant in self.labels.items():
            if meant not in labels:
                raise InputError(
                    f"behaviour suite {self.name}: labels says that {said!r} means {meant!r}, which is none of the "
                    f"specialist's labels ({there}){nearest(meant, labels)}"
                )
        missing = {label for test in self.tests.values() for label in test.labels if self.label(label) not in labels}
        if missing:
            named = sorted(missing)
            meant = ", ".join(f'{label} = "..."' for label in named)
            tests = ", ".join(f'"{name}"' for name, test in self.tests.items() if missing & set(test.labels))
            raise InputError(
                f"behaviour suite {self.name} speaks of {' and '.join(map(repr, named))}, which the specialist does "
                f"not have; its labels are {there}. Say which are meant, {{ suite = ..., labels = {{ {meant} }} }}, or "
                f"leave out what cannot be asked: skip = [{tests}]"
            )


def load(
    source: str | Path,
    *,
    labels: Mapping[str, str] | None = None,
    pass_rates: Mapping[str, float] | None = None,
    skip: Sequence[str] = (),
) -> Suite:
    """Read a suite.

    Args:
        source: a TOML file, or "sentiment" or "bias", which come with shoal.
        labels: which label of the specialist is meant by a label of the suite.
        pass_rates: test -> share of its cases that must pass, instead of what the suite asks.
        skip: tests to leave out.

    Raises:
        ConfigError: every mistake in the file, each with its line.
        InputError: `labels`, `pass_rates` or `skip` name what the suite does not have.
    """
    own = source in SUITES
    file = _HOME / f"{source}.toml" if own else Path(source)
    told = "" if own else f"; the suites that come with shoal are {', '.join(SUITES)}"
    found = read(file, SuiteFile, references, missing=told)
    name = file.stem
    for key, names in (("pass_rates", pass_rates or {}), ("skip", skip)):
        for test in names:
            _known(name, key, "test", test, list(found.tests))
    spoken = sorted({label for test in found.tests.values() for label in test.labels})
    for label in labels or {}:
        _known(name, "labels", "label", label, spoken)
    tests = {
        key: test.model_copy(update={"pass_rate": (pass_rates or {}).get(key, test.pass_rate)})
        for key, test in found.tests.items()
        if key not in skip
    }
    return Suite(name, tests, found.slots, found.terms, dict(labels or {}))


def _known(suite: str, key: str, kind: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        there = ", ".join(known) or "none"
        raise InputError(
            f"behaviour suite {suite}: {key} names {name!r}, which is no {kind} of it{nearest(name, known)}; "
            f"there are {there}"
        )
