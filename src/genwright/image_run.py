"""ImageRun: a run on images - samples, interpolation, reconstruction, the image report. The rest is in `run.py`."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genwright import settings as settings_layer
from genwright.codecs.image import ImageCodec
from genwright.config import Train
from genwright.contract import Batch, GenerativeModel
from genwright.data.batches import Examples, images_at_once
from genwright.data.image_writers import check_images, film, grid, read_png, write_grid, write_images
from genwright.errors import GenwrightError
from genwright.image_judge import ImageJudge
from genwright.image_report import judge_images
from genwright.images import Beside, ImageSet, measures, read_beside
from genwright.latent_ways import direction_of, slerp
from genwright.metrics.image_distances import frechet
from genwright.metrics.image_features import choose
from genwright.metrics.image_sets import Labelled, samples_needed
from genwright.metrics.values import Metric, metric
from genwright.progress import Advance, no_progress
from genwright.report import Report
from genwright.run import Run
from genwright.training.devices import choose_device, choose_precision
from genwright.training.gradients import autocast

LOOKED_AT = 1024  # samples from which directions are found
MEASURED = 500  # held-out images of which the model itself says something
OWN_MEASURES: dict[str, tuple[Any, str]] = {  # what models may say: which way is better, and the unit
    "bits_per_dimension": ("lower", "bits"),
    "nats": ("lower", "nats"),
    "codebook_usage": ("higher", "share"),
    "codebook_perplexity": ("higher", "codes"),
}
OF_TRAINING = ("codebook_usage", "codebook_perplexity")  # of these, those that are measured on training images
REBUILT = 100  # held-out images that are reconstructed for the report
WATCHED = 50  # samples of a look's picture
WATCHING = 0.05  # share of the time that these pictures may take
DRAWN = {"quick": 1_000, "full": 10_000}  # samples that the report judges, at most
BY_STEPS = 1_000  # samples for each number of solver steps in the report
SOLVER_STEPS = (2, 4, 6, 10, 20)
TIMED = (4, 32)  # images drawn before the training, to know how long the report's will take
JUDGING = 20.0  # seconds for all else in a quick report
GRID = 100  # images of a grid, at most: ten for each of ten classes


class ImageRun(Run):
    """A run on images."""

    codec_class = ImageCodec
    examples_at_a_time = 256
    noun = "images"
    suffix = ".png"
    first_name = "grid"

    @property
    def sample_words(self) -> frozenset[str]:
        """Its class, and the settings of the model's sampler."""
        own = (f.name for f in dataclasses.fields(self.settings.model) if f.metadata.get("at_sampling"))
        return frozenset({"label", *own})

    def open_dataset(self, data: Any, settings: Train) -> ImageSet:
        """The images, split; as they are, if they have been opened."""
        return data if isinstance(data, ImageSet) else ImageSet.open(data, settings)

    def sample(self, n: int = 100, *, label: str | None = None, seed: int = 0, **sampler: Any) -> np.ndarray:
        """n synthetic images, (n, height, width, channels) uint8; `sampler` as in `draw`."""
        return self.draw(n, label=label, seed=seed, **sampler)[0]

    def draw(
        self, n: int, *, label: str | None = None, seed: int = 0, advance: Advance = no_progress, **sampler: Any
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """n images (n, height, width, channels) uint8 and their labels; all of one class if `label` names it.

        `sampler`: settings of the model's sampler, such as guidance=1.5 or solver_steps=20. GW-0202 for unknown ones.
        """
        if n < 1:
            raise GenwrightError("GW-0206", f"Cannot draw {n} images", "Ask for one image or more.")
        labels = self._labels(n, label, seed)
        model = self.model_with(**sampler)
        condition = None if labels is None else torch.from_numpy(labels)
        drawn = [self.codec.decode(x.numpy()) for x in self._draw(n, condition, seed, advance, model)]
        return np.concatenate(drawn), labels

    def write_samples(
        self,
        path: Path,
        n: int,
        *,
        label: str | None = None,
        seed: int = 0,
        advance: Advance = no_progress,
        **sampler: Any,
    ) -> Path:
        """n images: a grid (.png), an array file (.npz), an archive (.zip) or a folder of files, by the path's suffix."""
        check_images(path, n, self.codec.height, self.codec.width)
        pixels, labels = self.draw(n, label=label, seed=seed, advance=advance, **sampler)
        made = self._made(seed=seed, n=n, label=label, **sampler)
        write_images(path, pixels, labels=labels, classes=self.codec.classes, metadata=made)
        return path

    def first_samples(self, advance: Advance) -> Path:
        """A grid of samples, ordered by class, in samples/."""
        classes = len(self.codec.classes)
        n = self.settings.rows or (GRID // classes * classes if 0 < classes <= GRID else GRID)
        steps = sorted((self.folder / "samples" / "steps").glob("*.png"))
        if len(steps) > 1:
            film([read_png(path) for path in steps], self.folder / "samples" / "film.gif")
        return self.write_samples(self.first_path, n, advance=advance)

    def report(
        self,
        *,
        data: Any = None,
        test: Any = None,
        effort: str = "full",
        language: str = "auto",
        seed: int = 0,
        features: str = "",
        inception: str = "",
        out: str | Path | None = None,
        advance: Advance = no_progress,
    ) -> Report:
        """Judge samples beside training and held-out images (`test`: other real images than the hold-out); writes
        report.json and report.html into the folder or `out`. At most 10,000 samples are drawn, 1,000 for "quick".

        The training images are read again from where they were (give `data` when it was an array); GW-0307 if changed.
        `features`, `inception`: in the place of the run's own settings of images.
        """
        settings = self.settings
        features, inception = measures(settings.images, features, inception)
        dataset = self.open_dataset(self.training_data(data), settings)
        self.check_fingerprint(dataset)
        train = Labelled(*dataset.part(held=False))
        test = test or settings.test or None
        holdout = Labelled(*(self.read(test)[:2] if test else dataset.part(held=True)))
        n = min(DRAWN[effort], samples_needed(len(train), len(holdout), effort))
        made = Labelled(*self.draw(n, seed=seed, advance=lambda done, total: advance(done, total, "sampling")))
        classes = self.codec.classes if holdout.labels is not None else ()
        return judge_images(
            train,
            holdout,
            made,
            Path(out or self.folder),
            self.facts(),
            classes=classes,
            features=features,
            inception=inception,
            effort=effort,
            language=language,
            seed=seed,
            advance=advance,
            likelihoods=self._measured(train, holdout, seed),
            rebuilt=self._rebuilt(holdout) if self.model.encodes and not self.model.inverts and len(holdout) else None,
            log=self.log(),
            solver_steps=self._by_steps(train, seed, advance) if effort == "full" else None,
        )

    def _by_steps(self, train: Labelled, seed: int, advance: Advance) -> dict[int, float] | None:
        """For models with a solver of fixed steps: the Frechet distance of a thousand samples by the number of steps."""
        if getattr(self.settings.model, "solver", "adaptive") == "adaptive":
            return None
        n = min(len(train), BY_STEPS)
        few = train.take(np.random.default_rng(seed).choice(len(train), n, replace=False))
        word, classes = self.settings.images.features, self.codec.classes
        features = choose(few.pixels, features=word, labels=few.labels, classes=classes)
        reference, found, taken = features.call(few.pixels), {}, 0
        for steps in SOLVER_STEPS:

            def drawn(done: int, _: int, *, steps: int = steps, before: int = taken) -> None:
                advance(before + done * steps, n * sum(SOLVER_STEPS), "sampling by solver steps")

            found[steps] = frechet(
                reference, features.call(self.draw(n, seed=seed, solver_steps=steps, advance=drawn)[0])
            )
            taken += n * steps
        return found

    def _measured(self, train: Labelled, holdout: Labelled, seed: int) -> dict[str, Metric]:
        """What the model itself says: of held-out images; a codebook, which few images cannot use up, of training images."""
        found = self._says(holdout.take(np.arange(min(len(holdout), MEASURED))), seed)
        if any(name in OF_TRAINING for name in found):
            chosen = np.random.default_rng(seed).permutation(len(train))[:MEASURED]
            found = self._says(train.take(np.sort(chosen)), seed)
        if self.model.inverts:
            note = [{"code": "inverts"}]
            found["reconstruction_psnr"] = metric(None, None, None, "higher", "dB", notes=note)
        return found

    def _says(self, few: Labelled, seed: int) -> dict[str, Metric]:
        examples = Examples(self.codec.encode(few.pixels), few.labels)
        device = choose_device(self.settings.device)
        size = examples.at_once
        batches = (examples.batch(slice(at, at + size), device) for at in range(0, len(examples), size))
        found = self.model.measures(batches, self._generator(seed)) if len(few) else {}
        notes = {name: [{"code": "of_training", "n": len(few)}] for name in found if name in OF_TRAINING}
        return {
            name: metric(value, None, None, *OWN_MEASURES[name], notes=notes.get(name, ()), n=len(few))
            for name, value in found.items()
        }

    def _rebuilt(self, holdout: Labelled) -> tuple[np.ndarray, np.ndarray]:
        """Some held-out images, and what the model makes of them."""
        few = holdout.take(np.arange(min(len(holdout), REBUILT)))
        return few.pixels, self._reconstructed(few.pixels, few.labels)

    def judge(self, codec: ImageCodec, real: Examples) -> ImageJudge | None:
        """None for fewer than two real images: a distance needs two."""
        if len(real) < 2:
            return None
        device = choose_device(self.settings.device)
        return ImageJudge(codec, real, self._sample, at_once=self.examples_at_a_time, device=device)

    def watcher(self, codec: ImageCodec) -> Callable[[int, GenerativeModel], None] | None:
        """Writes a grid of samples from the same noise after each checkpoint, unless that would cost a tenth of the time."""
        classes = len(codec.classes)
        labels = None if not classes else torch.arange(WATCHED) % classes
        spent, started = 0.0, time.monotonic()

        def look(step: int, model: GenerativeModel) -> None:
            nonlocal spent
            begun = time.monotonic()
            if spent > WATCHING * (begun - started):
                return
            generator = torch.Generator(choose_device(self.settings.device)).manual_seed(0)
            condition = None if labels is None else labels.to(generator.device)
            x = self._sample(model.eval(), WATCHED, condition, generator).numpy()
            path = self.folder / "samples" / "steps" / f"{step:08}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_grid(path, codec.decode(x), columns=10, metadata=self._made(seed=0, n=WATCHED, step=step))
            spent += time.monotonic() - begun

        return look

    def seconds_of_report(self, codec: ImageCodec, model: GenerativeModel) -> float:
        """By the time that a model, trained or not, takes for few images and for some: so much a piece, so much an image."""
        generator = self._generator(0)
        model = model.eval()

        def labels(n: int) -> torch.Tensor | None:
            return torch.zeros(n, dtype=torch.int64, device=generator.device) if codec.classes else None

        def draw(n: int) -> None:
            self._sample(model, n, labels(n), generator)

        def measure(n: int) -> None:
            blank = torch.zeros(n, *codec.spec.shape, device=generator.device)
            model.measures([Batch(blank, labels(n))], generator)

        drawing = _seconds_of(draw, DRAWN["quick"] + GRID, self.examples_at_a_time)
        return JUDGING + drawing + _seconds_of(measure, MEASURED, images_at_once(codec.spec.shape))

    def _sample(
        self, model: GenerativeModel, n: int, condition: torch.Tensor | None, generator: torch.Generator
    ) -> torch.Tensor:
        """As the base's, at the precision of the training where whole pictures are made at once: other samplers take steps
        too small to gain by it."""
        settled = self.settings.training.precision if model.decodes else "f32"
        with autocast(generator.device, choose_precision(settled, generator.device)):
            return super()._sample(model, n, condition, generator).float()

    def _made(self, **asked: Any) -> dict[str, str]:
        """How a picture was made, for the text in its file: the sampler's settings as they were, and what was asked for."""
        own = {name: getattr(self.settings.model, name, None) for name in sorted(self.sample_words)}
        made = {"run": self.folder.name, "model": settings_layer.model_name(self.settings), **own}
        made |= {name: value for name, value in asked.items() if value not in (None, "")}
        return {name: str(value) for name, value in made.items() if value is not None}

    def write_strips(self, path: Path, frames: np.ndarray, **asked: Any) -> None:
        """Pictures (rows, columns, height, width, channels) as one PNG, or as a film of the columns (.gif). `asked`: what they
        were made with, such as seed=5 or direction=2; it goes into the PNG as text, with the sampler's settings."""
        if path.suffix.lower() == ".png":
            flat = frames.reshape(-1, *frames.shape[2:])
            write_grid(path, flat, columns=frames.shape[1], metadata=self._made(**asked))
        else:
            film([grid(frames[:, place]) for place in range(frames.shape[1])], path)

    def interpolate(
        self, steps: int = 10, *, pairs: int = 8, label: str | None = None, seed: int = 0, **sampler: Any
    ) -> np.ndarray:
        """Ways from one image to another through the latent space: (pairs, steps, height, width, channels) uint8.

        Latent vectors go along great circles (White 2016): on straight lines between normal vectors the middle would be
        too short. GW-0403 for models without latent vectors.
        """
        model = self._with_latents("interpolate", **sampler)
        ends = model.latents(2 * pairs, self._generator(seed))
        first, last = ends[:pairs], ends[pairs:]
        labels = self._labels(pairs, label, seed)
        frames = []
        for place in np.linspace(0.0, 1.0, steps):
            frames.append(self._decoded(model, slerp(first, last, float(place)), labels))
        return np.stack(frames, axis=1)

    def edit(
        self,
        direction: int = 0,
        *,
        reach: float = 3.0,
        steps: int = 9,
        images: int = 8,
        label: str | None = None,
        seed: int = 0,
        **sampler: Any,
    ) -> np.ndarray:
        """Images moved along one of the directions that change pictures most: (images, steps, height, width, channels).

        Directions are found by looking: the leading principal components of 1,024 samples' pixels are regressed on their
        latent vectors (after Härkönen et al. 2020, "GANSpace", but in the latent space, so for any model that has one);
        direction 0 changes most. `reach`: how far to either side, in standard deviations.
        """
        model = self._with_latents("edit", **sampler)
        z = model.latents(LOOKED_AT, self._generator(seed + 1))
        labels = self._labels(LOOKED_AT, label, seed)
        pixels = self._decoded(model, z, labels).reshape(LOOKED_AT, -1) / 255.0
        way = direction_of(z.flatten(1).cpu().numpy(), pixels, direction)
        step = torch.from_numpy(way).to(z).view(1, *z.shape[1:])
        start, labels = model.latents(images, self._generator(seed)), self._labels(images, label, seed)
        moved = [self._decoded(model, start + far * step, labels) for far in np.linspace(-reach, reach, steps)]
        return np.stack(moved, axis=1)

    def reconstruct(self, data: Any, *, label: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Given images (path, list of paths, or array) and what the model makes of them after encoding, both (n, height,
        width, channels); images with labels are encoded under theirs, others under `label`. GW-0403 as `check_encodes`."""
        self.check_encodes()
        return self.rebuilt(self.read(data, fewest=1), label=label)

    def check_encodes(self) -> None:
        """GW-0403 for models that do not encode."""
        if not self.model.encodes:
            name = settings_layer.model_name(self.settings)
            raise GenwrightError("GW-0403", f"{name} does not encode images", "Train a vae, vqvae or flow.")

    def rebuilt(self, given: Beside, *, label: str | None = None) -> tuple[np.ndarray, np.ndarray]:
        """As `reconstruct`, of images that have been read."""
        labels = self._labels(len(given.pixels), label, 0) if given.labels is None else given.labels
        return given.pixels, self._reconstructed(given.pixels, labels)

    def _reconstructed(self, images: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        x = torch.tensor(self.codec.encode(images)).float() / 127.5 - 1.0
        made = []
        for start in range(0, len(x), self.examples_at_a_time):
            part = slice(start, start + self.examples_at_a_time)
            condition = None if labels is None else torch.from_numpy(labels[part])
            with torch.no_grad():
                z = self.model.encode(x[part].to(choose_device(self.settings.device)), condition=condition)
            made.append(self._decoded(self.model, z, None if labels is None else labels[part]))
        return np.concatenate(made)

    def read(self, data: Any, *, fewest: int = 2) -> Beside:
        """A second set of images, or a list of paths of such, as this run's were read."""
        codec = self.codec
        shape = (codec.height, codec.width, codec.channels)
        return read_beside(data, self.settings, shape, codec.classes, fewest=fewest)

    def _with_latents(self, verb: str, **sampler: Any) -> GenerativeModel:
        model = self.model_with(**sampler)
        if not model.decodes:
            raise GenwrightError(
                "GW-0403",
                f"{settings_layer.model_name(self.settings)} has no latent vectors to {verb} in",
                "Train a flow, vae, r3gan or pggan.",
            )
        return model

    def _labels(self, n: int, label: str | None, seed: int) -> np.ndarray | None:
        if label is not None:
            return np.full(n, self.codec.label(label))
        return self.codec.labels(n, np.random.default_rng([seed, 3]))

    def _generator(self, seed: int) -> torch.Generator:
        return torch.Generator(choose_device(self.settings.device)).manual_seed(seed)

    def _decoded(self, model: GenerativeModel, z: torch.Tensor, labels: np.ndarray | None) -> np.ndarray:
        parts = []
        for start in range(0, len(z), self.examples_at_a_time):
            part = slice(start, start + self.examples_at_a_time)
            condition = None if labels is None else torch.from_numpy(labels[part]).to(z.device)
            parts.append(self.codec.decode(model.decode(z[part], condition=condition).x.cpu().numpy()))
        return np.concatenate(parts)


def _seconds_of(work: Callable[[int], None], images: int, at_once: int) -> float:
    """Of work on so many images, so many at once, by the time that few and some take."""
    few, some = TIMED[0], max(min(TIMED[1], at_once), TIMED[0] + 1)
    taken = []
    for n in (few, few, some):  # the first time is slow
        started = time.monotonic()
        work(n)
        taken.append(time.monotonic() - started)
    each = max(0.0, taken[2] - taken[1]) / (some - few)
    return images * each + images / at_once * max(0.0, taken[1] - few * each)
