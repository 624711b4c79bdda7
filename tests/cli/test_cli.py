"""The command line as a process: exit codes, messages without traceback, quick start-up, every command really run."""

import os
import subprocess
import sys

import pytest

import people
from genwright.cli import main
from genwright.progress import Progress
from processes import run

FAST = {"GENWRIGHT_STEPS": "20", "GENWRIGHT_TRAINING_VALIDATION": "0.05"}


def started(folder, *words, **environment):
    """The command by a new interpreter."""
    return subprocess.run(
        [sys.executable, "-m", "genwright", *words],
        cwd=folder, capture_output=True, text=True, env={**os.environ, **environment}, timeout=300, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["train", "--help"], ["models"]])
def test_torch_is_not_imported_before_it_is_needed(words):
    code = (
        "import sys; from genwright.cli import main\n"
        f"try: main({words!r})\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'polars', 'sklearn', 'numpy', 'pandas'} & set(sys.modules); sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_first_session(tmp_path):
    people.csv(tmp_path, 400, "people.csv")
    steps = [  # the rest of the commands run in tests/docs, from the README
        (["train", "people.csv", "--no-report", "--quiet"], "runs/people-1"),
        (["sample", "runs/people-1", "-n", "25", "--where", "age=30", "--out", "new/thirty.csv"], "25 rows"),
        (["sample", "runs/people-1", "-n", "25", "--out", "s.parquet"], "s.parquet"),
        (["info", "runs/people-1"], "tabular-ar"),
        (["list"], "people-1"),
        (["train", "--resume", "runs/people-1"], "is finished"),
        (["train", "--resume", "runs/people-1", "--steps", "+10"], "Trained"),
    ]
    for words, wanted in steps:
        done = run(*words, cwd=tmp_path, **(FAST if "--resume" not in words else {}))
        assert done.returncode == 0, (words, done.stderr)
        assert wanted in done.stdout + done.stderr, (words, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
    lines = (tmp_path / "new" / "thirty.csv").read_text().splitlines()
    assert len(lines) == 26
    assert all(line.startswith("30,") for line in lines[1:])


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["trian", "x.csv"], "'train'"),
        (["train"], "GW-0207"),
        (["train", "nowhere.csv"], "nowhere.csv"),
        (["train", "empty.csv"], "empty.csv"),
        (["train", "header.csv"], "header.csv"),
        (["train", "people.csv", "--modle", "tvae"], "--model"),
        (["train", "people.csv", "--test", "other.csv"], "lacks the columns"),
        (["train", "--resume", "nowhere"], "GW-0305"),
        (["sample", "nowhere"], "GW-0305"),
        (["sample"], "GW-0211"),
        (["report"], "--train"),
        (["data", "people.csv", "--out", "people.csv"], "GW-0310"),
        (["compare"], "GW-0213"),
        (["data", "get", "mnst"], "adult, digits, emoji ship"),
        (["data", "get", "mnist"], "--from"),
        (["data", "people.csv", "--form", "x"], "'--from'"),
        (["report", "--train", "people.csv", "--synth", "people.csv", "--features", "pixels"], "is for images"),
        (["compare", "people.csv", "--images.size", "32"], "images.size"),
        (["compare", "people.csv", "--models", "tvae", "--table.bins", "x"], "table.bins"),
    ],
)
def test_errors_of_use_are_one_sentence_and_exit_with_2(words, wanted, tmp_path):
    people.csv(tmp_path, 50, "people.csv")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "header.csv").write_text("a,b\n")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    done = run(*words, cwd=tmp_path, **FAST)
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert wanted in done.stderr
    assert "Traceback" not in done.stderr
    assert "Error GW-" in done.stderr


def test_doctor(tmp_path):
    done = started(tmp_path, "doctor")
    assert done.returncode == 0, done.stderr
    assert "All is well" in done.stdout


def test_an_odd_folder_name_and_a_c_locale_work(tmp_path):
    folder = tmp_path / "a b 中文 ü"
    folder.mkdir()
    people.csv(folder, 100, "表 1.csv")
    done = started(folder, "train", "表 1.csv", "--model", "tabular-trees", "--no-report", LC_ALL="C")
    assert done.returncode == 0, done.stderr


def test_names_and_values_that_look_like_markup_are_shown_as_they_are(tmp_path, capsys):
    table = tmp_path / "odd.csv"
    table.write_text("a:smile:b,z[/q]\n" + "[b]hm,1\n[/b],2\n" * 6)
    main(["data", str(table), "--out", str(tmp_path / "schema.toml")])
    said = capsys.readouterr().out
    assert all(word in said for word in ("a:smile:b", "z[/q]", "[b]hm, [/b]"))
    with Progress()._bar("Drawing", 2) as advance:  # as in a terminal
        advance(1, 2, "column 'z[/q]'")
