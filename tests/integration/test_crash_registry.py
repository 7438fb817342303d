"""kill -9 while publishing and promoting, at every step on the disk: what is visible afterwards is whole."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shoal.models import artifact
from shoal.registry import Registry

# Runs `action`, and kills itself just before the n-th call that changes the disk's state (or finishes).
PROGRAM = """
import os, signal, sys
from pathlib import Path
from shoal.registry import Registry, durable

action, root, folder, left = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])

def mortal(call):
    def wrapped(*arguments, **named):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **named)
    return wrapped

durable.os.fsync = mortal(os.fsync)
durable.shutil.copyfile = mortal(durable.shutil.copyfile)
for name in ("mkdir", "rename", "replace", "open"):
    setattr(Path, name, mortal(getattr(Path, name)))
registry = Registry(root)
if action == "publish":
    registry.publish("intent", folder)
else:
    registry.promote("intent", "v2")
"""


def saved(folder: Path, content: str) -> Path:
    with artifact.writing(folder) as new:
        (new / "weights.bin").write_bytes(content.encode() * 4096)
        (new / "task.json").write_text("{}")
    return folder


def run(action: str, root: Path, folder: Path, left: int) -> bool:
    """Whether the action was killed before it finished."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, action, root, folder, str(left)], stderr=subprocess.PIPE, timeout=60
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
    return done.returncode != 0


def check_whole(root: Path) -> list[str]:
    """Open the registry as after a restart; every visible version must be whole. Returns their names."""
    registry = Registry(root)
    versions = registry.versions("intent")
    for version in versions:
        assert artifact.verify(registry.path(version)).content_id == version.content_id
    assert not (root / "intent" / ".incoming").exists()
    return [version.version for version in versions]


def test_killed_while_publishing(tmp_path: Path) -> None:
    root, new = tmp_path / "registry", saved(tmp_path / "new", "new")
    Registry(root).publish("intent", saved(tmp_path / "old", "old"))
    Registry(root).promote("intent", "v1")
    killed, appeared = 0, 0
    for left in range(1, 100):
        if not run("publish", root, new, left):
            break
        killed += 1
        versions = check_whole(root)
        assert Registry(root).resolve("intent").version == "v1"
        assert versions in (["v1"], ["v1", "v2"])
        appeared += len(versions) == 2
    assert killed > 10
    assert appeared >= 1, "a kill after the rename was never tried"
    assert check_whole(root) == ["v1", "v2"]
    assert Registry(root).publish("intent", new).version == "v2"


def test_killed_while_publishing_the_first_version(tmp_path: Path) -> None:
    root, new = tmp_path / "registry", saved(tmp_path / "new", "new")
    for left in range(1, 5):
        assert run("publish", root, new, left)
        assert Registry(root).names() == []
    assert Registry(root).publish("intent", new).version == "v1"


def test_killed_while_promoting(tmp_path: Path) -> None:
    root = tmp_path / "registry"
    registry = Registry(root)
    for content in ("old", "new"):
        registry.publish("intent", saved(tmp_path / content, content))
    registry.promote("intent", "v1")
    outcomes: list[str] = []
    for left in range(1, 100):
        finished = not run("promote", root, tmp_path / "new", left)
        check_whole(root)
        champion = Registry(root).resolve("intent").version
        outcomes.append(champion)
        if finished:
            break
        if champion == "v2":
            assert Registry(root).rollback("intent").version == "v1"
    assert outcomes[-1] == "v2"
    assert outcomes.count("v1") >= 3
    # Killed at any time, the champion was the old or the new one; and a later promotion and rollback still fit.
    assert Registry(root).rollback("intent").version == "v1"


@pytest.mark.skipif(sys.platform != "linux", reason="a private mount needs Linux")
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    root = tmp_path / "registry"
    root.mkdir()
    big = tmp_path / "big"
    with artifact.writing(big) as new:
        (new / "weights.bin").write_bytes(os.urandom(3_000_000))
    small = saved(tmp_path / "small", "s")
    program = (
        "import sys; from shoal.registry import Registry; from shoal.errors import EnvironmentProblem\n"
        "root, small, big = sys.argv[1:]\n"
        "registry = Registry(root); registry.publish('intent', small); registry.promote('intent', 'v1')\n"
        "try: registry.publish('intent', big)\n"
        "except EnvironmentProblem as error: print(error)\n"
        "again = Registry(root); print(again.resolve('intent').version, len(again.versions('intent')))\n"
        "import os; print(sorted(os.listdir(root + '/intent')))\n"
    )
    script = f'mount -t tmpfs -o size=1m none "{root}" && exec "{sys.executable}" -c "$0" "{root}" "{small}" "{big}"'
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script, program], capture_output=True, text=True, timeout=60)
    if (done.returncode and "unshare" in done.stderr + done.stdout) or "mount" in done.stderr:
        pytest.skip(f"no private mount allowed here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    message, champion, listing = done.stdout.splitlines()
    assert "no room left on the disk" in message
    assert "3,000,000 bytes are needed" in message
    assert champion == "v1 1"
    assert listing == "['.lock', 'aliases.json', 'versions']"
