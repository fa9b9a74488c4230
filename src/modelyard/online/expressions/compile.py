"""From the text of an expression to what runs it: parsed as Python's expressions are, and checked once."""

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeAlias, TypeGuard

import numpy as np

from modelyard.core import did_you_mean, shown

from ..errors import InvalidExpression
from .columns import EXACT, LARGEST, Column, Kind, nulls
from .functions import ARITHMETIC, COMPARISONS, FUNCTIONS, Function, both, choose, either, joined, one_of

Columns: TypeAlias = Mapping[str, Column]
Run: TypeAlias = Callable[[Columns], Column]

_LONGEST = 2_000
_MOST_NODES = 500
_MICROSECONDS = 1_000_000.0

_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip


@dataclass(frozen=True)
class Term:
    """A part of an expression: the kind of its values, and how they are made; null has any kind."""

    kind: Kind | None
    run: Run


@dataclass(frozen=True)
class Formula:
    """A compiled expression. `inputs` are the names it needs, as it spells them."""

    text: str
    kind: Kind
    inputs: tuple[str, ...]
    run: Run


def compile_expression(text: str, names: Mapping[str, Kind]) -> Formula:
    """Compile an expression over values with these names; a dot may stand in a name: `view.feature`.

    InvalidExpression says where it is wrong, what there is, and what to write instead.
    """
    return _Compiler(text, names).formula()


def names_in(text: str) -> tuple[str, ...]:
    """The names that an expression uses, as it spells them; InvalidExpression when it cannot be read.

    Nothing else of it is checked: what kinds its values have need not be known yet.
    """
    tree = _Compiler(text, {})._parsed()
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    dotted = {id(node.value): node for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    found: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and id(node) not in called:
            found[f"{node.id}.{dotted[id(node)].attr}" if id(node) in dotted else node.id] = None
    return tuple(found)


class _Compiler:
    def __init__(self, text: str, names: Mapping[str, Kind]) -> None:
        self._text = text
        self._names = names
        self._used: dict[str, None] = {}

    def formula(self) -> Formula:
        term = self._term(self._parsed())
        if term.kind is None:
            self._refuse("it is always null", "Name a value in it.")
        return Formula(self._text, term.kind, tuple(self._used), term.run)

    def _parsed(self) -> ast.expr:
        if len(self._text) > _LONGEST:
            self._refuse(f"it has {len(self._text)} characters, more than {_LONGEST}", "Take it apart into features.")
        try:
            tree = ast.parse(self._text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            at = f" at character {error.offset}" if isinstance(error, SyntaxError) and error.offset else ""
            self._refuse(f"it cannot be read{at}", "Write it as in Python: amount / coalesce(total, 1).")
        if sum(1 for _ in ast.walk(tree)) > _MOST_NODES:
            self._refuse(f"it has more than {_MOST_NODES} parts", "Take it apart into features.")
        return tree

    def _term(self, node: ast.expr) -> Term:
        part = _PARTS.get(type(node), _Compiler._stranger)
        return part(self, node)

    def _stranger(self, node: ast.expr) -> NoReturn:
        self._refuse(f"{self._part(node)} is not part of the language", f"There are {_there_is()}.")

    def _constant(self, node: ast.Constant) -> Term:
        value = node.value
        if value is None:
            return Term(None, lambda _: nulls("number"))
        if isinstance(value, bool):
            return _always("truth", np.array([float(value)]))
        if isinstance(value, str):
            return _always("text", np.array([value], dtype=object))
        if not isinstance(value, int | float) or abs(value) > (EXACT if isinstance(value, int) else LARGEST):
            self._refuse(f"{self._part(node)} is no value", "Write numbers up to 2^53, texts in quotes, True or False.")
        return _always("number", np.array([float(value)]))

    def _bare_name(self, node: ast.Name) -> Term:
        return self._name(node.id)

    def _dotted_name(self, node: ast.Attribute) -> Term:
        if not isinstance(node.value, ast.Name):
            self._stranger(node)
        return self._name(f"{node.value.id}.{node.attr}")

    def _name(self, name: str) -> Term:
        if name not in self._names:
            self._refuse(f"there is no '{name}'", did_you_mean(name, self._names))
        self._used[name] = None
        return Term(self._names[name], lambda columns: columns[name])

    def _arithmetic(self, node: ast.BinOp) -> Term:
        left, right, sign = self._term(node.left), self._term(node.right), _OPERATORS.get(type(node.op))
        if sign is None:
            self._refuse(f"{self._part(node)} has an operator that there is not", f"There are {_there_is()}.")
        kinds = (left.kind, right.kind)
        if sign == "+" and kinds == ("text", "text"):
            return _two("text", joined, left, right)
        if sign == "-" and kinds == ("instant", "instant"):
            return _two("number", lambda a, b: (a - b) / _MICROSECONDS, left, right)
        if sign in ("+", "-") and kinds == ("instant", "number"):
            move = ARITHMETIC[sign]
            return _two("instant", lambda at, seconds: move(at, np.rint(seconds * _MICROSECONDS)), left, right)
        self._want("number", left, node.left)
        self._want("number", right, node.right)
        return _two("number", ARITHMETIC[sign], left, right)

    def _unary(self, node: ast.UnaryOp) -> Term:
        term = self._term(node.operand)
        if isinstance(node.op, ast.Not):
            self._want("truth", term, node.operand)
            return Term("truth", lambda columns: 1 - term.run(columns))
        self._want("number", term, node.operand)
        if isinstance(node.op, ast.Invert):
            self._refuse(f"{self._part(node)} has an operator that there is not", "Write: not …")
        return Term("number", lambda columns: -term.run(columns)) if isinstance(node.op, ast.USub) else term

    def _logic(self, node: ast.BoolOp) -> Term:
        terms = [self._term(each) for each in node.values]
        for term, each in zip(terms, node.values, strict=True):
            self._want("truth", term, each)
        two = both if isinstance(node.op, ast.And) else either
        found = terms[0]
        for other in terms[1:]:
            found = _two("truth", two, found, other)
        return found

    def _comparison(self, node: ast.Compare) -> Term:
        sides = [node.left, *node.comparators]
        terms = [self._compared(*each, node) for each in zip(sides, node.ops, sides[1:], strict=False)]
        found = terms[0]
        for each in terms[1:]:
            found = _two("truth", both, found, each)
        return found

    def _compared(self, left: ast.expr, operator: ast.cmpop, right: ast.expr, node: ast.Compare) -> Term:
        if isinstance(operator, ast.In | ast.NotIn):
            return self._membership(left, right, negated=isinstance(operator, ast.NotIn))
        if isinstance(operator, ast.Is | ast.IsNot):
            self._refuse(f"{self._part(node)} has an operator that there is not", "Write: is_null(…).")
        first, second = self._term(left), self._term(right)
        kind = self._same([first, second], [left, right])
        if kind == "truth" and not isinstance(operator, ast.Eq | ast.NotEq):
            self._refuse(f"{self._part(node)} orders truths", "Compare them with == or !=.")
        first, second = (_of_kind(each, kind) for each in (first, second))
        return _two("truth", COMPARISONS[_OPERATORS[type(operator)]], first, second)

    def _membership(self, left: ast.expr, right: ast.expr, *, negated: bool) -> Term:
        term = self._term(left)
        if not isinstance(right, ast.List | ast.Tuple | ast.Set) or not right.elts:
            self._refuse(f"{self._part(right)} is no list", "Write: x in ['a', 'b'].")
        levels = [each.value if isinstance(each, ast.Constant) else None for each in right.elts]
        if term.kind == "text" and _all_texts(levels):
            wanted: frozenset[str | float] = frozenset(levels)
        elif term.kind == "number" and _all_numbers(levels):
            wanted = frozenset(map(float, levels))
        else:
            self._refuse(f"{self._part(right)} is no list of {term.kind}s", "Write texts or numbers in it, as x has.")
        if negated:
            return Term("truth", lambda columns: 1 - one_of(term.run(columns), wanted))
        return Term("truth", lambda columns: one_of(term.run(columns), wanted))

    def _choice(self, node: ast.IfExp) -> Term:
        condition, sides = self._term(node.test), [node.body, node.orelse]
        self._want("truth", condition, node.test)
        terms = [self._term(each) for each in sides]
        kind = self._same(terms, sides)
        then, otherwise = (_of_kind(each, kind) for each in terms)
        return Term(kind, lambda columns: choose(condition.run(columns), then.run(columns), otherwise.run(columns)))

    def _call(self, node: ast.Call) -> Term:
        if not isinstance(node.func, ast.Name) or node.keywords:
            self._stranger(node)
        name, arguments = node.func.id, node.args
        if name not in FUNCTIONS:
            self._refuse(f"there is no function '{name}'", did_you_mean(name, FUNCTIONS))
        function = FUNCTIONS[name]
        if len(arguments) < len(function.takes) or (len(arguments) > len(function.takes) and not function.more):
            self._refuse(f"{name} has {len(arguments)} arguments", f"Write {name}({function.shape}).")
        terms = [self._term(each) for each in arguments]
        kind = self._arguments(function, terms, arguments)
        runs = [_of_kind(each, kind).run for each in terms]
        return Term(kind if function.gives == "any" else function.gives,
                    lambda columns: function.run(*(run(columns) for run in runs)))  # fmt: skip

    def _arguments(self, function: Function, terms: list[Term], nodes: list[ast.expr]) -> Kind:
        if function.takes[-1] == "any":
            return self._same(terms, nodes)
        wanted = [*function.takes, *[function.takes[-1]] * (len(terms) - len(function.takes))]
        for kind, term, node in zip(wanted, terms, nodes, strict=True):
            self._want(kind, term, node)
        return function.takes[-1]

    def _same(self, terms: list[Term], nodes: list[ast.expr]) -> Kind:
        """The one kind of some terms; of nulls alone, number."""
        kinds = [each.kind for each in terms if each.kind is not None]
        for term, node in zip(terms, nodes, strict=True):
            if term.kind not in (None, kinds[0] if kinds else None):
                self._refuse(f"{self._part(node)} is a {term.kind}, and what it stands beside a {kinds[0]}",
                             "Only values of one kind go together.")  # fmt: skip
        return kinds[0] if kinds else "number"

    def _want(self, kind: str, term: Term, node: ast.expr) -> None:
        if term.kind not in (None, kind):
            hint = " number(…) makes 1 and 0 of truths." if (term.kind, kind) == ("truth", "number") else ""
            self._refuse(f"{self._part(node)} is a {term.kind}; a {kind} must stand there", f"Change it.{hint}")

    def _part(self, node: ast.AST) -> str:
        return shown(ast.get_source_segment(self._text.strip(), node) or ast.unparse(node))

    def _refuse(self, why: str, remedy: str) -> NoReturn:
        raise InvalidExpression(
            f"The expression {shown(self._text)} is refused: {why}.",
            context={"expression": self._text[:200]},
            remedy=remedy,
        )


_PARTS: dict[type[ast.expr], Callable[..., Term]] = {
    ast.Constant: _Compiler._constant,
    ast.Name: _Compiler._bare_name,
    ast.Attribute: _Compiler._dotted_name,
    ast.BinOp: _Compiler._arithmetic,
    ast.UnaryOp: _Compiler._unary,
    ast.BoolOp: _Compiler._logic,
    ast.Compare: _Compiler._comparison,
    ast.IfExp: _Compiler._choice,
    ast.Call: _Compiler._call,
}


def _always(kind: Kind, value: Column) -> Term:
    return Term(kind, lambda _: value)


def _two(kind: Kind, function: Callable[[Column, Column], Column], left: Term, right: Term) -> Term:
    first, second = left.run, right.run
    return Term(kind, lambda columns: function(first(columns), second(columns)))


def _of_kind(term: Term, kind: Kind) -> Term:
    """A term whose nulls, if it is nothing else, are of a kind."""
    return term if term.kind is not None else _always(kind, nulls(kind))


def _all_texts(levels: Sequence[object]) -> TypeGuard[Sequence[str]]:
    return all(isinstance(each, str) for each in levels)


def _all_numbers(levels: Sequence[object]) -> TypeGuard[Sequence[float]]:
    return all(isinstance(each, int | float) and not isinstance(each, bool) for each in levels)


def _there_is() -> str:
    return "+ - * / // % **, comparisons, in, and, or, not, … if … else …, and " + ", ".join(FUNCTIONS)
