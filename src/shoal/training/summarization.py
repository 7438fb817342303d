"""Texts with reference summaries in, a trained, calibrated, certified and measured summarizer out."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shoal import data as tables
from shoal.calibration import Certificate, certify
from shoal.data import Dataset, Row
from shoal.errors import InputError
from shoal.evaluation.summarization import evaluate, judge
from shoal.meter import EnergyMeter
from shoal.models.encoder import EncoderScorer
from shoal.models.passages import Reader
from shoal.models.ranking import Ranker
from shoal.models.selection import Selection
from shoal.models.sentences import units
from shoal.models.summarizer import Summarizer
from shoal.tasks import Budget, Summarization
from shoal.training import requirements
from shoal.training.backbone import require_extra, resolve
from shoal.training.cache import cached
from shoal.training.crossfit import Found, Referenced, learn, thresholds
from shoal.training.progress import Progress, silent

FEWEST = 20  # texts with a reference from which something is learnt
_MOST = 4_000  # texts that are learnt from
_READING = 0.6  # share of the seconds that reading the texts may take
_CHOOSING = 0.9  # share of the seconds after which nothing else is tried
_PARITY_UNITS = 200


def train(
    data: tables.Source,
    *,
    name: str = "summarizer",
    unit: Literal["sentence", "turn"] = "sentence",
    budget: Budget | None = None,
    floor: float = 0.5,
    risk: float | None = 0.1,
    confidence: float = 0.95,
    budget_seconds: float = 600,
    seed: int = 0,
    backbone: str = "auto",
    progress: Progress | None = None,
    cache: Path | None = None,
) -> Summarizer:
    """Train a summarizer on reference summaries, calibrate and certify it, and measure it on its test rows.

    The encoder stays as it is; what is learnt is which units are worth quoting (`training.ranker`), how they are chosen
    among alike, and how sure to be. All of that is chosen by cross-fitting over the train and dev rows: no text judges
    what it taught. Rows of one group stay together.

    Args:
        data: as `shoal.data.read` takes it, with the task "summarization": a `Dataset`, or rows with "text" and
            "summary" and perhaps "query". With fewer than 20 references in train and dev nothing is learnt:
            centrality, place and query choose, and no summary is kept.
        name: of the summarizer.
        unit: what is quoted: sentences, or whole turns of a dialogue.
        budget: of each summary; None: as many words as the training references have on average, or three sentences
            where there are none.
        floor: a summary is wrong where it has less than this share of the ROUGE-1 F1 that the oracle reaches.
        risk: of the summaries that are kept at most this share may be wrong; None asks for no promise.
        confidence: of that, over draws of the calibration rows.
        budget_seconds: for training. Where reading takes longer than 60 % of it, fewer texts are learnt from; after
            90 % nothing else is tried.
        seed: of everything random.
        backbone: the encoder: "auto" is the packaged one, else a folder or a hub name.
        progress: called as progress(stage, done, total).
        cache: folder for what a later training can use again; None keeps nothing.

    Raises:
        InputError: an argument or the data cannot be used; DataError names the rows.
        EnvironmentProblem: the 'train' extra is missing, or the encoder cannot be had.
    """
    requirements.check_promise(risk, confidence)
    _check(floor, budget_seconds)
    require_extra()
    began, tell = time.monotonic(), progress or silent
    with EnergyMeter() as meter:
        dataset = _prepared(data, seed, certified=risk is not None)
        learnt = _referenced([*dataset.part("train").rows, *dataset.part("dev").rows])
        task = Summarization(unit=unit, budget=budget or _usual(learnt))
        encoder, width, details = _encoder(backbone, dataset.texts, unit, cache)
        reader = Reader(_Remembering(encoder, cache), width, unit)
        texts = list(_read(reader, learnt, task.budget, began + _READING * budget_seconds, tell))
        found = learn(texts, seed, tell, began + _CHOOSING * budget_seconds) if len(texts) >= FEWEST else None
    summarizer = Summarizer(
        name=name,
        task=task,
        encoder=encoder,
        width=width,
        ranker=found.ranker if found else Ranker.untrained(width),
        selection=found.selection if found else Selection(),
        expectation=found.expectation if found else None,
        queried=any(text.passages.query for text in texts),
        floor=floor,
        provenance={
            "references": len(texts),
            "recipe": found.log if found else {"ranker": "untrained", "why": f"{len(texts)} texts with a reference"},
            "encoder": details,
            **requirements.notes(dataset, seed=seed, budget_seconds=budget_seconds, began=began, meter=meter),
        },
    )
    if found and risk is not None:
        certificate = _certified(summarizer, found, dataset.part("calibration"), risk, 1 - confidence)
        summarizer = replace(summarizer, certificate=certificate)
    tested = any(row.split in (None, "test") for row in _referenced(dataset.rows))
    return replace(summarizer, report=evaluate(summarizer, dataset, seed=seed).as_dict()) if tested else summarizer


def untrained(
    *,
    name: str = "summarizer",
    unit: Literal["sentence", "turn"] = "sentence",
    budget: Budget | None = None,
    floor: float = 0.5,
    risk: float = 0.1,
    confidence: float = 0.95,
    unlabelled: Sequence[str] = (),
    backbone: str = "auto",
    cache: Path | None = None,
) -> Summarizer:
    """Make a summarizer without any reference: it quotes what is central, early and near the query, and keeps nothing.

    Args:
        name: of the summarizer.
        unit: what is quoted: sentences, or whole turns of a dialogue.
        budget: of each summary; None: three sentences.
        floor: of the promise to come, as for `train`.
        risk: of it; `provenance["needs"]` says how many references it will take ...
        confidence: ... with this confidence.
        unlabelled: texts as they come in. Nothing is learnt from them; the encoder in int8 is compared on them.
        backbone: the encoder, as for `train`.
        cache: folder for what a later training can use again; None keeps nothing.

    Raises:
        InputError: an argument or the backbone cannot be used.
        EnvironmentProblem: the 'train' extra is missing, or the encoder cannot be had.
    """
    requirements.check_promise(risk, confidence)
    _check_floor(floor)
    require_extra()
    task = Summarization(unit=unit, budget=budget or Budget(sentences=3))
    texts = [text for text in unlabelled if text.strip()]
    encoder, width, details = _encoder(backbone, texts or ["Some text to compare the encoder on."], unit, cache)
    provenance = {
        "recipe": {"ranker": "untrained", "why": "no references"},
        "texts": len(texts),
        "needs": requirements.needs(risk, confidence) | {"floor": floor, "learning": FEWEST},
        "encoder": details,
        "libraries": requirements.libraries(),
    }
    return Summarizer(
        name=name,
        task=task,
        encoder=encoder,
        width=width,
        ranker=Ranker.untrained(width),
        floor=floor,
        provenance=provenance,
    )


def _check_floor(floor: float) -> None:
    if not 0 < floor <= 1:
        raise InputError(
            f"floor is {floor}; it is a share of what the oracle reaches: above 0, at most 1, such as 0.5."
        )


def _check(floor: float, budget_seconds: float) -> None:
    _check_floor(floor)
    if not 0 < budget_seconds < float("inf"):
        raise InputError(f"budget_seconds is {budget_seconds}; it must be a number of seconds above 0, such as 600.")


def _prepared(data: tables.Source, seed: int, *, certified: bool) -> Dataset:
    dataset = tables.read(data, label="summary", task="summarization", query=_query(data))
    dataset = tables.split(dataset, seed=seed, drop_leaks=True, calibrate=certified)
    return tables.thin(dataset, _MOST, seed=seed)


def _query(data: tables.Source) -> str | None:
    """Find the column of queries, if rows given as a list have one; for files `shoal.data.read` is told."""
    if isinstance(data, str | Path | Mapping | Dataset) or not data:
        return None
    return "query" if all("query" in row for row in data) else None


def _referenced(rows: Sequence[Row]) -> list[Row]:
    """Leave out rows without a text or without a reference."""
    return [row for row in rows if row.text.strip() and isinstance(row.target, str) and row.target]


def _usual(rows: Sequence[Row]) -> Budget:
    lengths = [len(str(row.target).split()) for row in rows]
    return Budget(words=max(1, round(float(np.mean(lengths))))) if lengths else Budget(sentences=3)


def _encoder(
    backbone: str, texts: Sequence[str], unit: Literal["sentence", "turn"], cache: Path | None
) -> tuple[EncoderScorer, int, dict[str, str]]:
    """Export the encoder, compared with torch on some units; in int8 where that is faster.

    The ranker learns from the very vectors that are served, so that it makes up for what rounding moves.
    """
    from shoal.training import frozen

    found = resolve(backbone)
    pieces = [text[each.start : each.end] for text in texts[:_PARITY_UNITS] for each in units(text, unit)[:3]]
    made = frozen.embed(found, pieces[:_PARITY_UNITS] or ["."], silent, cache)
    encoder = made.exact if made.small is None else made.small
    details = {"name": found.name, "sha256": found.sha256, "precision": "fp32" if made.small is None else "int8"}
    return encoder, made.width, details


@dataclass(frozen=True, slots=True)
class _Remembering:
    """An encoder whose vectors of the same texts are taken from the cache."""

    encoder: EncoderScorer
    cache: Path | None

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        kind = f"units of {self.encoder.size_bytes} bytes"
        makings = [kind.encode(), *(text.encode() for text in texts)]
        made = cached(self.cache, "units.v1", makings, lambda: {"vectors": self.encoder.embed(texts)})
        return made["vectors"].astype(np.float32, copy=False)

    def lengths(self, texts: Sequence[str]) -> NDArray[np.int64]:
        return self.encoder.lengths(texts)


def _read(
    reader: Reader, rows: Sequence[Row], budget: Budget, until: float, progress: Progress
) -> Iterator[Referenced]:
    """Read texts until the time for it is over, in the order of the rows; leave out those with nothing to gain."""
    passages = reader.read([row.text for row in rows], [row.query or "" for row in rows], budget)
    for done, (each, row) in enumerate(zip(passages, rows, strict=True)):
        progress("reading", done, len(rows))
        if done >= FEWEST and time.monotonic() > until:
            return
        if each.units:
            yield Referenced.of(each, str(row.target), row.group or row.text)


def _certified(summarizer: Summarizer, found: Found, calibration: Dataset, risk: float, delta: float) -> Certificate:
    """Test the summaries of rows that chose nothing: of the kept at most `risk` may fall below the floor."""
    rows = _referenced(calibration.rows)
    drafts = list(summarizer.drafts([row.text for row in rows], [row.query for row in rows]))
    shares = [judge(draft, str(row.target)).share for draft, row in zip(drafts, rows, strict=True)]
    sure = np.array([summarizer.confidence(draft) if draft.chosen else -np.inf for draft in drafts])
    asked = np.array([bool(draft.passages.query) == summarizer.queried for draft in drafts], np.bool_)
    good = np.array(shares) >= summarizer.floor
    steps = thresholds(found.confidence, found.shares, floor=summarizer.floor, rows=len(rows), risk=risk, delta=delta)
    return certify(sure, good, asked, risk=risk, delta=delta, grid=steps)
