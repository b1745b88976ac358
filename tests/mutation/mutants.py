"""Small faults put into a module one at a time: what a careless change might do to it.

A mutant is the module's whole text with one thing changed. Annotations, decorators and docstrings
are left alone: no answer depends on them.
"""

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from typing import Any, Final

Other = tuple[ast.AST, str]  # what stands there instead, and how that is told; '' for both texts

_LEFT_ALONE: Final = {"annotation", "returns", "decorator_list", "keys", "format_spec", "op", "ops"}
_CONDITIONS: Final = {"test", "ifs", "guard"}
_INSTEAD: Final[dict[type[ast.AST], tuple[type[Any], ...]]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.FloorDiv,),
}
_TWINS: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault.

    Attributes:
        name: the function or table it is in, what stood there, and what stands there now.
        text: the module with it.
    """

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a node stands: in which field of what, and in which function or table."""

    node: ast.AST
    parent: ast.AST
    field: str
    index: int | None
    where: tuple[str, ...]
    in_function: bool

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def mutants(text: str) -> Iterator[Mutant]:
    """Give every mutant of a module, each once, each with a name of its own."""
    tree = ast.parse(text)
    seen, named = {ast.unparse(tree)}, Counter[str]()
    members = _members(tree)
    for place in list(_places(tree, (), in_function=False)):
        for other, told in [*_others(place, members)]:
            before = _shown(place)
            place.put(other)
            changed = told or f"{before} -> {_shown(place)}"
            mutated = ast.unparse(tree)
            place.put(place.node)
            if mutated in seen:
                continue
            seen.add(mutated)
            name = f"{'.'.join(place.where)}: {changed}"
            named[name] += 1
            yield Mutant(name if named[name] == 1 else f"{name} ({named[name]})", mutated)


def _places(parent: ast.AST, where: tuple[str, ...], *, in_function: bool) -> Iterator[_Place]:
    for field, value in ast.iter_fields(parent):
        if field in _LEFT_ALONE:
            continue
        several = isinstance(value, list)
        for index, node in enumerate(value if several else [value]):
            if not isinstance(node, ast.AST) or _is_docstring(node):
                continue
            here = (*where, *_name_of(node, where))
            yield _Place(node, parent, field, index if several else None, here, in_function)
            inside = in_function or isinstance(node, ast.FunctionDef)
            yield from _places(node, here, in_function=inside)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _name_of(node: ast.AST, where: tuple[str, ...]) -> tuple[str, ...]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return (name,)
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return () if where else (name,)
        case _:
            return ()


def _members(tree: ast.Module) -> dict[str, list[str]]:
    """Return the members and constants a module names, by what they belong to."""
    found = defaultdict(set)
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=owner), attr=attr) if attr.isupper():
                found[owner].add(attr)
    return {owner: sorted(attrs) for owner, attrs in found.items()}


def _shown(place: _Place) -> str:
    """Return the text of a place; of a mere word, with what stands around it."""
    node = getattr(place.parent, place.field)
    node = node if place.index is None else node[place.index]
    if isinstance(place.node, ast.Constant | ast.Attribute) and not isinstance(
        place.parent, ast.Dict | ast.FormattedValue | ast.arguments | ast.comprehension
    ):
        node = place.parent
    return _first_line(node)


def _others(place: _Place, members: dict[str, list[str]]) -> Iterator[Other]:
    node = place.node
    if place.field in _CONDITIONS:
        yield from ((ast.Constant(value), "") for value in (True, False))
    if isinstance(node, ast.stmt):
        yield from _statements(node) if place.in_function else ()
    elif isinstance(node, ast.Call):
        yield from _calls(node)
    else:
        yield from _expressions(node, members)
    yield from _shorter(node)


def _statements(node: ast.stmt) -> Iterator[Other]:
    match node:
        case ast.Return(value=ast.expr() as value) if ast.unparse(value) != "None":
            yield ast.Return(ast.Constant(None)), ""
        case ast.Return(value=None) | ast.Expr() | ast.Assign() | ast.AugAssign() | ast.Raise():
            yield ast.Pass(), f"without {_first_line(node)}"
        case _:
            pass


def _calls(node: ast.Call) -> Iterator[Other]:
    match node:
        case ast.Call(func=ast.Name(id=name), args=args) if name in _TWINS:
            yield _with(node, func=ast.Name(_TWINS[name])), ""
            if len(args) > 1:
                yield from ((each, "") for each in args)
        case ast.Call(func=ast.Name(), args=[only], keywords=[]):
            yield only, ""
        case ast.Call(args=[*but_the_last, _]) if but_the_last:
            yield _with(node, args=but_the_last), ""


def _expressions(node: ast.AST, members: dict[str, list[str]]) -> Iterator[Other]:
    match node:
        case ast.Compare(ops=[op]):
            yield from ((_with(node, ops=[other()]), "") for other in _INSTEAD[type(op)])
        case ast.BoolOp(op=op, values=values):
            yield from ((_with(node, op=other()), "") for other in _INSTEAD[type(op)])
            for _, fewer in _one_less(values):
                yield fewer[0] if len(fewer) == 1 else _with(node, values=fewer), ""
        case ast.BinOp(op=op):
            yield from ((_with(node, op=other()), "") for other in _INSTEAD.get(type(op), ()))
        case ast.UnaryOp(operand=operand):
            yield operand, ""
        case ast.Constant(value=value):
            yield from ((ast.Constant(other), "") for other in _constants(value))
        case ast.Attribute(value=ast.Name(id=owner), attr=attr) if attr.isupper():
            there = members[owner]
            yield _with(node, attr=there[(there.index(attr) + 1) % len(there)]), ""


def _constants(value: object) -> tuple[Any, ...]:
    match value:
        case bool():
            return (not value,)
        case int():
            return (value + 1, value - 1)
        case str():
            return ("" if value else "mutant",)
        case bytes():
            return (b"" if value else b"mutant",)
        case _:
            return ()


def _shorter(node: ast.AST) -> Iterator[Other]:
    match node:
        case ast.Tuple(ctx=ast.Load()) | ast.Set() if len(node.elts) > 1:
            yield from ((_with(node, elts=fewer), "") for _, fewer in _one_less(node.elts))
        case ast.MatchOr():
            for _, fewer in _one_less(node.patterns):
                yield fewer[0] if len(fewer) == 1 else _with(node, patterns=fewer), ""
        case ast.Match():
            for case, fewer in _one_less(node.cases):
                yield _with(node, cases=fewer), f"without {_first_line(case)}"
        case ast.Dict():
            for index, (key, fewer) in enumerate(_one_less(node.keys)):
                values = [value for at, value in enumerate(node.values) if at != index]
                yield _with(node, keys=fewer, values=values), f"without {ast.unparse(key)}"
        case _:
            pass


def _one_less(parts: list[Any]) -> Iterator[tuple[Any, list[Any]]]:
    """Give each part, and those that are left without it."""
    for index, part in enumerate(parts):
        yield part, [*parts[:index], *parts[index + 1 :]]


def _with(node: ast.AST, **changed: object) -> ast.AST:
    other = copy(node)
    for name, value in changed.items():
        setattr(other, name, value)
    return other


def _first_line(node: ast.AST) -> str:
    return ast.unparse(node).strip().split("\n", 1)[0]
