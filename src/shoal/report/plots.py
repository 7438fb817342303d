"""The geometry of the evaluation's plots, in the units of an SVG view box; templates/plots.html.j2 draws them."""

import math

import msgspec

from shoal.evaluation import Report
from shoal.metrics import wilson

WIDTH, HEIGHT = 440, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 22, 14, 44
_MAP = 560  # side of the confusion map's cells together
_NAMED_LABELS = 40  # above, label names on the map would be too small to read


class Tick(msgspec.Struct, frozen=True):
    """A place on an axis and what stands there."""

    at: float
    text: str


class Frame(msgspec.Struct, frozen=True):
    """Two linear axes of shares."""

    low_x: float
    low_y: float
    high_y: float

    def x(self, value: float) -> float:
        """Horizontal place of a value; the axis ends at 1."""
        return round(_LEFT + (value - self.low_x) / (1 - self.low_x) * (WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        """Vertical place of a value; values beyond the axis stick to its end."""
        share = (min(value, self.high_y) - self.low_y) / (self.high_y - self.low_y)
        return round(HEIGHT - _BOTTOM - max(0.0, share) * (HEIGHT - _TOP - _BOTTOM), 1)

    @property
    def x_ticks(self) -> list[Tick]:
        """Places and percentages along the bottom."""
        return [Tick(self.x(value), _percent(value)) for value in _steps(self.low_x, 1.0)]

    @property
    def y_ticks(self) -> list[Tick]:
        """Places and percentages up the side."""
        return [Tick(self.y(value), _percent(value)) for value in _steps(self.low_y, self.high_y)]


class Reliability(msgspec.Struct, frozen=True):
    """A point a bin, with a whisker, and the diagonal on which an honest model lies."""

    frame: Frame
    points: list[dict[str, object]]


class RiskCoverage(msgspec.Struct, frozen=True):
    """The curve, the promised limit, and where the specialist works; None where there is no such thing."""

    frame: Frame
    path: str
    limit: float | None
    feasible: float | None
    point: dict[str, object] | None


class ConfusionMap(msgspec.Struct, frozen=True):
    """Only cells that hold rows; `strength` is the share of the reference label's rows in the cell."""

    side: float
    cell: float
    margin: float
    size: float
    names: list[Tick]
    cells: list[dict[str, object]]


def reliability(report: Report) -> Reliability:
    """Accuracy against confidence; the whisker is the Wilson 95 % interval of the bin."""
    bins = report.reliability
    lowest = min([1.0, *(b.confidence for b in bins), *(b.accuracy for b in bins)])
    low = min(0.9, math.floor(lowest * 10) / 10)
    frame = Frame(low, low, 1.0)
    points: list[dict[str, object]] = []
    for part in bins:
        bottom, top = wilson(round(part.accuracy * part.rows), part.rows)
        points.append(
            {
                "x": frame.x(part.confidence),
                "y": frame.y(part.accuracy),
                "bottom": frame.y(bottom),
                "top": frame.y(top),
                "title": f"{part.rows:,} rows, confidence {part.low:.1%} to {part.high:.1%}: "
                f"mean {part.confidence:.1%}, right {part.accuracy:.1%}",
            }
        )
    return Reliability(frame, points)


def risk_coverage(report: Report) -> RiskCoverage:
    """Risk of the surest share of answers; the whisker is the exact 95 % interval on the test rows."""
    promise, kept = report.certificate, report.accepted
    steady = [point.risk for point in report.curve if point.coverage >= 0.1]  # the first few rows jump about
    highest = max(max(steady, default=0.0), promise.risk if promise else 0.02, kept.risk.high if kept.risk else 0.02)
    frame = Frame(0.0, 0.0, _nice(highest * 1.15))
    point: dict[str, object] | None = None
    if kept.risk:
        point = {
            "x": frame.x(kept.coverage.value),
            "y": frame.y(kept.risk.value),
            "bottom": frame.y(kept.risk.low),
            "top": frame.y(kept.risk.high),
            "text": f"{kept.coverage.value:.1%} kept, {kept.risk.value:.1%} of them wrong",
        }
    return RiskCoverage(
        frame=frame,
        path=" ".join(
            f"{'L' if number else 'M'}{frame.x(p.coverage)} {frame.y(p.risk)}" for number, p in enumerate(report.curve)
        ),
        limit=frame.y(promise.risk) if promise else None,
        feasible=frame.x(promise.feasible_coverage) if promise and promise.feasible_coverage < 1 else None,
        point=point,
    )


def confusion_map(report: Report) -> ConfusionMap | None:
    """Lay out reference labels down, answers across; None when there are too many labels for a matrix."""
    matrix = report.confusion.matrix
    if matrix is None:
        return None
    labels = report.labels
    cell = round(min(44.0, _MAP / len(labels)), 2)
    named = len(labels) <= _NAMED_LABELS
    margin = min(200.0, 12 + 6.8 * max(map(len, labels))) if named else 8.0
    cells: list[dict[str, object]] = []
    for row, counts in enumerate(matrix):
        total = max(1, sum(counts))
        for column, count in enumerate(counts):
            if count:
                cells.append(
                    {
                        "x": round(margin + column * cell, 2),
                        "y": round(row * cell, 2),
                        "right": row == column,
                        "strength": round(0.12 + 0.88 * (count / total) ** 0.5, 3),
                        "title": f"{labels[row]} answered as {labels[column]}: {count:,} of {total:,} rows",
                        "count": count if named and cell >= 18 else "",
                    }
                )
    names = [Tick(round((row + 0.5) * cell, 2), _shortened(label)) for row, label in enumerate(labels)] if named else []
    return ConfusionMap(round(len(labels) * cell, 2), cell, margin, min(12.0, cell * 0.72), names, cells)


def _steps(low: float, high: float) -> list[float]:
    step = next(s for s in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25) if (high - low) / s <= 6.01 or s == 0.25)
    count = math.floor((high - low) / step + 1e-6)
    return [low + number * step for number in range(count + 1)]


def _nice(value: float) -> float:
    return min(1.0, next((top for top in (0.03, 0.05, 0.08, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75) if value <= top), 1.0))


def _percent(value: float) -> str:
    text = f"{100 * value:.1f}".removesuffix(".0")
    return f"{text}%"


def _shortened(label: str, longest: int = 28) -> str:
    return label if len(label) <= longest else f"{label[: longest - 1]}…"
