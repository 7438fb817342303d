"""Put a suite to a specialist: every test with its counts, an interval, and examples of what failed."""

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from shoal.behaviour.cases import Case, cases
from shoal.behaviour.schema import BehaviourTest
from shoal.behaviour.suite import Suite
from shoal.errors import InputError
from shoal.metrics import Estimate, binomial_cdf, clopper_pearson
from shoal.models import Specialist

Kind = Literal["label", "invariance", "direction"]

FEW = 100
_CHANCE = 0.05
_NEAR = 0.1  # a probability that is so near to its end need not move on
_NOISE = 0.01  # int8 scales by the batch, so that a probability depends slightly on the texts around it
_SHOWN = 5
_TEXT_CHARS = 300


class Failure(msgspec.Struct, frozen=True):
    """A case that failed.

    Attributes:
        text: as it was.
        changed: as it was changed; empty where nothing was.
        wanted: what was asked, in words.
        got: what the specialist said instead.
    """

    text: str
    changed: str
    wanted: str
    got: str


class BehaviourResult(msgspec.Struct, frozen=True):
    """What became of one test.

    Attributes:
        suite: name of its suite.
        name: of the test.
        kind: "label" (minimum functionality), "invariance" or "direction".
        about: what it is for.
        cases: texts, each with all its changes; 0 where no row of the project could be changed so.
        passed: of them those on which the specialist did what was asked.
        rate: share that passed, exact (Clopper-Pearson) 95 % interval; None without cases.
        required: share that is asked.
        drawn: whether the cases are a sample of the project's test rows, rather than all that the test is about.
        failures: the first that failed.
    """

    suite: str
    name: str
    kind: Kind
    about: str
    cases: int
    passed: int
    rate: Estimate | None
    required: float
    drawn: bool
    failures: list[Failure]

    @property
    def holds(self) -> bool:
        """Whether as many pass as are asked.

        Of fewer than `FEW` cases drawn from test rows, as many must fail as chance would not explain (exact test, 5 %);
        a test without cases has nothing against the specialist.
        """
        if self.rate is None or self.rate.value >= self.required:
            return True
        return self.drawn and self.cases < FEW and binomial_cdf(self.passed, self.cases, self.required) > _CHANCE


def run(specialist: Specialist, suite: Suite, rows: Sequence[str] = (), *, seed: int = 0) -> list[BehaviourResult]:
    """Run all tests of a suite.

    Args:
        specialist: that is tested.
        suite: the tests.
        rows: texts of the project's own test rows, from which some tests draw.
        seed: of the draws and of typos.

    Raises:
        InputError: the tests speak of labels that the specialist does not have, or change nothing in their own texts.
    """
    suite.check(specialist.task.labels)
    drawn = {name: cases(suite, name, rows, seed) for name in suite.tests}
    for name, found in drawn.items():
        if not found and suite.tests[name].rows is None:
            raise InputError(
                f"behaviour suite {suite.name}: the change of test {name!r} does nothing to any of its texts; give it "
                "texts that the change applies to"
            )
    texts = list(
        dict.fromkeys(text for found in drawn.values() for case in found for text in (case.text, *case.changed))
    )
    posterior = specialist.posteriors(texts)
    place = {text: at for at, text in enumerate(texts)}
    answers = _Answers(specialist.task.labels, {text: posterior[at] for text, at in place.items()})
    return [_result(suite, name, found, answers) for name, found in drawn.items()]


class _Answers:
    """Probabilities [L] of each text."""

    def __init__(self, labels: Sequence[str], posterior: dict[str, NDArray[np.float32]]) -> None:
        self._labels = labels
        self._posterior = posterior

    def label(self, text: str) -> str:
        return self._labels[int(self._posterior[text].argmax())]

    def chance(self, text: str, label: str) -> float:
        return float(self._posterior[text][self._labels.index(label)])


def _result(suite: Suite, name: str, found: Sequence[Case], answers: _Answers) -> BehaviourResult:
    test = suite.tests[name]
    failures = [failure for case in found if (failure := _failure(suite, test, case, answers)) is not None]
    passed = len(found) - len(failures)
    return BehaviourResult(
        suite=suite.name,
        name=name,
        kind=_kind(test),
        about=test.about,
        cases=len(found),
        passed=passed,
        rate=Estimate(passed / len(found), *clopper_pearson(passed, len(found))) if found else None,
        required=test.pass_rate,
        drawn=test.rows is not None,
        failures=failures[:_SHOWN],
    )


def _kind(test: BehaviourTest) -> Kind:
    if test.expect is not None:
        return "label"
    return "direction" if test.labels else "invariance"


def _failure(suite: Suite, test: BehaviourTest, case: Case, answers: _Answers) -> Failure | None:
    """Find the first text of a case that does not do what is asked."""
    if test.expect is not None:
        wanted, got = suite.label(test.expect), answers.label(case.text)
        return None if got == wanted else Failure(_cut(case.text), "", wanted, got)
    for changed in case.changed:
        told = _told(suite, test, case.text, changed, answers)
        if told is not None:
            return Failure(_cut(case.text), _cut(changed), *told)
    return None


def _told(suite: Suite, test: BehaviourTest, text: str, changed: str, answers: _Answers) -> tuple[str, str] | None:
    """Say what was wanted and what came instead; None where it is as asked."""
    if not test.labels or test.becomes is not None:
        wanted = answers.label(text) if test.becomes is None else suite.label(test.becomes)
        got = answers.label(changed)
        return None if got == wanted else (wanted, got)
    label = suite.label(test.labels[0])
    before, after = answers.chance(text, label), answers.chance(changed, label)
    if test.lowers is not None:
        fine, word = after <= max(before - test.by + _NOISE, _NEAR), "lower"
    else:
        fine, word = after >= min(before + test.by - _NOISE, 1 - _NEAR), "higher"
    return None if fine else (f"{label} {word} by {test.by:g}", f"{before:.2f} to {after:.2f}")


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT_CHARS else f"{text[: _TEXT_CHARS - 1]}…"
