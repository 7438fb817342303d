"""First versions from the names of labels: how names stand for labels, when texts may move them, what is refused."""

import numpy as np
import pytest

from shoal.errors import InputError
from shoal.metrics import clopper_pearson_upper
from shoal.training import from_names, requirements
from shoal.training.names import gather, name_vectors


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def world(labels: int, per_label: int, off: float, sample: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Names, a sample of texts around centres that lie `off` from them, and the labels of the texts."""
    draw = np.random.default_rng(0)
    said = unit(draw.normal(size=(labels, 64)))
    centres = unit(said + off * unit(draw.normal(size=(labels, 64))))
    targets = np.repeat(np.arange(labels), per_label)
    draw = np.random.default_rng(1 + sample)
    texts = unit(centres[targets] + 0.14 * draw.normal(size=(len(targets), 64)))
    return said, texts, targets


def right(centres: np.ndarray, texts: np.ndarray, targets: np.ndarray) -> float:
    return float(((texts @ centres.T).argmax(axis=1) == targets).mean())


def test_names_move_towards_the_texts_that_gather_around_them() -> None:
    said, texts, _ = world(labels=20, per_label=40, off=1.3)
    found = gather(said, texts)
    assert found.moved and found.agreement is not None and found.agreement >= 0.9
    assert np.allclose(np.linalg.norm(found.centres, axis=1), 1)
    _, unseen, wanted = world(labels=20, per_label=40, off=1.3, sample=1)
    assert right(said, unseen, wanted) < 0.96
    assert right(found.centres, unseen, wanted) > right(said, unseen, wanted) + 0.03


def test_groups_that_are_not_about_the_names_do_not_move_them() -> None:
    said, _, _ = world(labels=3, per_label=1, off=0.0)
    draw = np.random.default_rng(1)
    # Tone is what the names are about, and topic is what sets texts apart.
    topics, topic, tone = unit(draw.normal(size=(3, 64))), draw.integers(0, 3, 900), draw.integers(0, 3, 900)
    texts = unit(topics[topic] + 0.3 * said[tone] + 0.03 * draw.normal(size=(900, 64)))
    found = gather(said, texts)
    assert found.agreement is not None and found.agreement < 0.9
    assert not found.moved and found.centres is said


def test_a_handful_of_texts_is_not_looked_at() -> None:
    said, texts, _ = world(labels=20, per_label=4, off=0.5)
    assert gather(said, texts) == (said, False, None)
    assert gather(said, texts[:0]) == (said, False, None)


def test_a_description_weighs_as_much_as_the_name() -> None:
    first, second, third = np.eye(3)
    vectors = name_vectors([np.array([first, second])] * 2, np.array([third]), [1])
    assert np.allclose(vectors, [first, unit(second + third)])


@pytest.mark.parametrize(("risk", "least", "usual"), [(0.05, 295, 1805), (0.03, 495, 3225), (0.01, 1495, 19410)])
def test_rows_that_a_promise_takes(risk: float, least: int, usual: int) -> None:
    assert requirements.needs(risk, 0.95) == {"risk": risk, "confidence": 0.95, "least": least, "usual": usual}
    faultless = least // 5  # a fifth is for calibration
    assert clopper_pearson_upper(0, faultless, 0.95) <= risk < clopper_pearson_upper(0, faultless - 1, 0.95)


@pytest.mark.parametrize(
    ("labels", "options", "said"),
    [
        (["refund"], {}, "at least 2"),
        ([], {}, "at least 2"),
        ([f"label {number}" for number in range(10_001)], {}, "10,001"),
        (["refund", " "], {}, r"labels\[1\] is ' '"),
        (["refund", 3], {}, r"labels\[1\] is 3"),
        (["refund", "delivery", "refund "], {}, "'refund' more than once"),
        ("refund", {}, "labels is one string"),
        (["refund", "delivery"], {"descriptions": {"refnd": "money back"}}, "descriptions names 'refnd'"),
        (["refund", "delivery"], {"never": ["x"]}, "never names 'x'"),
        (["refund", "delivery"], {"risk": 1.0}, "risk is 1.0"),
    ],
)
def test_what_cannot_be_used_is_refused(labels: list[str], options: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        from_names(labels, **options)  # pyright: ignore[reportArgumentType]
