"""The static scorer: tokens remembered word by word are the tokenizer's own, in bulk and one by one; so are sums."""

import json
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from shoal.models import static
from shoal.models.folded import FoldedScorer
from shoal.models.scorer import open_scorer
from shoal.models.static import MAX_TOKENS, StaticScorer, WordIds

WORDS = ["[UNK]", "card", "my", "lost", "##s", "!", "?", "é", "re", "##fund", "where", "is", "the"]
TEXTS = [
    "My card lost!",
    "",
    "   ",
    "where  is my refund?",
    "card\tmy\nlost",
    "Ünknown wörds 漢字 \u0000 cards",
    "card " * 700,
    "x" * 40_000,
    "é",
]


def tokenizer(*, by_word: bool) -> bytes:
    made = Tokenizer(models.WordPiece({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer() if by_word else normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return made.to_str().encode()


def expected(tokenizer_json: bytes, text: str) -> list[int]:
    return Tokenizer.from_str(tokenizer_json.decode()).encode(text, add_special_tokens=False).ids[:MAX_TOKENS]


@pytest.mark.parametrize("by_word", [True, False])
def test_ids_are_the_tokenizers_own_in_both_forms(by_word: bool) -> None:
    raw = tokenizer(by_word=by_word)
    assert by_word == WordIds(raw)._by_word
    ids = WordIds(raw)
    texts = [text for text in TEXTS if len(text) < 32 * MAX_TOKENS]
    for _ in range(2):  # the second time words are remembered
        assert ids(texts) == [expected(raw, text) for text in texts]
        flat, lengths = ids.flat(texts)
        assert lengths.tolist() == [len(expected(raw, text)) for text in texts]
        assert flat.tolist() == [one for text in texts for one in expected(raw, text)]
    assert ids.flat([])[1].tolist() == []
    assert max(ids.flat(TEXTS)[1]) == MAX_TOKENS


def test_forgetting_all_words_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static, "_CACHED_WORDS", 3)
    raw = tokenizer(by_word=True)
    ids = WordIds(raw)
    for text in ("my card", "lost refund where", "is the card my", "my lost card is where"):
        assert ids([text]) == [expected(raw, text)]
        assert ids.flat([text])[0].tolist() == expected(raw, text)
        assert len(ids._known) <= 4


def scorer() -> StaticScorer:
    draw = np.random.default_rng(0)
    layers = [(draw.normal(size=(8, 6)), draw.normal(size=6)), (draw.normal(size=(6, 3)), draw.normal(size=3))]
    return StaticScorer(tokenizer(by_word=True), draw.normal(size=(len(WORDS), 8)), layers)


def test_bulk_and_single_texts_get_the_same_logits() -> None:
    made = scorer()
    many = TEXTS * 30
    bulk = made.logits(many)
    single = np.concatenate([made.logits([text]) for text in many])
    np.testing.assert_allclose(bulk, single, rtol=1e-4, atol=1e-5)
    assert made.embed([""]).tolist() == [[0.0] * 8]
    assert made.logits([]).shape == (0, 3)


def test_logits_are_those_of_the_plain_formula() -> None:
    made = scorer()
    text = "where is my lost card?"
    table = np.asarray(made._table)
    pooled = table[expected(json.dumps(json.loads(made._tokenizer_json)).encode(), text)].sum(axis=0)
    values = pooled / np.linalg.norm(pooled)
    (first, bias), (last, end) = made._layers
    np.testing.assert_allclose(made.logits([text])[0], np.maximum(values @ first + bias, 0) @ last + end, rtol=1e-4)


def folded() -> FoldedScorer:
    draw = np.random.default_rng(1)
    table, weights = draw.normal(size=(len(WORDS), 6)), draw.uniform(0.2, 3, size=len(WORDS))
    return FoldedScorer(
        tokenizer(by_word=True), table, weights, draw.normal(size=6), (draw.normal(size=(6, 3)), draw.normal(size=3))
    )


def test_a_folded_table_gives_the_logits_of_the_plain_formula_in_bulk_and_one_by_one() -> None:
    made = folded()
    text = "where is my lost card?"
    ids = expected(tokenizer(by_word=True), text)
    table, weights, (head, end) = made._table[:, :-1], made._weights, made._head
    hidden = table[ids].sum(axis=0) / np.sqrt((weights[ids] ** 2).sum()) + made._bias
    np.testing.assert_allclose(made.logits([text])[0], np.maximum(hidden, 0) @ head + end, rtol=1e-4)
    many = TEXTS * 30
    single = np.concatenate([made.logits([text]) for text in many])
    np.testing.assert_allclose(made.logits(many), single, rtol=1e-4, atol=1e-5)
    assert np.isfinite(single).all()
    assert made.logits([]).shape == (0, 3)


def test_a_folded_table_comes_back_from_disk_bit_by_bit(tmp_path: Path) -> None:
    made = folded()
    made.save(tmp_path)
    opened = open_scorer("static.v2", tmp_path)
    np.testing.assert_array_equal(opened.logits(TEXTS), made.logits(TEXTS))
    stored = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert opened.size_bytes == made.size_bytes == pytest.approx(stored, abs=2_000)
