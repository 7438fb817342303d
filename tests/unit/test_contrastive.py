"""Contrastive tuning: the loss against its definition, batches of labels that are alike, the average of two tunings."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from shoal.training import contrastive  # noqa: E402
from shoal.training.body import Body  # noqa: E402
from shoal.training.finetune import Tuned, merged  # noqa: E402
from shoal.training.heads import Head  # noqa: E402


def unit(rows: int, width: int, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(rows, width))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def defined(vectors: np.ndarray, targets: list[int], temperature: float) -> float:
    """Khosla et al. (2020), equation 2, sum by sum."""
    losses = []
    for i, own in enumerate(targets):
        positives = [p for p, other in enumerate(targets) if other == own and p != i]
        if positives:
            others = [math.exp(vectors[i] @ vectors[a] / temperature) for a in range(len(targets)) if a != i]
            losses.append(
                -sum(vectors[i] @ vectors[p] / temperature - math.log(sum(others)) for p in positives) / len(positives)
            )
    return sum(losses) / len(losses)


@pytest.mark.parametrize("targets", [[0, 0, 1, 1], [0, 0, 0, 1, 2], [0, 1, 0, 1, 1, 2, 2]])
def test_the_loss_is_the_one_that_is_cited(targets: list[int]) -> None:
    vectors = unit(len(targets), 5)
    loss = contrastive.supervised_contrastive(torch.from_numpy(vectors), torch.tensor(targets))
    assert float(loss) == pytest.approx(defined(vectors, targets, 0.1), rel=1e-9)


def test_its_gradient_is_finite_and_pulls_a_label_together() -> None:
    vectors = torch.from_numpy(unit(6, 4)).requires_grad_(True)
    targets = torch.tensor([0, 0, 0, 1, 1, 1])
    before = contrastive.supervised_contrastive(vectors, targets)
    before.backward()
    assert vectors.grad is not None and bool(torch.isfinite(vectors.grad).all())
    moved = torch.nn.functional.normalize(vectors.detach() - 0.05 * vectors.grad, dim=1)
    assert float(contrastive.supervised_contrastive(moved, targets)) < float(before.detach())


def test_batches_hold_several_rows_of_labels_that_are_alike() -> None:
    labels, per_label = 60, 10
    angles = np.linspace(0, 2 * np.pi, labels, endpoint=False)
    centres = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    targets = np.repeat(np.arange(labels), per_label)
    draw = np.random.default_rng(0)
    near: list[float] = []
    for rows in contrastive._batches(targets, centres, 40, draw):
        assert len(set(rows.tolist())) == len(rows) == 64
        found, counts = np.unique(targets[rows], return_counts=True)
        assert len(found) == 16 and set(counts) == {4}
        near.append(float((centres[found] @ centres[found].T).mean()))
    assert np.mean(near) > 0.6  # of labels drawn evenly it would be near 0


def test_batches_of_two_labels_and_of_labels_without_rows() -> None:
    targets = np.array([0] * 50 + [2] * 3)
    for rows in contrastive._batches(targets, unit(3, 4), 5, np.random.default_rng(1)):
        assert set(targets[rows].tolist()) == {0, 2}
        assert len(rows) == 32 + 3


def test_two_tunings_are_averaged_weight_by_weight() -> None:
    tunings = []
    for fill in (1.0, 3.0):
        layer = torch.nn.Linear(2, 2)
        torch.nn.init.constant_(layer.weight, fill)
        torch.nn.init.constant_(layer.bias, -fill)
        tunings.append(Tuned(Body(layer, "mean"), Head(np.full((2, 3), fill), np.full(3, fill)), {"steps_done": 1.0}))
    one = merged(*tunings)
    assert [float(each.detach().mean()) for each in one.body.parameters()] == [2.0, -2.0]
    assert (one.head.weight == 2).all() and (one.head.bias == 2).all()
    assert float(next(tunings[0].body.parameters()).detach().mean()) == 1.0  # what is averaged stays as it was
    assert one.details["merged"]
