"""A small coded table with every sort of span, made on the spot: what the contract and loop tests train on."""

import numpy as np

from genwright.contract import DataSpec, Span


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
