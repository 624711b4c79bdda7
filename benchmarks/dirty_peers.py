"""How many dirty tables each peer gets through: `python benchmarks/dirty_peers.py [--peers genwright,mostlyai-engine]`.

The columns and files of tests/faults/dirty.py that hold rows, each a file of its own (a column stands beside two clean ones),
read by the generator itself or, where it takes frames, by pandas with its defaults. A case passes if a short training and 50
rows come without an exception, with as many columns as the table has, within a minute of the processor. That asks less than
our own suite does (types, missing rates, words), as the peers promise less. Workbooks, frames and what must be refused are
left out. Results are printed and kept in benchmarks/results/dirty_peers.json, with what each failed of; those of peers that
were not asked for stay. The generators are those of `peers.py`.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import machine
from peers import HERE, PEERS, interpreter

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "faults"))
from dirty import CELLS, FILES, TIED_CELLS, write_cells

CLEAN = {name: TIED_CELLS[name] for name in ("a column", "a number")}
OUT = Path(__file__).parent / "results" / "dirty_peers.json"


def make_cases(folder: Path) -> list[dict[str, object]]:
    """The files, made in a folder: name, path, and how many columns the table has."""
    found: list[dict[str, object]] = []
    for at, name in enumerate(CELLS | FILES):
        own = folder / str(at)
        own.mkdir()
        if name in FILES:
            path, columns = FILES[name].make(own), len(FILES[name].columns)
        else:
            beside = CLEAN | {name: CELLS[name]}
            path, columns = write_cells(own / "table.csv", beside), len(beside)
        found.append({"name": name, "path": str(path), "columns": columns})
    return found


def passed(name: str, cases: list[dict[str, object]], folder: Path) -> dict[str, str]:
    """What each case failed of, by name; empty: it passed."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps(cases))
    peer = PEERS[name]
    words = [interpreter(peer.environment), HERE / peer.script, peer.method, "--cases", path]
    limits = {"OMP_NUM_THREADS": "1", "LOKY_MAX_CPU_COUNT": "1", "POLARS_MAX_THREADS": "1", "TMPDIR": str(folder)}
    subprocess.run(
        [str(word) for word in words], env=os.environ | limits, cwd=folder, check=True, stdout=subprocess.DEVNULL
    )
    return json.loads(path.with_suffix(".results.json").read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default=",".join(PEERS))
    given = parser.parse_args()
    found = json.loads(OUT.read_text()) if OUT.exists() else {"results": {}}
    with tempfile.TemporaryDirectory() as folder:
        cases = make_cases(Path(folder))
        for name in given.peers.split(","):
            print(name, flush=True)
            failures = {case: text for case, text in passed(name, cases, Path(folder)).items() if text}
            counts = {"cases": len(cases), "passed": len(cases) - len(failures), "failures": failures}
            found["results"][name] = {"machine": machine(), "date": datetime.date.today().isoformat(), **counts}
            OUT.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    for name, result in found["results"].items():
        print(f"{name}: {result['passed']} of {result['cases']}")


if __name__ == "__main__":
    main()
