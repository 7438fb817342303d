"""A summarizer from rows to a folder: it learns what a note keeps of a call, says how sure it is, and is measured."""

import json
import os
import random
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shoal.cli import main
from shoal.data import Dataset, Row
from shoal.errors import DataError, InputError
from shoal.evaluation.outcome import TaskReport
from shoal.evaluation.summarization import evaluate
from shoal.models.passages import Passages
from shoal.models.salience import NAMES
from shoal.models.summarizer import Summarizer
from shoal.registry import Registry
from shoal.tasks import Budget

pytest.importorskip("torch")
pytestmark = pytest.mark.slow

CHAT = ["I see.", "One moment please.", "It is raining here again.", "Thank you for waiting.", "How are you today?"]
THINGS = ["kettle", "router", "jacket", "lamp", "bicycle", "printer", "sofa", "heater"]
FAULTS = ["does not switch on", "arrived broken", "was never delivered", "was charged twice", "smells of smoke"]
DEEDS = ["a refund will be sent on Monday", "a new one leaves the warehouse today", "an engineer calls tomorrow"]


def calls(count: int, seed: int) -> list[Row]:
    """Calls whose note repeats the complaint and what was agreed, somewhere among small talk."""
    draw = random.Random(seed)
    rows: list[Row] = []
    for _ in range(count):
        thing, fault, deed = draw.choice(THINGS), draw.choice(FAULTS), draw.choice(DEEDS)
        said = [f"Customer: My {thing} {fault}.", f"Agent: I have arranged it, {deed}."]
        talk = [f"{draw.choice(['Agent', 'Customer'])}: {draw.choice(CHAT)}" for _ in range(draw.randint(5, 9))]
        for line in said:
            talk.insert(draw.randint(2, len(talk)), line)
        rows.append(Row("\n".join(talk), "", target=f"Customer says the {thing} {fault}; {deed}.", origin="calls"))
    return rows


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def trained(cache: Path) -> Summarizer:
    return train(Dataset.of(calls(140, seed=0)), cache)


def train(dataset: Dataset, cache: Path, **options: object) -> Summarizer:
    from shoal.training.summarization import train

    return train(dataset, unit="turn", budget=Budget(sentences=2), risk=0.2, cache=cache, **options)  # type: ignore[arg-type]


def test_it_learns_what_is_worth_quoting(trained: Summarizer, tmp_path: Path) -> None:
    report = TaskReport.from_dict(dict(trained.report))
    assert report.metrics["rouge1"].low > report.baselines["lead"]["rouge1"].high + 0.2
    assert report.metrics["rouge1"].value > 0.9 * report.baselines["oracle"]["rouge1"].value
    assert trained.certificate is not None and trained.certificate.certified
    assert report.rows_kept is not None and report.rows_kept.value > 0.8
    assert len(report.row_scores) == len(report.row_keys) == report.data.tested
    for example in report.examples:
        quoted = [example.text[mark.start : mark.end] for mark in example.marks]
        assert quoted == example.answer.split("\n")
    trained.save(tmp_path / "notes")
    opened = Summarizer.load(tmp_path / "notes")
    fresh = calls(30, seed=7)
    answers = opened.predict([row.text for row in fresh])
    assert answers == trained.predict([row.text for row in fresh])
    complaints = [any(quote.text.startswith("Customer: My") for quote in answer.quotes) for answer in answers]
    assert np.mean(complaints) > 0.9
    assert evaluate(opened, Dataset.of(fresh), timing_seconds=0.1).metrics["share_of_oracle"].value > 0.8


def test_rankers_put_into_one_score_the_mean_of_theirs() -> None:
    from shoal.training.ranker import HIDDEN, LINEAR, Taught, averaged, fit

    rng = np.random.default_rng(0)
    texts = [
        Passages(
            text="",
            query="",
            units=[],
            costs=np.ones(rows, np.int64),
            limit=1,
            vectors=rng.normal(size=(rows, 40)).astype(np.float32),
            features=rng.normal(size=(rows, len(NAMES))).astype(np.float32),
        )
        for rows in (5, 9, 12)
    ]
    taught = [Taught(each, np.maximum(each.features[:, 3].astype(np.float64) + 2, 0)) for each in texts]
    both = [fit(taught, recipe, seed=0) for recipe in (LINEAR, HIDDEN)]
    for each in taught:
        mean = np.mean([ranker.scores(each.passages) for ranker in both], axis=0)
        np.testing.assert_allclose(averaged(both).scores(each.passages), mean, atol=1e-5)
        assert mean.argmax() == each.gains.argmax()
    again = fit(taught, HIDDEN, seed=0)
    np.testing.assert_array_equal(again.hidden, both[1].hidden)


def test_without_references_nothing_is_learnt_and_nothing_kept(cache: Path) -> None:
    rows = [replace(row, target="" if number > 10 else row.target) for number, row in enumerate(calls(40, seed=1))]
    made = train(Dataset.of(rows), cache)
    assert made.certificate is None and made.provenance["recipe"]["ranker"] == "untrained"
    answer = made.predict([rows[0].text])[0]
    assert len(answer.quotes) == 2 and not answer.accepted and answer.confidence == 0.0


def test_bad_rows_and_arguments(cache: Path) -> None:
    from shoal.training.summarization import train

    longer = [{"text": "Short text.", "summary": "far more words than the text has " * 5, "query": ""}] * 3
    made = train(longer, cache=cache)
    assert made.predict(["Short text."])[0].said == "Short text."
    with pytest.raises(DataError, match="'summary'"):
        train([{"text": "a", "summary": 3}], cache=cache)
    with pytest.raises(InputError, match="floor is 2"):
        train(longer, floor=2, cache=cache)


def test_a_project_begins_without_references(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, trained: Summarizer
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def shoal(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["shoal", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int | None)
        return ended.value.code or 0, said.out + said.err

    def write(name: str, rows: list[Row]) -> None:
        lines = [json.dumps({"text": row.text, "summary": row.target}) for row in rows]
        (tmp_path / name).write_text("\n".join(lines) + "\n")

    table = '[project]\nname = "day-one"\n[specialists.note]\ntask = "summarization"\nbudget_seconds = 20\n'
    table += 'guarantee = { risk = 0.2 }\nsummary = { unit = "turn", sentences = 2, floor = 0.4 }\n'
    rows = calls(40, seed=2)
    write("texts.jsonl", rows)
    (tmp_path / "shoal.toml").write_text(f'{table}unlabelled = "texts.jsonl"\n')
    code, said = shoal("train")
    assert code == 0 and "nothing was learnt" in said and "Nothing is promised and no answer is kept" in said
    assert "at most 20% wrong (summaries with less than 40% of the ROUGE-1 within reach)" in said
    registry = Registry(tmp_path / ".shoal" / "registry")
    assert registry.resolve("note").report == {"rouge1": "not measured", "gate": "passed"}
    folder = registry.path(registry.resolve("note"))
    first = Summarizer.load(folder)
    assert (first.task.unit, first.task.budget, first.floor) == ("turn", Budget(sentences=2), 0.4)
    assert first.certificate is None and first.report == {} and first.provenance["texts"] == 40
    assert first.provenance["needs"]["least"] == 70 and first.provenance["needs"]["learning"] == 20
    card = (folder / "README.md").read_text()
    assert "Nothing was learnt" in card and "at least 70 reference summaries" in card and "at most 2 turns" in card
    assert not first.predict([rows[0].text])[0].accepted
    assert shoal("data", "check")[0] == 0

    # A file of which no text has a summary yet is no more than texts.
    write("rows.jsonl", [replace(row, target="") for row in rows])
    (tmp_path / "shoal.toml").write_text(f'{table}data = "rows.jsonl"\n')
    code, said = shoal("train", "--json")
    (made,) = json.loads(said[: said.rindex("]") + 1])
    assert code == 0 and made["report"] is None and registry.resolve("note").version == "v1"

    # What has learnt nothing does not push out what has.
    trained.save(tmp_path / "trained")
    registry.promote("note", registry.publish("note", tmp_path / "trained").version)
    (tmp_path / "shoal.toml").write_text(table)
    code, said = shoal("train")
    assert code == 1 and "what has learnt from none does not take its place" in said
    assert registry.resolve("note").version == "v2"


@pytest.mark.public_data
def test_quotes_of_public_meetings_are_verbatim_and_beat_their_beginning(cache: Path) -> None:
    if not os.environ.get("SHOAL_DATA"):
        pytest.skip("SHOAL_DATA is not set: no public data")
    from shoal.training.summarization import untrained

    file = Path(os.environ["SHOAL_DATA"], "qmsum_spans", "val.jsonl")
    found = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()][::10]
    rows = [Row(each["dialogue"], "", target=each["summary"], query=each["query"]) for each in found]
    made = untrained(budget=Budget(words=64), cache=cache)
    report = evaluate(made, Dataset.of(rows), timing_seconds=0.1)
    assert report.metrics["rouge1"].value > report.baselines["lead"]["rouge1"].value + 0.01
    for row, answer in zip(rows, made.predict([row.text for row in rows], [row.query for row in rows]), strict=True):
        assert answer.quotes
        for quote in answer.quotes:
            assert row.text[quote.start : quote.end] == quote.text
