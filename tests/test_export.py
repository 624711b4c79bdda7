"""Exported files draw what the models draw, for any number of images, and say what they are."""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import coded
import genwright
import people
from genwright import cli, export
from genwright.errors import GenwrightError

needed = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, export.PACKAGES)), reason="the packages of genwright[export] are not here"
)


def train(out, model, *, labelled=True, **small):
    pixels, labels = coded.pictures(60)
    pixels = np.pad(pixels, ((0, 0), (0, 0), (0, 0), (2, 2))).transpose(0, 2, 3, 1)
    data = (pixels, labels) if labelled else pixels
    return genwright.train(data, model=model, steps=2, out=out, quiet=True, report=False, **{"model.width": 8}, **small)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(tmp_path_factory.mktemp("runs") / "pictures", "vae")


@needed
@pytest.mark.parametrize("name", ["vae", "r3gan", "dcgan", "pggan", "flow", "gaussian"])
def test_a_graph_draws_what_the_model_decodes(name):
    import onnxruntime

    from genwright.onnx_graphs import graph

    model = coded.build(name).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # much starts at zero, which would hide mistakes
            parameter.add_(0.05 * torch.randn_like(parameter))
    if name == "pggan":
        model.done.fill_(0.7)  # a level that is being faded in
    if name == "gaussian":
        model.fit([coded.batch(name, 300)], None)
    if name == "flow":
        model.guidance, model.guidance_from, model.solver_steps = 2.0, 0.3, 4
    z, label = model.latents(5), torch.arange(5) % coded.CLASSES
    session = onnxruntime.InferenceSession(graph(model, z, label).SerializeToString())
    for n in (1, 5):
        (made,) = session.run(None, {"latent": z[:n].numpy(), "label": label[:n].numpy()})
        wanted = model.decode(z[:n], condition=label[:n]).x.numpy()
        assert made.dtype == np.float32
        assert wanted.std() > 0.05
        np.testing.assert_allclose(made, wanted, atol=1e-4)
    assert "done" not in vars(model)  # the graph was made from a copy


@needed
@pytest.mark.parametrize("solver", ["euler", "heun"])
def test_a_table_of_calls_leads_where_the_solver_does(solver):
    from genwright.models.flow import SOLVERS
    from genwright.networks.solvers import growing
    from genwright.onnx_graphs import calls

    model = coded.build("flow")
    model.solver, model.solver_steps = solver, 5
    table = calls(model).double()
    assert len(table) == {"euler": 5, "heun": 9}[solver]
    x, last = torch.tensor(1.0).double(), 0.0
    for time, before, now in table:  # dx/dt = t - x
        velocity = time - x
        x, last = x + before * last + now * velocity, velocity
    wanted = SOLVERS[solver](lambda x, time: time - x, torch.ones(1).double(), growing(5))
    assert float(x) == pytest.approx(float(wanted), abs=1e-6)


@needed
def test_the_file_says_what_it_is(run, tmp_path):
    import onnx

    made = export.export_run(run, tmp_path / "new" / "pictures.onnx")
    assert made.difference < 1e-5
    assert made.inputs == {"latent": ("batch", 32), "label": ("batch",)}
    assert [path.name for path in made.path.parent.iterdir()] == ["pictures.onnx"]
    file = onnx.load(made.path)
    onnx.checker.check_model(file, full_check=True)
    says = {entry.key: entry.value for entry in file.metadata_props}
    assert says["model"] == "vae"
    assert says["run"] == "pictures"
    assert tuple(json.loads(says["classes"])) == run.codec.classes
    assert says["weights_sha256"] == run.state["files"]["weights.safetensors"]
    assert b"site-packages" not in made.path.read_bytes()


@needed
def test_the_verb_fixes_the_sampler(tmp_path, capsys):
    import onnx

    flow = train(tmp_path / "flow", "flow", labelled=False, **{"model.levels": 1})
    cli.main(["export", str(flow.folder), "--solver", "euler", "--solver-steps", "3"])
    said = capsys.readouterr().out
    assert "batch x 1 x 12 x 12" in said
    assert "label" not in said
    file = onnx.load(flow.folder / "model.onnx")
    says = {entry.key: entry.value for entry in file.metadata_props}
    settings = {"guidance": 1.1, "guidance_from": 0.0, "solver": "euler", "solver_steps": 3}
    assert json.loads(says["sampler"]) == settings
    with pytest.raises(GenwrightError, match=r"GW-0405.*heun"):
        export.export_run(flow, tmp_path / "x.onnx", solver="adaptive")


@needed
def test_the_example_of_the_page_draws(run, tmp_path, monkeypatch):
    page = (Path(__file__).parents[1] / "docs" / "export.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    export.export_run(run, "digits.onnx")
    exec(compile(code, "export.md", "exec"), {})
    with Image.open("row.png") as row:
        assert row.size == (120, 12)


@needed
def test_a_file_that_draws_something_else_is_not_kept(run, tmp_path, monkeypatch):
    (tmp_path / "old.onnx").write_bytes(b"what was here")
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    with pytest.raises(GenwrightError, match="GW-0406"):
        export.export_run(run, tmp_path / "old.onnx")
    assert (tmp_path / "old.onnx").read_bytes() == b"what was here"
    assert len(list(tmp_path.iterdir())) == 1


def test_models_that_draw_piece_by_piece_are_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["export", str(train(tmp_path / "codes", "vqvae").folder)])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    for part in ("GW-0405", "vqvae", "flow, r3gan", "genwright sample"):
        assert part in said


def test_tables_are_refused(tmp_path):
    table = people.csv(tmp_path, 60)
    run = genwright.train(table, model="tvae", steps=2, out=tmp_path / "run", quiet=True, report=False)
    with pytest.raises(GenwrightError, match="GW-0405"):
        export.export_run(run, tmp_path / "x.onnx")


def test_missing_packages_are_named(run, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "find_spec", lambda name: None if name == "onnxscript" else object())
    with pytest.raises(GenwrightError, match=r"GW-0407.*onnxscript must be.*pip install 'genwright\[export\]'"):
        export.export_run(run, tmp_path / "x.onnx")
