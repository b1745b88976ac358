"""Rules no reviewer should have to remember: each step of the local Stripe has its page."""

import ast
import tokenize
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ROOT / "sandbox/engine"
PAGE = "https://docs.stripe.com"
MOVES = {"change", "emit"}  # what changes an object, or says that it has changed

Function = ast.FunctionDef | ast.AsyncFunctionDef


def moving(tree: ast.Module) -> Iterator[Function]:
    """Yield the functions that change an object themselves."""
    for node in ast.walk(tree):
        if isinstance(node, Function) and any(
            isinstance(each, ast.Call)
            and isinstance(each.func, ast.Attribute)
            and each.func.attr in MOVES
            for each in ast.walk(node)
        ):
            yield node


def said(function: Function, text: str) -> str:
    """Return what a function says of itself: its docstring, and the comments in it."""
    comments = [
        token.string
        for token in tokenize.generate_tokens(StringIO(text).readline)
        if token.type == tokenize.COMMENT
        and function.lineno <= token.start[0] <= (function.end_lineno or 0)
    ]
    return "\n".join([ast.get_docstring(function) or "", *comments])


def unsourced(text: str) -> list[str]:
    """Return the functions of a module that change an object on nobody's word."""
    tree = ast.parse(text)
    whole = ast.get_docstring(tree) or ""
    return [
        f"{function.lineno} {function.name}"
        for function in moving(tree)
        if PAGE not in whole + said(function, text)
    ]


def test_whatever_changes_an_object_names_the_page_of_stripes_it_follows() -> None:
    files = sorted(ENGINE.rglob("*.py"))
    found = [
        f"{file.relative_to(ROOT)}:{each}" for file in files for each in unsourced(file.read_text())
    ]

    assert sum(len(list(moving(ast.parse(file.read_text())))) for file in files) > 50
    assert found == []


def test_one_that_names_none_is_found_and_an_address_in_the_code_is_no_source() -> None:
    source = f"Source: {PAGE}/refunds"
    bare = f'def end(world, doc):\n    """End it."""\n    world.change(doc, {{"url": "{PAGE}"}})\n'

    assert unsourced(bare) == ["1 end"]
    assert unsourced(f"# {source}\n{bare}") == ["2 end"]
    assert unsourced(bare.replace("End it.", source)) == []
    assert unsourced(bare.replace("    world", f"    # {source}\n    world")) == []
    assert unsourced(f'"""{source}"""\n{bare}') == []
    assert unsourced('def read(world):\n    return world.get("refund")\n') == []
