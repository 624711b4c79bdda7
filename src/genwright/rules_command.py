"""`genwright data FILE --rules`: rules that a table seems to keep, with their evidence, in a file for a person to edit."""

from __future__ import annotations

import shlex
from pathlib import Path

from genwright import config
from genwright.errors import GenwrightError
from genwright.progress import Progress, print_grid


def show_rules(settings: config.Data) -> None:
    """Find the rules of the table, print them, write those that all rows keep. GW-0310 if the file exists already."""
    from genwright.data.rules_file import write_rules
    from genwright.data.rules_found import find_rules
    from genwright.data.schema import Schema
    from genwright.data.sources import open_table
    from genwright.folder import write_text

    name, path = settings.file[0], Path(settings.out or "rules.toml")
    if path.exists() and not settings.force:
        raise GenwrightError("GW-0310", f"{str(path)!r} exists", "Choose another --out, or replace it with --force.")
    source = open_table(name, delimiter=settings.delimiter or None)
    with Progress().phase("Looking for rules"):
        schema = Schema.inspect(source)
        found = find_rules(source, schema)
    if not found:
        print("No rules were found. docs/rules.md says how to write your own.")
        return
    shares = ("all" if item.kept == item.rows else f"{item.kept / item.rows:.3%}" for item in found)
    print_grid(
        [{"rule": x.rule, "rows": f"{x.rows:,}", "kept by": share} for x, share in zip(found, shares, strict=True)]
    )
    whole = {item.rule: f"kept by all of {item.rows:,} rows" for item in found if item.kept == item.rows}
    write_text(path, write_rules(whole, schema, whole))
    print(f"\n{len(whole)} rules that all rows keep are written to {path}. Leave out what is only chance, then:")
    more = f" --delimiter {shlex.quote(settings.delimiter)}" * bool(settings.delimiter)
    print(f"  genwright train {shlex.quote(name)} --rules {shlex.quote(str(path))}{more}")
