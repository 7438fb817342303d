"""A model folder of each schema, kept as it was written, opens and answers the same for ever.

`tests/data/artifact_v1` is a specialist of three labels, trained by shoal 0.1.0 on `artifact_v1_rows.csv` (backbone
"tfidf", risk 0.35 with confidence 0.8, never "complaint"), its threshold set to 0.6 and its scope level to 0.05
afterwards. Neither the folder nor the answers may ever be made anew: a shoal that does not pass this cannot open what
its users have.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import shoal
from shoal.evaluation import Report
from shoal.models import verify

DATA = Path(__file__).parents[1] / "data"
FOLDER = DATA / "artifact_v1"
ANSWERS: list[dict[str, Any]] = json.loads((DATA / "artifact_v1_answers.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def specialist() -> shoal.Specialist:
    return shoal.load(FOLDER)


def test_it_is_the_folder_that_was_written() -> None:
    manifest = verify(FOLDER)
    assert (manifest.schema, manifest.shoal) == (1, "0.1.0")
    assert manifest.content_id == "cd9b36cb896cc920223f9e2266687a55c0a7fc9a43339032b1647513ce540705"
    assert manifest.size_bytes < 200_000


def test_it_gives_the_answers_that_it_gave(specialist: shoal.Specialist) -> None:
    predictions = specialist.predict([answer["text"] for answer in ANSWERS])
    for prediction, answer in zip(predictions, ANSWERS, strict=True):
        # The last digits belong to the processor: numpy adds in another order on another one.
        assert prediction.label == answer["label"], answer
        assert prediction.confidence == pytest.approx(answer["confidence"], abs=1e-4)
        assert (prediction.accepted, prediction.reason) == (answer["accepted"], answer["reason"])
        assert prediction.in_scope == pytest.approx(answer["in_scope"], abs=1e-4)
        assert [(one.label, pytest.approx(one.probability, abs=1e-4)) for one in prediction.top] == [
            tuple(one) for one in answer["top"]
        ]
        assert prediction.tier == "tfidf"


def test_the_answers_show_every_reason_there_is() -> None:
    assert {answer["reason"] for answer in ANSWERS} == {
        *("certified", "below_threshold", "never_label", "out_of_scope", "empty_text")
    }


def test_what_it_says_of_itself_is_read(specialist: shoal.Specialist) -> None:
    assert (specialist.name, specialist.task.labels) == ("bakery", ("complaint", "hours", "order"))
    assert specialist.task.never == ("complaint",)
    assert specialist.certificate is not None and specialist.certificate.certified
    assert specialist.certificate.risk == 0.35
    report = Report.from_dict(dict(specialist.report))
    assert report.name == "bakery" and 0 < report.metrics.accuracy.value <= 1
    assert specialist.provenance["seed"] == 0


def test_saved_again_it_is_the_same(specialist: shoal.Specialist, tmp_path: Path) -> None:
    texts = [answer["text"] for answer in ANSWERS]
    specialist.save(tmp_path / "again")
    assert shoal.load(tmp_path / "again").predict(texts) == specialist.predict(texts)


def test_it_needs_neither_torch_nor_onnxruntime() -> None:
    program = (
        "import sys, shoal; print(shoal.load(sys.argv[1]).predict(['when do you open'])[0].label); "
        "assert not {'torch', 'sklearn', 'scipy', 'transformers', 'onnxruntime'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(FOLDER)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "hours\n"), done.stderr
