"""Imports point one way (DESIGN: cli -> run -> training -> contract <- models -> networks), and there are no circles."""

import ast
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "genwright"
# No file of a package on the left may import anything on its right, at any depth of nesting.
FORBIDDEN = {
    "contract": {"*"},
    "networks": {"models", "training", "run", "trainer", "stages", "cli", "commands", "codecs", "data"},
    "models": {"training", "run", "trainer", "stages", "cli", "commands", "codecs", "data", "metrics", "report"},
    "training": {"models", "run", "trainer", "stages", "cli", "commands", "codecs", "metrics", "report"},
    "codecs": {"run", "training", "models", "cli", "trainer", "stages", "commands", "metrics", "report"},
    "data": {"run", "training", "models", "cli", "trainer", "stages", "commands", "codecs", "metrics", "report"},
    "privacy": {
        "run",
        "training",
        "models",
        "cli",
        "trainer",
        "stages",
        "commands",
        "codecs",
        "data",
        "metrics",
        "report",
    },
    "metrics": {"run", "training", "models", "cli", "trainer", "stages", "commands", "report"},
    "report": {"run", "training", "models", "cli", "trainer", "stages", "commands"},
    "run": {"cli", "trainer", "stages", "commands"},
    "stages": {"trainer", "cli", "commands", "drawing_commands"},
    "trainer": {"cli", "commands", "drawing_commands"},
}


def imports() -> dict[str, set[str]]:
    """Module -> modules of the package that it imports anywhere, names as genwright.a.b."""
    modules = {_name(path): path for path in SOURCE.rglob("*.py")}
    graph = {}
    for name, path in modules.items():
        found = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("genwright"):
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= {module if module in modules else node.module for module in inner}
            elif isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names if alias.name.startswith("genwright")}
        graph[name] = found - {name}
    return graph


def _name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_imports_point_one_way():
    wrong = []
    for module, targets in imports().items():
        room = ([*module.split("."), ""])[1]
        for target in targets:
            forbidden = FORBIDDEN.get(room, set())
            other = ([*target.split("."), ""])[1]
            if other != room and (other in forbidden or ("*" in forbidden and other)):
                wrong.append(f"{module} imports {target}")
    assert not wrong


def test_there_is_no_circle():
    graph = imports()
    graph.pop("genwright")  # the package's front door loads the rooms lazily
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join([*trail, module])
        if module not in done:
            for target in graph.get(module, ()):
                visit(target, (*trail, module))
            done.add(module)

    for module in graph:
        visit(module, ())
