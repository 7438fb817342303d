"""Several labels, summaries, records behind the gateway: native and chat form, doubts to a larger model, the ledger."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.e2e.conftest import Project, Upstream, llm, serving

import shoal
from shoal import documents
from shoal.tasks import Budget

pytestmark = pytest.mark.slow

TRAINING_S = 300.0  # as for the specialists that the other tests share

EXAMPLES = Path(__file__).parents[2] / "examples"
CLAUSES = EXAMPLES / "compliance" / "data" / "clauses.jsonl"
CALLS = EXAMPLES / "callnotes" / "data" / "calls.jsonl"
PRODUCTS = ["card_or_account", "energy", "insurance", "parcel", "public_service", "software", "telecom", "travel"]
SCHEMA = {
    "type": "object",
    "properties": {
        "product": {"enum": PRODUCTS},
        "resolved": {"type": "boolean"},
        "order_number": {"type": ["string", "null"]},
    },
    "required": ["product", "order_number"],
}
RECORD = {"product": "travel", "resolved": True, "order_number": "F4GG52"}
TOML = """
[specialists.clauses]
task = "multilabel"
data = "{data}"
group = "document"
backbone = "tfidf"
guarantee = {{ risk = 0.2 }}
severities = {{ indemnity = "high" }}
escalate = "large"

[specialists.lost]
task = "multilabel"
data = "{data}"
backbone = "tfidf"
escalate = "babbler"

[specialists.note]
task = "summarization"
data = "{calls}"
text = "dialogue"
label = "note"
summary = {{ unit = "turn", sentences = 2 }}
escalate = "writer"

[specialists.call]
task = "extraction"
data = "{calls}"
text = "dialogue"
record = "record.schema.json"
backbone = "tfidf"
rules = false
guarantee = {{ risk = 0.2 }}
escalate = "filler"
budget_seconds = 5

[specialists.fresh]
task = "summarization"
summary = {{ unit = "turn", sentences = 2 }}
escalate = "writer"
"""


@pytest.fixture(scope="module")
def project(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("compliance")
    few = CLAUSES.read_text(encoding="utf-8").splitlines(keepends=True)[:450]  # of 1,859: to be quick
    (folder / "few.jsonl").write_text("".join(few), encoding="utf-8")
    toml = '[project]\nname = "compliance"\n' + llm(
        "large", upstream.base_url, 'says:{\\"labels\\": [\\"indemnity\\"]}'
    )
    toml += llm("babbler", upstream.base_url, "says:I cannot tell")
    toml += llm("filler", upstream.base_url, f"says:{json.dumps(RECORD)}".replace('"', '\\"'))
    toml += llm("writer", upstream.base_url, "says:All was settled.") + TOML.format(
        data="few.jsonl", calls="calls.jsonl"
    )
    calls = [json.loads(line) for line in CALLS.read_text(encoding="utf-8").splitlines()[:60]]
    for call in calls:
        call["record"] = {name: call["record"][name] for name in RECORD}
    (folder / "calls.jsonl").write_text("".join(f"{json.dumps(call)}\n" for call in calls), encoding="utf-8")
    (folder / "record.schema.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
    made = Project(folder, toml)
    done = made.shoal("train", "clauses", "--json", bound_s=TRAINING_S)
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)
    assert told["report"]["task"] == "multilabel" and told["gate"]["passed"]
    done = made.shoal("train", "note", "fresh", "call", bound_s=TRAINING_S)
    assert done.returncode == 0, done.stderr
    registry = made.registry
    registry.publish("lost", registry.path(registry.resolve("clauses")))
    registry.promote("lost", "v1")
    return made


@pytest.fixture(scope="module")
def gateway(project: Project) -> Iterator[Any]:
    with serving(project.folder) as serve:
        yield serve()


@pytest.fixture(scope="module")
def texts(project: Project) -> tuple[str, str]:
    """One that the specialist is sure of, and one that it doubts."""
    specialist = shoal.load(project.registry.path(project.registry.resolve("clauses")))
    rows = [json.loads(line)["text"] for line in CLAUSES.read_text(encoding="utf-8").splitlines()[:400]]
    answers = list(zip(rows, specialist.predict(rows), strict=True))
    sure = next(text for text, answer in answers if answer.accepted and answer.labels)  # type: ignore[attr-defined]
    return sure, next(text for text, answer in answers if not answer.accepted)


def test_native_form(gateway: Any, project: Project, texts: tuple[str, str]) -> None:
    response = gateway.predict("clauses", list(texts))
    sure, doubt = response.json["predictions"]
    assert sure["decision"] == "accepted" and sure["answer"] == sure["guess"]["labels"] and sure["label"] is None
    assert sure["guess"]["flags"][0]["flagged"] is True
    assert (doubt["decision"], doubt["answer"], doubt["answered_by"]) == ("escalated", ["indemnity"], "llm:large")
    assert response.json["usage"]["llm_calls"] == 1
    row = project.row(f"{response.headers['x-request-id']}-1")
    assert (row.outcome, row.label, row.llm) == ("escalated", '["indemnity"]', "large")
    assert row.cost_usd > 0


def test_chat_form(gateway: Any, texts: tuple[str, str]) -> None:
    chat = gateway.openai().chat.completions.create
    for text in texts:
        answer = chat(model="shoal/clauses", messages=[{"role": "user", "content": text}])
        assert isinstance(json.loads(answer.choices[0].message.content or ""), list)


def test_what_is_no_set_of_labels_waits_for_a_person(gateway: Any, project: Project, texts: tuple[str, str]) -> None:
    response = gateway.predict("lost", texts[1])
    (answer,) = response.json["predictions"]
    assert (answer["decision"], answer["reason"]) == ("reviewed", "llm_error")
    assert "answer" not in answer and "named no set of labels twice" in answer["error"]
    assert project.row(response.headers["x-request-id"]).outcome == "reviewed"
    assert any(item.text == texts[1] for item in project.reviews())


def test_summaries(gateway: Any, project: Project) -> None:
    text = json.loads(CALLS.read_text(encoding="utf-8").splitlines()[0])["dialogue"]
    response = gateway.predict("note", text)
    (answer,) = response.json["predictions"]
    quotes = answer["guess"]["quotes"]
    assert 1 <= len(quotes) <= 2
    assert all(text[one["start"] : one["end"]] == one["text"] for one in quotes)
    # Sixty calls are too few for a promise: the larger model writes what its check lets through.
    assert (answer["decision"], answer["answer"]) == ("escalated", "All was settled.")
    assert project.row(response.headers["x-request-id"]).label == "All was settled."
    chat = gateway.openai().chat.completions.create
    said = chat(model="shoal/note", messages=[{"role": "user", "content": text}])
    assert said.choices[0].message.content == "All was settled."


def test_records(gateway: Any, project: Project) -> None:
    text = json.loads(CALLS.read_text(encoding="utf-8").splitlines()[0])["dialogue"]
    response = gateway.predict("call", text)
    (answer,) = response.json["predictions"]
    assert [one["name"] for one in answer["guess"]["fields"]] == list(RECORD)
    # Sixty calls are too few for a promise: the larger model fills the record, and the text holds what it quotes.
    assert (answer["decision"], answer["answer"]) == ("escalated", RECORD)
    assert json.loads(project.row(response.headers["x-request-id"]).label or "") == RECORD
    other = gateway.predict("call", "Agent: Hello? Customer: My parcel is late.").json["predictions"][0]
    assert other["decision"] == "reviewed" and "does not stand in the text" in other["error"]
    chat = gateway.openai().chat.completions.create
    asked: dict[str, Any] = {"model": "shoal/call", "messages": [{"role": "user", "content": text}]}
    form = {"type": "json_schema", "json_schema": {"name": "call", "strict": True, "schema": SCHEMA}}
    said = chat(**asked, response_format=form)
    assert json.loads(said.choices[0].message.content or "") == RECORD
    less = {"properties": {"product": {"enum": PRODUCTS}}}
    with pytest.raises(openai.UnprocessableEntityError, match="lacks the field 'resolved'"):
        chat(**asked, response_format={"type": "json_schema", "json_schema": {"name": "call", "schema": less}})


def test_a_summary_about_a_query_and_of_another_length(gateway: Any, project: Project, upstream: Upstream) -> None:
    text = json.loads(CALLS.read_text(encoding="utf-8").splitlines()[0])["dialogue"]
    fresh = shoal.load(project.registry.path(project.registry.resolve("fresh")))
    turns = [turn for turn in text.splitlines() if turn.strip()]
    queries = [turns[2], turns[-3]]
    inputs = [text, *({"text": text, "query": query} for query in queries)]
    response = gateway.predict("fresh", inputs, budget={"sentences": 1}, escalate=False)
    found = [[one["text"] for one in answer["guess"]["quotes"]] for answer in response.json["predictions"]]
    expected = fresh.predict([text] * 3, [None, *queries], Budget(sentences=1))  # type: ignore[call-arg]
    assert found == [[one.text for one in each.quotes] for each in expected]  # type: ignore[attr-defined]
    assert found[1:] == [[query] for query in queries]  # nothing is as near to a turn as itself
    (answer,) = gateway.predict("fresh", inputs[2], budget={"words": 12}).json["predictions"]
    assert sum(len(one["text"].split()) for one in answer["guess"]["quotes"]) <= 12
    asked = json.loads(upstream.asked()[-1])["messages"]
    assert "At most 12 words" in asked[0]["content"]
    assert asked[1]["content"].startswith(f"Query: {queries[1]}\n\nText: ")
    refused = gateway.predict("clauses", inputs)
    assert (refused.status, refused.error["param"]) == (422, "inputs[1].query")


def test_queries_on_the_command_line(project: Project) -> None:
    rows = [json.loads(line) for line in CALLS.read_text(encoding="utf-8").splitlines()[:2]]
    asked = [{"dialogue": row["dialogue"], "topic": row["dialogue"].splitlines()[-2]} for row in rows]
    (project.folder / "asked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked), encoding="utf-8")
    read = ("predict", "note", "--input", "asked.jsonl", "--column", "dialogue", "--sentences", "1")
    done = project.shoal(*read, "--query-column", "topic")
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["query"] for answer in answers] == [row["topic"] for row in asked]
    assert all(len(answer["quotes"]) == 1 for answer in answers)
    alone = project.shoal("predict", "note", asked[1]["dialogue"], "--query", asked[1]["topic"], "--sentences", "1")
    assert json.loads(alone.stdout)["quotes"] == answers[1]["quotes"]
    both = project.shoal(*read, "--words", "9")
    assert both.returncode == 2 and "give --sentences or --words, not both" in both.stderr
    # What the table in shoal.toml calls the queries needs no naming.
    toml = (project.folder / "shoal.toml").read_text(encoding="utf-8")
    named = toml.replace('label = "note"', 'label = "note"\nquery = "topic"')
    (project.folder / "named.toml").write_text(named, encoding="utf-8")
    known = project.shoal(*read, "--project", "named.toml")
    assert known.stdout == done.stdout, known.stderr


def test_a_document_is_reviewed_as_the_command_reviews_it(gateway: Any, project: Project) -> None:
    content = (EXAMPLES / "compliance" / "review" / "ferrowick_master_services_agreement.md").read_bytes()
    (project.folder / "document.md").write_bytes(content)
    response = gateway.post("/v1/specialists/clauses/review", content, {"content-type": "text/markdown"})
    assert response.status == 200
    done = project.shoal("review", "document.md", "--specialist", "clauses", "--format", "json")
    assert response.json == json.loads(done.stdout), done.stderr
    text = documents.read(project.folder / "document.md").text
    for one in [*response.json["findings"], *response.json["doubts"]]:
        assert text[one["place"]["start"] : one["place"]["end"]] == one["quote"]
    assert {one["severity"] for one in response.json["findings"] if one["label"] == "indemnity"} <= {"high"}
    assert project.row(f"{response.headers['x-request-id']}-0").outcome in ("accepted", "abstained")
    asked = {"content-type": "text/markdown", "accept": "text/html"}
    page = gateway.post("/v1/specialists/clauses/review", content, asked)
    shown = project.shoal("review", "document.md", "--specialist", "clauses", "--format", "html")
    assert page.body.decode() == shown.stdout
    refused = gateway.post("/v1/specialists/clauses/review", b"%PDF-1.4", {"content-type": "application/pdf"})
    assert refused.status == 422 and "document.pdf is damaged" in refused.error["message"]


def test_a_second_version_is_held_against_the_first(project: Project) -> None:
    done = project.shoal("evaluate", "clauses@v1", "--against", "clauses@v1", "--json")
    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout)["gate"]
    assert any(rule["name"] == "max_regression" and rule["value"] == 0.0 for rule in verdict["reasons"])


def test_predict_on_the_command_line(project: Project, texts: tuple[str, str]) -> None:
    done = project.shoal("predict", "clauses", texts[0])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["labels"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('never = ["a"]', "never: is of a classification, and the task is 'multilabel'"),
        ("gate = { accuracy = 0.9 }", "gate.accuracy: is of a classification, and the task is 'multilabel'"),
        ('severities = { a = "awful" }', "severities.a: got 'awful', must be one of high, medium, low"),
    ],
)
def test_keys_of_another_task_are_mistakes(tmp_path: Path, line: str, said: str) -> None:
    toml = '[project]\nname = "c"\n[specialists.clauses]\ntask = "multilabel"\n' + f'data = "{CLAUSES}"\n{line}\n'
    done = Project(tmp_path, toml).shoal("train")
    assert done.returncode == 2 and said in done.stderr, done.stderr
