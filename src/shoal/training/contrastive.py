"""Tune an encoder on few rows: texts of one label are drawn together, texts of labels that look alike apart.

In-batch supervised contrastive learning (Khosla et al. 2020): every text of a batch is compared with every other, so
that one pass through the encoder a text does what SetFit (Tunstall et al. 2022) needs pairs for. Only the upper layers
learn: few rows say little about what a language is. A linear head is fitted on the tuned vectors afterwards.
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# transformers builds its models at run time, their types are not known.

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from shoal.training.backbone import Backbone
from shoal.training.body import Body, bfloat16_is_faster, layers, open_body, padded, tokenised
from shoal.training.progress import Progress

_BATCH = 64  # texts that are compared with each other
_LABELS = 16  # of so many labels ...
_SHARPNESS = 10.0  # ... that are drawn by how alike they are: exp of this times the cosine of their centres
_PASSES = 10  # over the rows
_TUNED = 1 / 3  # of the layers, from the top
_RATE = 5e-5
_LAYER_DECAY = 0.9
_WEIGHT_DECAY = 0.01
_WARM_UP = 0.1
_TEMPERATURE = 0.1
_LARGEST_GRADIENT = 1.0
_LEAST_STEPS = 10


def tune(
    backbone: Backbone,
    texts: Sequence[str],
    targets: NDArray[np.integer],
    *,
    centres: NDArray[np.floating],
    seed: int,
    budget_seconds: float,
    progress: Progress,
) -> tuple[Body, dict[str, Any]] | None:
    """Tune the upper third of an encoder's layers on texts [n] with targets [n].

    The same seed gives the same model on the same machine and thread count unless the budget cuts it short.

    Args:
        backbone: the encoder to start from.
        texts: training texts; the names of the labels may be among them.
        targets: their label numbers.
        centres: unit vectors of the labels [L, d], to draw labels that are alike into one batch.
        seed: of batches and dropout.
        budget_seconds: for all of it; the learning rate falls to zero with it.
        progress: called as progress(stage, done, total).

    Returns:
        The tuned body (last and middle layer, as a frozen one) and what was done; None if the budget allows fewer than
        ten steps.
    """
    began = time.monotonic()
    ids = tokenised(backbone, texts)
    wanted = torch.from_numpy(np.asarray(targets, dtype=np.int64))
    steps, step, share = max(1, round(_PASSES * len(texts) / _BATCH)), 0, 0.0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = open_body(backbone).train()
        optimizer = _optimizer(body)
        for step, rows in enumerate(_batches(targets, centres, steps, np.random.default_rng([seed, 2]))):
            share = max(step / steps, (time.monotonic() - began) / budget_seconds)
            if share >= 1:
                break
            progress("finetune", int(1000 * share), 1000)
            factor = min(1.0, (step + 1) / (_WARM_UP * steps)) * (1 - share)
            for group in optimizer.param_groups:
                group["lr"] = group["full"] * factor
            with torch.autocast("cpu", torch.bfloat16) if bfloat16_is_faster() else contextlib.nullcontext():
                vectors = body(*padded([ids[row] for row in rows]))
            optimizer.zero_grad(set_to_none=True)
            supervised_contrastive(vectors.float(), wanted[rows]).backward()
            nn.utils.clip_grad_norm_(body.parameters(), _LARGEST_GRADIENT)
            optimizer.step()
        else:
            step = steps
    progress("finetune", 1000, 1000)
    if step < min(steps, _LEAST_STEPS):
        return None
    body.middle = True
    return body.eval(), {"contrastive_steps": step, "planned_steps": steps}


def supervised_contrastive(vectors: Tensor, targets: Tensor) -> Tensor:
    """Mean loss of unit vectors [n, d] with targets [n]; rows without another of their label are only compared with.

    Khosla et al., "Supervised Contrastive Learning" (2020), equation 2.
    """
    itself = torch.eye(len(targets), dtype=torch.bool)
    alike = (vectors @ vectors.T / _TEMPERATURE).masked_fill(itself, -torch.inf)
    positive = (targets[:, None] == targets[None]) & ~itself
    chances = (alike - torch.logsumexp(alike, dim=1, keepdim=True)).masked_fill(~positive, 0.0)
    counts = positive.sum(1)
    return -(chances.sum(1)[counts > 0] / counts[counts > 0]).mean()


def _batches(
    targets: NDArray[np.integer], centres: NDArray[np.floating], steps: int, random: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Rows of labels around a random one, the more alike the likelier."""
    by_label = [np.flatnonzero(targets == label) for label in range(len(centres))]
    present = np.array([label for label, rows in enumerate(by_label) if len(rows)])
    alike = centres[present] @ centres[present].T
    many = min(_LABELS, len(present))
    for _ in range(steps):
        weights = np.exp(_SHARPNESS * alike[random.integers(len(present))])
        drawn = present[random.choice(len(present), many, replace=False, p=weights / weights.sum())]
        yield np.concatenate([random.permutation(by_label[label])[: max(2, _BATCH // many)] for label in drawn]).astype(
            np.int64
        )


def _optimizer(body: Body) -> torch.optim.Optimizer:
    """AdamW over the upper layers, the deeper the slower; the others are frozen."""
    for parameter in body.parameters():
        parameter.requires_grad_(False)
    groups: list[dict[str, Any]] = []
    stack = layers(body) or [body]
    for above, layer in enumerate(reversed(stack[-max(1, round(_TUNED * len(stack))) :])):
        parameters = list(layer.requires_grad_(True).parameters())
        rate = _RATE * _LAYER_DECAY**above
        groups.append({"params": parameters, "lr": rate, "full": rate, "weight_decay": _WEIGHT_DECAY})
    return torch.optim.AdamW(groups, fused=True)
