"""A first specialist from what labels are called, before any row has a label: it guesses, and promises nothing.

A text goes to the label whose name its embedding is nearest to. Where texts without labels show what the traffic looks
like, the names move towards the texts that gather around them: spherical k-means with soft assignments, held by the
names (a mixture of von Mises-Fisher distributions, Banerjee et al. 2005; seeded by names as in Basu et al. 2002). It is
believed only where it agrees with the names on the texts of which the names are surest; with labels of tone, which the
encoder does not tell apart, the groups that form are about other things, and the names stay where they were.

All constants were chosen on Banking77, CLINC150 and Bitext training rows (docs/experiments.md); no rule here looks at
a label.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shoal.calibration import softmax
from shoal.errors import InputError
from shoal.models import Specialist, Tier, View
from shoal.tasks import MAX_LABELS, Classification
from shoal.training import requirements
from shoal.training.backbone import require_extra, resolve
from shoal.training.heads import phrases
from shoal.training.progress import Progress, silent
from shoal.training.texts import different

Floats = NDArray[np.floating]

_SENTENCES = ("{}", "I have a question about {}.", "This message is about {}.")
_NAME_SCALE = 20.0  # of cosines, before softmax: confidence is then about the accuracy on the three sets ...
_GROUP_SCALE = 15.0  # ... and so it is around gathered centres
_GATHERING_SCALE = 40.0
_ROUNDS = 10
_HOLD = 0.25  # weight of a name beside the texts of its label, as a share of the mean number of texts a label
_LEAST_TEXTS = 5  # a label; with fewer, chance gathers them
_AGREEMENT = 0.9
_MOST_CELLS = 10_000_000  # texts x labels that are looked at: bounds memory and time


class Gathered(NamedTuple):
    """Centres [L, d] for the labels, whether they are the names moved, and how far texts agree with the names."""

    centres: Floats
    moved: bool
    agreement: float | None


def from_names(
    labels: Sequence[str],
    descriptions: Mapping[str, str] | None = None,
    *,
    unlabelled: str | Path | Sequence[str] = (),
    backbone: str | Sequence[str] = "auto",
    risk: float = 0.05,
    confidence: float = 0.95,
    seed: int = 0,
    name: str = "specialist",
    never: Sequence[str] = (),
    progress: Progress | None = None,
    cache: Path | None = None,
) -> Specialist:
    """Make a first specialist from the names of its labels. It keeps no answer, has no certificate and no report.

    Args:
        labels: 2 to 10,000 different names; "card_arrival" is read as "card arrival".
        descriptions: what labels mean, in a few words.
        unlabelled: texts as they come in, at least five a label to be of use: a list, or a file with a column "text".
        backbone: a folder or a hub name of an encoder; every other value takes the default encoder. Of a list the
            first: without labelled rows there is nothing to probe encoders on.
        risk: of the promise to come; `provenance["needs"]` says how many labelled rows it will take ...
        confidence: ... with this confidence.
        seed: of the choice among very many unlabelled texts.
        name: of the specialist.
        never: labels whose answers will never be kept.
        progress: called as progress(stage, done, total).
        cache: folder for what a later training can use again; None keeps nothing.

    Raises:
        InputError: an argument cannot be used.
        EnvironmentProblem: the 'train' extra is missing, or the encoder cannot be had.
    """
    requirements.check_promise(risk, confidence)
    task = _task(labels, descriptions or {}, never)
    require_extra()
    from shoal.training import frozen

    began = time.monotonic()
    texts = different(unlabelled, _MOST_CELLS // max(len(task.labels), 1_000), seed)
    backbone = backbone if isinstance(backbone, str) else backbone[0]
    encoder = resolve(backbone)
    said = phrases(task.labels, {})
    scorer, width = frozen.headless(encoder, said, cache)

    def embedded(lines: Sequence[str]) -> Floats:
        return _unit(frozen.embedded(scorer, lines, progress or silent)[:, :width])

    sentences = [embedded([form.format(each) for each in said]) for form in _SENTENCES]
    told = [place for place, label in enumerate(task.labels) if label in (descriptions or {})]
    meant = embedded([(descriptions or {})[task.labels[place]] for place in told])
    names = name_vectors(sentences, meant, told)
    found = gather(names, embedded(texts))
    weight = np.zeros((2 * width, len(task.labels)), np.float32)
    weight[:width] = (_GROUP_SCALE if found.moved else _NAME_SCALE) * found.centres.T
    provenance: dict[str, Any] = {
        "recipe": {"backbone": backbone, "final": "names", "first": None},
        "encoder": {"name": encoder.name, "sha256": encoder.sha256},
        "rows": {},
        "texts": len(texts),
        "names": {"moved": found.moved, "agreement": found.agreement},
        "needs": requirements.needs(risk, confidence),
        "seed": seed,
        "training_seconds": round(time.monotonic() - began, 2),
        "libraries": requirements.libraries(),
    }
    tier = Tier(name="names", views=(View(scorer.with_head(weight, np.zeros(len(task.labels)))),))
    return Specialist(name=name, task=task, tiers=(tier,), provenance=provenance)


def name_vectors(sentences: Sequence[Floats], meant: Floats, told: Sequence[int]) -> Floats:
    """Average what stands for a label: its name in several sentences and, with the same weight, its description.

    Args:
        sentences: embeddings of the names, [L, d] for each sentence.
        meant: embeddings of the descriptions [m, d].
        told: of which labels they are [m].
    """
    names = _unit(np.add.reduce(sentences))
    names[list(told)] = _unit(names[list(told)] + meant)
    return names


def gather(names: Floats, texts: Floats) -> Gathered:
    """Move names [L, d] towards the texts [n, d] that gather around them, if that can be believed; all of length 1.

    It is believed where at least nine in ten of the texts with the clearer half of the answers keep their answer.
    """
    if len(texts) < _LEAST_TEXTS * len(names):
        return Gathered(names, moved=False, agreement=None)
    hold = _HOLD * len(texts) / len(names)
    centres = names
    for _ in range(_ROUNDS):
        shares = softmax(_GATHERING_SCALE * texts @ centres.T)
        centres = _unit(shares.T @ texts + hold * names)
    near = texts @ names.T
    first, second = np.partition(near, -2, axis=1)[:, [-1, -2]].T
    clear = first - second >= np.median(first - second)
    kept = (texts @ centres.T).argmax(axis=1) == near.argmax(axis=1)
    agreement = float(kept[clear].mean())
    moved = agreement >= _AGREEMENT
    return Gathered(centres if moved else names, moved, agreement)


def _task(labels: Sequence[str], descriptions: Mapping[str, str], never: Sequence[str]) -> Classification:
    if isinstance(labels, str):
        raise InputError("labels is one string; give a list of names, such as ['refund', 'delivery'].")
    for place, label in enumerate(labels):
        if not isinstance(label, str) or not label.strip():  # pyright: ignore[reportUnnecessaryIsInstance] - untyped
            raise InputError(f"labels[{place}] is {label!r}; a label must be a string that is not empty.")
    known = sorted({label.strip() for label in labels})
    if len(known) < len(labels):
        stripped = [label.strip() for label in labels]
        twice = next(label for label in known if stripped.count(label) > 1)
        raise InputError(f"labels names {twice!r} more than once; labels must be different.")
    if not 2 <= len(known) <= MAX_LABELS:
        raise InputError(f"labels are {len(known):,} in number; there must be at least 2 and at most {MAX_LABELS:,}.")
    for what, named in (("descriptions", descriptions), ("never", never)):
        if unknown := sorted(set(named) - set(known)):
            raise InputError(f"{what} names {unknown[0]!r}, which is not one of the labels: {', '.join(known[:20])}.")
    return Classification(labels=tuple(known), never=tuple(never))


def _unit(vectors: Floats) -> Floats:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
