"""What Prometheus reads at /metrics. Counters of the hot path are looked up once; the rest is read when asked for."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shoal.ledger import Ledger
from shoal.serving import Engine
from shoal.tasks import Usage

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

UNKNOWN_PATH = "unknown"  # one label for whatever is asked: callers choose paths, and each label is kept for ever

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Telemetry:
    """The counters of one gateway, in a registry of their own."""

    def __init__(self, engine: Engine, ledger: Ledger | None) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "shoal_requests", "HTTP requests by path and status.", ["path", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "shoal_request_seconds",
            "Time to the end of the response.",
            ["path"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._decisions = Counter(
            "shoal_decisions",
            "Texts by specialist (or LLM, for traffic passed through) and by what became of them.",
            ["route", "decision"],
            registry=self._registry,
        )
        self._tokens = Counter(
            "shoal_llm_tokens", "Tokens of the larger models.", ["llm", "direction"], registry=self._registry
        )
        self._cost = Counter(
            "shoal_llm_cost_usd", "US dollars spent on larger models.", ["llm"], registry=self._registry
        )
        self._known_requests: dict[tuple[str, int], Counter] = {}
        self._known_seconds: dict[str, Histogram] = {}
        self._known_decisions: dict[tuple[str, str], Counter] = {}
        self._registry.register(_Gauges(engine, ledger))

    def request(self, path: str, status: int, seconds: float) -> None:
        """Count a finished request under its path's pattern."""
        key = (path, status)
        counter = self._known_requests.get(key)
        if counter is None:
            counter = self._known_requests[key] = self._requests.labels(path, str(status))
            self._known_seconds[path] = self._seconds.labels(path)
        counter.inc()
        self._known_seconds[path].observe(seconds)

    def decision(self, route: str, outcome: str) -> None:
        """Count what became of one text."""
        key = (route, outcome)
        counter = self._known_decisions.get(key)
        if counter is None:
            counter = self._known_decisions[key] = self._decisions.labels(route, outcome)
        counter.inc()

    def llm(self, name: str, usage: Usage, cost_usd: float) -> None:
        """Count a call of a larger model."""
        self._tokens.labels(name, "input").inc(usage.input_tokens)
        self._tokens.labels(name, "output").inc(usage.output_tokens)
        self._cost.labels(name).inc(cost_usd)

    def render(self) -> bytes:
        """Everything, in Prometheus' text form."""
        return generate_latest(self._registry)


class _Gauges(Collector):
    """What the batchers and the ledger count themselves."""

    def __init__(self, engine: Engine, ledger: Ledger | None) -> None:
        self._engine = engine
        self._ledger = ledger

    def collect(self) -> Iterator[Metric]:
        """Read the counts as they are now."""
        waiting = GaugeMetricFamily("shoal_waiting_texts", "Texts in the queue.", labels=["specialist"])
        info = GaugeMetricFamily("shoal_specialist_info", "Resident version.", labels=["specialist", "version"])
        counts = {
            "batches": CounterMetricFamily("shoal_batches", "Batches given to the model.", labels=["specialist"]),
            "items": CounterMetricFamily("shoal_batched_texts", "Texts accepted for batching.", labels=["specialist"]),
            "overloaded_requests": CounterMetricFamily(
                "shoal_overloaded_requests", "Requests refused because the queue was full.", labels=["specialist"]
            ),
            "cancelled_items": CounterMetricFamily(
                "shoal_cancelled_texts", "Texts dropped because the caller had gone.", labels=["specialist"]
            ),
            "failed_items": CounterMetricFamily(
                "shoal_failed_texts", "Texts that the model failed on.", labels=["specialist"]
            ),
        }
        for resident in self._engine:
            waiting.add_metric([resident.name], resident.batcher.waiting_items)
            info.add_metric([resident.name, resident.version], 1)
            for field, family in counts.items():
                family.add_metric([resident.name], getattr(resident.batcher.counters, field))
        yield waiting
        yield info
        yield from counts.values()
        if self._ledger is not None:
            health = self._ledger.health()
            yield GaugeMetricFamily("shoal_ledger_queued_rows", "Rows waiting to be written.", value=health.queued)
            yield CounterMetricFamily("shoal_ledger_written_rows", "Rows written.", value=health.written)
            yield CounterMetricFamily("shoal_ledger_dropped_rows", "Rows given up.", value=health.dropped)
            yield CounterMetricFamily(
                "shoal_ledger_rejected_rows", "Rows that cannot be stored.", value=health.rejected
            )
            yield CounterMetricFamily("shoal_ledger_errors", "Failed attempts to write.", value=health.errors)
