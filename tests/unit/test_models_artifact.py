"""A model folder is whole, sealed and atomic: a flipped byte is named, an interrupted save leaves the old state."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shoal.errors import ArtifactError, EnvironmentProblem, InputError
from shoal.models import artifact

FILES = {"specialist.json": b'{"name": "a"}', "scorers/0/weights.npz": bytes(range(256))}


def fill(place: Path, files: dict[str, bytes] | None = None) -> None:
    for name, content in (files or FILES).items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "parent" / "model"
    with artifact.writing(target) as place:
        fill(place)
    return target


def reseal(folder: Path, change: dict[str, Any]) -> None:
    """Change a manifest and give it a seal that fits, as an attacker would."""
    fields = json.loads((folder / "manifest.json").read_bytes()) | change
    fields.pop("seal")
    (folder / "manifest.json").write_bytes(artifact._render(fields | {"seal": artifact._seal_of(fields)}))


def test_what_was_written_verifies(folder: Path) -> None:
    manifest = artifact.verify(folder)
    assert set(manifest.files) == set(FILES)
    assert manifest.size_bytes == sum(map(len, FILES.values()))
    assert manifest.schema == 1
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_equal_content_has_equal_id_and_other_content_another(folder: Path, tmp_path: Path) -> None:
    ids: list[str] = []
    for name, files in (("same", FILES), ("other", FILES | {"specialist.json": b"{}"}), ("moved", {"x": b"1"})):
        with artifact.writing(tmp_path / name) as place:
            fill(place, files)
        ids.append(artifact.read_manifest(tmp_path / name).content_id)
    assert ids[0] == artifact.read_manifest(folder).content_id
    assert len(set(ids)) == 3


def test_every_flipped_byte_is_refused_with_the_name_of_its_file(folder: Path) -> None:
    for path in (folder / name for name in [*FILES, "manifest.json"]):
        content = path.read_bytes()
        for position in range(len(content)):
            damaged = bytearray(content)
            damaged[position] ^= 1 << (position % 8)
            path.write_bytes(damaged)
            with pytest.raises(ArtifactError, match=path.name):
                artifact.verify(folder)
        path.write_bytes(content)
    artifact.verify(folder)


@pytest.mark.parametrize("cut", [0, 1, 100])
def test_a_shortened_file_is_refused(folder: Path, cut: int) -> None:
    path = folder / "scorers/0/weights.npz"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ArtifactError, match=r"weights\.npz is damaged"):
        artifact.verify(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "scorers/0/weights.npz").unlink()
    with pytest.raises(ArtifactError, match=r"weights\.npz is missing"):
        artifact.verify(folder)


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "scorers/../../outside", "manifest.json", "a\\b"])
def test_a_path_that_escapes_is_refused(folder: Path, name: str) -> None:
    (folder.parent / "outside").write_bytes(b"x")
    files = json.loads((folder / "manifest.json").read_bytes())["files"]
    reseal(folder, {"files": files | {name: {"sha256": "0", "size": 1}}})
    with pytest.raises(ArtifactError, match="outside the folder"):
        artifact.verify(folder)


def test_a_link_out_of_the_folder_is_refused(folder: Path) -> None:
    secret = folder.parent / "secret"
    path = folder / "specialist.json"
    secret.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(secret)
    with pytest.raises(ArtifactError, match="outside the folder"):
        artifact.verify(folder)


def test_a_newer_schema_is_refused_and_unknown_fields_are_not(folder: Path) -> None:
    reseal(folder, {"colour": "blue"})
    artifact.verify(folder)
    reseal(folder, {"schema": 2, "shoal": "9.0"})
    with pytest.raises(ArtifactError, match=r"schema 2; this shoal reads up to 1.*9\.0"):
        artifact.verify(folder)


@pytest.mark.parametrize("content", [b"", b"[]", b"nonsense", b'{"schema": "x"}', b"\xff\xfe", b'{"schema": null}'])
def test_a_manifest_that_is_none_is_refused(folder: Path, content: bytes) -> None:
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"manifest\.json is damaged"):
        artifact.verify(folder)


def test_a_manifest_of_the_wrong_form_is_refused(folder: Path) -> None:
    reseal(folder, {"files": 3})
    with pytest.raises(ArtifactError, match=r"manifest\.json is damaged.*files"):
        artifact.verify(folder)


def test_what_is_no_model_folder_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path, why in (("none", "does not exist"), ("file", "it is a file"), ("", "has no manifest.json")):
        with pytest.raises(ArtifactError, match=why):
            artifact.verify(tmp_path / path)


def test_only_an_artifact_is_overwritten_and_only_when_asked(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="already holds a model"), artifact.writing(folder):
        pass
    with artifact.writing(folder, overwrite=True) as place:
        fill(place, {"new": b"1"})
    assert set(artifact.verify(folder).files) == {"new"}
    assert [path.name for path in folder.parent.iterdir()] == ["model"]

    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"1")
    (tmp_path / "note").write_text("x")
    (tmp_path / "link").symlink_to(folder)
    for taken in ("photos", "note", "link"):
        with pytest.raises(InputError, match="left alone"), artifact.writing(tmp_path / taken, overwrite=True):
            pass
    (tmp_path / "empty").mkdir()
    with artifact.writing(tmp_path / "empty") as place:
        fill(place)
    artifact.verify(tmp_path / "empty")


@pytest.mark.parametrize(
    ("code", "words"), [(errno.ENOSPC, "no room left"), (errno.EDQUOT, "no room left"), (errno.EACCES, "cannot write")]
)
def test_a_full_disk_is_named_and_the_old_state_stays(folder: Path, code: int, words: str) -> None:
    before = artifact.verify(folder)
    with (
        pytest.raises(EnvironmentProblem, match=f"{words}.*{folder.name}"),
        artifact.writing(folder, overwrite=True) as place,
    ):
        fill(place, {"half": b"1"})
        raise OSError(code, os.strerror(code))
    assert artifact.verify(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_a_real_refusal_by_the_file_system_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(EnvironmentProblem, match="cannot write"), artifact.writing(tmp_path / "file" / "model"):
        pass


def test_a_failed_rename_brings_the_old_model_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = artifact.verify(folder)
    real = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if self.name.endswith(".new"):
            raise OSError(errno.EIO, "broken")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(EnvironmentProblem, match="broken"), artifact.writing(folder, overwrite=True) as place:
        fill(place, {"new": b"1"})
    monkeypatch.undo()
    assert artifact.verify(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


@pytest.mark.parametrize("calls", [1, 3, 6, 7, 8])
def test_a_kill_leaves_the_old_model_or_none_but_never_half(tmp_path: Path, calls: int) -> None:
    """The process ends without any clean-up at its n-th sync or rename."""
    script = f"""
import os
from pathlib import Path
from shoal.models import artifact
def write(content, **how):
    with artifact.writing(Path({str(tmp_path / "model")!r}), **how) as place:
        (place / "a").write_bytes(content)
        (place / "b").write_bytes(content)
write(b"old")
left = {calls}
def deadly(real):
    def call(*args):
        global left
        left -= 1
        if left == 0:
            os._exit(9)
        return real(*args)
    return call
artifact._sync = deadly(artifact._sync)
Path.rename = deadly(Path.rename)
write(b"new", overwrite=True)
"""
    done = subprocess.run([sys.executable, "-c", script], env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == (9 if calls < 8 else 0)
    visible = [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
    if calls == 6:  # between the two renames
        assert visible == []
        (old,) = (path for path in tmp_path.iterdir() if path.name.endswith(".old"))
        artifact.verify(old)
    else:
        artifact.verify(tmp_path / "model")
        assert (tmp_path / "model" / "a").read_bytes() == (b"old" if calls < 6 else b"new")
