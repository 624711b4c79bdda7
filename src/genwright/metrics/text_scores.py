"""The stages of `texts.py`: each makes metrics of samples, floor and copycat."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np

from genwright.metrics import text_diversity as varied
from genwright.metrics import text_overlap as overlap
from genwright.metrics.image_distances import frechet
from genwright.metrics.text_copies import LENGTHS, Copied, TrainingTexts, shown
from genwright.metrics.text_distance import FEWEST, Embedding, Weighted, divergence, judge, mauve
from genwright.metrics.text_likelihood import CharacterModel, xz_bits, zlib_bits
from genwright.metrics.text_sets import COPYCATS, Compared, Responses, TextEffort, first_within
from genwright.metrics.text_words import number, unspaced
from genwright.metrics.values import Better, Metric, metric, rounded

NEAR: Better = "nearer to the floor"
TINY, MOST_NATS = 1e-12, 700.0
PAIRED_CHARACTERS = 1_000  # first characters of a text whose BLEU against others is measured


def distances(
    sets: Compared, weighted: Weighted, chosen: Embedding, states: Embedding | None, seed: int
) -> dict[str, Metric]:
    """Over embeddings, over the model's own states, over words, over pairs of words, to a classifier."""
    notes = sets.notes
    vocabulary: dict[str, int] = {}
    real = number(sets.reference.texts, vocabulary)
    counted = tuple(None if part is None else number(part.texts, vocabulary) for part in sets.sets)
    rows = weighted(sets.reference.texts)
    told = [None if part is None else judge(rows, weighted(part.texts), seed=seed) for part in sets.sets]
    few = [{"code": "few_judged", "fewest": FEWEST}] if told[0] is None else []
    area, floor, copycat = (None if x is None else x.value for x in told)
    interval = None if told[0] is None else told[0].interval(0, 1)
    found = over(sets, chosen, seed)
    if states is not None:
        found |= {f"{name}_states": metric for name, metric in over(sets, states, seed).items()}
    return found | {
        "word_distance": metric(*_three(lambda x: divergence(real, x, 1), counted), "lower", "share", notes=notes),
        "pair_distance": metric(*_three(lambda x: divergence(real, x, 2), counted), "lower", "share", notes=notes),
        "judge": metric(area, floor, copycat, "nearer to .5", "AUC", interval=interval, notes=[*notes, *few], n=sets.n),
    }


def over(sets: Compared, space: Embedding, seed: int) -> dict[str, Metric]:
    """The Frechet distance and MAUVE over an embedding."""
    reference = space.call(sets.reference.texts)
    vectors = tuple(None if part is None else space.call(part.texts) for part in sets.sets)
    notes = [{"code": "measured_on", "name": space.name, "sha256": space.sha256[:12], "n": sets.n}]
    width, enough = reference.shape[1], sets.n >= 2
    notes += [{"code": "few_for_features", "n": sets.n, "width": width}] if sets.n <= width else []
    notes += sets.notes
    far = _three(lambda x: frechet(reference, x) if enough else None, vectors)
    spread = float(reference.var(axis=0, ddof=1).sum()) if enough else None
    like = _three(lambda x: mauve(reference, x, seed=seed), vectors)
    return {
        "frechet": metric(*far, "lower", "", notes=notes, n=sets.n, spread=spread),
        "mauve": metric(*like, "higher", "share", notes=notes, n=sets.n),
    }


def diversity(sets: Compared, paired: int) -> dict[str, Metric]:
    """Of as many words of each set as the shortest has."""
    vocabulary: dict[str, int] = {}
    whole = tuple(None if part is None else number(part.texts, vocabulary) for part in sets.sets)
    most = min(len(part.ids) for part in whole if part is not None)
    equal = tuple(None if part is None else varied.first_words(part, most) for part in whole)
    chinese = unspaced(sets.reference.texts)
    some = tuple(
        None if part is None else [text[:PAIRED_CHARACTERS] for text in part.texts[:paired]] for part in sets.sets
    )
    notes = sets.notes
    found = {
        f"distinct_{n}": metric(*_three(partial(varied.distinct, n=n), equal), NEAR, "share", notes=notes, words=most)
        for n in (1, 2, 3)
    }
    unique = _three(lambda part: varied.unique(part.texts), sets.sets)
    alike = _three(lambda x: varied.self_bleu(x, chinese=chinese), some)
    return found | {
        "ngram_entropy": metric(*_three(lambda x: varied.entropy(x, 2), equal), NEAR, "bits", notes=notes, words=most),
        "self_bleu": metric(
            *alike, NEAR, "BLEU", notes=notes, n=len(some[0] or ()), tokens="zh" if chinese else "13a"
        ),
        "repetition": metric(*_three(varied.repetition, whole), NEAR, "share", notes=notes),
        "length": metric(*_three(lambda x: len(x.ids) / len(x), whole), NEAR, "words", notes=notes),
        "unique_texts": metric(*unique, "higher", "share", notes=notes, n=sets.n),
    }  # fmt: skip


def copies(sets: Compared) -> tuple[dict[str, Metric], dict[str, Any]]:
    """What samples copy, and "nearest" and "longest_copy" as `texts.py` has them."""
    training = TrainingTexts(sets.searched.texts, sets.known.texts)
    fresh = [] if sets.fresh is None else [sets.fresh.texts[: sets.n]]
    parts = [sets.made.texts, sets.copycat.texts[:COPYCATS], *fresh]
    found = training.copied(*parts)

    def three(call: Callable[[Copied, Sequence[str]], float | None]) -> tuple[float | None, float | None, float | None]:
        values = [call(copied, texts) for copied, texts in zip(found, parts, strict=True)]
        return values[0], values[2] if fresh else None, values[1]

    searched, notes = len(sets.searched), sets.copy_notes

    def share(n: int) -> Callable[[Copied, Sequence[str]], float | None]:
        return lambda copied, _: copied.shares[n]

    out = {f"copied_{n}": metric(*three(share(n)), "lower", "share", notes=notes, searched=searched) for n in LENGTHS}
    out["near_copies"] = metric(*three(lambda x, _: x.near), "lower", "share", notes=notes, searched=searched)
    out["longest_copy"] = metric(*three(lambda x, _: x.longest), "lower", "words", notes=notes, searched=searched)
    out["exact_texts"] = metric(
        *three(lambda _, t: training.exact(t)), "lower", "share", notes=notes, searched=searched
    )
    spans = found[0].spans
    listed = [[int(sets.made_places[s.text]), int(sets.searched_places[s.training]), s.words] for s in spans]
    longest = None
    if spans:
        sample, text, _ = listed[0]
        longest = shown(spans[0], sets.made.texts[spans[0].text]) | {"sample": sample, "training": text}
    return out, {"nearest": listed, "longest_copy": longest}


def likelihood(sets: Compared, limit: TextEffort) -> tuple[dict[str, Metric], dict[str, Any] | None]:
    """How well an n-gram model of the training texts predicts the samples; and, of the held-out texts, the baselines that a
    model has to beat: "ngram" {"bits_per_byte", "nats_per_character", "order", "fitted_characters"}, "xz" and "zlib"
    {"bits_per_byte"}, with the "bytes" and "characters" they were measured on."""
    model = CharacterModel(sets.searched.texts, order=limit.order, most=limit.fitted_characters)
    easy = _three(lambda part: model.cost(part.texts).bits_per_byte, sets.sets)
    found = {
        "predictability": metric(
            *easy, NEAR, "bits per byte", notes=sets.notes, order=model.order, characters=model.characters
        )
    }
    if sets.holdout is None:
        return found, None
    every = sets.holdout.texts
    asked = [every[k] for k in first_within(np.arange(len(every)), every, limit.compared_characters)]
    cost = model.cost(asked)
    return found, {
        "bytes": cost.size,
        "characters": cost.characters,
        "ngram": {
            "bits_per_byte": cost.bits_per_byte,
            "nats_per_character": cost.nats_per_character,
            "order": model.order,
            "fitted_characters": model.characters,
        },
        "xz": {"bits_per_byte": xz_bits(sets.searched.texts, asked, most=limit.packed_bytes)},
        "zlib": {"bits_per_byte": zlib_bits(sets.searched.texts, asked)},
    }


def beside_ngram(likelihoods: Mapping[str, Metric], baselines: Mapping[str, Any] | None) -> dict[str, Metric]:
    """What held-out texts cost the model, with the cost to the n-gram model in the floor's place. By token: to the same
    characters, divided by the model's tokens."""
    found = {name: dict(entry) for name, entry in likelihoods.items()}
    if baselines is None or "nats_per_character" not in found:
        return found
    ngram, own = baselines["ngram"], {name: entry["value"] for name, entry in found.items()}
    by_token = own["nats"] * ngram["nats_per_character"] / max(own["nats_per_character"], TINY)
    floors = {
        "nats": by_token,
        "nats_per_character": ngram["nats_per_character"],
        "perplexity": math.exp(min(by_token, MOST_NATS)),
        "bits_per_byte": ngram["bits_per_byte"],
    }
    for name, floor in floors.items():
        found[name] |= {"floor": rounded(floor), "notes": [{"code": "floor_ngram", "order": ngram["order"]}]}
    return found


def answers(responses: Responses, weighted: Weighted, most: int) -> dict[str, Metric]:
    """Generated answers beside the real ones. Floor: a real answer to another prompt (of the same condition, where there are
    any), which has the language and not the matter. Copycat: the training answer most like the real one."""
    overlap.check_pairs(responses.made, responses.references)
    made, real = list(responses.made[:most]), list(responses.references[:most])
    floor = _other(real, None if responses.labels is None else responses.labels[:most])
    copycat = None
    if len(responses.train):
        nearest = (weighted(real) @ weighted(responses.train).T).tocsr()
        copycat = [responses.train[int(row.toarray().argmax())] for row in nearest]
    parts = [None if part is None else _overlaps(part, real) for part in (made, floor, copycat)]
    assert parts[0] is not None
    tokens = "zh" if unspaced(real) else "13a"
    notes = [{"code": "floor_other_answers"}] if floor is not None else [{"code": "one_answer"}]
    units = {
        "bleu": "BLEU", "chrf": "chrF2", "rouge_1": "F1", "rouge_2": "F1", "rouge_l": "F1", "exact_match": "share",
        "token_f1": "F1",
    }  # fmt: skip
    found = {
        name: metric(*_three(itemgetter(name), parts), "higher", unit, notes=notes, n=len(real))
        for name, unit in units.items()
    }
    found["bleu"]["tokens"] = tokens
    return found


def _overlaps(made: Sequence[str], real: Sequence[str]) -> dict[str, float]:
    found = {"bleu": overlap.bleu(made, real), "chrf": overlap.chrf(made, real), **overlap.rouge(made, real)}
    return found | {"exact_match": overlap.exact_match(made, real), "token_f1": overlap.token_f1(made, real)}


def _other(real: list[str], labels: np.ndarray | None) -> list[str] | None:
    """For each answer the next one of its condition; None where there is only one answer."""
    if len(real) < 2:
        return None
    known = np.zeros(len(real)) if labels is None else np.unique(labels, axis=0, return_inverse=True)[1].reshape(-1)
    following = np.roll(np.arange(len(real)), -1)
    for label in np.unique(known):
        mine = np.flatnonzero(known == label)
        if len(mine) > 1:
            following[mine] = np.roll(mine, -1)
    return [real[k] for k in following]


def _three(call: Callable[[Any], Any], parts: Sequence[Any]) -> tuple[Any, Any, Any]:
    """Value, floor and copycat."""
    made, floor, copycat = (None if part is None else call(part) for part in parts)
    return made, floor, copycat
