"""Variables say what they hold: names that fit anything are not used in the package."""

import ast
from pathlib import Path

VAGUE = {"found", "own", "place", "said", "given", "known"}
PACKAGE = Path(__file__).parents[1] / "susx"


def names(tree: ast.AST) -> set[tuple[int, str]]:
    """Return line and name of every variable, parameter and field that is bound."""
    bound: set[tuple[int, str]] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add((node.lineno, node.id))
        elif isinstance(node, ast.arg):
            bound.add((node.lineno, node.arg))
    return bound


def test_the_walk_sees_all_that_binds_a_name() -> None:
    """A loop, an assignment, a field, a parameter of a function and of a lambda."""
    code = (
        "class A:\n    own: int\ndef f(found, *given, **known):\n    for place in x: said = lambda own: own\n"
    )
    assert {name for _, name in names(ast.parse(code))} >= VAGUE


def test_no_variable_has_a_name_that_fits_anything() -> None:
    """``found_images`` says what was found, ``found`` does not."""
    vague = [
        f"{path.relative_to(PACKAGE.parent)}:{line}: {name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, name in sorted(names(ast.parse(path.read_text(encoding="utf-8"))))
        if name in VAGUE
    ]
    assert not vague
