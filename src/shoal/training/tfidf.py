"""Train the lexical rung: TF-IDF features and multinomial logistic regression, a few seconds for 10,000 short texts."""
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
# scikit-learn ships no types.

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.sparse import hstack, issparse, vstack
from sklearn.feature_extraction.text import TfidfVectorizer

from shoal.models.tfidf import CHARACTER_LENGTHS, WORD_LENGTHS, WORD_PATTERN, TfidfScorer
from shoal.training.heads import SoftTargets, regression
from shoal.training.progress import Progress, silent

_MOST_FEATURES = 100_000  # of each part, the most frequent ...
_MOST_WEIGHTS = 16_000_000  # ... or fewer, so that features x labels stay below this: training keeps 25 copies of them
_SMALL = 1_000  # below this many rows features that occur once still pay
_C = 10.0
_ITERATIONS = 40  # stopping here is as good on dev as full convergence, and bounds the time


class NoWords(Exception):
    """The texts hold nothing that a feature could be made of."""


def fit(
    texts: Sequence[str],
    targets: SoftTargets,
    labels: int,
    *,
    progress: Progress = silent,
) -> TfidfScorer:
    """Train on texts [n] with targets [n] in 0..labels-1, or with shares of the labels [n, L].

    Nothing is drawn at random: equal input gives equal logits on one machine. Settings were chosen once, on dev slices
    of several data sets (docs/experiments.md), so no dev rows are looked at here.

    Args:
        texts: training texts.
        targets: their label numbers, or shares of the labels.
        labels: how many labels there are, L.
        progress: called as progress(stage, done, total).

    Raises:
        NoWords: no word occurs in the texts, or none often enough.
    """
    progress("tfidf", 0, 3)
    parts, matrix = _vectorized(texts, labels)
    progress("tfidf", 1, 3)
    weight, bias = regression(matrix, targets, labels, strength=_C, iterations=_ITERATIONS)
    progress("tfidf", 2, 3)
    scorer = TfidfScorer(
        *[part.get_feature_names_out().tolist() for part in parts],
        idf=np.concatenate([part.idf_ for part in parts]),
        weight=weight,
        bias=bias,
    )
    progress("tfidf", 3, 3)
    return scorer


def vectorizers(rows: int, labels: int) -> tuple[Any, Any]:
    """Unfitted scikit-learn vectorizers of the word part and the character part, for this many rows and labels."""
    shared: dict[str, Any] = {
        "sublinear_tf": True,
        "min_df": 1 if rows < _SMALL else 2,
        "max_features": min(_MOST_FEATURES, _MOST_WEIGHTS // (2 * labels)),
        "dtype": np.float32,
    }
    return (
        TfidfVectorizer(ngram_range=WORD_LENGTHS, token_pattern=WORD_PATTERN, **shared),
        TfidfVectorizer(analyzer="char_wb", ngram_range=CHARACTER_LENGTHS, **shared),
    )


def features(texts: Sequence[str], labels: int) -> tuple[Any, Callable[[Sequence[str]], Any]]:
    """Compute features [n, d] of texts, for a quick head, and give the function that computes those of others.

    Raises:
        NoWords: no word occurs in the texts, or none often enough.
    """
    parts, matrix = _vectorized(texts, labels)
    return matrix, lambda others: joined([part.transform(others) for part in parts])


def _vectorized(texts: Sequence[str], labels: int) -> tuple[tuple[Any, Any], Any]:
    parts = vectorizers(len(texts), labels)
    try:
        return parts, joined([part.fit_transform(texts) for part in parts])
    except ValueError as error:  # scikit-learn's "empty vocabulary"
        raise NoWords from error


def joined(parts: Sequence[Any]) -> Any:
    """Both parts of the features side by side, sparse."""
    return hstack(parts, format="csr")


def stacked(parts: Sequence[Any]) -> Any:
    """Put rows of features under each other, sparse or dense."""
    return vstack(parts, format="csr") if issparse(parts[0]) else np.concatenate(parts)
