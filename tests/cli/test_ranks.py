"""One training in several processes, as torchrun starts them."""

import json
import shutil
import socket
import subprocess
import sys

import pytest
import torch

import genwright
import people
from genwright.training.checkpoints import load_tensors, steps
from processes import Command

SHORT = ["--steps", 12, "--training.checkpoint_every", 4, "--training.select_every", 6, "--no-report", "--rows", 20]


def together(number, *words, cwd):
    """The words in so many processes, with what torchrun tells them; their exit codes and messages."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    told = {"TORCHELASTIC_RUN_ID": "test", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    told |= {"WORLD_SIZE": str(number), "LOCAL_WORLD_SIZE": str(number)}
    commands = []
    for rank in map(str, range(number)):
        (cwd / rank).mkdir(exist_ok=True)
        commands.append(Command(*words, cwd=cwd / rank, RANK=rank, LOCAL_RANK=rank, **told))
    return [command.wait() for command in commands], [command.said() for command in commands]


@pytest.mark.parametrize("model", ["tvae", pytest.param("tabular-ar", marks=pytest.mark.slow)])
def test_two_processes_train_as_one(model, tmp_path):
    data = people.csv(tmp_path, 400)
    # Where bfloat16 rounds, halves of a batch round otherwise than the whole.
    words = ["train", data, "--model", model, "--training.precision", "f32", *SHORT]
    Command(*words, "--out", tmp_path / "one", cwd=tmp_path).wait()
    codes, said = together(2, *words, "--out", tmp_path / "two", cwd=tmp_path)
    assert codes == [0, 0], said
    assert not list((tmp_path / "1").glob("*/")), "the second process has written where it ran"
    one, two = (genwright.open(tmp_path / name) for name in ("one", "two"))
    assert two.state["outcome"]["best_loss"] == pytest.approx(one.state["outcome"]["best_loss"], rel=1e-3)
    for mine, other in zip(one.log(), two.log(), strict=True):
        assert mine.keys() == other.keys()
        assert [other[k] for k in mine if k != "time"] == pytest.approx(
            [mine[k] for k in mine if k != "time"], rel=1e-3
        )
    first, second = (
        load_tensors(steps(tmp_path / name / "checkpoints")[0] / "tensors.safetensors") for name in ("one", "two")
    )
    moments = [name for name in first if name.endswith("exp_avg")]
    assert moments
    for name in moments:  # of gradients: unlike weights, which Adam moves by signs, they are continuous
        assert torch.allclose(first[name], second[name], rtol=1e-2, atol=1e-3 * float(first[name].abs().max())), name


def test_resumed_together_to_the_same_bytes(tmp_path):
    data = people.csv(tmp_path, 400)
    codes, said = together(2, "train", data, *SHORT, "--out", tmp_path / "run", cwd=tmp_path)
    assert codes == [0, 0], said
    state = json.loads((tmp_path / "run" / "state.json").read_text())
    for rest in steps(tmp_path / "run" / "checkpoints")[1:]:  # as if killed after the first that is kept
        shutil.rmtree(rest)
    (tmp_path / "run" / "weights.safetensors").unlink()
    (tmp_path / "run" / "state.json").write_text(json.dumps({**state, "status": "started"}))
    codes, said = together(2, "train", "--resume", tmp_path / "run", cwd=tmp_path)
    assert codes == [0, 0], said
    assert "Going on from step" in said[0]
    assert json.loads((tmp_path / "run" / "state.json").read_text())["files"] == state["files"]


def test_data_that_differ_are_seen(tmp_path):
    for rank, rows in enumerate((400, 401)):
        (tmp_path / str(rank)).mkdir()
        people.csv(tmp_path / str(rank), rows)
    codes, said = together(2, "train", "people.csv", *SHORT, "--out", tmp_path / "run", cwd=tmp_path)
    assert codes == [2, 2]
    assert all("GW-0408" in text and "Traceback" not in text for text in said), said
    assert not (tmp_path / "run" / "run.toml").exists()


def test_what_is_for_one_process_says_so(tmp_path):
    data = people.csv(tmp_path, 400)
    codes, said = together(2, "compare", data, "--models", "tvae,tabular-ar", "--time", "5s", cwd=tmp_path)
    assert codes == [2, 2]
    assert all("GW-0408" in text for text in said), said


@pytest.mark.slow
def test_torchrun_itself(tmp_path):
    data = people.csv(tmp_path, 400)
    launcher = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "genwright",
    ]
    words = ["train", data, *SHORT, "--out", tmp_path / "run"]
    subprocess.run([*launcher, *map(str, words)], check=True, timeout=300)
    assert genwright.open(tmp_path / "run").sample(5).shape[0] == 5
