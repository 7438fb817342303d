"""Systems that tune the packaged encoder: SetFit, fast-fit, transformers and artifex; see bench/peers_adapters.py."""

import contextlib
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from peers_adapters import Answers, Predict, body

LEAST_ROWS = 8000  # seen in plain fine-tuning, whose default of three epochs is far too little for few rows
QUICK_STEPS = 3


def epochs(rows: int, usual: int) -> int:
    """As many epochs as show `LEAST_ROWS` rows, at least the usual number."""
    return max(usual, math.ceil(LEAST_ROWS / rows))


class SetFit:
    def train(self, texts: list[str], labels: list[str], folder: Path, given: Mapping[str, Any]) -> dict[str, Any]:
        from datasets import Dataset
        from setfit import SetFitModel, Trainer, TrainingArguments

        wanted = {key: given[key] for key in ("num_iterations", "max_steps") if given.get(key)}
        if given["quick"]:
            wanted = {"max_steps": QUICK_STEPS}
        arguments = TrainingArguments(
            output_dir=str(folder.parent / "checkpoints"),
            save_strategy="no",
            report_to="none",
            show_progress_bar=False,
            seed=given["seed"],
            **wanted,
        )
        model = SetFitModel.from_pretrained(body())
        trainer = Trainer(
            model=model, args=arguments, train_dataset=Dataset.from_dict({"text": texts, "label": labels})
        )
        trainer.train()
        model.save_pretrained(str(folder))
        return {"steps": int(trainer.st_trainer.state.global_step)}

    def load(self, folder: Path, given: Mapping[str, Any]) -> Predict:
        from setfit import SetFitModel

        model = SetFitModel.from_pretrained(str(folder))
        names = [str(name) for name in model.model_head.classes_]

        def predict(texts: list[str]) -> Answers:
            shares = model.predict_proba(texts, as_numpy=True, show_progress_bar=False)
            return [names[index] for index in shares.argmax(axis=1)], shares.max(axis=1).tolist()

        return predict


class FastFit:
    def train(self, texts: list[str], labels: list[str], folder: Path, given: Mapping[str, Any]) -> dict[str, Any]:
        import fastfit.train
        from datasets import Dataset, DatasetDict
        from transformers import AutoTokenizer

        # Its accuracy script would come from a hub; training does not read it.
        fastfit.train.load_metric = lambda *_, **__: None
        rows = Dataset.from_dict({"text": texts, "label": labels})
        steps = given["num_train_epochs"] * math.ceil(len(rows) / 32)
        most = QUICK_STEPS if given["quick"] else given["most_steps"]
        few = rows.select(range(8))  # it insists on rows to evaluate, which nothing here reads
        trainer = fastfit.train.FastFitTrainer(
            model_name_or_path=body(),
            label_column_name="label",
            text_column_name="text",
            num_train_epochs=given["num_train_epochs"],
            per_device_train_batch_size=32,
            per_device_eval_batch_size=64,
            max_text_length=128,
            dataloader_drop_last=False,
            optim="adafactor",
            clf_loss_factor=0.1,
            dataset=DatasetDict({"train": rows, "validation": few, "test": few}),
            seed=given["seed"],
            output_dir=str(folder.parent / "checkpoints"),
            overwrite_output_dir=True,
            save_strategy="no",
            report_to=["none"],
            disable_tqdm=True,
            max_steps=min(steps, most),
        )
        trainer.train().save_pretrained(str(folder))
        AutoTokenizer.from_pretrained(body()).save_pretrained(str(folder))
        return {"steps": int(trainer.trainer.state.global_step)}

    def load(self, folder: Path, given: Mapping[str, Any]) -> Predict:
        from fastfit import FastFit as Model
        from transformers import AutoTokenizer, pipeline

        model = Model.from_pretrained(str(folder)).eval()
        # Its model takes no token types, which RoBERTa, the encoder of its README, has not.
        tokenizer = AutoTokenizer.from_pretrained(str(folder), model_input_names=["input_ids", "attention_mask"])
        return asked(pipeline("text-classification", model=model, tokenizer=tokenizer))


def asked(classify: Callable[..., Any], **options: Any) -> Predict:
    """A transformers pipeline as a function."""

    def predict(texts: list[str]) -> Answers:
        found = classify(texts, **options)
        return [each["label"] for each in found], [float(each["score"]) for each in found]

    return predict


class Transformers:
    def train(self, texts: list[str], labels: list[str], folder: Path, given: Mapping[str, Any]) -> dict[str, Any]:
        from transformers import (
            AutoModelForSequenceClassification,
            AutoTokenizer,
            DataCollatorWithPadding,
            Trainer,
            TrainingArguments,
            set_seed,
        )

        set_seed(given["seed"])
        names = sorted(set(labels))
        number = {name: index for index, name in enumerate(names)}
        tokenizer = AutoTokenizer.from_pretrained(body())
        model = AutoModelForSequenceClassification.from_pretrained(
            body(), num_labels=len(names), id2label=dict(enumerate(names)), label2id=number
        )
        rows = [
            {**{key: value[0] for key, value in tokenizer([text], truncation=True).items()}, "labels": number[label]}
            for text, label in zip(texts, labels, strict=True)
        ]
        arguments = TrainingArguments(
            output_dir=str(folder.parent / "checkpoints"),
            num_train_epochs=epochs(len(rows), 3),
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            seed=given["seed"],
            **({"max_steps": QUICK_STEPS} if given["quick"] else {}),
        )
        trainer = Trainer(
            model=model, args=arguments, train_dataset=rows, data_collator=DataCollatorWithPadding(tokenizer)
        )
        trainer.train()
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return {"steps": int(trainer.state.global_step)}

    def load(self, folder: Path, given: Mapping[str, Any]) -> Predict:
        from transformers import pipeline

        return asked(pipeline("text-classification", model=str(folder), device="cpu"))


class Batched(Transformers):
    def load(self, folder: Path, given: Mapping[str, Any]) -> Predict:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
        tokenizer = AutoTokenizer.from_pretrained(folder)

        def predict(texts: list[str]) -> Answers:
            order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
            labels, scores = [""] * len(texts), [0.0] * len(texts)
            for start in range(0, len(texts), 32):
                some = order[start : start + 32]
                with torch.inference_mode():
                    batch = tokenizer(
                        [texts[index] for index in some], truncation=True, padding=True, return_tensors="pt"
                    )
                    best = model(**batch).logits.softmax(dim=1).max(dim=1)
                for index, score, label in zip(some, best.values.tolist(), best.indices.tolist(), strict=True):
                    labels[index], scores[index] = model.config.id2label[label], score
            return labels, scores

        return predict


class Artifex:
    def open(self) -> Any:
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
            import cognitor

            # artifex 0.11.0 imports this class for its own log, which is off here; no published cognitor has it.
            cognitor.HFTrainingCallback = getattr(cognitor, "HFTrainingCallback", object)
            from artifex.models.classification import ClassificationModel
            from synthex import Synthex

            return ClassificationModel(synthex=Synthex(api_key="none"), base_model_name=body())

    def train(self, texts: list[str], labels: list[str], folder: Path, given: Mapping[str, Any]) -> dict[str, Any]:
        import csv

        from transformers import set_seed

        set_seed(given["seed"])
        rows = folder.parent / "rows.csv"
        with rows.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "labels"), *zip(texts, labels, strict=True)])
        model = self.open()
        count = 1 if given["quick"] else epochs(len(texts), 3)
        model.train(
            train_dataset_path=str(rows),
            output_path=str(folder / "kept"),
            num_epochs=count,
            device=-1,
            disable_logging=True,
        )
        rows.unlink()
        return {}

    def load(self, folder: Path, given: Mapping[str, Any]) -> Predict:
        model = self.open()
        model.load(str(folder / "kept"))

        def predict(texts: list[str]) -> Answers:
            found = model(texts, device=-1, disable_logging=True)
            return [each.label for each in found], [float(each.score) for each in found]

        return predict
