"""`genwright data FILE --rules`: rules that a table seems to keep, with their evidence, in a file for a person to edit."""

from __future__ import annotations

import shlex
from pathlib import Path

from genwright import config
from genwright.errors import GenwrightError
from genwright.progress import Progress


def show_rules(settings: config.Data) -> None:
    """Find the rules of the table, print them, write those that all rows keep. GW-0310 if the file exists already."""
    from rich.console import Console
    from rich.table import Table as Grid

    from genwright.data.rules_file import write_rules
    from genwright.data.rules_found import find_rules
    from genwright.data.schema import Schema
    from genwright.data.sources import open_table
    from genwright.folder import write_text

    name, path = settings.file[0], Path(settings.out or "rules.toml")
    if path.exists() and not settings.force:
        raise GenwrightError("GW-0310", f"{str(path)!r} exists", "Choose another --out, or replace it with --force.")
    source = open_table(name)
    with Progress().phase("Looking for rules"):
        schema = Schema.inspect(source)
        found = find_rules(source, schema)
    if not found:
        print("No rules were found. docs/rules.md says how to write your own.")
        return
    grid = Grid("rule", "rows", "kept by")
    for item in found:
        share = "all" if item.kept == item.rows else f"{item.kept / item.rows:.3%}"
        grid.add_row(str(item.rule), f"{item.rows:,}", share)
    Console().print(grid)
    whole = {item.rule: f"kept by all of {item.rows:,} rows" for item in found if item.kept == item.rows}
    write_text(path, write_rules(whole, schema, whole))
    print(f"\n{len(whole)} rules that all rows keep are written to {path}. Leave out what is only chance, then:")
    print(f"  genwright train {shlex.quote(name)} --rules {shlex.quote(str(path))}")
