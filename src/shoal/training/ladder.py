"""Climb from the cheapest method to the dearest as the budget allows; every rung is trained and judged on dev.

Right-sizing is in `choice`; here the rungs are made. A rung that cannot be afforded is passed over, and said so.
"""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import DataError
from shoal.models.encoder import EncoderScorer
from shoal.models.scorer import Logits, Scorer
from shoal.models.static import WordIds
from shoal.training import contrastive, export, finetune, frozen, heads, static, tfidf
from shoal.training.backbone import Backbone
from shoal.training.distill import distill
from shoal.training.judging import Judged, Judging
from shoal.training.progress import Progress
from shoal.training.pseudo import Guesses

_LADDER = ("tfidf", "static", "encoder", "finetune")
_AGAIN = 0.75  # times the seconds that tuning took must be left to tune once more: its steps end with the budget
_SETTLED = 0.995  # dev accuracy above which a dearer rung has nothing left to win


@dataclass(frozen=True, slots=True)
class Rung:
    """One trained and exported method.

    Attributes:
        name: "tfidf", "static", "encoder" or "finetune".
        scorer: as it will be served.
        logits: of the dev rows [n, L], by a scorer that has not learnt from them.
        judged: what they say.
        seconds: wall time of training, export included.
        cpu_seconds: processor time of the same.
        details: what the method has to say about itself.
    """

    name: str
    scorer: Scorer
    logits: Logits
    judged: Judged
    seconds: float
    cpu_seconds: float
    details: dict[str, Any]


@dataclass(kw_only=True)
class Climb:
    """The training rows and what every rung needs; `rungs`, `skipped` and `embedded` fill as it climbs.

    Attributes:
        backbone: the encoder to start from.
        texts: training texts.
        targets: their label numbers [n].
        names: the labels in words [L].
        judging: the dev rows.
        seed: of everything random.
        budget_seconds: for all rungs together, from `began` on.
        cache: folder for what can be used again (`training.cache`); None keeps nothing.
        progress: told how far each rung is.
        probed: what was found where the encoder was chosen from several (`training.probe`).
        shares: of the labels in the training texts [n, L], to be learnt instead of `targets`; None: there are none.
        guesses: texts without labels that rungs learn from as well (`training.pseudo`).
    """

    backbone: Backbone
    texts: Sequence[str]
    targets: NDArray[np.integer]
    names: Sequence[str]
    judging: Judging
    seed: int
    budget_seconds: float
    cache: Path | None
    progress: Progress
    probed: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    began: float = field(default_factory=time.monotonic)
    rungs: list[Rung] = field(default_factory=list[Rung])
    skipped: dict[str, str] = field(default_factory=dict[str, str])
    embedded: frozen.Features | None = None
    shares: NDArray[np.floating] | None = None
    guesses: Guesses | None = None

    def run(self, names: Sequence[str], *, settle: bool) -> None:
        """Train the rungs of these names, cheap first.

        Args:
            names: which.
            settle: leave out dearer rungs once a cheaper one is as good as dev can tell.

        Raises:
            DataError: none of them could be trained.
        """
        for name in names:
            best = max((rung.judged.accuracy for rung in self.rungs), default=0.0)
            if settle and best >= _SETTLED:
                self.skipped[name] = f"a cheaper rung is right on {best:.1%} of the dev rows"
                continue
            if self.rungs and self.left <= 0:
                self.skipped[name] = f"the budget of {self.budget_seconds:g} s was used up"
                continue
            if name != "static" and len(self.texts) * self.labels > heads.MOST_CELLS:
                self.skipped[name] = f"{len(self.texts):,} rows x {self.labels:,} labels are too many to fit at once"
                continue
            wall, cpu = time.monotonic(), time.process_time()
            made = self._made(name)
            if made is None:
                continue
            scorer, logits, details = made
            taken = time.monotonic() - wall, time.process_time() - cpu
            self.rungs.append(Rung(name, scorer, logits, self.judging.judge(logits), *taken, details))
        if not self.rungs:
            why = "; ".join(f"{name}: {reason}" for name, reason in self.skipped.items())
            raise DataError(f"nothing can be learnt from {len(self.texts)} training rows ({why}). Give other rows.")

    def take(self, rows: NDArray[np.integer], shares: NDArray[np.floating] | None) -> None:
        """Learn from these of the training rows, with these shares of the labels if not None. Before any rung."""
        texts = list(self.texts)
        self.texts = [texts[row] for row in map(int, rows)]
        self.targets, self.shares = self.targets[rows], shares
        if self.embedded is not None:
            self.embedded = replace(self.embedded, train=self.embedded.train[rows])

    def log(self) -> list[dict[str, Any]]:
        """Tell what was trained, at which cost, and what dev says of it, in plain values."""
        return [
            {
                "rung": rung.name,
                "dev_log_loss": rung.judged.log_loss,
                "dev_accuracy": rung.judged.accuracy,
                "seconds": round(rung.seconds, 2),
                "cpu_seconds": round(rung.cpu_seconds, 2),
                "size_bytes": rung.scorer.size_bytes,
                **rung.details,
            }
            for rung in self.rungs
        ]

    @property
    def labels(self) -> int:
        """How many labels there are, L."""
        return len(self.names)

    @property
    def left(self) -> float:
        """Seconds left of the budget."""
        return self.budget_seconds - (time.monotonic() - self.began)

    @property
    def few(self) -> bool:
        """Whether there are so few rows a label that they are learnt from in other ways."""
        return heads.names_help(len(self.texts) + len(self.judging.texts), self.labels)

    @property
    def learnt(self) -> heads.SoftTargets:
        """What is learnt from the training texts: label numbers [n], or shares of the labels [n, L]."""
        return self.targets if self.shares is None else self.shares

    def features(self) -> frozen.Features:
        """Embeddings of the training texts, made once for all who need them."""
        if self.embedded is None:
            self.embedded = frozen.embed(self.backbone, self.texts, self.progress, self.cache)
        return self.embedded

    def _made(self, name: str) -> tuple[Scorer, Logits, dict[str, Any]] | None:
        if name == "tfidf":
            return self._tfidf()
        if name == "static":
            return self._static()
        if name == "encoder":
            features = self.features()
            return frozen.fit(features, self.texts, self.learnt, self.names, self.judging, seconds=self.left)
        return self._finetuned()

    def _tfidf(self) -> tuple[Scorer, Logits, dict[str, Any]] | None:
        began = time.monotonic()
        try:
            scorer = tfidf.fit(*self._rows("tfidf"), self.labels, progress=self.progress)
        except tfidf.NoWords:
            self.skipped["tfidf"] = "the training texts hold no words"
            return None
        logits = scorer.logits(self.judging.texts)
        if self._room_for(time.monotonic() - began):
            scorer = tfidf.fit(*self._rows("tfidf", dev=True), self.labels, progress=self.progress)
        return scorer, logits, {}

    def _static(self) -> tuple[Scorer, Logits, dict[str, Any]]:
        table = distill(self.backbone, cache=self.cache, progress=self.progress)
        tokenizer = self.backbone.tokenizer_json
        vectors = static.Vectors(table, tokenizer, WordIds(tokenizer))
        began = time.monotonic()
        first = static.fit(
            *self._rows("static"),
            self.labels,
            vectors=vectors,
            dev_texts=self.judging.texts,
            dev_targets=self.judging.targets,
            seed=self.seed,
            budget_seconds=max(self.left, 0.0),
            progress=self.progress,
        )
        scorer: Scorer = first.scorer
        logits = scorer.logits(self.judging.texts)
        if first.complete and self._room_for(time.monotonic() - began):
            texts, targets = self._rows("static", dev=True)
            if first.tuned:
                scorer, _ = static.tune(
                    texts, targets, self.labels, vectors=vectors, seed=self.seed, progress=self.progress
                )
            else:
                scorer = static.untuned(texts, targets, self.labels, vectors)
        return scorer, logits, {"tuned": first.tuned}

    def _room_for(self, seconds: float) -> bool:
        """Whether the budget allows training once more, with the dev rows, for twice as long as it took without.

        What is served then has learnt from more rows; its dev logits stay those of the model that had not seen them.
        """
        return self.left > 2 * seconds

    def _rows(self, name: str, *, dev: bool = False) -> tuple[list[str], heads.SoftTargets]:
        """Texts and targets that a rung learns from, the training rows first; the dev rows, if asked for, last."""
        texts, targets = [*self.texts], [self.learnt]
        if self.guesses is not None and name in self.guesses.rungs:
            texts += self.guesses.texts
            targets.append(self.guesses.shares)
        if dev:
            texts += self.judging.texts
            targets.append(self.judging.targets)
        return texts, heads.joined(targets, self.labels)

    def _finetuned(self) -> tuple[Scorer, Logits, dict[str, Any]] | None:
        return self._contrasted() if self.few else self._tuned()

    def _contrasted(self) -> tuple[Scorer, Logits, dict[str, Any]] | None:
        """Tune the upper layers by contrast; the names of the labels are texts of them."""
        features = self.features()
        last = features.train[:, : features.width]
        centres = np.zeros((self.labels, features.width), np.float32)
        np.add.at(centres, self.targets, last)
        centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-9)
        done = contrastive.tune(
            self.backbone,
            [*self.texts, *self.names],
            np.concatenate([self.targets, np.arange(self.labels)]),
            centres=centres,
            seed=self.seed,
            budget_seconds=max(self.left, 0.0),
            progress=self.progress,
        )
        if done is None:
            self.skipped["finetune"] = f"the budget of {self.budget_seconds:g} s is too short for ten steps"
            return None
        tuned = frozen.embed_by(done[0], self.backbone, self.texts, self.progress)
        scorer, logits, details = frozen.fit(
            tuned, self.texts, self.learnt, self.names, self.judging, heads.Plan(named=True)
        )
        return scorer, logits, {**done[1], **details}

    def _tuned(self) -> tuple[Scorer, Logits, dict[str, Any]] | None:
        """Tune every weight; once more with the dev rows, and average both, if the budget allows."""
        features = self.features()
        head = heads.fitted(features.train[:, : features.width], self.learnt, None, self.labels, heads.Plan())
        began = time.monotonic()
        try:
            tuned = self._tune(*self._rows("finetune"), head, self.seed)
        except finetune.Unaffordable as problem:
            self.skipped["finetune"] = f"the budget of {self.budget_seconds:g} s is too short: {problem}"
            return None
        taken = time.monotonic() - began
        scorer, graph, parity = self._exported(tuned)
        logits = scorer.logits(self.judging.texts)
        shipped, logits, found = export.compressed(scorer, graph, self.backbone, logits, self.judging)
        if tuned.complete and self.left > _AGAIN * taken:
            with contextlib.suppress(finetune.Unaffordable):  # on a machine that has become busy meanwhile
                tuned = finetune.merged(tuned, self._tune(*self._rows("finetune", dev=True), head, self.seed + 1))
                scorer, graph, parity = self._exported(tuned)
                shipped = scorer if found["precision"] == "fp32" else export.small(scorer, graph, self.backbone)
        return shipped, logits, {**tuned.details, "parity": parity, "export": found}

    def _exported(self, tuned: finetune.Tuned) -> tuple[EncoderScorer, bytes, dict[str, float]]:
        """Give a tuned encoder in float32 as it would be served, its graph, and how it compares with torch."""
        graph = export.to_onnx(tuned.body)
        scorer = export.served(self.backbone, graph, tuned.head.weight, tuned.head.bias)
        return scorer, graph, export.check_parity(tuned.body, self.backbone, scorer, self.texts)

    def _tune(self, texts: Sequence[str], targets: heads.SoftTargets, head: heads.Head, seed: int) -> finetune.Tuned:
        return finetune.fit(
            self.backbone,
            texts,
            targets,
            head=head,
            seed=seed,
            budget_seconds=max(self.left, 0.0),
            progress=self.progress,
        )


def plan(recipe: str) -> tuple[str, ...]:
    """Rungs to train for a recipe: one alone, or the whole ladder for "auto" and for what "finetune" builds upon."""
    return (recipe,) if recipe in ("tfidf", "static", "encoder") else _LADDER
