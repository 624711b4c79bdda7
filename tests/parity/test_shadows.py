"""The attack by shadow models: models that keep their rows are exposed, better than by distance alone; others are not."""

import re

import numpy as np
import polars as pl
import pytest

import genwright
from genwright.errors import GenwrightError
from genwright.metrics.attacks import attack_metrics
from genwright.metrics.effort import EFFORTS
from genwright.metrics.shadows import Shadow, likelier
from genwright.metrics.values import Scene
from genwright.metrics.view import view_tables
from genwright.report.attacks import attack_sentences, grade_attack
from genwright.shadows import shadows_of

KINDS = {"size": "decimal", "weight": "decimal", "colour": "category"}
ROWS, SHADOWS = 800, 6


def people(rows, draw):
    """Some stand in a crowd, some alone: the distance to the nearest row alone says little of who was trained on."""
    x = draw.normal(size=(2, rows)) * np.where(draw.random(rows) < 0.7, 0.1, 3.0)
    return pl.DataFrame({"size": x[0], "weight": x[0] + x[1], "colour": draw.choice(["red", "blue", "green"], rows)})


def kept(rows, draw):
    """A model that keeps its rows, moved a little."""
    chosen = rows.sample(ROWS, with_replacement=True, seed=int(draw.integers(2**31)))
    return chosen.with_columns(pl.col("size", "weight") * pl.Series(1 + 0.05 * draw.normal(size=ROWS)))


def fresh(rows, draw):
    """A model that knows the distribution and no row."""
    return people(ROWS, draw)


def attacked(model, seed):
    draw = np.random.default_rng(seed)
    train, holdout = people(ROWS, draw), people(ROWS, draw)
    shadows = []
    for _ in range(SHADOWS):
        masks = [draw.random(ROWS) < 0.5 for _ in range(2)]
        seen = pl.concat([rows.filter(pl.Series(mask)) for rows, mask in zip((train, holdout), masks, strict=True)])
        shadows.append(Shadow(model(seen, draw), *masks))
    scene = Scene(view_tables(train, holdout, model(train, draw), KINDS), EFFORTS["quick"], seed)
    return attack_metrics(scene, shadows)["membership"]


def test_rows_that_a_model_keeps_are_found_better_than_by_distance():
    found = attacked(kept, 0)
    parts = found["parts"]
    assert parts["shadows"]["interval"][0] > parts["distance"]["interval"][1]
    assert parts["caught_by_shadows"]["interval"][0] > 0.01
    assert parts["shadows"]["copycat"] > 0.9
    assert grade_attack("membership", found) == "poor"
    sentences = " ".join(words.en for words in attack_sentences({"membership": found}))
    assert f"By {SHADOWS} shadow models" in sentences
    assert not re.search(r"[{}]", sentences)


def test_a_model_that_knows_no_row_gives_none_away():
    found = [attacked(fresh, seed)["parts"]["shadows"] for seed in range(8)]
    inside = [part["interval"][0] <= 0.5 <= part["interval"][1] for part in found]
    assert sum(inside) >= 6, "95 % intervals"
    assert abs(np.mean([part["value"] for part in found]) - 0.5) < 0.02
    assert abs(np.mean([part["floor"] for part in found]) - 0.5) < 0.03


def test_the_ratio_is_that_of_gaussians_around_each_records_level():
    draw = np.random.default_rng(0)
    inside = draw.random((400, 500)) < 0.5
    level = draw.normal(size=500) * 3
    seen = level - 1.0 * inside + 0.5 * draw.normal(size=inside.shape)
    own = level - 0.3
    exact = ((own - level) ** 2 - (own - level + 1) ** 2) / (2 * 0.25)
    assert np.abs(likelier(seen, inside, own) - exact).mean() < 0.2
    unmoved = np.zeros((3, 5))
    assert (likelier(unmoved, np.zeros((3, 5), dtype=bool), np.ones(5)) == 0).all(), "nothing was learned"


def test_a_run_is_attacked_by_its_like(tmp_path):
    rows = people(400, np.random.default_rng(1))
    run = genwright.train(rows, out=tmp_path / "run", model="tabular-trees", report=False, quiet=True, rows=1)
    report = run.report(effort="quick", shadows=shadows_of(run, 2), out=tmp_path / "report")
    part = report.scores["metrics"]["membership"]["parts"]["shadows"]
    assert part["shadows"] == 2
    assert 0 <= part["interval"][0] <= part["value"] <= part["interval"][1] <= 1
    assert "shadow models" in (tmp_path / "report" / "report.html").read_text()
    again = run.report(effort="quick", shadows=shadows_of(run, 2), out=tmp_path / "again")
    assert again.scores["metrics"] == report.scores["metrics"], "same seed, same shadows"


def test_shadows_need_a_run_on_a_table(tmp_path, capsys):
    from genwright.cli import main

    with pytest.raises((SystemExit, GenwrightError)):
        main(["report", "--train", "a.csv", "--synth", "b.csv", "--shadows", "3"])
    assert "GW-0211" in capsys.readouterr().err
