"""kill -9 during `shoal train` of a project, at many places: the champion serves on, nothing half-written is seen."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shoal.models import load
from shoal.registry import Registry

pytestmark = pytest.mark.slow  # trains a small model for each place

SHOAL = str(Path(sys.executable).parent / "shoal")
ROWS = Path(__file__).parents[1] / "data" / "artifact_v1_rows.csv"
TEXTS = ["two rye loaves please", "when do you open on sundays", "there was a hair in my bread", "qqq"]
TOML = """
[project]
name = "bakery"

[specialists.intent]
data = "rows.csv"
backbone = "tfidf"
guarantee = { risk = 0.35, confidence = 0.8 }
gate = { accuracy = 0.2, max_regression = 0.9 }
"""

# In one process that has imported everything: for each place a forked child runs the command and kills itself when it
# gets there. A place is a file, a function in it, and its first moment or its last.
PROGRAM = """
import json, os, shutil, signal, sys
from pathlib import Path

import shoal.training.choice, shoal.training.ladder, shoal.training.label_errors, cleanlab.filter
import sklearn.model_selection, shoal.report, shoal.evaluation, shoal.gate, shoal.registry
from shoal.cli import main
from shoal.models import artifact, load
from shoal.registry import Registry

base, places, texts = Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])

def child(project, file, function, moment):
    os.chdir(project)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1), os.dup2(quiet, 2)
    def inside(_frame, event, _):
        if event == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        return inside
    def watch(frame, event, _):
        code = frame.f_code
        if code.co_name == function and code.co_filename.endswith(file):
            return inside(frame, event, None)
    sys.settrace(watch)
    sys.argv = ["shoal", "train"]
    try:
        main()
    finally:
        os._exit(0)

def look(project):
    registry = Registry(project / ".shoal" / "registry")
    versions = registry.versions("intent")
    for version in versions:
        assert artifact.verify(registry.path(version)).content_id == version.content_id
    champion = registry.resolve("intent")
    answers = [[one.label, one.confidence] for one in load(registry.path(champion)).predict(texts)]
    left = sorted(entry.name for entry in (project / ".shoal" / "registry" / "intent").iterdir())
    return [[version.version for version in versions], champion.version, answers, left]

found = []
for place in places:
    file, function, moment = place
    project = base.with_name("at-work")
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(base, project)
    pid = os.fork()
    if pid == 0:
        child(project, file, function, moment)
    status = os.waitpid(pid, 0)[1]
    found.append([os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, *look(project)])
print(json.dumps(found))
"""

BEFORE = [  # the version appears; test_crash_registry dies at every line of publishing and promoting
    ("training/tfidf.py", "fit", "call"),
    ("evaluation/evaluate.py", "evaluate", "return"),
    ("models/artifact.py", "_seal", "return"),
    ("registry/durable.py", "copy_files", "return"),
]
AFTER = [("registry/store.py", "_take_in", "return"), ("registry/durable.py", "replace", "call")]
PROMOTED = [("registry/durable.py", "replace", "return")]


ONE_THREAD = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # more cost more than they gain on small matrices


def train(project: Path) -> None:
    done = subprocess.run([SHOAL, "train"], cwd=project, env=ONE_THREAD, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def add_rows(project: Path, count: int) -> None:
    """Give the next training other data, so that it is another version."""
    lines = ROWS.read_text(encoding="utf-8").splitlines(True)
    (project / "rows.csv").write_text("".join(lines[:count]), encoding="utf-8")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one champion, and rows that make another version."""
    project = tmp_path_factory.mktemp("crash") / "project"
    project.mkdir()
    (project / "shoal.toml").write_text(TOML)
    add_rows(project, 91)
    train(project)
    add_rows(project, 95)
    return project


def test_killed_anywhere_between_reading_and_promoting(base: Path) -> None:
    places = [*BEFORE, *AFTER, *PROMOTED]
    command = [sys.executable, "-c", PROGRAM, str(base), json.dumps(places), json.dumps(TEXTS)]
    done = subprocess.run(command, env=ONE_THREAD, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    registry = Registry(base / ".shoal" / "registry")
    old = [[one.label, one.confidence] for one in load(registry.path(registry.resolve("intent"))).predict(TEXTS)]
    for place, (killed, versions, champion, answers, left) in zip(places, json.loads(done.stdout), strict=True):
        assert killed, f"{place} was never reached"
        assert ".incoming" not in left, place
        assert versions == (["v1"] if place in BEFORE else ["v1", "v2"]), place
        assert champion == ("v2" if place in PROMOTED else "v1"), place
        assert (answers == old) is (place not in PROMOTED), place


def test_killed_from_outside_the_command_line_still_works_and_the_next_training_is_whole(
    base: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    subprocess.run(["cp", "-r", base, project], check=True)
    silent, scratch = subprocess.DEVNULL, tmp_path / "scratch"
    scratch.mkdir()
    environment = {**ONE_THREAD, "TMPDIR": str(scratch)}
    process = subprocess.Popen([SHOAL, "train"], cwd=project, env=environment, stdout=silent, stderr=silent)
    deadline = time.monotonic() + 60
    while not any(scratch.glob("shoal-*/*")):  # it has begun to save
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL

    def shoal(*arguments: str) -> str:
        done = subprocess.run([SHOAL, *arguments], cwd=project, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert {entry.name for entry in project.iterdir()} == {entry.name for entry in base.iterdir()}
    (version,) = json.loads(shoal("versions", "--json"))
    assert (version["version"], version["aliases"]) == ("v1", ["champion"])
    assert json.loads(shoal("predict", "intent", "when do you open on sundays"))["label"] == "hours"

    train(project)
    versions = json.loads(shoal("versions", "--json"))
    assert [(each["version"], each["aliases"]) for each in versions] == [("v1", []), ("v2", ["champion"])]
    assert sorted(entry.name for entry in (project / ".shoal" / "registry" / "intent").iterdir()) == [
        ".lock",
        "aliases.json",
        "versions",
    ]
