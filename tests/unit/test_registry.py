"""Versions are immutable, whole, and counted up; aliases move and come back exactly."""

import errno
import shutil
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.errors import ArtifactError, EnvironmentProblem, InputError, NotFoundError
from shoal.models import artifact
from shoal.registry import ModelVersion, Registry, durable
from shoal.registry.aliases import Aliases

Maker = Callable[[str], Path]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry")


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    def make(content: str) -> Path:
        folder = tmp_path / "saved" / content
        with artifact.writing(folder) as new:
            (new / "sub").mkdir()
            (new / "sub" / "weights.bin").write_bytes(content.encode() * 1000)
            (new / "task.json").write_text('{"kind": "classification"}')
        return folder

    return make


@pytest.fixture
def three(registry: Registry, make: Maker) -> Registry:
    for content in ("a", "b", "c"):
        registry.publish("intent", make(content))
    return registry


def tree(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file() and p.name != ".lock"}


def test_a_published_version_is_the_folder(registry: Registry, make: Maker) -> None:
    folder = make("a")
    (folder / "stray.tmp").write_text("not in the manifest")
    version = registry.publish("intent", folder, note="first", report={"accuracy": 0.93})
    assert (version.name, version.version, version.note, version.report) == (
        "intent",
        "v1",
        "first",
        {"accuracy": 0.93},
    )
    assert version.content_id == artifact.verify(folder).content_id
    assert version.size_bytes == 1000 + len('{"kind": "classification"}')
    shutil.rmtree(folder)
    assert artifact.verify(registry.path(version)).content_id == version.content_id
    assert not (registry.path(version) / "stray.tmp").exists()
    assert Registry(registry.root).versions("intent") == [version]
    assert registry.names() == ["intent"]


def test_writing_to_the_source_leaves_the_version_alone(registry: Registry, make: Maker) -> None:
    folder = make("a")
    version = registry.publish("intent", folder)
    (folder / "task.json").write_text("changed")
    artifact.verify(registry.path(version))


def test_the_same_content_is_one_version(three: Registry) -> None:
    again = three.publish("intent", three.path(three.versions("intent")[0]))
    assert again.version == "v1"
    assert len(three.versions("intent")) == 3
    assert three.publish("tone", three.path(again)).version == "v1"
    assert three.names() == ["intent", "tone"]


def test_damaged_content_can_be_published_again(three: Registry, tmp_path: Path) -> None:
    (three.path(three.versions("intent")[0]) / "task.json").write_text("x")
    assert three.publish("intent", tmp_path / "saved" / "a").version == "v4"


def test_versions_count_up_beyond_nine(registry: Registry, make: Maker) -> None:
    for number in range(11):
        registry.publish("intent", make(f"m{number}"))
    assert [v.version for v in registry.versions("intent")] == [f"v{n}" for n in range(1, 12)]
    assert registry.resolve("intent", "latest").version == "v11"


@pytest.mark.parametrize("name", ["", "..", "../up", "a/b", "/abs", "Intent", "-x", "é", "a" * 65, "a\n", ".lock"])
def test_names_are_confined(registry: Registry, make: Maker, name: str) -> None:
    with pytest.raises(InputError, match="cannot be a specialist's name: allowed are"):
        registry.publish(name, make("a"))
    with pytest.raises(InputError):
        registry.resolve(name)
    assert not registry.root.exists()


def test_a_flipped_byte_is_refused_by_name(registry: Registry, make: Maker) -> None:
    folder = make("a")
    weights = folder / "sub" / "weights.bin"
    weights.write_bytes(b"b" + weights.read_bytes()[1:])
    with pytest.raises(ArtifactError, match=r"sub/weights\.bin is damaged"):
        registry.publish("intent", folder)
    assert registry.names() == []


def test_promote_and_roll_back(three: Registry) -> None:
    for version in ("v1", "v3", "v2"):
        assert three.promote("intent", version).version == version
        assert three.resolve("intent").version == version
    assert three.rollback("intent").version == "v3"
    assert three.rollback("intent").version == "v1"
    with pytest.raises(NotFoundError, match="no earlier champion"):
        three.rollback("intent")
    assert three.resolve("intent").version == "v1"
    moves = [(m.action, m.before, m.after) for m in three.history("intent")]
    assert moves == [
        ("set", None, "v1"),
        ("set", "v1", "v3"),
        ("set", "v3", "v2"),
        ("rollback", "v2", "v3"),
        ("rollback", "v3", "v1"),
    ]


def test_promoting_the_champion_again_changes_nothing(three: Registry) -> None:
    three.promote("intent", "v1")
    three.promote("intent", "v2")
    before = three.generation("intent")
    three.promote("intent", "v2")
    assert three.generation("intent") == before
    assert three.rollback("intent").version == "v1"


@given(st.lists(st.sampled_from(["v1", "v2", "v3", "back"])))
@settings(max_examples=200)
def test_rolling_back_undoes_promotions_in_order(actions: list[str]) -> None:
    aliases, stack = Aliases(), list[str]()
    for action in actions:
        if action == "back":
            earlier = aliases.roll_back("champion")
            assert (earlier is None) == (len(stack) < 2)
            if earlier is not None:
                aliases = earlier
                stack.pop()
        else:
            aliases = aliases.set("champion", action)
            if not stack or stack[-1] != action:
                stack.append(action)
        assert [aliases.aliases["champion"].version] == stack[-1:] if stack else not aliases.aliases


def test_other_aliases_are_independent(three: Registry) -> None:
    three.promote("intent", "v1")
    three.alias("intent", "challenger", "v3")
    three.alias("intent", "shadow", "challenger")
    assert three.aliases("intent") == {"champion": "v1", "challenger": "v3", "shadow": "v3"}
    assert three.resolve("intent", "shadow").version == "v3"
    with pytest.raises(NotFoundError):
        three.rollback("intent")


@pytest.mark.parametrize("alias", ["latest", "v3", "Champion", "", "a b"])
def test_alias_forms(three: Registry, alias: str) -> None:
    with pytest.raises(InputError, match="cannot be an alias"):
        three.alias("intent", alias, "v1")


def test_a_damaged_version_is_not_promoted(three: Registry) -> None:
    three.promote("intent", "v1")
    three.promote("intent", "v2")
    for number in (0, 2):
        (three.path(three.versions("intent")[number]) / "task.json").write_text("x")
    with pytest.raises(ArtifactError, match=r"v3/artifact/task\.json is damaged"):
        three.promote("intent", "v3")
    with pytest.raises(ArtifactError, match=r"v1/artifact/task\.json is damaged"):
        three.rollback("intent")
    assert three.resolve("intent").version == "v2"
    assert three.promote("intent", "v2")


def test_what_is_not_there_is_said(three: Registry, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no specialist 'intnet' .*did you mean 'intent'\? It has intent"):
        three.resolve("intnet")
    with pytest.raises(
        NotFoundError, match=r"no champion yet; it has the versions v1, v2, v3\. .*shoal promote intent v3"
    ):
        three.resolve("intent")
    three.promote("intent", "v2")
    with pytest.raises(NotFoundError, match=r"no version or alias 'v9'; it has the versions .* champion = v2"):
        three.promote("intent", "v9")
    with pytest.raises(NotFoundError, match="is empty"):
        Registry(tmp_path / "nothing").resolve("intent")
    assert Registry(tmp_path / "nothing").generation("intent") == (0, 0)
    assert not (tmp_path / "nothing").exists()


def test_generation_changes_with_every_move(three: Registry) -> None:
    seen = {three.generation("intent")}
    for version in ("v1", "v2"):
        three.promote("intent", version)
        seen.add(three.generation("intent"))
    three.rollback("intent")
    seen.add(three.generation("intent"))
    assert len(seen) == 4


def test_no_room_leaves_the_old_state(three: Registry, make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    three.promote("intent", "v2")
    folder = make("d")
    before = tree(three.root)
    copied = shutil.copyfile
    calls: list[Any] = []

    def full(source: Path, target: Path) -> None:
        calls.append(target)
        copied(source, target)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(durable.shutil, "copyfile", full)
    with pytest.raises(
        EnvironmentProblem, match=r"no room left on the disk of .*intent; 1,026 bytes are needed\. Nothing"
    ):
        three.publish("intent", folder)
    assert len(calls) == 2
    assert tree(three.root) == before
    monkeypatch.undo()
    assert three.publish("intent", folder).version == "v4"


def test_no_room_for_an_alias_leaves_it_where_it_was(three: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    three.promote("intent", "v2")
    before = tree(three.root)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(durable.os, "fsync", full)
    with pytest.raises(EnvironmentProblem, match="no room left"):
        three.promote("intent", "v1")
    assert tree(three.root) == before
    assert three.resolve("intent").version == "v2"


def test_a_registry_in_the_place_of_a_file(tmp_path: Path, make: Maker) -> None:
    (tmp_path / "registry").write_text("")
    with pytest.raises(EnvironmentProblem, match=r"cannot write in .*registry"):
        Registry(tmp_path / "registry").publish("intent", make("a"))


def test_leftovers_are_invisible_and_swept(three: Registry) -> None:
    leftover = three.root / "intent" / ".incoming" / "artifact"
    leftover.mkdir(parents=True)
    (leftover / "half").write_text("x")
    assert len(three.versions("intent")) == 3
    Registry(three.root)
    assert not leftover.parent.exists()


def test_a_copy_in_progress_is_not_swept(three: Registry) -> None:
    incoming = three.root / "intent" / ".incoming"
    with durable.locked(three.root / "intent" / ".lock"):
        incoming.mkdir()
        Registry(three.root)
        assert incoming.exists()


def test_publishers_and_promoters_at_once(registry: Registry, make: Maker) -> None:
    folders = [make(f"m{n % 6}") if n < 6 else registry.root.parent / "saved" / f"m{n % 6}" for n in range(12)]
    got: list[ModelVersion] = []
    failed: list[BaseException] = []

    def work(folder: Path) -> None:
        try:
            version = Registry(registry.root).publish("intent", folder)
            got.append(version)
            registry.promote("intent", version.version)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(folder,)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert len(got) == 12
    assert sorted({version.version for version in got}) == [f"v{n}" for n in range(1, 7)]
    assert {(v.version, v.content_id) for v in got} == {(v.version, v.content_id) for v in registry.versions("intent")}
    moves = registry.history("intent")
    assert all(one.after == other.before for one, other in pairwise(moves))


@pytest.mark.parametrize("content", [b"", b"{", b'{"aliases": 3}'])
def test_a_damaged_alias_file_is_named(three: Registry, content: bytes) -> None:
    three.promote("intent", "v1")
    (three.root / "intent" / "aliases.json").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"aliases\.json cannot be read"):
        three.resolve("intent")


def test_a_damaged_version_file_is_named(three: Registry) -> None:
    (three.root / "intent" / "versions" / "v2" / "version.json").write_text("{")
    with pytest.raises(ArtifactError, match=r"v2/version\.json cannot be read"):
        three.versions("intent")


def test_fields_of_a_newer_shoal_are_ignored(three: Registry) -> None:
    path = three.root / "intent" / "versions" / "v1" / "version.json"
    path.write_text(path.read_text().replace("{", '{"mood": "good", ', 1))
    assert three.versions("intent")[0].version == "v1"
