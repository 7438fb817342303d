"""Tuning an encoder for several labels: the real one, small data."""

import time
from itertools import product

import numpy as np
import pytest

pytest.importorskip("torch")

from shoal.training import finetune, frozen, one_against_rest
from shoal.training.backbone import resolve
from shoal.training.multilabel_tuning import Tuner, Tuning
from shoal.training.progress import silent

pytestmark = pytest.mark.slow

PARTS = {
    "change": ("we may change the {} at any time", "the {} can be amended without notice"),
    "court": ("disputes about the {} go to the courts of Utopia", "a claim over the {} is heard in Utopia"),
}
THINGS = ("terms", "prices", "rules", "fees", "app", "policy", "data", "goods")


def test_what_is_tuned_is_what_is_served_and_knows_texts_that_it_has_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finetune, "_MOST_EPOCHS", 3)
    texts: list[str] = []
    rows: list[tuple[bool, bool]] = []
    for number, (thing, change, court) in enumerate(product(THINGS, (False, True), (False, True))):
        said = [
            PARTS[name][number // 4 % 2].format(thing) for name, on in zip(PARTS, (change, court), strict=True) if on
        ]
        texts += [" and ".join(said) or f"read about the {thing} on our help pages", f"Note: {' and '.join(said)}."]
        rows += [(change, court)] * 2
    has = np.array(rows)
    backbone, fold = resolve("auto"), np.arange(len(texts)) // 2 % 5
    features = frozen.embed(backbone, texts, silent)
    head = one_against_rest.fitted(features.train[:, : features.width], has, one_against_rest.Plan(3.0, 0.0))
    tuner = Tuner(
        texts=texts,
        has=has,
        fold=fold,
        backbone=backbone,
        head=head,
        int8=False,
        seed=0,
        deadline=time.monotonic() + 600.0,
        progress=silent,
    )
    made = tuner.run(None)
    assert isinstance(made, Tuning), made
    assert ((made.logits > 0) == has).mean() > 0.9
    assert ((made.scorer.logits(texts) > 0) == has).mean() > 0.95
    assert made.details["parity"]["agreement"] == 1.0 and made.details["precision"] == "fp32"
