"""Fill the tables of docs/benchmarks.md and README.md from bench/results/*.json.

    python bench/tables.py            # write them
    python bench/tables.py --check    # exit code 1 when a page differs from the results

A page says where a table belongs: between `<!-- table: NAME -->` and `<!-- end -->`. What has not been measured yet is
said so; a result file that no page shows is an error.
"""

import argparse
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from peers_table import peers

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "bench" / "results"
PAGES = (ROOT / "docs" / "benchmarks.md", ROOT / "README.md")
MARKER = re.compile(r"(<!-- table: ([\w-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
NAMES = {
    "banking77": "Banking77",
    "clinc150": "CLINC150",
    "bitext_customer_support": "Bitext",
    "cuad_clauses": "CUAD",
    "davidson_hate": "Davidson",
    "headlines_gold": "gold headlines",
    "llm_babe_bias": "BABE",
    "llm_imdb_gpt": "IMDB",
    "legal_summarization": "legal summaries",
    "legal_summarization_words": "legal summaries",
    "qmsum_spans": "QMSum",
    "unfair_tos": "unfair ToS",
}

Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    measured = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))}
    shown: set[str] = set()
    for page in PAGES:
        before = page.read_text(encoding="utf-8")
        after = MARKER.sub(lambda found: found[1] + table(found[2], measured) + found[4], before)
        shown |= {source(found[1]) for found in MARKER.findall(before)}
        if check and after != before:
            sys.exit(f"{page.name} is not what bench/results holds; run: python bench/tables.py")
        if not check:
            page.write_text(after, encoding="utf-8")
    if forgotten := sorted(set(measured) - shown):
        sys.exit(f"no page shows bench/results/{forgotten[0]}.json; add <!-- table: {forgotten[0]} --> <!-- end -->")


def source(name: str) -> str:
    """The result file behind a table."""
    return {"readme": "cascade_recorded", "tagging_promises": "tagging"}.get(name, name)


def table(name: str, measured: dict[str, Any]) -> str:
    """A table with what it was measured on, or a line that it has not been measured."""
    document = measured.get(source(name))
    if document is None:
        return "*Not measured yet.*\n"
    lines = TABLES.get(name, plain)(document["results"])
    return "\n".join(lines) + f"\n\n{measured_on(document)}\n"


def measured_on(document: dict[str, Any]) -> str:
    machine = document["hardware"]
    shown = f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}"
    commit = document["commit"].replace("+changes", " with changes not yet committed")
    seed = "" if document.get("seed") is None else f", seed {document['seed']}"
    text = (
        f"Commit {commit}, {document['date'][:10]}{seed}; {shown}, Python {machine['python']}. "
        f"Intervals: 95 %. Source: bench/results/{document['name']}.json."
    )
    return "\n".join(textwrap.wrap(f"<sub>{text}</sub>", 128))


def drawn(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def percent(share: float | Row | None, digits: int = 1) -> str:
    """93.4, or 93.4 (92.4 to 94.2) with an interval."""
    if share is None:
        return "-"
    if isinstance(share, dict):
        low, high = (f"{100 * share[edge]:.{digits}f}" for edge in ("low", "high"))
        return f"{100 * share['value']:.{digits}f} ({low} to {high})"
    return f"{100 * share:.{digits}f}"


def number(value: float) -> str:
    """Three digits that count, thousands with commas."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def data(row: Row) -> str:
    return NAMES.get(row["data"], str(row["data"]))


def rungs(results: list[Row]) -> list[str]:
    rows: list[list[str]] = []
    for row in results:
        runs = row["runs"]
        low, high = (min(run["accuracy_interval"][0] for run in runs), max(run["accuracy_interval"][1] for run in runs))
        kept = percent(row["coverage"])
        if row["coverage"]:
            kept += f", {percent(row['risk_of_kept'])} of them wrong"
        rows.append(
            [
                data(row),
                row["rung"],
                " then ".join(runs[0]["tiers"]),
                f"{100 * row['accuracy']:.2f} ({100 * low:.1f} to {100 * high:.1f})",
                percent(row["macro_f1"]),
                f"{row['scope_auroc']:.3f}" if "scope_auroc" in row else "-",
                kept,
                number(row["training_seconds"]),
                number(row["size_megabytes"]),
                f"{row['p50_ms']:.2f}",
                number(row["docs_per_second"]),
            ]
        )
        alone = runs[0]["alone"]
        rows += [
            ["", "", f"{name} alone", percent(right, 2), *[""] * 7] for name, right in alone.items() if len(alone) > 1
        ]
    head = ("data", "asked for", "answers", "accuracy, %", "macro-F1, %", "out-of-scope AUROC", "kept at 5 %, %")
    return drawn((*head, "training, s", "MB", "one text, ms", "texts/s"), rows)


def guarantee(results: list[Row]) -> list[str]:
    rows = []
    for row in results:
        broken = row["violations"]
        rows.append(
            [
                data(row),
                row["scorer"],
                percent(row["accuracy"]),
                f"{100 * row['alpha']:.0f}",
                f"{row['calibration_rows']:,} of {row['pool_rows']:,}",
                percent(row["certified"]["value"], 0),
                percent(row["mean_coverage"]),
                percent(broken["drawn, pool risk"]),
                percent(broken["split, pool risk"]),
                f"{percent(broken['split, rest risk'])}; {percent(broken['split, rest risk, expected'])}",
            ]
        )
    head = ("data", "scorer", "accuracy, %", "risk, %", "calibration rows", "certified, % of draws", "kept, %")
    return drawn((*head, "broken: drawn, %", "broken: split, %", "rest above the limit, %; by chance"), rows)


def gate(results: list[Row]) -> list[str]:
    rows = []
    for row in results:
        spoilt = f"{100 * row['difference_on_slice']:+.1f} on {number(row['spoilt_rows'])} rows"
        rows.append(
            [
                data(row),
                row["challenger"],
                f"{row['test_rows']:,}",
                f"{100 * row['difference']:+.1f}",
                f"{row['spoilt_slice']}: {spoilt}",
                f"**{row['stopped']}** of {row['seeds']}",
                str(row["by_all_rows"]),
                str(row["by_a_slice"]),
            ]
        )
    head = ("data", "challenger", "test rows", "to the champion, points", "on one slice, points", "stopped")
    return drawn((*head, "by all rows", "by a slice"), rows)


def cascade(results: list[Row]) -> list[str]:
    return _cascade([row for row in results if row["policy"] == "cascade" or row["alpha"] == results[0]["alpha"]])


def readme(results: list[Row]) -> list[str]:
    return _cascade([row for row in results if row["alpha"] == 0.05])


def _cascade(results: list[Row]) -> list[str]:
    order = {"LLM alone": 0, "specialist alone": 1, "cascade": 2}
    rows = []
    for row in sorted(results, key=lambda row: (row["data"], order[row["policy"]], row["alpha"])):
        policy = {"LLM alone": "GPT-4 alone (recorded)", "specialist alone": "specialist alone"}.get(row["policy"])
        kept = row.get("risk_of_kept")
        rows.append(
            [
                data(row),
                policy or f"both, risk {100 * row['alpha']:.0f} %",
                percent(row["accuracy"]),
                percent(row["llm_calls"]),
                f"{row['usd_per_1000']:.2f}",
                ("no certificate" if kept is None else percent(kept)) if row["policy"] == "cascade" else "",
            ]
        )
    return drawn(
        ("data", "who answers", "accuracy, %", "asked GPT-4, %", "USD per 1,000", "wrong of what was kept, %"), rows
    )


def distil(results: list[Row]) -> list[str]:
    def kept(row: Row, alpha: str, against: str) -> str:
        found = row["kept"].get(alpha, {}).get(against)
        if found is None:
            return "-"
        share = percent(found["share"])
        return f"{share}, {percent(found['disagree'])}, {percent(found['wrong'])}" if found["share"] else "0"

    rows = []
    for row in sorted(results, key=lambda row: (row["teacher"], row["logs"], row["system"] != "shoal")):
        head = [row["teacher"], f"{row['logs']:,}", row["system"]]
        if "failed" in row:
            rows.append([*head, f"failed: {row['failed']}", *[""] * 6])
            continue
        figures = [percent(row["agreement"]), percent(row["accuracy"])]
        shares = [kept(row, alpha, "teacher") for alpha in ("0.05", "0.03", "0.02")]
        rows.append([*head, *figures, *shares, kept(row, "0.05", "both"), number(row["training_seconds"])])
    head = ("teacher", "logs", "system", "agrees with the teacher, %", "right, %")
    spans = (
        "kept at 5 %; of them other than the teacher; wrong, %",
        "the same at 3 %",
        "at 2 %",
        "at 5 % and true, too",
    )
    truth = {row["teacher"]: row["teacher_accuracy"] for row in results if "teacher_accuracy" in row}
    ceilings = "; ".join(f"{teacher}: {percent(right)} %" for teacher, right in truth.items())
    return [
        *drawn((*head, *spans, "training, s"), rows),
        "",
        *textwrap.wrap(f"Right, of the teachers' own answers to these rows: {ceilings}.", 128),
    ]


def certified(results: list[Row]) -> list[str]:
    found: dict[tuple[str, str], dict[float, Row]] = {}
    for row in results:
        found.setdefault((row["data"], row["rung"]), {})[row["risk"]] = row
    rows = []
    for by_risk in found.values():
        row = by_risk[0.05]
        shares = [
            f"{percent(one['kept']['value'])}, {percent(one['wrong_of_kept'])} wrong" if one["certified"] else "none"
            for one in by_risk.values()
        ]
        sizes = [str(row["labels"]), f"{row['train_rows']:,}", f"{row['calibration_rows']:,}"]
        rows.append([data(row), row["answers"], *sizes, percent(row["accuracy"]), *shares])
    head = ("data", "answers", "labels", "train rows", "calibration rows", "accuracy, %")
    return drawn((*head, "kept at 5 %, %", "at 3 %", "at 2 %"), rows)


def multilabel(results: list[Row]) -> list[str]:
    rows = [
        [
            data(row),
            row["system"] + (f" ({', '.join(row['answers'])})" if row["answers"] else ""),
            str(row["labels"]),
            f"{row['test_rows']:,}",
            percent(row["micro_f1"]),
            percent(row["macro_f1"]),
            number(row["training_seconds"]),
            number(row["texts_per_second"]) if row["texts_per_second"] else "-",
        ]
        for row in results
    ]
    head = ("data", "system", "labels", "test rows", "micro-F1, %", "macro-F1, %", "training of a fold, s", "texts/s")
    return drawn(head, rows)


def few(results: list[Row]) -> list[str]:
    rows = []
    for row in results:
        right = [run["accuracy"] for run in row["runs"]]
        rows.append(
            [
                row["encoder"],
                str(row["rows_a_label"]),
                f"{percent(row['accuracy'])} ({percent(min(right))} to {percent(max(right))})",
                str(row["seeds"]),
                ", ".join(dict.fromkeys(run["answers"] for run in row["runs"])),
                number(row["seconds"]),
                f"{row['p50_ms']:.2f}",
            ]
        )
    head = ("encoder", "rows a label", "accuracy, % (worst to best)", "samples", "answers", "training, s")
    return drawn((*head, "one text, ms"), rows)


def summarization(results: list[Row]) -> list[str]:
    figures = ("rouge1", "rouge2", "rougeL")
    rows = []
    for row in results:
        more = [percent(row[f"shoal_{figure}_more"]) if f"shoal_{figure}_more" in row else "" for figure in figures]
        speed = number(row["texts_a_second"]) if row["texts_a_second"] else ""
        about = [data(row), str(row["texts"]), row["budget"], row["system"]]
        rows.append([*about, *(percent(row[figure]) for figure in figures), *more, speed])
    head = ("data", "texts", "budget", "system", "ROUGE-1, %", "ROUGE-2, %", "ROUGE-L, %")
    more = ("shoal's ROUGE-1 more, points", "ROUGE-2 more", "ROUGE-L more")
    tried = [
        f"{data(row)}, {row['budget']}: {percent(one['below_floor'])} % less; certified in {one['certified']} draws"
        f", keeping {percent(one['mean_kept'])} % on average; broken in {one['broken']} of {one['draws']}."
        for row in results
        if (one := row.get("promise"))
    ]
    about = "The promise that at most 20 % of the kept have less than half of the oracle's ROUGE-1, on drawn texts."
    return [*drawn((*head, *more, "texts/s"), rows), "", *textwrap.wrap(" ".join([about, *tried]), 128)]


def review(results: list[Row]) -> list[str]:
    def seconds(value: Row) -> str:
        return f"{value['value']:.2f} ({value['low']:.2f} to {value['high']:.2f})"

    rows = [
        [
            row["specialist"],
            row["format"],
            f"{row['pages']} ({row['words']:,} words)",
            f"{row['segments']:,}",
            *(seconds(row[f"{part}_seconds"]) for part in ("read", "judge", "draw", "all", "cpu", "command")),
        ]
        for row in results
    ]
    head = ("specialist", "format", "pages", "passages", "read, s", "judge, s", "draw, s", "all three, s", "CPU, s")
    loads = [row["load"] for row in results]
    return [
        *drawn((*head, "command, s"), rows),
        "",
        f"Load average of the machine: {min(loads):.2f} to {max(loads):.2f}.",
    ]


def threshold_grid(results: list[Row]) -> list[str]:
    grids = list(dict.fromkeys(row["grid"] for row in results))
    found: dict[tuple[str, ...], dict[str, Row]] = {}
    for row in results:
        key = (data(row), row["scorer"], f"{100 * row['alpha']:.0f}", f"{row['calibration_rows']:,}")
        found.setdefault(key, {})[row["grid"]] = row
    rows = []
    for key, by_grid in found.items():
        best = max(by_grid[grid]["coverage"] for grid in grids)
        cells = []
        for grid in grids:
            value = by_grid[grid]["coverage"]
            cells.append(f"**{percent(value)}**" if value and value == best else percent(value))
        spread = max(row["standard_error"] for row in by_grid.values())
        rows.append([*key, *cells, percent(spread), percent(max(row["violations"] for row in by_grid.values()))])
    short = [grid.removeprefix("the same, ").replace("product: ", "product, ") for grid in grids]
    head = ("data", "scorer", "risk, %", "rows", *short, "largest standard error", "most broken, %")
    return drawn(head, rows)


def inference(results: list[Row]) -> list[str]:
    rows = [
        [
            row["engine"],
            str(row["cores"]),
            spread(row["docs_per_second"]),
            spread(row["times_pipeline"]),
            spread(row["p50_ms"]),
            spread(row["p99_ms"]),
            spread(row["cpu_ms_a_text"]),
            percent(row.get("tokenisation_share")),
            f"{percent(row['of_peak'])} of {number(row['peak'])}" if "of_peak" in row else "-",
        ]
        for row in results
    ]
    head = ("engine", "cores", "texts/s, in bulk", "times the pipeline", "one text, p50 ms", "p99 ms", "CPU ms a text")
    return [*drawn((*head, "tokenisation, %", "of the fastest matrix product, % of Gop/s"), rows), *busy(results)]


def http(results: list[Row]) -> list[str]:
    rows = [
        [
            row["target"],
            str(row["clients"]),
            spread(row["requests_per_second"]),
            spread(row["p50_ms"]),
            spread(row["p99_ms"]),
            spread(row.get("added_p50_ms")),
            spread(row.get("rate_of_nginx")),
            spread(row.get("cpu_ms")),
        ]
        for row in results
    ]
    head = ("target", "clients", "requests/s", "p50 ms", "p99 ms", "added to the upstream, p50 ms", "of nginx's rate")
    return [*drawn((*head, "CPU ms a request"), rows), *busy(results)]


def spread(estimate: Row | None) -> str:
    """A median with its interval."""
    if estimate is None:
        return "-"
    return f"{number(estimate['value'])} ({number(estimate['low'])} to {number(estimate['high'])})"


def busy(results: list[Row]) -> list[str]:
    """What else the machine had to do."""
    row = results[0]
    before, after = row["load_average"]
    made = f", load made by {row['generator']}" if "generator" in row else ""
    return [
        "",
        f"Medians of {row['repeats']} repeats{made}; load average of the machine {before} before, {after} after.",
    ]


def plain(results: list[Row]) -> list[str]:
    """Any list of flat rows: one column a key; what is nested deeper stays in the file."""
    columns = [
        key
        for key in dict.fromkeys(key for row in results for key in row)
        if all(isinstance(row.get(key), str | int | float | None) or _estimate(row.get(key)) for row in results)
    ]

    def cell(value: Any) -> str:
        if value is None:
            return "-"
        if _estimate(value):
            return f"{number(value['value'])} ({number(value['low'])} to {number(value['high'])})"
        return number(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)

    return drawn(
        [key.replace("_", " ") for key in columns], [[cell(row.get(key)) for key in columns] for row in results]
    )


def _estimate(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"value", "low", "high"}


def tagging(results: list[Row]) -> list[str]:
    systems = [row for row in results if row["system"] != "promises"]
    head = ["", *(row["system"] for row in systems)]
    figures = {
        "F1, strict, %": lambda row: percent(row["strict_f1"]),
        "precision, strict, %": lambda row: percent(row["strict_precision"]),
        "recall, strict, %": lambda row: percent(row["strict_recall"]),
        "F1, partial, %": lambda row: percent(row["partial_f1"]),
        "recall of structured types, strict, %": lambda row: percent(row["strict_structured_recall"]),
        "recall of structured types, partial, %": lambda row: percent(row["partial_structured_recall"]),
        "texts/s": lambda row: number(row["docs_per_second"]),
    }
    rows = [[name, *(figure(row) for row in systems)] for name, figure in figures.items()]
    for kind, found in systems[0]["strict_by_type"].items():
        if found["reference"]:
            named = f"recall of {kind} ({found['reference']})"
            counts = ([row[f"{way}_by_type"][kind] for way in ("strict", "partial")] for row in systems)
            shown = (" / ".join(percent(each["hits"] / each["reference"], 0) for each in both) for both in counts)
            rows.append([f"{named}, strict / partial, %", *shown])
    return drawn(head, rows)


def tagging_promises(results: list[Row]) -> list[str]:
    (found,) = (row for row in results if row["system"] == "promises")
    rows = [
        [each["type"], str(each["texts"]), f"{100 * each['risk']:.0f}", percent(each["made"]), percent(each["broken"])]
        for each in found["tried"]
    ]
    return drawn(("type", "texts that hold one", "allowed, %", "promised, % of draws", "broken, % of draws"), rows)


TABLES: dict[str, Callable[[list[Row]], list[str]]] = {
    "rungs": rungs,
    "guarantee": guarantee,
    "gate": gate,
    "cascade_recorded": cascade,
    "readme": readme,
    "distil": distil,
    "certified": certified,
    "multilabel": multilabel,
    "few": few,
    "summarization": summarization,
    "review": review,
    "threshold_grid": threshold_grid,
    "inference": inference,
    "http": http,
    "peers": peers,
    "tagging": tagging,
    "tagging_promises": tagging_promises,
}


if __name__ == "__main__":
    main()
