"""Public sources: only what was pinned is kept, whatever the network does; official splits are read as published."""

import hashlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from shoal.data import load_out_of_scope, load_public, sources
from shoal.data.catalogue import SOURCES, File, Source
from shoal.errors import DataError, EnvironmentProblem, NotFoundError

CONTENT = b"text,category\nhello,greeting\n"
TINY = Source(
    name="tiny",
    about="",
    licence="MIT",
    repository="someone/something",
    commit="0" * 40,
    files=(File("train.csv", "a/train.csv", len(CONTENT), hashlib.sha256(CONTENT).hexdigest()),),
)
JOINED = Source("joined", "", "MIT", "a/b", "1" * 40, (File("all.csv", None, 3, hashlib.sha256(b"abc").hexdigest()),))


@pytest.fixture(autouse=True)
def catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "SOURCES", (TINY, JOINED, *SOURCES))


@pytest.fixture
def host() -> Iterator[tuple[str, dict[str, bytes]]]:
    """A server on loopback that has what the dictionary says; the template of its addresses."""
    pages: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get(self.path)
            self.send_response(404 if page is None else 200)
            self.send_header("content-length", str(len(page or b"") + (5 if page == b"cut" else 0)))
            self.end_headers()
            self.wfile.write(page or b"")

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/{{repository}}/{{commit}}/{{path}}", pages
    server.shutdown()
    thread.join()
    server.server_close()


def page(wanted: Source) -> str:
    return f"/{wanted.repository}/{wanted.commit}/{wanted.files[0].path}"


def test_fetches_checks_and_leaves_right_files_alone(tmp_path: Path, host: tuple[str, dict[str, bytes]]) -> None:
    url, pages = host
    pages[page(TINY)] = CONTENT
    folder = sources.get("tiny", tmp_path, url=url)
    assert folder == tmp_path / "tiny" and (folder / "train.csv").read_bytes() == CONTENT
    pages.clear()
    sources.get("tiny", tmp_path, url=url)
    (folder / "train.csv").write_bytes(b"damaged")
    with pytest.raises(EnvironmentProblem, match="404"):
        sources.get("tiny", tmp_path, url=url)


@pytest.mark.parametrize("wrong", [b"text,category\nhello,greetinG\n", CONTENT + b"more", b"", CONTENT[:-1]])
def test_what_is_not_what_was_pinned_is_not_kept(
    tmp_path: Path, host: tuple[str, dict[str, bytes]], wrong: bytes
) -> None:
    url, pages = host
    pages[page(TINY)] = wrong
    with pytest.raises(DataError, match=r"train.csv: SHA-256 is .*, expected .*nothing was kept"):
        sources.get("tiny", tmp_path, url=url)
    assert not list(tmp_path.rglob("*.csv*"))


def test_a_source_that_cannot_be_reached_says_what_to_do(tmp_path: Path, host: tuple[str, dict[str, bytes]]) -> None:
    url, pages = host
    pages[page(TINY)] = b"cut"
    for address in (url, "http://127.0.0.1:9/{path}"):
        with pytest.raises((EnvironmentProblem, DataError), match=r"train.csv: (cannot be fetched|SHA-256)"):
            sources.get("tiny", tmp_path, url=address)
    assert not list(tmp_path.rglob("*.csv*"))


def test_copies_from_a_local_folder_with_the_same_check(tmp_path: Path) -> None:
    local = tmp_path / "shared" / "joined"
    local.mkdir(parents=True)
    with pytest.raises(DataError, match=r"all.csv: there is no such file in the local folder"):
        sources.get("joined", tmp_path / "here", local=local.parent)
    (local / "all.csv").write_bytes(b"abd")
    with pytest.raises(DataError, match="expected"):
        sources.get("joined", tmp_path / "here", local=local.parent)
    (local / "all.csv").write_bytes(b"abc")
    assert (sources.get("joined", tmp_path / "here", local=local.parent) / "all.csv").read_bytes() == b"abc"


def test_joined_sets_and_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"all.csv was joined from files of a/b .* set SHOAL_DATA"):
        sources.get("joined", tmp_path)
    with pytest.raises(NotFoundError, match=r"'bankin77'; did you mean 'banking77'\? \(there are"):
        sources.get("bankin77", tmp_path)
    with pytest.raises(NotFoundError, match="not read as labelled rows"):
        load_public("llm_banking77", tmp_path)
    for name in ("clinc150", "headlines_gold", "banking77"):
        with pytest.raises(DataError, match="there is no such file"):
            load_public(name, tmp_path)


def test_a_disk_that_cannot_be_written_is_the_environments_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    local = tmp_path / "shared" / "joined"
    local.mkdir(parents=True)
    (local / "all.csv").write_bytes(b"abc")
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        sources.get("joined", tmp_path / "file", local=local.parent)


def test_every_file_is_pinned() -> None:
    for one in SOURCES:
        assert len(one.commit) == 40 and one.files and one.licence
        assert all(len(file.sha256) == 64 and file.size > 0 for file in one.files)
    assert len({one.name for one in SOURCES}) == len(SOURCES)


def test_small_copies_of_the_public_formats_are_read(tmp_path: Path) -> None:
    for name in ("clinc150", "headlines_gold", "davidson_hate"):
        (tmp_path / name).mkdir()
    parts = {key: [[f"{key} text", "a"]] for key in ("train", "val", "test", "oos_train", "oos_val", "oos_test")}
    (tmp_path / "clinc150" / "data_full.json").write_text(json.dumps(parts))
    for part in ("train", "test"):
        (tmp_path / "headlines_gold" / f"{part}.csv").write_text('"Q: gold up\nA:",up,1\n"Q: gold down\nA:",down,2\n')
    (tmp_path / "davidson_hate" / "labeled_data.csv").write_text(",class,tweet\n0,2,hi there\n1,0,go\n")
    assert [(row.text, row.split) for row in load_public("clinc150", tmp_path).rows] == [
        ("train text", "train"),
        ("val text", "dev"),
        ("test text", "test"),
    ]
    assert load_out_of_scope(tmp_path).part("test").texts == ["oos_test text"]
    headlines = load_public("headlines_gold", tmp_path)
    assert headlines.part("test").texts == ["gold up", "gold down"]
    assert headlines.rows[1].origin.endswith("train.csv:3")
    assert load_public("davidson_hate", tmp_path).targets == ["neither", "hate_speech"]
