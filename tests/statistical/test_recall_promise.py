"""The promise about recall as a claim: over 200 draws of calibration rows it breaks in at most delta of them.

On scores whose truth is known, and on spans that a real, cheap tagger finds in real texts.
"""

import json
import math
import os
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from shoal.calibration import certify, certify_recall
from shoal.metrics.spans import partners
from shoal.models import bio
from shoal.tasks import Span

pytestmark = pytest.mark.slow

DRAWS = 200
DELTA = 0.05
ALLOWED = DELTA + 3 * math.sqrt(DELTA * (1 - DELTA) / DRAWS)
GRID = np.round(np.arange(0.05, 0.96, 0.05), 2)

Floats = NDArray[np.float64]


def outcomes(population: Floats, rows: int, alpha: float, seed: int) -> tuple[float, float]:
    """Share of draws with a certificate, and of draws whose promise the population breaks."""
    draw = np.random.default_rng(seed)
    certified = broken = 0
    for _ in range(DRAWS):
        sample = population[draw.integers(0, len(population), rows)]
        certificate = certify_recall(sample, GRID, risk=alpha, delta=DELTA)
        if certificate.threshold is not None:
            certified += 1
            broken += float((population < certificate.threshold).mean()) > alpha
    return certified / DRAWS, broken / DRAWS


@pytest.mark.parametrize(
    ("missed", "sharpness", "rows", "alpha", "usual"),
    [
        (0.00, 4.0, 60, 0.10, True),
        (0.02, 4.0, 200, 0.05, True),
        (0.05, 1.5, 300, 0.10, True),
        (0.05, 1.5, 40, 0.10, False),
        (0.099, 2.0, 100, 0.10, False),  # just inside: it will rarely be shown, and must not be claimed beyond
        (0.15, 2.0, 400, 0.10, False),
    ],
)
def test_scores_with_a_known_truth(missed: float, sharpness: float, rows: int, alpha: float, usual: bool) -> None:
    draw = np.random.default_rng(0)
    population = draw.beta(sharpness, 1.0, 20_000)
    population[draw.random(len(population)) < missed] = 0.0
    certified, broken = outcomes(population, rows, alpha, seed=1)
    assert broken <= ALLOWED
    assert certified > 0.6 or not usual


def words_of(text: str) -> list[tuple[int, int]]:
    return [found.span() for found in re.finditer(r"\w+|[^\w\s]", text)]


def features(text: str, words: list[tuple[int, int]]) -> list[dict[str, float]]:
    forms = ["", "", *(text[start:end] for start, end in words), "", ""]
    return [
        {
            f"{place}:{kind}:{value}": 1.0
            for place in range(-2, 3)
            for form in [forms[at + place + 2]]
            for kind, value in (
                ("word", form.lower()),
                ("shape", re.sub(r"\d", "9", re.sub("[A-Z]", "A", re.sub("[a-z]", "a", form)))[:6]),
            )
        }
        for at in range(len(words))
    ]


@pytest.fixture(scope="module")
def held() -> dict[str, Floats]:
    """By type, how sure a linear tagger was of the least sure span of each held-out text that holds the type."""
    if not os.environ.get("SHOAL_DATA"):
        pytest.skip("SHOAL_DATA is not set: no public data")
    extraction = pytest.importorskip("sklearn.feature_extraction")
    linear = pytest.importorskip("sklearn.linear_model")
    path = Path(os.environ["SHOAL_DATA"], "presidio_pii", "synth_dataset_v2.json")
    rows = json.loads(path.read_text(encoding="utf-8"))
    types = sorted({span["entity_type"] for row in rows for span in row["spans"]})
    taught = [row for row in rows if row["template_id"] % 2]
    rest = [row for row in rows if not row["template_id"] % 2]
    vectorizer, samples, labels = extraction.FeatureHasher(2**16), [], []
    for row in taught:
        words = words_of(row["full_text"])
        spans = sorted((each["start_position"], each["end_position"], each["entity_type"]) for each in row["spans"])
        numbered = [(start, end, types.index(kind)) for start, end, kind in spans]
        samples += features(row["full_text"], words)
        labels += bio.encode(numbered, [start for start, _ in words], [end for _, end in words]).tolist()
    model = linear.SGDClassifier(loss="log_loss", alpha=1e-5, max_iter=5, tol=None, random_state=0)
    model.fit(vectorizer.transform(samples), labels)
    scores: dict[str, list[float]] = {}
    for row in rest:
        text, words = row["full_text"], words_of(row["full_text"])
        logits = np.full((len(words), bio.labels_of(len(types))), -30.0)
        logits[:, model.classes_] = model.decision_function(vectorizer.transform(features(text, words)))
        given = [
            Span(words[one.first][0], words[one.last][1], types[one.type], confidence=one.chance)
            for one in sorted(bio.candidates([logits], 1.0)[0])
        ]
        for kind in {each["entity_type"] for each in row["spans"]}:
            wanted = [
                Span(each["start_position"], each["end_position"], kind)
                for each in sorted(row["spans"], key=lambda each: each["start_position"])
                if each["entity_type"] == kind
            ]
            own = [span for span in given if span.type == kind]
            seen = dict(partners(wanted, own, strict=False))
            least = min(own[seen[at]].confidence if at in seen else 0.0 for at in range(len(wanted)))
            scores.setdefault(kind, []).append(least)
    return {kind: np.array(each) for kind, each in scores.items()}


@pytest.mark.public_data
@pytest.mark.parametrize("alpha", [0.1, 0.2, 0.3])
def test_texts_drawn_from_real_ones(held: dict[str, Floats], alpha: float) -> None:
    """For every type with texts enough; the drawn rows' population is known, so that a broken promise is seen."""
    tested = {kind: each for kind, each in held.items() if len(each) >= 30}
    assert len(tested) >= 5
    promised = {kind: outcomes(each, 100, alpha, seed=2) for kind, each in tested.items()}
    assert all(broken <= ALLOWED for _, broken in promised.values()), promised
    assert any(certified > 0.5 for certified, _ in promised.values())


def test_a_recall_promise_is_not_the_promise_about_kept_answers() -> None:
    """Where nothing is ever sure enough, everything is missed: `certify` would keep nothing, and promise that."""
    found = np.zeros(300)
    assert not certify_recall(found, GRID, risk=0.1).certified
    assert not certify(found, np.ones(300, bool), risk=0.1, grid=np.array([0.5])).certified
