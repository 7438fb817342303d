"""Train the fine-tuned rung: every weight of the encoder under a linear head, exported like the frozen one.

AdamW with layer-wise learning rates, warm-up and linear descent, label smoothing, batches of like length, and bfloat16
where this processor computes it faster. The head starts from the frozen rung's: a random one would first distort what
the encoder knows (Kumar, Raghunathan, Jones, Ma & Liang 2022).
"""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# transformers builds its models at run time, their types are not known.

import contextlib
import copy
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from shoal.training.backbone import Backbone
from shoal.training.body import Body, layers, open_body, padded, tokenised
from shoal.training.heads import Head, SoftTargets
from shoal.training.progress import Progress

_BATCH = 32
_BUCKET = 50 * _BATCH  # texts that are sorted by length before they are cut into batches
_ROWS_SEEN = 33_000  # training goes over about this many texts in all ...
_FEWEST_EPOCHS, _MOST_EPOCHS = 3, 10  # ... within these bounds
_RATE = 1e-4  # of the top layer; each layer below has _LAYER_DECAY times that of the one above
_HEAD_RATE = 1e-3
_LAYER_DECAY = 0.9
_WEIGHT_DECAY = 0.01
_WARM_UP = 0.06
_SMOOTHING = 0.05
_LARGEST_GRADIENT = 1.0
_PROBES = 4  # batches that are timed before training begins


Loss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean loss of logits [n, L] where one label is right: targets are numbers [n] or shares [n, L]; smoothed."""
    return functional.cross_entropy(logits, targets, label_smoothing=_SMOOTHING)


def label_by_label(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over rows of the log-losses of all labels, for logits [n, L] and what each row has [n, L]: 0.0 or 1.0."""
    return functional.binary_cross_entropy_with_logits(logits, targets, reduction="sum") / len(logits)


@dataclass(frozen=True, slots=True)
class Tuned:
    """A tuned body with its head.

    Attributes:
        body: one unit vector a text.
        head: weight [d, L] and bias [L] on those vectors.
        details: epochs planned, share of the planned steps that the budget allowed, precision, speed.
    """

    body: Body
    head: Head
    details: dict[str, Any]

    @property
    def complete(self) -> bool:
        """Whether every planned step was done."""
        return self.details["steps_done"] == 1.0


class Unaffordable(Exception):
    """Not even one pass over the texts would end within the budget; says how long one takes."""


class _Network(nn.Module):
    def __init__(self, body: Body, head: Head) -> None:
        super().__init__()
        self.body = body
        width, labels = head.weight.shape
        # Vectors have unit length: scaled, the head's weights are of the usual size and so are its steps.
        self.scale = math.sqrt(width)
        self.head = nn.Linear(width, labels)
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(np.ascontiguousarray(head.weight.T)) / self.scale)
            self.head.bias.copy_(torch.from_numpy(np.asarray(head.bias)))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        return self.head(self.body(ids, mask).float() * self.scale)

    def served_head(self) -> Head:
        """Give the head for vectors of unit length."""
        with torch.no_grad():
            return Head((self.head.weight.T * self.scale).numpy().copy(), self.head.bias.numpy().copy())


def fit(
    backbone: Backbone,
    texts: Sequence[str],
    targets: SoftTargets,
    *,
    head: Head,
    seed: int,
    budget_seconds: float,
    progress: Progress,
    loss: Loss = cross_entropy,
) -> Tuned:
    """Tune an encoder on texts [n] with targets [n]; about 3 minutes for 8,000 short texts on two cores.

    The learning rate falls to zero with the planned steps or with the budget, whichever ends first: a training that
    the budget cuts short still ends well. The same seed gives the same model on the same machine and thread count
    unless the budget cuts it short.

    Args:
        backbone: the encoder to start from.
        texts: training texts.
        targets: their label numbers, or shares of the labels [n, L], or what `loss` takes.
        head: on the last layer's vectors of the pretrained encoder [d, L], to start from.
        seed: of order and dropout.
        budget_seconds: for all of it.
        progress: called as progress(stage, done, total).
        loss: of a batch.

    Raises:
        Unaffordable: the budget allows no full pass.
        InputError: the encoder cannot be opened.
    """
    began = time.monotonic()
    ids = tokenised(backbone, texts)
    wanted = torch.from_numpy(targets.astype(np.int64 if targets.ndim == 1 else np.float32))
    epochs = min(_MOST_EPOCHS, max(_FEWEST_EPOCHS, round(_ROWS_SEEN / max(len(texts), 1))))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _Network(open_body(backbone), head).train()
        batches = list(batches_of(ids, np.random.default_rng([seed, 0])))
        reduced, seconds = _faster(network, ids, wanted, batches, loss)
        left = budget_seconds - (time.monotonic() - began)
        if seconds > left:
            raise Unaffordable(f"one pass over the texts takes about {seconds:.0f} s, {max(left, 0):.0f} s are left")
        optimizer = layered(network.body, network.head)
        steps, step, share = epochs * len(batches), 0, 0.0
        plan = itertools.chain(
            batches, *(batches_of(ids, np.random.default_rng([seed, epoch])) for epoch in range(1, epochs))
        )
        for step, rows in enumerate(plan):
            share = max(step / steps, (time.monotonic() - began) / budget_seconds)
            if share >= 1:
                break
            if step % 10 == 0:
                progress("finetune", int(1000 * share), 1000)
            _paced(optimizer, min(1.0, (step + 1) / (_WARM_UP * steps)) * (1 - share))
            optimizer.zero_grad(set_to_none=True)
            _backward(network, ids, wanted, rows, reduced, loss)
            nn.utils.clip_grad_norm_(network.parameters(), _LARGEST_GRADIENT)
            optimizer.step()
        else:
            step = steps
    progress("finetune", 1000, 1000)
    network.eval()
    details = {
        "epochs": epochs,
        "steps_done": round(step / steps, 3),
        "precision_of_training": "bfloat16" if reduced else "float32",
        "seconds_an_epoch": round(seconds, 1),
    }
    return Tuned(network.body, network.served_head(), details)


def merged(one: Tuned, other: Tuned) -> Tuned:
    """Average the weights of two trainings from the same start: as good as averaging their answers, at half the cost.

    Wortsman et al., "Model soups" (2022).
    """
    body = copy.deepcopy(one.body)
    with torch.no_grad():
        for mine, theirs in zip(body.parameters(), other.body.parameters(), strict=True):
            mine.add_(theirs).div_(2)
    head = Head((one.head.weight + other.head.weight) / 2, (one.head.bias + other.head.bias) / 2)
    return Tuned(body, head, {**other.details, "merged": True})


def batches_of(
    ids: Sequence[Sequence[int]], random: np.random.Generator, size: int = _BATCH
) -> Iterator[NDArray[np.int64]]:
    """One pass in random order: rows of like length together, so that little is spent on padding."""
    order = random.permutation(len(ids))
    lengths = np.array([len(each) for each in ids])
    cut: list[NDArray[np.int64]] = []
    for start in range(0, len(order), _BUCKET):
        bucket = order[start : start + _BUCKET]
        bucket = bucket[np.argsort(lengths[bucket], kind="stable")]
        cut += [bucket[at : at + size] for at in range(0, len(bucket), size)]
    for at in random.permutation(len(cut)):
        yield cut[at]


def layered(body: Body, head: nn.Module, rate: float = _RATE, head_rate: float = _HEAD_RATE) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019); the deeper a layer, the smaller its steps (Howard & Ruder 2018).

    Each group's "full" is its rate before warm-up and descent.
    """
    groups: list[dict[str, Any]] = []
    for parameters, each in _by_depth(body, head, rate, head_rate):
        for decayed in (True, False):  # gains and biases are left alone
            chosen = [one for one in parameters if (one.ndim > 1) == decayed]
            if chosen:
                groups.append({"params": chosen, "lr": each, "full": each, "weight_decay": _WEIGHT_DECAY * decayed})
    return torch.optim.AdamW(groups, fused=True)


def _by_depth(body: Body, head: nn.Module, top: float, head_rate: float) -> Iterator[tuple[list[nn.Parameter], float]]:
    """Parameters with their learning rate: the head, each layer from the top, what lies under the layers."""
    yield list(head.parameters()), head_rate
    encoder = body.encoder
    stack = layers(body)
    inside = {id(each) for layer in stack for each in layer.parameters()}
    for above, layer in enumerate(reversed(stack)):
        yield list(layer.parameters()), top * _LAYER_DECAY**above
    yield [each for each in encoder.parameters() if id(each) not in inside], top * _LAYER_DECAY ** len(stack)


def _paced(optimizer: torch.optim.Optimizer, factor: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = group["full"] * factor


def _backward(
    network: _Network, ids: Sequence[Sequence[int]], targets: Tensor, rows: NDArray[np.int64], reduced: bool, loss: Loss
) -> None:
    precision = torch.autocast("cpu", torch.bfloat16) if reduced else contextlib.nullcontext()
    with precision:
        logits = network(*padded([ids[row] for row in rows]))
    loss(logits.float(), targets[rows]).backward()


def _faster(
    network: _Network,
    ids: Sequence[Sequence[int]],
    targets: Tensor,
    batches: Sequence[NDArray[np.int64]],
    loss: Loss,
) -> tuple[bool, float]:
    """Whether bfloat16 is faster than float32 on this processor, and seconds of one pass with the faster one."""
    probes = [batches[at] for at in np.linspace(0, len(batches) - 1, _PROBES).astype(int)]
    pieces = sum(len(ids[row]) for rows in batches for row in rows) / sum(
        len(ids[row]) for rows in probes for row in rows
    )
    taken: dict[bool, float] = {}
    state = torch.get_rng_state()
    for reduced in (False, True):
        _backward(network, ids, targets, probes[0], reduced, loss)  # the first run of a shape plans its kernels
        started = time.monotonic()
        for rows in probes:
            _backward(network, ids, targets, rows, reduced, loss)
        taken[reduced] = time.monotonic() - started
    torch.set_rng_state(state)
    network.zero_grad(set_to_none=True)
    reduced = taken[True] < taken[False]
    return reduced, taken[reduced] * pieces
