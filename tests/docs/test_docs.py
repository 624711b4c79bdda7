"""Every command and Python block of the README files and every example file is really run."""

import json
import re
import shlex
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

import coded
import coded_texts
import people
from genwright import settings, trainer
from genwright.cli import main
from genwright.models import MODELS

pytestmark = pytest.mark.usefixtures("quick_judges")
ROOT = Path(__file__).parents[2]
FAST = {"GENWRIGHT_STEPS": "20", "GENWRIGHT_REPORT": "true"}
READMES = ["README.md", "README.zh-CN.md"]


def blocks(name: str, language: str) -> list[str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def place(folder: Path) -> None:
    """The files that the README speaks of."""
    people.csv(folder, 400, "patients.csv")
    people.csv(folder, 100, "test.csv")
    people.csv(folder, 100, "synthetic.csv")
    people.frame(4000).select("age", "education", "sex", "hours-per-week", "income").write_parquet(
        folder / "visits.parquet"
    )
    pixels, labels = coded.pictures(90)
    for number, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        path = folder / "photos" / ("bars", "lines", "stripes")[label] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0]).save(path)
    (folder / "letters").mkdir()
    for number in range(40):
        text = f"Dear Anna,\nit is {number} degrees and we are well.\nYours, Tom\n"
        (folder / "letters" / f"{number}.txt").write_text(text)
    talks = [{"prompt": f"Where is parcel {n}?", "response": f"It comes on day {n % 9}."} for n in range(60)]
    (folder / "talks.jsonl").write_text("".join(json.dumps(talk) + "\n" for talk in talks))
    people.frame(60).with_columns(pl.when(pl.col("age") > 40).then(pl.col("age")).alias("age")).write_csv(
        folder / "gaps.csv"
    )


def test_every_command_runs(tmp_path, monkeypatch):
    place(tmp_path)
    commands = [line for block in blocks("README.md", "bash") for line in block.splitlines() if line and line[0] != "#"]
    assert len(commands) > 8
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    for command in commands:
        words = shlex.split(command, comments=True)
        small = {"GENWRIGHT_MODEL_WIDTH": "8"} if "photos/" in words else {}
        texts = {"GENWRIGHT_MODEL_LENGTH": "8", "GENWRIGHT_MODEL_WIDTH": "16", "GENWRIGHT_MODEL_HEAD": "8"}
        small |= texts if {"letters/", "talks.jsonl"} & set(words) else {}
        if words[1] == "train" and not words[2].endswith(".csv"):
            small["GENWRIGHT_REPORT"] = "false"  # each kind of data has tests of its report
        if words[0] == "make":
            assert words[1] in targets, command
        elif words[0] == "genwright" and words[1] != "demo":
            with monkeypatch.context() as own:  # in this process: twenty starts of torch would take two minutes
                own.chdir(tmp_path)
                for name, value in {**({} if "--resume" in words else FAST), **small}.items():
                    own.setenv(name, value)
                main(words[1:])  # leaves by SystemExit if it fails
        else:
            assert words[0] in ("git", "cd", "pip", "genwright"), command


def test_the_python_example_runs(tmp_path, monkeypatch):
    place(tmp_path)
    monkeypatch.chdir(tmp_path)
    for key, value in FAST.items():
        monkeypatch.setenv(key, value)
    (code,) = blocks("README.md", "python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    exec(compile(code, "README.md", "exec"), {})


def test_both_languages_show_the_same_code():
    for language in ("bash", "python"):
        english, chinese = (blocks(name, language) for name in READMES)
        strip = [
            [re.sub(r"\s*#.*", "", line) for block in part for line in block.splitlines()]
            for part in (english, chinese)
        ]
        assert strip[0] == strip[1]


def test_links_lead_somewhere():
    for page in [ROOT / name for name in (*READMES, "CONTRIBUTING.md")] + list((ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_there_is_an_example_and_a_page_for_every_model():
    assert {path.stem for path in (ROOT / "examples").glob("*.toml")} == set(MODELS)
    assert {path.stem for path in (ROOT / "docs" / "models").glob("*.md")} == set(MODELS)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.toml")), ids=lambda path: path.stem)
def test_every_example_trains(path, tmp_path):
    given = settings.from_file(path) | {"out": str(tmp_path / "run"), "report": False}
    settings.build(given)
    data = people.csv(tmp_path, 200)
    if MODELS[settings.named_model(given)].kind == "grid":
        pixels, labels = coded.pictures(60)
        data = (pixels.transpose(0, 2, 3, 1), labels)
    if given.get("epsilon"):
        data = people.frame(3000).select("age", "education-num", "sex", "income")  # typed: a CSV needs a schema
    if MODELS[settings.named_model(given)].kind == "tokens":
        data = coded_texts.TRAIN
        given["model.length"] = 16
    if settings.named_model(given) == "pretrained":
        import folders  # skips where the extra is missing

        given |= {"model.folder": str(folders.make(tmp_path / "model")), "text.context": 64}
    run = trainer.start(data, {**given, "steps": 10, "rows": 10, "time": ""}, quiet=True)
    assert len(run.sample(10)) == 10


def test_every_error_code_is_in_the_list():
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    used = {code for path in (ROOT / "src").rglob("*.py") for code in re.findall(r'"(GW-\d{4})"', path.read_text())}
    assert used == set(re.findall(r"GW-\d{4}", text))
