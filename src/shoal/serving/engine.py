"""Several specialists in memory, each behind its batcher; a promoted version replaces the old one while they serve.

A new version is loaded and tried beside the event loop, then takes the name in one assignment; the old one answers what
it had accepted. A version that cannot be loaded changes nothing: the old one serves on, and health says so.
"""

import asyncio
import difflib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from shoal.errors import ArtifactError, InputError, NotFoundError, OverloadedError, ShoalError
from shoal.models import Model, load, read_manifest
from shoal.registry import CHAMPION, Registry
from shoal.serving.batcher import Batcher, Limits
from shoal.serving.question import Item, predictor

_log = logging.getLogger("shoal.serving")

_PROBE = "Is anybody there?"
_PROBE_S = 5.0
_STUCK_S = 10.0
_RETRY_S = 10.0  # until a champion that could not be loaded is tried again: it may have been repaired


@dataclass(slots=True)
class Resident:
    """A specialist that answers requests.

    Attributes:
        name: as in requests and in the registry.
        version: the registry's ("v3"), or the start of its content id when it came from a folder.
        specialist: the model.
        batcher: the way to it.
        proven: whether an answer has come through the batcher.
    """

    name: str
    version: str
    specialist: Model
    batcher: Batcher[Item]
    proven: bool = False

    @property
    def certified(self) -> bool:
        """Whether it has a certificate; without one it keeps nothing."""
        certificate = self.specialist.certificate
        return certificate is not None and certificate.certified


class SpecialistHealth(msgspec.Struct, kw_only=True):
    """How one specialist is.

    Attributes:
        state: "ok", or "failing" when it cannot answer.
        version: what it answers with.
        certified: whether it has a certificate; without one it keeps nothing.
        waiting: texts in its queue.
        error: why it fails.
        update_error: why a newer champion could not take over; the version above serves on.
    """

    state: Literal["ok", "failing"]
    version: str
    certified: bool
    waiting: int
    error: str | None = None
    update_error: str | None = None


class Engine:
    """Resident specialists by name.

    Args:
        limits: of each specialist's queue and batches.
        open_folder: makes a specialist of a folder; checks it.
    """

    def __init__(self, *, limits: Limits | None = None, open_folder: Callable[[Path], Model] = load) -> None:
        self._limits = limits or Limits()
        self._open_folder = open_folder
        self._residents: dict[str, Resident] = {}
        self._registry: Registry | None = None
        self._generations: dict[str, object] = {}
        self._update_errors: dict[str, str] = {}
        self._retry_at: dict[str, float] = {}
        self._watch_error = ""
        self._retiring: set[asyncio.Task[None]] = set()

    def __iter__(self) -> Iterator[Resident]:
        return iter(list(self._residents.values()))

    def __len__(self) -> int:
        return len(self._residents)

    def get(self, name: str) -> Resident:
        """Return the specialist of this name, in the version that is champion now.

        Raises:
            NotFoundError: there is none; names what there is.
        """
        resident = self._residents.get(name)
        if resident is None:
            names = sorted(self._residents)
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise NotFoundError(f"no specialist is called {name!r}{hint} There are: {', '.join(names) or 'none'}")
        return resident

    def add_folder(self, folder: Path) -> Resident:
        """Serve the specialist in a folder under the folder's name; its version is the start of its content id.

        Raises:
            InputError: a second specialist of the same name.
            ArtifactError: the folder is damaged; names the file.
        """
        name = folder.resolve().name
        if name in self._residents:
            raise InputError(
                f"two specialists are called {name!r}, after their folders; rename {folder} or leave it out"
            )
        specialist = self._open(name, folder)
        return self.add_specialist(name, read_manifest(folder).content_id[:12], specialist)

    def add_specialist(self, name: str, version: str, specialist: Model) -> Resident:
        """Serve a specialist that is in memory."""
        return self._put(self._resident(name, version, specialist))

    def follow(self, registry: Registry) -> None:
        """Serve every champion of the registry, now and as they change while `watch` runs.

        Raises:
            ArtifactError: a champion's folder is damaged; names the file.
        """
        self._registry = registry
        for name in registry.names():
            self._generations[name] = registry.generation(name)
            if (found := self._load_champion(registry, name)) is not None:
                self._put(found)

    async def watch(self, *, every_s: float = 0.5) -> None:
        """Follow the registry's champions until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            error = ""
            try:
                await self.refresh()
            except Exception as problem:  # the registry's disk may be away for a while; the watching must go on
                error = _sentence(problem)
            if error and error != self._watch_error:
                _log.error("the registry cannot be read, so no new champion is noticed: %s", error)
            self._watch_error = error

    async def refresh(self) -> None:
        """Look once whether a champion has changed, and take it over."""
        registry = self._registry
        if registry is None:
            return
        for name in await asyncio.to_thread(registry.names):
            generation, now = registry.generation(name), time.monotonic()
            if generation == self._generations.get(name) and now < self._retry_at.get(name, float("inf")):
                continue
            self._generations[name] = generation
            try:
                found = await asyncio.to_thread(self._load_champion, registry, name)
            except Exception as problem:  # whatever is wrong with the new one, the old one serves on
                message = _sentence(problem)
                if message != self._update_errors.get(name):
                    _log.error("the new champion of %r is not served: %s", name, message)
                self._update_errors[name] = message
                self._retry_at[name] = now + _RETRY_S
                continue
            self._update_errors.pop(name, None)
            self._retry_at.pop(name, None)
            if found is not None:
                self._put(found)

    async def health(self) -> dict[str, SpecialistHealth]:
        """How each specialist is; a real prediction is made of those that are new or have just failed."""
        residents = list(self)
        states = await asyncio.gather(*(self._health_of(resident) for resident in residents))
        return {resident.name: state for resident, state in zip(residents, states, strict=True)}

    async def close(self, *, drain_s: float = 10.0) -> None:
        """Answer what was accepted, within the bound, and stop."""
        await asyncio.gather(*(resident.batcher.close(drain_s=drain_s) for resident in self), *self._retiring)

    def _load_champion(self, registry: Registry, name: str) -> Resident | None:
        """Load the champion; None when there is none yet or it is resident already."""
        if CHAMPION not in registry.aliases(name):
            return None
        champion = registry.resolve(name, CHAMPION)
        current = self._residents.get(name)
        if current is not None and current.version == champion.version:
            return None
        return self._resident(name, champion.version, self._open(name, registry.path(champion)))

    def _open(self, name: str, folder: Path) -> Model:
        """Open a specialist that answers one text: what cannot shall not be served; this also warms it up."""
        specialist = self._open_folder(folder)
        try:
            specialist.predict([_PROBE])
        except Exception as problem:
            raise ArtifactError(
                f"{folder}: specialist {name!r} can be opened but not asked ({type(problem).__name__}: {problem})"
            ) from problem
        return specialist

    def _resident(self, name: str, version: str, specialist: Model) -> Resident:
        batcher = Batcher(predictor(specialist), name=name, limits=self._limits, brief=specialist.brief)
        return Resident(name=name, version=version, specialist=specialist, batcher=batcher)

    def _put(self, resident: Resident) -> Resident:
        old = self._residents.get(resident.name)
        self._residents[resident.name] = resident
        if old is not None:
            _log.info("%s: %s serves instead of %s", resident.name, resident.version, old.version)
            task = asyncio.create_task(old.batcher.close(drain_s=60.0))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)
        return resident

    async def _health_of(self, resident: Resident) -> SpecialistHealth:
        batcher = resident.batcher
        error: str | None = None
        if not resident.proven or batcher.last_batch_failed or batcher.running_s > _STUCK_S:
            error = await self._probe(resident)
        return SpecialistHealth(
            state="failing" if error else "ok",
            version=resident.version,
            certified=resident.certified,
            waiting=batcher.waiting_items,
            error=error,
            update_error=self._update_errors.get(resident.name),
        )

    async def _probe(self, resident: Resident) -> str | None:
        try:
            answered = await asyncio.wait_for(resident.batcher.predict([_PROBE]), _PROBE_S)
        except TimeoutError:
            return f"no answer within {_PROBE_S:g} s"
        except OverloadedError:
            return None  # busy is not broken
        answer = answered.answers[0]
        if isinstance(answer, ShoalError):
            return str(answer)
        resident.proven = True
        return None


def _sentence(problem: Exception) -> str:
    return str(problem) if isinstance(problem, ShoalError) else f"{type(problem).__name__}: {problem}"
