"""Full disks, read-only folders and vanished files end in one sentence, and nothing that was saved is lost."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import people
from genwright.errors import GenwrightError
from genwright.folder import locked, write_text
from genwright.training import checkpoints
from processes import run


def limited(code: str, size: int, cwd: Path):
    """Run Python code that may write no file larger than `size` bytes: what a full disk looks like."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return subprocess.run(
        [sys.executable, "-c", "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n" + code],
        cwd=cwd, preexec_fn=limit, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_full_disk_leaves_the_old_checkpoint_whole(tmp_path):
    small = {"model.w": torch.zeros(10)}
    checkpoints.save(tmp_path / "c", checkpoints.Checkpoint(1, small, {}))
    code = (
        "import torch\nfrom pathlib import Path\nfrom genwright.training import checkpoints as c\n"
        "from genwright.errors import GenwrightError\n"
        "try: c.save(Path('c'), c.Checkpoint(2, {'model.w': torch.zeros(100_000)}, {}))\n"
        "except GenwrightError as error: print(error)"
    )
    done = limited(code, 50_000, tmp_path)
    assert "GW-0301" in done.stdout, done.stderr
    assert "full" in done.stdout
    newest, warnings = checkpoints.newest(tmp_path / "c")
    assert (newest.step, warnings) == (1, [])


def test_a_full_disk_leaves_the_old_text_whole(tmp_path):
    path = tmp_path / "card.md"
    write_text(path, "old")
    code = (
        "from pathlib import Path\nfrom genwright.folder import write_text\nfrom genwright.errors import GenwrightError\n"
        "try: write_text(Path('card.md'), 'x' * 100_000)\nexcept GenwrightError as error: print(error)"
    )
    done = limited(code, 10_000, tmp_path)
    assert "GW-0301" in done.stdout, done.stderr
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["card.md"]


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = run("train", people.csv(tmp_path, 50), "--out", "file/run", cwd=tmp_path)
    assert done.returncode == 2
    assert "GW-0301" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_said(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(GenwrightError, match="GW-0301"), locked(tmp_path / "run"):
            pass
    finally:
        tmp_path.chmod(0o700)
