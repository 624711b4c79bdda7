"""Settings: one place, four layers, checked, and the nearest right name when a wrong one is given."""

from pathlib import Path

import pytest

from genwright import cli, config, settings
from genwright.errors import GenwrightError
from genwright.given import complete
from genwright.model_presets import Extent
from genwright.models import MODELS


@pytest.mark.parametrize("model", MODELS)
def test_run_toml_repeats_the_settings(model, tmp_path):
    given = {"model": model, "seed": 7, "target": "größe 中文", "training.batch_size": 64, "data": 'a "b".csv'}
    built = settings.build(given, Extent(5000, 75_000))
    path = tmp_path / "run.toml"
    path.write_text(settings.to_toml(built), encoding="utf-8")
    assert settings.build(settings.from_file(path)) == built


def test_given_settings_alone_repeat_too(tmp_path):
    given = {"model": "tvae", "model.width": 32, "steps": 10}
    path = tmp_path / "run.toml"
    path.write_text(settings.given_to_toml(given), encoding="utf-8")
    assert settings.build(settings.from_file(path)) == settings.build(given)


def test_flags_win_over_environment_over_file(tmp_path, monkeypatch):
    path = tmp_path / "s.toml"
    path.write_text('seed = 1\nholdout = 0.2\n[training]\nbatch_size = 32\n[model]\nname = "tvae"\nwidth = 24\n')
    monkeypatch.setenv("GENWRIGHT_HOLDOUT", "0.3")
    monkeypatch.setenv("GENWRIGHT_TRAINING_BATCH_SIZE", "48")
    given, _ = cli._parse_train(["x.csv", "--config", str(path), "--training.batch-size", "96"])
    built = settings.build(given)
    assert (built.seed, built.holdout, built.training.batch_size) == (1, 0.3, 96)
    assert settings.model_name(built) == "tvae"
    assert built.model.width == 24


def test_size_and_colours_of_images_have_short_flags():
    given, _ = cli._parse_train(["x.npz", "--size", "16", "--grey", "--model", "flow"])
    images = settings.build(given).images
    assert (images.size, images.grey) == (16, True)
    assert cli._parse_train(["x.npz", "--grey=no", "--model", "flow"])[0]["images.grey"] == "no"
    shared = cli._parse("compare", ["photos", "--models", "flow,vae", "--size", "32", "--grey"])[1]
    assert shared == {"images.size": "32", "images.grey": "true"}
    assert cli._parse("data", ["photos", "--size", "32"])[0].size == 32


def test_what_parts_cells_is_one_flag_for_looking_and_for_training():
    assert cli._parse("data", ["odd.csv", "--delimiter", ":"])[0].delimiter == ":"
    given, _ = cli._parse_train(["odd.csv", "--delimiter", ":"])
    assert settings.build(given).table.delimiter == ":"


def test_words_may_stand_on_both_sides_of_flags():
    settled = cli._parse("reconstruct", ["run", "--out", "x.png", "a.jpg", "--label", "7", "b.jpg"])[0]
    assert (settled.run, settled.images, settled.out, settled.label) == ("run", ("a.jpg", "b.jpg"), "x.png", "7")


def test_presets_give_way_to_what_is_given():
    assert settings.build({"steps": 3, "preset": "best"}).steps == 3
    assert settings.build({"preset": "best"}).steps > settings.build({"preset": "quick"}).steps
    assert settings.build({"steps": 0}).steps == settings.build({}).steps > 0, "0 leaves it to the preset"


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (["--sede", "1"], "GW-0202", "--seed"),
        (["--model", "tabula-ar"], "GW-0205", "tabular-ar"),
        (["--preset", "god"], "GW-0201", "good"),
        (["--steps", "many"], "GW-0201", "whole number"),
        (["--holdout", "2"], "GW-0201", "0 to 0.9"),
        (["--holdout", "nan"], "GW-0201", "0 to 0.9"),
        (["--training.bach_size", "1"], "GW-0202", "--training.batch_size"),
        (["--steps", "+5"], "GW-0208", "--resume"),
        (["--seed"], "GW-0211", "--help"),
        (["--config", "nowhere.toml"], "GW-0203", "path"),
    ],
)
def test_wrong_words_get_the_nearest_right_one(words, code, hint):
    with pytest.raises(GenwrightError) as caught:
        settings.build(cli._parse_train(["x.csv", *words])[0])
    assert caught.value.code == code
    assert hint in str(caught.value)


def test_every_single_letter_typo_of_a_top_setting_is_mended():
    names = [name for name, item, _ in settings.walk(config.Train) if "." not in name and name != "data"]
    for name in names:
        if len(name) < 4:
            continue
        wrong = name[:1] + name[2:]
        with pytest.raises(GenwrightError) as caught:
            settings.build({wrong: "1"})
        assert f"'{name}'" in str(caught.value), wrong


def test_a_settings_file_with_a_wrong_key_or_syntax_is_refused(tmp_path):
    path = tmp_path / "s.toml"
    path.write_text("[training]\nbatchsize = 3\n")
    with pytest.raises(GenwrightError, match="batch_size"):
        settings.build(settings.from_file(path))
    path.write_text("seed = = 3")
    with pytest.raises(GenwrightError, match="GW-0203"):
        settings.from_file(path)


@pytest.mark.parametrize(
    ("text", "wanted"), [("90s", 90), ("10m", 600), ("1h30m", 5400), ("45", 45), ("1.5m", 90), ("", None)]
)
def test_durations(text, wanted):
    assert settings.seconds(text) == wanted


@pytest.mark.parametrize("text", ["soon", "-3m", "0s", "m"])
def test_no_durations(text):
    with pytest.raises(GenwrightError, match="GW-0204"):
        settings.seconds(text)


@pytest.mark.parametrize("command", config.COMMANDS)
def test_every_setting_of_every_command_says_what_it_is_for(command, capsys):
    with pytest.raises(SystemExit) as caught:
        cli._dispatch(command, ["--help"])
    assert caught.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "examples:" in text
    names = [(n, i) for n, i, _ in settings.walk(config.COMMANDS[command])] if command == "train" else []
    for name, item in names:
        assert name in text
        assert item.metadata["help"].split("; ")[0][:30] in text


def test_the_documentation_lists_every_setting():
    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
    assert page == settings.documentation(), (
        "docs/settings.md is stale: python -m genwright.settings > docs/settings.md"
    )


@pytest.mark.parametrize(
    ("epsilon", "images", "wanted"),
    [(0, 60_000, (64, 1.3, 0.4)), (0, 5_000, (0, 1.1, 0.0)), (10, 60_000, (64, 1.4, 0.0)), (10, 5_000, (64, 1.4, 0.0))],
)
def test_flow_is_pushed_late_with_many_images_and_never_so_under_a_guarantee(epsilon, images, wanted):
    given = complete("digits.zip", {"model": "flow", "epsilon": epsilon})
    model = settings.build(given, Extent(images, images * 784)).model
    assert (model.components, model.guidance, model.guidance_from) == wanted
