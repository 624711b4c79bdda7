"""Small coded data of every kind, made on the spot: what the contract and loop tests train on."""

import dataclasses

import numpy as np
import torch

from genwright.contract import BEGIN, END, Batch, DataSpec, GenerativeModel, Span
from genwright.data.batches import Examples, ExampleSet
from genwright.data.token_batches import TokenExamples
from genwright.models import MODELS
from genwright.run import build_model

TINY = {"width": 16, "latent": 4, "depth": 1, "leaf_rows": 5, "hidden": 16, "knots": 4, "levels": 2, "solver_steps": 2,
        "head": 8, "length": 12, "components": 20, "round_steps": 5, "steps": 60}  # fmt: skip
CLASSES = 3
CONTEXT, VOCABULARY = 16, 12


def build(name: str, seed: int = 0, **given: object) -> GenerativeModel:
    """A small model of the named kind for `spec_of` its data, with weights from the seed; `given`: more settings."""
    entry = MODELS[name]
    settings = entry.settings()
    own = {f.name for f in dataclasses.fields(settings)}
    if name == "pretrained":
        import folders  # skips where the extra is missing

        settings = dataclasses.replace(settings, folder=str(folders.letters()), rank=2)
    small = {key: value for key, value in TINY.items() if key in own and not (key == "levels" and name == "pixel-ar")}
    torch.manual_seed(seed)
    return build_model(name, dataclasses.replace(settings, **{**small, **given}), spec_of(name))


def spec_of(name: str) -> DataSpec:
    """The spec of the small data that the named model is for."""
    other = {
        "grid": DataSpec("grid", (1, 12, 8), class_shares=(0.5, 0.3, 0.2)),
        "tokens": DataSpec("tokens", (CONTEXT + 1,), vocabulary=VOCABULARY),
    }
    return other.get(MODELS[name].kind) or spec()


def examples(name: str, n: int, seed: int = 0) -> ExampleSet:
    """n small examples for the named model."""
    if MODELS[name].kind == "row":
        return Examples(rows(n, seed))
    if MODELS[name].kind == "tokens":
        return windows(n, seed)
    return Examples(*pictures(n, seed))


def batch(name: str, n: int = 32, seed: int = 0) -> Batch:
    """The same as one batch."""
    return examples(name, n, seed).batch(slice(0, n), torch.device("cpu"))


def windows(n: int, seed: int = 0) -> TokenExamples:
    """n windows of documents that count upwards from 3 to 9 from a place of their own, then end."""
    random = np.random.default_rng(seed)
    documents, length = [], 0
    while length < n + CONTEXT:
        first = random.integers(0, 7)
        tokens = [BEGIN, *(3 + (first + np.arange(random.integers(3, 9))) % 7), END]
        documents.append((np.array(tokens), np.arange(len(tokens)) > 0))
        length += len(tokens)
    return TokenExamples.written(documents, CONTEXT, dtype=np.uint16)


def pictures(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(n, 1, 12, 8) uint8 pictures of a bright bar whose place tells the class, with noise; (n,) labels."""
    random = np.random.default_rng(seed)
    labels = random.choice(CLASSES, n, p=(0.5, 0.3, 0.2))
    x = random.integers(0, 60, (n, 1, 12, 8))
    for label in range(CLASSES):
        x[labels == label, :, 4 * label : 4 * label + 3] += random.integers(120, 190)
    return x.astype(np.uint8), labels


def spec() -> DataSpec:
    """A category, a constant, values with missing ones, a number with spikes and refining slices, a label."""
    return DataSpec(
        kind="row",
        shape=(6,),
        spans=(
            Span("colour", (0.5, 0.3, 0.2), ordered_from=3),
            Span("constant", (1.0,), ordered_from=1),
            Span("children", (0.1, 0.4, 0.3, 0.2), ordered_from=1, missing=True),
            Span(
                "income", (0.3, 0.2, 0.2, 0.1, 0.1, 0.1), ordered_from=0, refined=(False, True, True, True, True, True)
            ),
            Span("income", (0.25, 0.25, 0.25, 0.25), ordered_from=0, parent=3),
            Span("label", (0.6, 0.4), ordered_from=2),
        ),
    )


def rows(n: int, seed: int = 0) -> np.ndarray:
    """(n, 6) uint16 codes that follow the spec's frequencies, the label and income depending on the colour."""
    random = np.random.default_rng(seed)
    spans = spec().spans
    x = np.stack([random.choice(span.size, n, p=span.frequency) for span in spans], axis=1)
    agrees = random.random(n) < 0.8
    x[:, 5] = np.where(agrees, x[:, 0] == 0, x[:, 5])
    x[:, 3] = np.where(agrees & (x[:, 0] == 2), 5, x[:, 3])
    x[:, 4] *= x[:, 3] > 0
    return x.astype(np.uint16)
