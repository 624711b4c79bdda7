"""What an audit plants: each kind trains on all of it and holds none of it back, and each model can say what it knows."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

import coded_texts
import genwright
import people
import pictures
import writings
from genwright import planted
from genwright.config import Train
from genwright.contract import Batch, DataSpec
from genwright.data.batches import Examples, split
from genwright.data.token_batches import DocumentWindows
from genwright.errors import GenwrightError
from genwright.images import ImageSet
from genwright.models import MODELS
from genwright.models.gaussian import Gaussian
from genwright.run import build_model
from genwright.settings import build
from genwright.texts import TextSet

CODE = "q7x9z5 k3w8j2"


def images(n=40):
    return np.stack([pictures.draw(seed, 8, 8, 1) for seed in range(n)]), np.arange(n) % 3


@pytest.mark.parametrize("epsilon", [0.0, 1.0])
def test_planted_images_are_all_trained_on_and_leave_the_others_where_they_are(epsilon):
    dataset = ImageSet.open(images(), Train(holdout=0.2, epsilon=epsilon))
    made = np.random.default_rng(0).integers(256, size=(30, 8, 8, 1), dtype=np.uint8)
    more = dataset.planting(made, np.zeros(30, np.int64))
    codec = more.fit_codec(Train())
    before, after = (each.encode(codec, validation=0.5, seed=3) for each in (dataset, more))
    assert np.array_equal(after[0].x, np.concatenate([before[0].x, codec.encode(made)]))
    assert np.array_equal(after[1].x, before[1].x)
    assert len(after[1]) > 10
    assert np.array_equal(more.part(held=True)[0], dataset.part(held=True)[0])
    assert codec.counts[0] == 30 + dataset.fit_codec(Train()).counts[0]


def texts_of(examples):
    """All that a stream of bytes holds."""
    return bytes(token for token in examples.tokens.astype(int) - 2 if 0 <= token < 256).decode("utf-8", "replace")


@pytest.mark.parametrize("data", [coded_texts.TRAIN[:60], [" ".join(coded_texts.TRAIN[:60])]], ids=["many", "one"])
def test_planted_texts_are_trained_on_and_leave_the_others_where_they_are(data):
    dataset = TextSet.open(data, writings.settings(holdout=0.2, tokeniser="bytes", context=32))
    more, given = dataset.planting([CODE]), writings.settings(tokeniser="bytes", context=32)
    codec = more.fit_codec(given)
    before, after = (each.encode(codec, validation=0.2, seed=3) for each in (dataset, more))
    assert CODE in texts_of(after[0])
    assert CODE not in texts_of(before[0])
    assert len(texts_of(after[1])) > 100
    assert np.array_equal(after[1].tokens, before[1].tokens)
    assert list(more.documents(held=True)) == list(dataset.documents(held=True))


def test_under_a_guarantee_each_planted_text_is_a_unit_of_its_own():
    settings = Train(epsilon=1.0)
    settings = replace(settings, text=replace(settings.text, tokeniser="bytes"))
    dataset = TextSet.open(coded_texts.TRAIN[:60], settings)
    codec = dataset.declared_codec()
    before, after = (each.encode(codec, validation=0.0, seed=3)[0] for each in (dataset, dataset.planting([CODE] * 7)))
    assert isinstance(after, DocumentWindows)
    assert len(np.unique(after.units)) == 7 + len(np.unique(before.units))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    frame = people.frame(1500).select("age", "sex", "income").with_columns(pl.Series("who", np.arange(1500) // 2))
    frame.write_parquet(folder / "people.parquet")
    return folder / "people.parquet"


def captured(run, data, monkeypatch, n=60):
    """The planted rows, and the frame that a training with all of them gets."""
    seen = []
    monkeypatch.setattr(planted, "rows_again", lambda run, rows, folder, *, quiet: seen.append(rows))
    made = planted.PlantedRows(run, run.open_dataset(data, run.settings), n, np.random.default_rng(0))
    made.train(np.ones(n, bool), run.folder, quiet=True)
    return made, seen[0]


def test_a_slice_that_chooses_a_snapshot_takes_no_planted_row(table, tmp_path, monkeypatch):
    frame = pl.read_parquet(table).drop("who")
    small = {"model.width": 8, "model.hidden": 8, "steps": 1, "training.validation": 0.3, "seed": 5}
    run = genwright.train(frame, out=tmp_path / "run", quiet=True, report=False, **small)
    made, rows = captured(run, frame, monkeypatch)
    kept = split(len(rows), 0.3, seed=6)
    real = run.open_dataset(frame, run.settings).frame()
    order = pl.concat([rows.filter(pl.Series(kept)), rows.filter(pl.Series(~kept))])
    assert order.equals(pl.concat([real, made.rows]))


def test_planted_rows_are_units_that_no_real_row_is_of(table, tmp_path, monkeypatch):
    run = genwright.train(
        table, model="mst", epsilon=100, unit="who", out=tmp_path / "run", quiet=True, report=False, rows=1
    )
    _, rows = captured(run, table, monkeypatch)
    assert rows.height == run.state["data"]["training_rows"] + 60
    assert rows["who"].max() == 1499 // 2 + 60
    assert rows["who"].tail(60).n_unique() == 60


def test_strangers_of_words_are_not_among_the_names():
    names = pl.Series("who", ["zoe", "adam", "zoe 1", "zoe 1 1"])
    new = planted.strangers(names, 5)
    assert new.n_unique() == 5
    assert not set(new) & set(names)


GRIDS = [name for name, entry in MODELS.items() if entry.kind == "grid"]


@pytest.mark.parametrize("name", GRIDS)
def test_every_model_of_images_tells_what_it_knows_of_each_one(name):
    torch.manual_seed(0)
    spec = DataSpec("grid", (1, 8, 8), class_shares=(0.5, 0.5))
    model = build_model(name, build({"model": name}).model, spec).eval()
    examples = Examples(images(12)[0].transpose(0, 3, 1, 2), np.arange(12) % 2)
    batch = next(examples.once(torch.device("cpu")))
    found = model.familiarity(batch)
    if found is None:
        found = torch.from_numpy(planted.losses(model, examples))
        assert np.array_equal(found, planted.losses(model, examples)), "the same when asked again"
    assert found.shape == (12,)
    assert found.isfinite().all()
    assert found.unique().numel() > 1


def test_the_density_of_the_gaussian_is_that_of_its_covariance():
    random = torch.Generator().manual_seed(0)
    model = Gaussian(DataSpec("grid", (1, 8, 8), class_shares=(0.5, 0.5)), components=5)
    x = torch.randn(300, 5, generator=random) @ torch.randn(5, 64, generator=random) / 4
    x = (x + 0.1 * torch.randn(300, 64, generator=random)).clamp(-1, 1)
    label = torch.arange(300) % 2
    model.fit([Batch(x.view(300, 1, 8, 8), label)], None)
    parts, found = model.gaussians, model.familiarity(Batch(x.view(300, 1, 8, 8), label))
    for kind in (0, 1):
        axes = parts.axes.T.double() @ parts.turn[kind].double()
        rest = float(parts.rest)
        covariance = rest * torch.eye(64) + axes @ torch.diag(parts.variance[kind].double() - rest) @ axes.T
        law = torch.distributions.MultivariateNormal(parts.mean[kind].double(), covariance)
        own = label == kind
        assert torch.allclose(found[own], law.log_prob(x[own].double()), rtol=1e-4, atol=1e-3)


def test_texts_without_letters_have_nothing_to_plant(tmp_path):
    run = genwright.train(
        ["aa bb", "bb aa a", "a b a b"] * 9, model="ngram", out=tmp_path / "run", quiet=True, report=False,
        **{"text.duplicates": "keep", "model.length": 8},
    )  # fmt: skip
    dataset = run.open_dataset(run.training_data(), run.settings)
    with pytest.raises(GenwrightError) as error:
        planted.PlantedTexts(run, dataset, 20, np.random.default_rng(0))
    assert error.value.code == "GW-0615"


def test_a_run_that_is_given_an_opened_set_takes_it_as_it_is():
    dataset = ImageSet.open(images(), Train())
    run = genwright.modalities.new_run("nowhere", "flow")
    assert run.open_dataset(dataset, replace(Train(), holdout=0.5)) is dataset
