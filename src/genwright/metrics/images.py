"""Score synthetic pictures: every number beside its floor and its copycat, in the layout of `table.py`.

What these are for pictures is said in `image_sets.py`; what pictures are compared by, in `image_features.py`. All sets have
the same number of pictures, n, which is kept with every distance, because Frechet distances grow as n falls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from genwright.errors import GenwrightError, did_you_mean
from genwright.metrics import image_distances as measure
from genwright.metrics.clock import Clock
from genwright.metrics.closest import wilson
from genwright.metrics.image_copies import (
    Neighbours,
    TrainingPictures,
    near_floor,
    near_limit,
    near_share,
    nearer_interval,
    nearer_share,
    pixel_cells,
)
from genwright.metrics.image_diversity import (
    cluster_uniformity,
    clusters,
    label_entropy,
    likeness_within,
    uniformity,
    vendi,
)
from genwright.metrics.image_features import choose
from genwright.metrics.image_quality import ms_ssim, psnr, scales_of, ssim
from genwright.metrics.image_sets import EFFORTS, PLENTY, Compared, Labelled, check_images
from genwright.metrics.image_utility import Classifier, balanced_accuracy, classify, telling, train_classifier
from genwright.metrics.table import FORMAT
from genwright.metrics.values import Better, Metric, metric
from genwright.metrics.vector_attacks import of_images

STAGES = ("features", "distances", "copies", "utility")
IMAGE_ORDER = (
    "frechet", "fid", "kid", "precision", "recall", "density", "coverage", "class_balance", "cluster_balance", "vendi",
    "within_class", "class_kept", "classifier", "nats", "bits_per_dimension", "reconstruction_psnr",
    "reconstruction_ssim", "reconstruction_ms_ssim", "codebook_usage", "codebook_perplexity", "near_copies",
    "near_pixels", "authentic", "nearer_pictures", "recoloured_copies", "exact_pictures",
    "membership",
)  # fmt: skip
FEWEST_FRESH = 200  # held-out pictures; fewer do not tell where their nearest hundredth begins
FEWEST_STAND_INS, FEWEST_PLACES = 20, 50
FEWEST_TESTED = 20
TOGETHER = 0.67  # three shares are judged together: an interval at .05 / 3 is that of so many times the pictures at .05
COPYCATS = 1_000  # training pictures that are looked for among themselves: as many as are needed to see 100 %
LISTED = 100  # pairs of sample and training picture
LOUDEST = 100.0  # decibels: equal pictures have infinitely many


def score_images(
    train: Labelled,
    holdout: Labelled | None,
    synthetic: Labelled,
    *,
    classes: tuple[str, ...] = (),
    features: str = "auto",
    effort: str = "full",
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
    likelihoods: Mapping[str, Metric] | None = None,
    reconstruction: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[str, Any]:
    """All metrics of synthetic pictures, as the layout of `table.py`, with three entries more: "kind" is "images",
    "features" {"name", "sha256", "n"}, and "nearest": [index of the sample, of its nearest training picture, distance] of the
    hundred that come nearest by features ("nearest_pixels": by pixels).

    `classes` names the labels; labels are used where all sets that a metric compares have them. `features`: a word of
    `image_features.FEATURES`. `effort` bounds how many pictures are read (`image_sets.EFFORTS`). `likelihoods`: metrics that
    the model itself measured ("nats", "bits_per_dimension", "codebook_usage", "codebook_perplexity"). `reconstruction`:
    held-out pictures, and what the model makes of them. Without a hold-out, numbers that need one are None. But for
    "seconds", the result depends on the pictures and the seed alone.

    Errors: GW-0506 for an unknown effort, GW-0520 to GW-0524.
    """
    if effort not in EFFORTS:
        raise GenwrightError("GW-0506", f"There is no effort {effort!r}", did_you_mean(effort, list(EFFORTS)))
    check_images(train, holdout, synthetic)
    clock = Clock(STAGES, progress)
    clock.start("features")
    holdout = holdout if holdout is not None and len(holdout) >= 2 else None
    real = holdout if holdout is not None else train
    chosen = choose(real.pixels, features=features, labels=real.labels, classes=classes)
    sets = Compared(train, holdout, synthetic, EFFORTS[effort], chosen, np.random.default_rng([seed, 11]))
    clock.start("distances")
    metrics = _distances(sets, seed) | _diversity(sets, seed) | dict(likelihoods or {})
    clock.start("copies")
    copied, nearest = _copies(sets)
    metrics |= copied | {"membership": of_images(sets, seed)}
    if reconstruction is not None and len(reconstruction[0]):
        metrics |= _reconstruction(sets, *reconstruction)
    clock.start("utility")
    if len(classes) > 1 and sets.train.labels is not None:
        metrics |= _utility(sets, len(classes), EFFORTS[effort].classifier_steps, seed)
    sizes = {"train": len(train), "holdout": 0 if holdout is None else len(holdout), "synthetic": len(synthetic)}
    return {
        "format": FORMAT,
        "kind": "images",
        "effort": effort,
        "seed": seed,
        "target": None,
        "sizes": {**sizes, "compared": sets.n, "searched": len(sets.train)},
        "features": {"name": chosen.name, "sha256": chosen.sha256, "n": sets.n},
        "metrics": {name: metrics[name] for name in sorted(metrics, key=IMAGE_ORDER.index)},
        **nearest,
        "seconds": clock.stop(),
    }


def _distances(sets: Compared, seed: int) -> dict[str, Metric]:
    """Frechet distance and KID, with the spread of real pictures that they are parts of; and the manifolds."""
    reference, notes = sets.reference, sets.floor_notes
    width = reference.shape[1]
    named = {"name": f"fd_{sets.features.name}", "sha256": sets.features.sha256[:12], "n": sets.n}
    doubts: list[dict[str, Any]] = [{"code": "weak_features"}] if sets.features.weak else []
    doubts += [{"code": "few_for_features", "n": sets.n, "width": width}] if sets.n <= width else []
    limits = [{"code": "measured_on", **named}, *([{"code": "few_images", "n": sets.n}] if sets.n < PLENTY else [])]
    far = _three(lambda x: measure.frechet(reference, x), sets.vectors)
    # The kernel was made for features of size one; others are scaled by one number, so that real ones have it.
    size = float(np.sqrt((reference**2).mean())) or 1.0
    gap = _three(lambda x: 1000 * measure.kid(reference / size, x / size), sets.vectors)
    error = measure.kid_error(reference / size, sets.made_features / size, seed=seed)
    interval = None if error is None else (gap[0] - 1960 * error, gap[0] + 1960 * error)
    spread, kernel = float(reference.var(axis=0, ddof=1).sum()), 1000 * measure.kernel_spread(reference / size)
    found = {
        "frechet": metric(*far, "lower", "", notes=[*limits, *doubts, *notes], n=sets.n, spread=spread),
        "kid": metric(*gap, "lower", "x 1000", interval=interval, notes=notes, n=sets.n, spread=kernel),
    }
    own = measure.reach(reference)
    shapes = [None if x is None else measure.manifolds(reference, x, real_reach=own) for x in sets.vectors]
    for name in ("precision", "recall", "density", "coverage"):
        value, floor, copycat = (None if shape is None else getattr(shape, name) for shape in shapes)
        # More than real pictures have of density: samples crowd where training pictures are densest.
        better: Better = "nearer to the floor" if name == "density" else "higher"
        found[name] = metric(value, floor, copycat, better, "share", notes=[*doubts, *notes], n=sets.n)
    return found


def _diversity(sets: Compared, seed: int) -> dict[str, Metric]:
    centres, notes = clusters(sets.reference, seed=seed), sets.floor_notes
    balance = _three(lambda x: cluster_uniformity(centres, x), sets.vectors)
    labelled = all(part is None or part.labels is not None for part in sets.pictures)
    within = (
        None if part is None else likeness_within(part.pixels, part.labels if labelled else None, seed=seed)
        for part in sets.pictures
    )
    side = sets.made.pixels.shape[1:3]
    near: Better = "nearer to the floor"
    return {
        "cluster_balance": metric(*balance, near, "share", notes=notes, n=sets.n, clusters=len(centres)),
        "vendi": metric(*_three(vendi, sets.vectors), near, "examples", notes=notes, n=sets.n),
        "within_class": metric(
            next(within), next(within), next(within), near, "MS-SSIM", notes=notes, labelled=labelled,
            scales=scales_of(*side),
        ),
    }  # fmt: skip


def _copies(sets: Compared) -> tuple[dict[str, Metric], dict[str, list[list[Any]]]]:
    training = TrainingPictures(sets.train.pixels, sets.train_features, everything=sets.all_train.pixels)
    made = training.neighbours(sets.made.pixels, sets.made_features)
    copycat = training.neighbours(sets.copycat.pixels[:COPYCATS], sets.copycat_features[:COPYCATS])
    fresh, held = None, sets.fresh_features
    if sets.fresh is not None and held is not None:
        fresh = training.neighbours(sets.fresh.pixels, held)

    known, few = _known(training, fresh)
    searched = len(sets.train)

    def beside(value: float, floor: float, most: float, asked: int, learned: int, **more: Any) -> Metric:
        return metric(
            value, floor, most, "lower", "share", interval=wilson(value, asked), notes=[*sets.copy_notes, *few],
            searched=searched, **more,
            least_excess=least_excess(value, round(TOGETHER * asked), floor, round(TOGETHER * learned)),
        )  # fmt: skip

    def near(name: str) -> Metric:
        if not known:
            return metric(None, None, None, "lower", "share", notes=[*sets.copy_notes, *few], searched=searched)
        value, most = (near_share(getattr(part, name), known[name]) for part in (made, copycat))
        limit = near_limit(known[name])
        return beside(value, near_floor(known[name]), most, sets.n, len(known[name]), limit=limit)

    def share(name: str, better: Better, notes: list[dict[str, Any]]) -> Metric:
        values = _three(lambda part: float(getattr(part, name).mean()), (made, fresh, copycat))
        return metric(*values, better, "share", notes=notes, searched=searched)

    def alike() -> Metric:
        if not known:
            return share("alike", "lower", sets.copy_notes)
        value, floor, most = (float(part.mean()) for part in (made.alike, known["alike"], copycat.alike))
        return beside(value, floor, most, len(made.alike), len(known["alike"]))

    found = {
        "near_copies": near("distance"),
        "near_pixels": near("pixel_distance"),
        "authentic": share("authentic", "higher", sets.copy_notes),
        "recoloured_copies": alike(),
        "exact_pictures": share("exact", "lower", sets.copy_notes[-1:] if fresh is None else []),
    }
    if fresh is not None and held is not None:
        found["nearer_pictures"] = _nearer(sets, training, held, made, fresh, copycat)
    return found, {
        "nearest": _listed(sets, made.place, made.distance),
        "nearest_pixels": _listed(sets, made.pixel_place, made.pixel_distance),
    }


def _known(training: TrainingPictures, fresh: Neighbours | None) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
    """What fresh pictures have beside them, by names in `Neighbours`, which tells what is near; and what there is to say of
    it."""
    if fresh is None:
        return {}, []
    held = len(fresh.place)
    if held >= FEWEST_FRESH:
        return {name: getattr(fresh, name) for name in ("distance", "pixel_distance", "alike")}, []
    found = training.stand_ins()
    counts = {"holdout": held, "training": len(found["distance"])}
    if counts["training"] < FEWEST_STAND_INS:
        return {}, [{"code": "few_to_learn", "fewest": FEWEST_FRESH, "stand_ins": FEWEST_STAND_INS, **counts}]
    return found, [{"code": "stand_ins", **counts}]


def _nearer(
    sets: Compared,
    training: TrainingPictures,
    held: np.ndarray,
    made: Neighbours,
    fresh: Neighbours,
    copycat: Neighbours,
) -> Metric:
    """Nearer to training or to held-out pictures? Of samples with the same nearest training picture one is asked: a thousand
    times the same sample, or noise far from everything, would else be a thousand votes for wherever it lies."""
    if len(held) < FEWEST_FRESH:
        notes = [*sets.copy_notes, {"code": "few_fresh", "fewest": FEWEST_FRESH}]
        return metric(None, None, None, "nearer to .5", "share", notes=notes, searched=len(sets.train))
    times, even, odd = len(sets.train) / len(held), held[::2], held[1::2]

    def share(found: Neighbours, features: np.ndarray) -> tuple[float | None, int]:
        asked = np.unique(found.place, return_index=True)[1]
        if len(asked) < FEWEST_PLACES:
            return None, len(asked)
        return nearer_share(found.distance[asked], training.between(features[asked], held), times), len(asked)

    floor = nearer_share(fresh.distance[::2], training.between(even, odd), 2 * times)
    floor = (floor + nearer_share(fresh.distance[1::2], training.between(odd, even), 2 * times)) / 2
    (value, asked), (most, _) = share(made, sets.made_features), share(copycat, sets.copycat_features[:COPYCATS])
    notes, more = list(sets.copy_notes), dict[str, Any]()
    if value is None:
        notes.append({"code": "few_places", "fewest": FEWEST_PLACES})
    else:
        interval = nearer_interval(value, asked, times)
        more = {"interval": interval, "least_excess": interval[0] - max(0.5, floor)}
    return metric(value, floor, most, "nearer to .5", "share", notes=notes, searched=len(sets.train), **more)


def _listed(sets: Compared, places: np.ndarray, distance: np.ndarray) -> list[list[Any]]:
    """[sample, training picture, distance], nearest first."""
    closest = np.argsort(distance, kind="stable")[:LISTED].tolist()
    return [
        [int(sets.made_places[at]), int(sets.searched[places[at]]), round(float(distance[at]), 4)] for at in closest
    ]


def _reconstruction(sets: Compared, originals: np.ndarray, rebuilt: np.ndarray) -> dict[str, Metric]:
    """Copycat: the nearest training picture, by pixels, handed back in the place of the reconstruction. No floor: a perfect
    one is the original."""
    beside = measure.nearest(pixel_cells(originals), pixel_cells(sets.train.pixels))[0]
    copies = sets.train.pixels[beside]
    found = {}
    for name, call, unit in (("psnr", psnr, "dB"), ("ssim", ssim, "SSIM"), ("ms_ssim", ms_ssim, "MS-SSIM")):
        value, copycat = (float(np.minimum(call(originals, x), LOUDEST).mean()) for x in (rebuilt, copies))
        found[f"reconstruction_{name}"] = metric(value, None, copycat, "higher", unit, n=len(originals))
    return found


def _utility(sets: Compared, classes: int, steps: int, seed: int) -> dict[str, Metric]:
    """A classifier trained on n real pictures says of which class samples are; one trained on n samples, what it has learned
    of held-out pictures."""
    real, made, floor, fresh = sets.train.take(np.arange(sets.n)), sets.made, sets.floor, sets.fresh
    assert real.labels is not None
    judge = train_classifier(real.pixels, real.labels, classes, steps=steps, seed=seed)
    counts = [
        None if part is None else np.bincount(classify(judge, part.pixels), minlength=classes) for part in sets.pictures
    ]
    assert counts[0] is not None
    found = {
        "class_balance": metric(
            *_three(uniformity, (counts[0], counts[1], counts[2])), "nearer to the floor", "share",
            notes=sets.floor_notes, n=sets.n, entropy=label_entropy(counts[0]), counts=counts[0].tolist(),
        )
    }  # fmt: skip
    if made.labels is None:
        return found

    def right(net: Classifier, part: Labelled) -> float:
        assert part.labels is not None
        return balanced_accuracy(classify(net, part.pixels), part.labels)

    if floor is None or floor.labels is not None:
        kept = _three(lambda part: right(judge, part), sets.pictures)
        found["class_kept"] = metric(*kept, "higher", "share", notes=sets.floor_notes, n=sets.n)
    if fresh is not None and fresh.labels is not None and len(fresh) >= FEWEST_TESTED:
        pupil = train_classifier(made.pixels, made.labels, classes, steps=steps, seed=seed)
        value, best = right(pupil, fresh), right(judge, fresh)
        interval = wilson(value, round(telling(fresh.labels)))
        found["classifier"] = metric(
            value, best, best, "higher", "accuracy", interval=interval, n=sets.n, tested=len(fresh),
            guess=1 / len(np.unique(fresh.labels)),
        )  # fmt: skip
    return found


def _three(call: Callable[[Any], float], parts: tuple[Any, Any | None, Any]) -> tuple[float, float | None, float]:
    """Value, floor and copycat."""
    made, floor, copycat = parts
    return call(made), None if floor is None else call(floor), call(copycat)


def least_excess(share: float, n: int, floor: float, m: int) -> float:
    """The lower end of the 95 % interval of a share of n less another, of m (Newcombe 1998, method 10); above 0, the first is
    larger, and not by chance."""
    return share - floor - float(np.hypot(share - wilson(share, n)[0], wilson(floor, m)[1] - floor))
