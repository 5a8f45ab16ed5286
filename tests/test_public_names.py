"""What one module of susx takes from another is named in that module's ``__all__``."""

from __future__ import annotations

import ast
from pathlib import Path

import susx

ROOT = Path(susx.__file__).parent
MODULES = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): ast.parse(
        path.read_text(encoding="utf-8")
    )
    for path in sorted(ROOT.rglob("*.py"))
}


def public(module: ast.Module) -> list[str] | None:
    """Return what ``__all__`` lists; None where there is none."""
    for node in module.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            listed: list[str] = ast.literal_eval(node.value)
            return listed
    return None


def test_what_is_imported_is_public() -> None:
    """A function or class that another module imports is in ``__all__`` of its own."""
    hidden = set()
    for importer, tree in MODULES.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or node.module not in MODULES:
                continue
            listed = public(MODULES[node.module]) or []
            defined = {
                part.name
                for part in MODULES[node.module].body
                if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            }
            hidden |= {
                f"{importer} imports {node.module}.{alias.name}"
                for alias in node.names
                if alias.name in defined and alias.name not in listed
            }
    assert sorted(hidden) == []
