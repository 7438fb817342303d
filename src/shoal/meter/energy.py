"""Joules: from the processor's own counters (RAPL) where they can be read, else from CPU time.

RAPL (running average power limit) counts the energy of whole processor packages; Linux shows it as
/sys/class/powercap/intel-rapl:N/energy_uj, on AMD processors too (Linux kernel, Documentation/power/powercap). It sees
everything that runs on the machine, and many machines show it to root only, virtual machines not at all. CPU time sees
this process alone, and is turned into joules by an assumed power of a busy core.
"""

import time
from pathlib import Path
from typing import Literal, Self

from shoal.errors import InputError

JOULES_PER_KWH = 3_600_000.0
# An assumption, not a measurement: watts of one busy hardware thread, its share of the server included. The highest of
# the three averages at full load that Cloud Carbon Footprint derives from SPECpower results for the large clouds (3.5,
# 3.76 and 4.26 W; cloudcarbonfootprint.org/docs/methodology, "Compute"), so that shoal's energy is rather overstated.
WATTS_PER_CORE = 4.26
POWERCAP = Path("/sys/class/powercap")

Method = Literal["rapl", "cpu_time"]


def energy_cost(joules: float, usd_per_kwh: float) -> float:
    """Return the cost of energy in US dollars."""
    return joules / JOULES_PER_KWH * usd_per_kwh


class EnergyMeter:
    """Counts the energy used since it was made, or since the last `lap`.

    As a context manager it measures the block: `with EnergyMeter() as meter: ...`, then `meter.joules`. In a server,
    `lap()` after each batch returns what was used since the batch before; all laps together are the whole.

    Args:
        watts_per_core: assumed power of a busy core, for the method "cpu_time".
        scope: "process" counts all threads of this process (with RAPL: the whole machine); "thread" counts the calling
            thread alone, always by CPU time, and must be asked from that thread.
        powercap: where the kernel shows the RAPL counters.

    Raises:
        InputError: `watts_per_core` is not above 0.
    """

    def __init__(
        self,
        *,
        watts_per_core: float = WATTS_PER_CORE,
        scope: Literal["process", "thread"] = "process",
        powercap: Path = POWERCAP,
    ) -> None:
        if not watts_per_core > 0:
            raise InputError(f"watts_per_core is {watts_per_core}; it must be above 0 (a busy core takes 2 to 15 W)")
        self._watts = watts_per_core
        self._clock = time.process_time if scope == "process" else time.thread_time
        self._packages = _readable_packages(powercap) if scope == "process" else []
        self.method: Method = "rapl" if self._packages else "cpu_time"
        self.joules = 0.0
        self._cpu = self._clock()

    @property
    def description(self) -> str:
        """How the joules come about, in one sentence."""
        if self._packages:
            return f"RAPL counters of {len(self._packages)} processor package(s): the whole machine's processors"
        return f"CPU seconds of this process x {self._watts:g} W a core (assumed; no readable RAPL counters)"

    def __enter__(self) -> Self:
        self.lap()
        self.joules = 0.0
        return self

    def __exit__(self, *_: object) -> None:
        self.lap()

    def lap(self) -> float:
        """Return the joules used since the last lap (or the beginning), and add them to `joules`.

        RAPL counters wrap around every few minutes to hours of full load: take laps more often than that.
        """
        cpu = self._clock()
        used = (cpu - self._cpu) * self._watts
        self._cpu = cpu
        if self._packages:
            try:
                used = sum(package.lap() for package in self._packages)
            except (OSError, ValueError):
                # The right to read the counters was given up since (a server that drops privileges).
                self._packages = []
                self.method = "cpu_time"
        self.joules += used
        return used


class _Package:
    """One processor package's counter of microjoules."""

    def __init__(self, folder: Path) -> None:
        self._counter = folder / "energy_uj"
        self._range = int((folder / "max_energy_range_uj").read_text())
        self._last = int(self._counter.read_text())

    def lap(self) -> float:
        now = int(self._counter.read_text())
        used = now - self._last
        if used < 0:
            used += self._range + 1
        self._last = now
        return used / 1_000_000


def _readable_packages(powercap: Path) -> list[_Package]:
    """Return the counters of whole packages; none unless all can be read.

    "intel-rapl:0" is a package, "intel-rapl:0:1" a part of it; "intel-rapl-mmio:0" shows a package a second time.
    """
    folders = [f for f in sorted(powercap.glob("intel-rapl:*")) if f.name.count(":") == 1]
    try:
        packages = [f for f in folders if (f / "name").read_text().startswith("package")]
        return [_Package(folder) for folder in packages]
    except (OSError, ValueError):
        return []
