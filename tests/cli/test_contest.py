"""Models trained for a comparison: it goes on where it was stopped, and one that fails does not take the rest along."""

import pytest

import genwright
import people
from genwright import contest
from genwright.errors import GenwrightError
from genwright.training.stop import Interrupted

QUICK = {"time": "20s", "quiet": True, "rows": 50, "steps": 20}


def test_the_same_comparison_goes_on_and_another_in_its_folder_is_refused(tmp_path):
    path = people.csv(tmp_path, 300)
    genwright.compare(path, models=["tabular-trees"], out=tmp_path / "c", **QUICK)
    report = tmp_path / "c" / "tabular-trees" / "report.json"
    made = report.stat().st_mtime_ns
    table = genwright.compare(path, models=["tabular-trees", "tvae"], out=tmp_path / "c", **QUICK)
    assert table.columns[1:3] == ("tabular-trees", "tvae")
    assert report.stat().st_mtime_ns == made, "what is finished is not trained again"
    for changed in ({"seed": 1}, {"steps": 30}, {"holdout": 0.3}):
        with pytest.raises(GenwrightError, match=f"GW-0309.*{next(iter(changed))}"):
            genwright.compare(path, models=["tabular-trees"], out=tmp_path / "c", **{**QUICK, **changed})
    assert report.stat().st_mtime_ns == made


def test_a_stopped_training_is_gone_on_with(tmp_path, monkeypatch):
    path, start, stopped = people.csv(tmp_path, 300), contest.start, []

    def stop_once(data, given, **how):
        stopped.append(given["model"])
        (tmp_path / "c" / "tvae").mkdir(parents=True)
        (tmp_path / "c" / "tvae" / "run.toml").write_text(
            contest.settings_layer.given_to_toml(contest.complete(data, given))
        )
        raise Interrupted

    monkeypatch.setattr(contest, "start", stop_once)
    with pytest.raises(Interrupted, match=r"--out .*c goes on"):
        genwright.compare(path, models=["tvae", "tabular-trees"], out=tmp_path / "c", **QUICK)
    assert stopped == ["tvae"], "the others wait until it goes on"
    monkeypatch.setattr(contest, "start", start)
    assert genwright.compare(path, models=["tvae", "tabular-trees"], out=tmp_path / "c", **QUICK).columns[1] == "tvae"


def test_a_model_that_fails_is_left_out_and_said(tmp_path, monkeypatch):
    path, start = people.csv(tmp_path, 300), contest.start

    def fail(data, given, **how):
        if given["model"] in failing:
            raise GenwrightError("GW-0401", "The loss is not finite", "Lower the rate.")
        return start(data, given, **how)

    monkeypatch.setattr(contest, "start", fail)
    failing = {"tvae"}
    table = genwright.compare(path, models=["tvae", "tabular-trees"], out=tmp_path / "c", **QUICK)
    assert table.columns[1:3] == ("tabular-trees", "floor")
    assert "tvae is left out: GW-0401" in table.note
    assert "tvae is left out: GW-0401" in table.page.read_text()
    failing |= {"tabular-trees"}
    with pytest.raises(GenwrightError, match="GW-0401"):
        genwright.compare(path, models=["tvae", "tabular-trees"], out=tmp_path / "d", **QUICK)


def test_models_of_different_data_are_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(GenwrightError, match=r"GW-0213.*tvae and flow"):
        genwright.compare(people.csv(tmp_path, 50), models=["tvae", "flow"], out=tmp_path / "c", **QUICK)
    assert not (tmp_path / "c").exists()
