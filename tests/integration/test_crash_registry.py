"""kill -9 at every line of publishing, promoting and rolling back: what is visible afterwards is the old or the new."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shoal.models import artifact
from shoal.registry import Registry

# For n = 1, 2, ...: a fresh copy of the registry, a forked child that kills itself at the n-th line of the registry's
# own code, and a look at what it left, as after a restart. Ends with the first child that finishes.
PROGRAM = """
import json, os, shutil, signal, sys
from pathlib import Path
from shoal.models import artifact
from shoal.registry import Registry, store

action, base, folder = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
root = base.with_name("at-work")
code = str(Path(store.__file__).parent)

def act(left):
    def trace(frame, event, _):
        nonlocal left
        if not frame.f_code.co_filename.startswith(code):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace
    sys.settrace(trace)
    registry = Registry(root)
    if action == "publish":
        registry.publish("intent", folder)
    else:
        getattr(registry, action)(*(["intent", "v2"] if action == "promote" else ["intent"]))
    sys.settrace(None)

def look():
    registry = Registry(root)
    assert not (root / "intent" / ".incoming").exists()
    if not registry.names():
        return [[], None]
    versions = registry.versions("intent")
    for version in versions:
        assert artifact.verify(registry.path(version)).content_id == version.content_id
    return [[version.version for version in versions], registry.aliases("intent").get("champion")]

seen = []
for left in range(1, 10_000):
    shutil.rmtree(root, ignore_errors=True)
    if base.exists():
        shutil.copytree(base, root)
    child = os.fork()
    if child == 0:
        act(left)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    found = look()
    if found not in seen:
        seen.append(found)
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0
        break
    assert os.WTERMSIG(status) == signal.SIGKILL
print(json.dumps({"killed": left - 1, "seen": seen}))
"""


def saved(folder: Path, content: str) -> Path:
    with artifact.writing(folder) as new:
        (new / "weights.bin").write_bytes(content.encode() * 4096)
        (new / "task.json").write_text("{}")
    return folder


def kill_everywhere(action: str, base: Path, folder: Path) -> list[Any]:
    """Return the states that were found, in the order of the kills: [versions, champion]."""
    command = [sys.executable, "-c", PROGRAM, action, base, folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["killed"] > 20
    return result["seen"]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    registry = Registry(tmp_path / "registry")
    for content in ("first", "second"):
        registry.publish("intent", saved(tmp_path / content, content))
    registry.promote("intent", "v1")
    return registry.root


def test_killed_while_publishing(base: Path, tmp_path: Path) -> None:
    seen = kill_everywhere("publish", base, saved(tmp_path / "third", "third"))
    assert seen == [[["v1", "v2"], "v1"], [["v1", "v2", "v3"], "v1"]]


def test_killed_while_publishing_the_first_version(tmp_path: Path) -> None:
    seen = kill_everywhere("publish", tmp_path / "registry", saved(tmp_path / "first", "first"))
    assert seen == [[[], None], [["v1"], None]]


def test_killed_while_promoting(base: Path) -> None:
    assert kill_everywhere("promote", base, base) == [[["v1", "v2"], "v1"], [["v1", "v2"], "v2"]]


def test_killed_while_rolling_back(base: Path) -> None:
    Registry(base).promote("intent", "v2")
    assert kill_everywhere("rollback", base, base) == [[["v1", "v2"], "v2"], [["v1", "v2"], "v1"]]


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
