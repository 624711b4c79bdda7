"""Score synthetic texts: every number beside its floor and its copycat, in the layout of `table.py`.

What these are for texts is said in `text_sets.py`. The stages are `text_distance.py`, `text_diversity.py`, `text_copies.py`,
`text_likelihood.py` and, for answers to prompts, `text_overlap.py`; read on with `text_scores.py`, which calls them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from genwright.errors import GenwrightError, did_you_mean
from genwright.metrics.clock import Clock
from genwright.metrics.table import FORMAT
from genwright.metrics.text_conditions import conditions_kept
from genwright.metrics.text_distance import Embedding, Weighted, embedding
from genwright.metrics.text_scores import (
    answers,
    beside_ngram,
    copies,
    distances,
    diversity,
    likelihood,
)
from genwright.metrics.text_sets import EFFORTS, Compared, Responses, Texts, check_texts
from genwright.metrics.values import Metric
from genwright.metrics.vector_attacks import held_apart, not_comparable, of_texts

STAGES = ("embedding", "distances", "diversity", "copies", "likelihood", "conditions")
TEXT_ORDER = (
    "frechet", "mauve", "frechet_states", "mauve_states", "word_distance", "pair_distance", "judge", "predictability",
    "length", "distinct_1", "distinct_2", "distinct_3", "ngram_entropy", "self_bleu", "repetition", "unique_texts",
    "condition_balance", "conditions_kept",
    "nats", "nats_per_character", "perplexity", "bits_per_byte", "bleu", "chrf", "rouge_1", "rouge_2", "rouge_l",
    "exact_match", "token_f1", "copied_8", "copied_16", "copied_32", "near_copies", "longest_copy", "exact_texts",
    "membership", "exposure",
)  # fmt: skip


def score_texts(
    train: Texts,
    holdout: Texts | None,
    synthetic: Texts,
    *,
    conditions: Mapping[str, Sequence[str]] | None = None,
    embed: Embedding | None = None,
    states: Embedding | None = None,
    effort: str = "full",
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
    likelihoods: Mapping[str, Metric] | None = None,
    responses: Responses | None = None,
) -> dict[str, Any]:
    """All metrics of synthetic texts, as the layout of `table.py`, with entries more: "kind" is "texts"; "features" {"name",
    "sha256", "n"} of the embedding; "nearest": [index of the sample, of the training text, words copied in one piece] of the
    texts that copy most; "longest_copy": the first of them in its context, or None; "baselines": what held-out texts cost
    an n-gram model and compressors (see `text_scores.likelihood`), or None.

    `conditions`: what the columns of labels are called, and their values. `embed`: vectors of texts; without one they are made
    here (see `text_distance.py`). `states`: the model's own vectors of texts. `likelihoods`: metrics that the model itself
    measured ("nats", "nats_per_character", "perplexity", "bits_per_byte", "exposure"); their floor is the n-gram model's cost.
    `responses`: generated answers to held-out prompts. `effort` bounds how much is read (`text_sets.EFFORTS`). Without a
    hold-out, numbers that need one are None. But for "seconds", the result depends on the texts and the seed alone.

    Errors: GW-0506 for an unknown effort, GW-0530, GW-0531, GW-0534, GW-0535.
    """
    if effort not in EFFORTS:
        raise GenwrightError("GW-0506", f"There is no effort {effort!r}", did_you_mean(effort, list(EFFORTS)))
    check_texts(train, holdout, synthetic)
    clock, limit = Clock(STAGES, progress), EFFORTS[effort]
    clock.start("embedding")
    holdout = holdout if holdout is not None and len(holdout) else None
    sets = Compared(train, holdout, synthetic, limit, np.random.default_rng([seed, 11]))
    weighted = Weighted(sets.known.texts)
    chosen = embed or embedding(sets.known.texts, weighted, seed=seed)
    clock.start("distances")
    metrics = distances(sets, weighted, chosen, states, seed)
    clock.start("diversity")
    metrics |= diversity(sets, limit.paired)
    clock.start("copies")
    copied, spans = copies(sets)
    apart = held_apart(sets, weighted, metrics["judge"]["floor"], seed)
    metrics["membership"] = of_texts(sets, weighted, seed) if apart is None else not_comparable(apart)
    clock.start("likelihood")
    predictability, baselines = likelihood(sets, limit)
    metrics |= copied | predictability | beside_ngram(likelihoods or {}, baselines)
    clock.start("conditions")
    metrics |= conditions_kept(sets, conditions or {}, weighted)
    if responses is not None:
        metrics |= answers(responses, weighted, limit.compared)
    sizes = {"train": len(train), "holdout": 0 if holdout is None else len(holdout), "synthetic": len(synthetic)}
    return {
        "format": FORMAT,
        "kind": "texts",
        "effort": effort,
        "seed": seed,
        "target": None,
        "sizes": {**sizes, "compared": sets.n, "searched": len(sets.searched)},
        "features": {"name": chosen.name, "sha256": chosen.sha256, "n": sets.n},
        "metrics": {name: metrics[name] for name in sorted(metrics, key=TEXT_ORDER.index)},
        **spans,
        "baselines": baselines,
        "seconds": clock.stop(),
    }
