"""A document over HTTP: what the command gives of the same file, and a sentence for each that cannot be read."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pypdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.documents import read
from shoal.errors import EnvironmentProblem, LLMTimeout, OverloadedError, RequestError, ShoalError
from shoal.gateway import LLM, Desk, Plan, create_app
from shoal.gateway.reader import SUFFIXES, DocumentReader, document_name
from shoal.gateway.reviews import wants_page
from shoal.ledger import Ledger
from shoal.llm import Completion, Endpoint, Labelling
from shoal.meter import Price, cost
from shoal.models import load
from shoal.review import review
from shoal.routing import Route
from shoal.serving import Engine
from shoal.tasks import Tagging, Usage

GOLDEN = Path(__file__).parents[1] / "data" / "artifact_v1"
PATH = "/v1/specialists/artifact_v1/review"
LETTER = """\
# A letter

1. I'd like to order a birthday cake with strawberries.

2. When do you open on sundays?

3. The bread was stale and the man at the counter was rude.

4. X y z.
"""


@dataclass
class Answered:
    """What the application sent."""

    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""

    @property
    def error(self) -> Any:
        return json.loads(self.body)["error"]


async def ask(
    desk: Desk,
    body: bytes,
    kind: str | None = "text/markdown",
    accept: str = "",
    path: str = PATH,
    query: bytes = b"",
    leaves: asyncio.Event | None = None,
) -> Answered:
    answered = Answered()

    async def receive() -> dict[str, Any]:
        if not answered.status and not asked:
            asked.append(True)
            return {"type": "http.request", "body": body, "more_body": False}
        await (leaves or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answered.status, answered.headers = message["status"], dict(message["headers"])
        else:
            answered.body += message["body"]

    asked: list[bool] = []
    headers = [(b"accept", accept.encode())] + ([(b"content-type", kind.encode())] if kind is not None else [])
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": query,
        "headers": headers,
        "root_path": "",
    }
    await create_app(desk)(scope, receive, send)
    return answered


def desk_of(**options: Any) -> Desk:
    desk = Desk(Engine(), **options)
    desk.engine.add_folder(GOLDEN)
    return desk


async def test_it_is_the_review_that_the_command_gives(tmp_path: Path) -> None:
    (tmp_path / "document.md").write_text(LETTER)
    plan = Plan(Route("artifact_v1"), severities={"complaint": "high"})
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        desk = desk_of(plans={"artifact_v1": plan}, ledger=ledger, max_inputs=3)
        answered = await ask(desk, LETTER.encode())
        assert ledger.flush()
        rows, waiting = ledger.rows(), ledger.review_queue()
    assert (answered.status, answered.headers[b"content-type"]) == (200, b"application/json")
    found = json.loads(answered.body)
    expected = review(read(tmp_path / "document.md"), load(GOLDEN), severities={"complaint": "high"})
    version = answered.headers[b"x-shoal-version"].decode()
    named = msgspec.structs.replace(expected, specialist="artifact_v1", version=version)
    assert found == json.loads(msgspec.json.encode(named))
    assert found["findings"] and [one["reason"] for one in found["doubts"]] == ["never_label"]
    # Each passage is a row; what is in doubt stands in the answer, and waits for nobody.
    assert {row.text for row in rows} == {line[3:] for line in LETTER.splitlines() if line[:1] in ("1", "2", "3", "4")}
    assert {row.outcome for row in rows} <= {"accepted", "abstained"} and not waiting


class Scripted(Endpoint):
    """A larger model that says what it is told to."""

    def __init__(self, *answers: str | Exception) -> None:
        super().__init__("large", "http://127.0.0.1:1/v1", "m")
        self.answers = list(answers)

    async def _completion(self, path: str, request: dict[str, Any]) -> Completion:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Completion(answer, Usage(100, 1), False, 25.0)


DOUBTFUL = """\
1. X y z.

2. What about bread on sundays when I order?

3. I have a complaint about the price of the bread.
"""


async def test_a_larger_model_settles_the_doubts_where_it_is_asked_to(tmp_path: Path) -> None:
    price = Price(input=1.0, output=10.0)
    plan = Plan(Route("artifact_v1", llm="large"), Labelling((), {"complaint": "somebody is not content"}))
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        desk = desk_of(plans={"artifact_v1": plan}, ledger=ledger)
        before = json.loads((await ask(desk, DOUBTFUL.encode())).body)
        assert len(before["doubts"]) == 3
        said = "yes", LLMTimeout("too slow"), "no"
        desk.llms = {"large": LLM(Scripted(*said), price)}
        answered = await ask(desk, DOUBTFUL.encode(), query=b"escalate=true")
        after = json.loads(answered.body)
        assert ledger.flush()
        rows = {row.text: row for row in ledger.rows() if row.llm is not None}
    # The first is confirmed, the second got no answer, the others are cleared.
    assert [one["quote"] for one in after["findings"] if one["by"] == "large"] == [before["doubts"][0]["quote"]]
    assert [one["quote"] for one in after["doubts"]] == [before["doubts"][1]["quote"]]
    assert answered.headers[b"x-shoal-route"] == b"artifact_v1>llm:large"
    assert len(rows) == len(before["doubts"]) and {row.outcome for row in rows.values()} == {"abstained"}
    first, second = (rows[before["doubts"][index]["quote"]] for index in (0, 1))
    assert (first.input_tokens, first.output_tokens, first.cost_usd) == (100, 1, cost(Usage(100, 1), price))
    assert second.error == "too slow"


class Silent(Scripted):
    """A larger model that never answers, and whose client has gone by the time that it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    async def _completion(self, path: str, request: dict[str, Any]) -> Completion:
        self.asked.set()
        await asyncio.Event().wait()
        raise AssertionError


async def test_what_was_judged_is_written_down_although_the_client_leaves(tmp_path: Path) -> None:
    plan, silent = Plan(Route("artifact_v1", llm="large")), Silent()
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        desk = desk_of(plans={"artifact_v1": plan}, ledger=ledger, llms={"large": LLM(silent)})
        answered = await ask(desk, DOUBTFUL.encode(), query=b"escalate=true", leaves=silent.asked)
        assert ledger.flush()
        rows = ledger.rows()
    assert answered.status != 200 and len(rows) == 3
    assert {(row.outcome, row.status, row.llm) for row in rows} == {("abstained", 499, None)}


@pytest.mark.parametrize(
    ("route", "query", "status", "said"),
    [
        (Route("artifact_v1"), b"escalate=true", 422, "artifact_v1 hands its doubts to no larger model; name one"),
        (
            Route("artifact_v1", llm="large", barred="egress_never"),
            b"escalate=true",
            422,
            "texts of artifact_v1 may not leave (egress_never), and 'large' is external",
        ),
        (Route("artifact_v1"), b"escalate=yes", 400, "escalate='yes' is neither 'true' nor 'false'"),
        (Route("artifact_v1"), b"escalte=true", 400, "parameter 'escalte' is not known; there is 'escalate'"),
        (Route("artifact_v1"), b"&".join([b"escalate=true"] * 101), 400, "more than 100 parameters"),
    ],
)
async def test_whom_nobody_can_ask(route: Route, query: bytes, status: int, said: str) -> None:
    desk = desk_of(plans={"artifact_v1": Plan(route)}, llms={"large": LLM(Scripted())})
    answered = await ask(desk, LETTER.encode(), query=query)
    assert answered.status == status and said in answered.error["message"], answered.body


async def test_people_get_a_page() -> None:
    desk = desk_of(review_page=lambda document, found: f"<p>{document.name}: {len(found.findings)} found")
    page = await ask(desk, LETTER.encode(), accept="text/html,application/xhtml+xml,*/*;q=0.8")
    assert page.headers[b"content-type"] == b"text/html; charset=utf-8"
    assert page.body.startswith(b"<p>document.md: ")
    assert json.loads((await ask(desk, LETTER.encode(), accept="*/*")).body)["schema"] == 1
    assert json.loads((await ask(desk_of(), LETTER.encode(), accept="text/html")).body)["schema"] == 1


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (None, "there is no content-type; send one of text/plain, text/markdown, text/html, application/pdf"),
        ("application/json", "content-type 'application/json' is no document that is read; send one of text/plain"),
        ("text/plain; charset=latin-1", "charset 'latin-1' is not supported; send the text in UTF-8"),
    ],
)
async def test_unknown_types_are_told_what_is_taken(kind: str | None, said: str) -> None:
    answered = await ask(desk_of(), b"x", kind)
    assert answered.status == 415 and answered.error["message"].startswith(said)


def scanned() -> bytes:
    from io import BytesIO

    writer, out = pypdf.PdfWriter(), BytesIO()
    writer.add_blank_page(width=100, height=100)
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        ("text/plain", b" \n", "document.txt is empty."),
        ("text/plain; charset=UTF-8", b"caf\xe9 au lait", "document.txt is not UTF-8"),
        ("text/html", b"<script>x</script>", "document.html holds no text that a reader would see."),
        ("application/pdf", b"%PDF-1.4 nothing more", "document.pdf is damaged, or is no PDF"),
        ("application/pdf", scanned(), "document.pdf holds 0 characters on 1 page: its pages are pictures (scanned)"),
        (list(SUFFIXES)[-1], b"PK nothing more", "document.docx is damaged, or is no DOCX"),
    ],
)
async def test_what_cannot_be_read_is_told_in_the_readers_words(kind: str, body: bytes, said: str) -> None:
    answered = await ask(desk_of(), body, kind)
    assert answered.status == 422, answered.body
    assert answered.error["message"].startswith(said)


async def test_what_else_stands_in_the_way() -> None:
    large = await ask(desk_of(max_body_bytes=10), b"eleven bytes")
    assert large.status == 413 and "the limit is 10 ([serve] max_body_bytes)" in large.error["message"]
    unknown = await ask(desk_of(), b"a text", path="/v1/specialists/nobody/review")
    assert unknown.status == 404
    desk = Desk(Engine())
    tagger: Any = SimpleNamespace(task=Tagging(types=("name",)), predict=lambda texts: [], brief=True)
    desk.engine.add_specialist("names", "v1", tagger)
    other = await ask(desk, b"a text", path="/v1/specialists/names/review")
    message = "names: a review needs a specialist for classification or multilabel; this one is for tagging."
    assert (other.status, other.error["message"]) == (422, message)


async def test_a_document_of_headings_alone_has_nothing_to_judge() -> None:
    answered = await ask(desk_of(), b"# Only a heading\n")
    assert answered.status == 200 and json.loads(answered.body)["tally"]["passages"] == 0


async def test_a_specialist_that_fails_fails_the_review() -> None:
    def fail(texts: list[str]) -> Any:
        raise ValueError("no")

    desk = Desk(Engine())
    broken: Any = SimpleNamespace(task=load(GOLDEN).task, predict=fail, brief=True, certificate=None)
    desk.engine.add_specialist("broken", "v1", broken)
    answered = await ask(desk, b"a text", path="/v1/specialists/broken/review")
    assert answered.status == 500
    assert answered.error["message"].startswith("document.md is not reviewed: specialist 'broken' failed on this text")


@pytest.fixture
def instead(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Put a script in the place of the reader's process."""

    def put(script: str) -> None:
        program = tmp_path / "python"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setattr("sys.executable", str(program))

    return put


@pytest.mark.parametrize(
    ("script", "kind", "said"),
    [
        ("echo install the extra >&2; exit 3", EnvironmentProblem, "install the extra"),
        ("echo empty >&2; exit 2", RequestError, "empty"),
        ("echo Traceback >&2; echo MemoryError >&2; exit 1", ShoalError, "the reader failed on a.txt: MemoryError"),
        ("kill -9 $$", ShoalError, "the reader failed on a.txt: it was ended"),
        ("exec sleep 60", RequestError, "a.txt took longer than 0.3 s to read. Split it."),
    ],
)
async def test_whatever_a_reader_does_is_told(
    instead: Callable[[str], None], script: str, kind: type[ShoalError], said: str
) -> None:
    instead(script)
    with pytest.raises(kind) as caught:
        await DocumentReader(longest_s=0.3).read("a.txt", b"text" * 100_000)
    assert caught.value.message.strip() == said


async def test_few_are_read_at_once_few_wait_and_the_rest_come_again(instead: Callable[[str], None]) -> None:
    instead("exec sleep 60")
    reader = DocumentReader(at_once=1, most_waiting=1)
    tasks = [asyncio.create_task(reader.read("a.txt", b"text")) for _ in range(2)]
    await asyncio.sleep(0.1)
    with pytest.raises(OverloadedError, match="2 documents are being read or wait for it"):
        await reader.read("a.txt", b"text")
    for task in tasks:
        task.cancel()
    assert all(isinstance(one, asyncio.CancelledError) for one in await asyncio.gather(*tasks, return_exceptions=True))
    instead("echo empty >&2; exit 2")
    with pytest.raises(RequestError, match="empty"):  # those that went away left their places
        await reader.read("a.txt", b"text")


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        (None, False),
        (b"text/html", True),
        (b"application/json", False),
        (b"text/html;q=0.5, application/json", False),
        (b"application/json;q=0.5, TEXT/HTML;level=1;q=0.9", True),
        (b"text/html, application/json", False),
        (b"text/html;q=0", False),
    ],
)
def test_who_wants_a_page(accept: bytes | None, page: bool) -> None:
    assert wants_page(accept) is page


@given(st.binary(max_size=40))
def test_no_header_brings_it_down(header: bytes) -> None:
    wants_page(header)
    try:
        assert document_name(header).startswith("document.")
    except RequestError as error:
        assert error.http_status == 415
