"""The engine: residents, hot swap on promote, honest health. The specialists' scorer counts words."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from shoal.errors import ArtifactError, InputError, NotFoundError, ShoalError
from shoal.models import Logits, Scorer, Specialist, Tier, View
from shoal.registry import Registry
from shoal.serving import Engine, Limits
from shoal.tasks import Classification, Label

GOLDEN = Path(__file__).parents[1] / "data" / "artifact_v1"


class WordScorer:
    """Scores a label by how often its name occurs in the text; can be told to fail or to wait."""

    kind = "words.test"

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = labels
        self.broken = False
        self.gate = threading.Event()
        self.gate.set()

    def logits(self, texts: Sequence[str]) -> Logits:
        self.gate.wait(10)
        if self.broken:
            raise RuntimeError("the scorer is broken")
        return np.array([[8.0 * text.count(label) for label in self.labels] for text in texts], np.float32)


def specialist(*labels: str) -> Specialist:
    scorer = cast("Scorer", WordScorer(labels))
    tier = Tier("words", (View(scorer),), threshold=0.5)
    return Specialist(name="words", task=Classification(labels=labels), tiers=(tier,))


def scorer_of(engine: Engine, name: str) -> Any:
    return engine.get(name).specialist.tiers[0].views[0].scorer


class FakeRegistry:
    """Names, champions and their folders, as the engine asks a registry for them."""

    def __init__(self) -> None:
        self.champions: dict[str, str] = {}
        self.moves = 0

    def promote(self, name: str, version: str) -> None:
        self.champions[name] = version
        self.moves += 1

    def names(self) -> list[str]:
        return sorted(self.champions)

    def generation(self, name: str) -> tuple[int, str]:
        return (self.moves, self.champions[name])

    def aliases(self, name: str) -> dict[str, str]:
        return {"champion": self.champions[name]}

    def resolve(self, name: str, reference: str) -> Any:
        return type("Version", (), {"name": name, "version": self.champions[name]})()

    def path(self, version: Any) -> Path:
        return Path(version.name) / version.version


def open_folder(folder: Path) -> Specialist:
    if folder.name == "damaged":
        raise ArtifactError(f"{folder}/body.onnx is damaged")
    if folder.name == "mute":
        mute = specialist("yes", "no")
        cast("Any", mute.tiers[0].views[0].scorer).broken = True
        return mute
    return specialist("yes", "no") if folder.name != "v2" else specialist("yes", "no", "maybe")


@pytest.fixture
def registry() -> FakeRegistry:
    made = FakeRegistry()
    made.promote("opinion", "v1")
    return made


@pytest.fixture
def engine(registry: FakeRegistry) -> Engine:
    made = Engine(limits=Limits(batch_items=4), open_folder=open_folder)
    made.follow(cast("Registry", registry))
    return made


def label_of(answer: Label | ShoalError) -> str:
    assert isinstance(answer, Label)
    return answer.label


async def test_an_unknown_name_lists_what_there_is(engine: Engine) -> None:
    with pytest.raises(
        NotFoundError, match=r"no specialist is called 'opinoin'; did you mean 'opinion'\? There are: opinion"
    ):
        engine.get("opinoin")
    with pytest.raises(NotFoundError, match="There are: none"):
        Engine().get("opinion")


async def test_a_promoted_version_takes_over_and_the_old_one_finishes(engine: Engine, registry: FakeRegistry) -> None:
    old = engine.get("opinion")
    scorer_of(engine, "opinion").gate.clear()
    pending = [asyncio.create_task(old.batcher.predict(["maybe yes"])) for _ in range(10)]
    await asyncio.sleep(0.01)
    registry.promote("opinion", "v2")
    await engine.refresh()
    new = engine.get("opinion")
    assert (old.version, new.version) == ("v1", "v2")
    answered = await new.batcher.predict(["maybe"])
    assert label_of(answered.answers[0]) == "maybe"
    assert not any(task.done() for task in pending)
    old_scorer: Any = old.specialist.tiers[0].views[0].scorer
    old_scorer.gate.set()
    assert [label_of((await task).answers[0]) for task in pending] == ["yes"] * 10
    await engine.close()


async def test_swapping_under_load_loses_no_request(engine: Engine, registry: FakeRegistry) -> None:
    versions: set[str] = set()
    stop = False

    async def client() -> int:
        answered = 0
        while not stop:
            resident = engine.get("opinion")
            versions.add(resident.version)
            result = await resident.batcher.predict(["yes", "no", "yes"])
            assert [label_of(answer) for answer in result.answers] == ["yes", "no", "yes"]
            answered += 1
        return answered

    clients = [asyncio.create_task(client()) for _ in range(8)]
    for version in ("v2", "v3", "v4", "v5"):
        await asyncio.sleep(0.02)
        registry.promote("opinion", version)
        await engine.refresh()
    await asyncio.sleep(0.02)
    stop = True
    assert all(await asyncio.gather(*clients))
    assert versions == {"v1", "v2", "v3", "v4", "v5"}
    await engine.close()


@pytest.mark.parametrize(("version", "said"), [("damaged", r"body\.onnx is damaged"), ("mute", "the scorer is broken")])
async def test_a_broken_champion_changes_nothing_but_health(
    engine: Engine, registry: FakeRegistry, version: str, said: str
) -> None:
    registry.promote("opinion", version)
    await engine.refresh()
    assert engine.get("opinion").version == "v1"
    health = (await engine.health())["opinion"]
    assert health.state == "ok"
    assert health.version == "v1"
    with pytest.raises(ArtifactError, match=said):
        raise ArtifactError(health.update_error or "")
    registry.promote("opinion", "v3")
    await engine.refresh()
    assert engine.get("opinion").version == "v3"
    assert (await engine.health())["opinion"].update_error is None
    await engine.close()


async def test_a_new_name_is_served_without_a_restart(engine: Engine, registry: FakeRegistry) -> None:
    registry.promote("urgency", "v1")
    await engine.refresh()
    assert [resident.name for resident in engine] == ["opinion", "urgency"]
    await engine.close()


async def test_watching_notices_by_itself(engine: Engine, registry: FakeRegistry) -> None:
    watching = asyncio.create_task(engine.watch(every_s=0.01))
    registry.promote("opinion", "v2")
    async with asyncio.timeout(5):
        while engine.get("opinion").version != "v2":  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)
    watching.cancel()
    await engine.close()


async def test_a_champion_that_was_repaired_is_taken_without_another_promotion(
    engine: Engine, registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shoal.serving.engine._RETRY_S", 0.0)
    registry.promote("opinion", "damaged")
    await engine.refresh()
    assert engine.get("opinion").version == "v1"
    registry.champions["opinion"] = "v2"  # what the folder holds now is sound; no alias has moved
    registry.generation = lambda name: (1, "damaged")  # type: ignore[method-assign]
    await engine.refresh()
    assert engine.get("opinion").version == "v2"
    assert (await engine.health())["opinion"].update_error is None
    await engine.close()


async def test_watching_outlives_a_registry_that_cannot_be_read(engine: Engine, registry: FakeRegistry) -> None:
    asked = asyncio.Event()
    names = registry.names

    def away() -> list[str]:
        loop.call_soon_threadsafe(asked.set)
        raise OSError("the disk is away")

    loop = asyncio.get_running_loop()
    registry.names = away  # type: ignore[method-assign]
    watching = asyncio.create_task(engine.watch(every_s=0.01))
    await asyncio.wait_for(asked.wait(), 10)
    registry.names = names  # type: ignore[method-assign]
    registry.promote("opinion", "v2")
    async with asyncio.timeout(10):
        while engine.get("opinion").version != "v2":  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)
    watching.cancel()
    await engine.close()


async def test_health_is_a_real_answer_when_new_and_after_a_failure(engine: Engine) -> None:
    counters = engine.get("opinion").batcher.counters
    assert (await engine.health())["opinion"].state == "ok"
    assert counters.items == 1
    await engine.health()
    assert counters.items == 1  # healthy and proven: nothing is asked
    scorer_of(engine, "opinion").broken = True
    assert (await engine.health())["opinion"].state == "ok"  # nobody has noticed yet
    await engine.get("opinion").batcher.predict(["yes"])
    failing = (await engine.health())["opinion"]
    assert failing.state == "failing"
    assert failing.error == "specialist 'opinion' failed on this text (RuntimeError)"
    scorer_of(engine, "opinion").broken = False
    assert (await engine.health())["opinion"].state == "ok"
    await engine.close()


async def test_health_says_who_has_no_certificate(engine: Engine) -> None:
    engine.add_specialist("golden", "v1", Specialist.load(GOLDEN))
    health = await engine.health()
    assert (health["golden"].certified, health["opinion"].certified) == (True, False)
    assert health["opinion"].state == "ok"  # it answers: by doubts
    await engine.close()


async def test_a_hanging_model_is_not_healthy(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shoal.serving.engine._PROBE_S", 0.05)
    scorer = scorer_of(engine, "opinion")
    scorer.gate.clear()
    health = (await engine.health())["opinion"]
    assert (health.state, health.error) == ("failing", "no answer within 0.05 s")
    scorer.gate.set()
    await engine.close()


def test_two_folders_of_one_name_are_refused(tmp_path: Path) -> None:
    engine = Engine(open_folder=lambda folder: specialist("yes", "no"))
    engine.add_specialist("opinion", "v1", specialist("yes", "no"))
    with pytest.raises(InputError, match=r"two specialists are called 'opinion'.*b/opinion"):
        engine.add_folder(tmp_path / "b" / "opinion")


def test_a_damaged_champion_stops_the_start(registry: FakeRegistry) -> None:
    registry.promote("opinion", "damaged")
    with pytest.raises(ArtifactError, match=r"opinion/damaged/body\.onnx"):
        Engine(open_folder=open_folder).follow(cast("Registry", registry))
