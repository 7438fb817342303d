"""Rows that nobody would give on purpose: each is trained on sensibly, or refused with a sentence."""

import time
from collections.abc import Sequence

import pytest

import shoal
from shoal.errors import DataError
from shoal.training import heads

pytest.importorskip("torch")
pytestmark = pytest.mark.slow

Rows = list[dict[str, str]]


def rows(texts: Sequence[str], labels: Sequence[str]) -> Rows:
    return [{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)]


GAS = ["утечка газа", "厨房里有煤气味", "تسرب غاز في المطبخ", "gas leak", "διαρροή αερίου", "🔥🔥 smell of gas"]
BILL = ["мой счёт слишком велик", "账单太高了", "فاتورتي مرتفعة", "my bill", "λογαριασμός", "💸💸 bill"]
FINE = rows(
    [f"{text} {n}{word}" for n in range(8) for word in ("a", "b") for text in (*GAS, *BILL)],
    (["gas"] * 6 + ["bill"] * 6) * 16,
)


def test_every_script_one_row_for_a_label_a_megabyte_and_contradictions_are_trained_on() -> None:
    strange = rows(
        ["the only row of its kind", "word " * 200_000, "x" * 100_000, FINE[0]["text"], "😀😀😀", "e\u0301" * 300],
        ["lonely", "gas", "bill", "bill", "gas", "bill"],
    )
    specialist = shoal.train([*FINE, *strange], backbone="tfidf", risk=0.2)
    assert specialist.task.labels == ("bill", "gas", "lonely")
    answers = specialist.predict(["утечка газа сейчас", "账单太高", "فاتورتي", "🔥🔥 gas", "😀", "y" * 1_000_000])
    assert [one.label for one in answers[:4]] == ["gas", "bill", "bill", "gas"]
    began = time.process_time()
    specialist.predict(["word " * 200_000])
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (rows(["😀" * n for n in range(1, 60)], ["a", "b"] * 29 + ["a"]), "holds? no words|leave none for|are left to"),
        (rows(["same text"] * 40, ["a", "b"] * 20), "give at least 5 different texts a label"),
        (rows([" "] * 40, ["a", "b"] * 20), "leave none for"),
        (rows(["one", "two"], ["a", "b"]), "2 rows over 2 labels leave none for dev"),
        (rows([row["text"] for row in FINE], ["a"] * len(FINE)), "all rows have the label 'a'"),
        (
            rows(["x", *(row["text"] for row in FINE)], ["\u200b", *["ab"[n % 2] for n in range(len(FINE))]]),
            "1 row without",
        ),
    ],
    ids=["emoji only", "one text", "no texts", "two rows", "one label", "a label of nothing"],
)
def test_what_nothing_can_be_learnt_from_is_refused_with_a_sentence(given: Rows, said: str) -> None:
    with pytest.raises(DataError, match=said):
        shoal.train(given, backbone="tfidf")


def test_more_rows_times_labels_than_can_be_fitted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "MOST_CELLS", 100)
    with pytest.raises(DataError, match=r"\d+ rows x 2 labels are too many to fit at once"):
        shoal.train(FINE, backbone="tfidf", risk=None)
