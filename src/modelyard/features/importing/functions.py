"""Functions of on-demand views as expressions, where they only compute columns of columns.

Understood: a function of one argument that makes a DataFrame or dict and gives it back, with an assignment a feature,
of arithmetic, comparisons and some methods of pandas and NumPy. Nothing is run.
"""

import ast
from collections.abc import Callable, Mapping, Sequence

from modelyard.core import InvalidInput
from modelyard.online.expressions import names_in

from .errors import Untranslatable

_METHODS: dict[str, str] = {"abs": "abs", "round": "round", "isna": "is_null", "isnull": "is_null"}
_TEXT_METHODS: dict[str, str] = {"lower": "lower", "upper": "upper", "strip": "strip", "len": "length"}
_NUMPY: dict[str, str] = {
    "abs": "abs", "absolute": "abs", "sign": "sign", "sqrt": "sqrt", "exp": "exp", "log": "log", "log1p": "log1p",
    "log10": "log10", "floor": "floor", "ceil": "ceil", "round": "round", "rint": "round", "sin": "sin", "cos": "cos",
    "minimum": "min", "maximum": "max", "clip": "clip",
}  # fmt: skip
_MODULES = {"np", "numpy", "math"}
_FLOATS = {"float", "float64", "double", "Float64"}
_JOINS: dict[type[ast.operator], type[ast.boolop]] = {ast.BitAnd: ast.And, ast.BitOr: ast.Or}
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow)


def expressions_of(text: str, features: Sequence[str], inputs: Mapping[str, str]) -> dict[str, str]:
    """The expression of each feature. `inputs` leads from what the function may read to what expressions call it.

    Untranslatable says which part of the function is beyond expressions.
    """
    function = _function(text)
    reading = _Reading(function.args.args[0].arg, inputs)
    for statement in function.body:
        reading.statement(statement)
    lacking = [name for name in features if name not in reading.made]
    if lacking:
        raise Untranslatable(f"its function does not plainly assign '{lacking[0]}'")
    return _ordered({name: ast.unparse(reading.made[name]) for name in reading.made if name in features}, features)


def _ordered(formulas: dict[str, str], features: Sequence[str]) -> dict[str, str]:
    """In the order of the features where none uses a later one, else in the order of the function."""
    wanted = {name: formulas[name] for name in features}
    before: set[str] = set()
    for name, text in wanted.items():
        try:
            used = set(names_in(text))
        except InvalidInput as error:
            raise Untranslatable(f"'{name}' would be {text[:80]}: {error.message}") from error
        if (used & wanted.keys()) - before:
            return formulas
        before.add(name)
    return wanted


def _function(text: str) -> ast.FunctionDef:
    if not text:
        raise Untranslatable("nobody kept the text of its function")
    try:
        body = ast.parse(text).body
    except SyntaxError as error:
        raise Untranslatable("the text of its function cannot be read") from error
    functions = [each for each in body if isinstance(each, ast.FunctionDef)]
    if len(functions) != 1 or len(functions[0].args.args) != 1:
        raise Untranslatable("it is not one function of one argument")
    return functions[0]


class _Reading:
    """What a function has assigned so far, statement by statement."""

    def __init__(self, argument: str, inputs: Mapping[str, str]) -> None:
        self._argument = argument
        self._inputs = inputs
        self._output: str | None = None
        self._locals: dict[str, ast.expr] = {}
        self.made: dict[str, ast.expr] = {}

    def statement(self, statement: ast.stmt) -> None:
        """Take one statement in. Untranslatable for others than assignments and the return."""
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            return
        if isinstance(statement, ast.AnnAssign) and statement.value is not None:
            self._assign(statement.target, statement.value)
        elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            self._assign(statement.targets[0], statement.value)
        elif isinstance(statement, ast.Return) and statement.value is not None:
            self._give(statement.value)
        else:
            raise Untranslatable(f"its function has a statement that is no assignment: {_short(statement)}")

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            if self._begins(value):
                self._output = target.id
                return
            self._locals[target.id] = self._read(value)
        elif isinstance(target, ast.Subscript) and self._is_output(target.value):
            name = _text(target.slice)
            self.made[name] = self._read(value)
        else:
            raise Untranslatable(f"its function assigns to {_short(target)}")

    def _begins(self, value: ast.expr) -> bool:
        """Whether a value is where features are gathered: an empty DataFrame, or a dict of features."""
        if isinstance(value, ast.Dict):
            self._take(value)
            return True
        is_frame = isinstance(value, ast.Call) and _dotted(value.func) in ("pd.DataFrame", "pandas.DataFrame")
        if isinstance(value, ast.Call) and is_frame and not value.keywords and len(value.args) <= 1:
            if value.args:
                if not isinstance(value.args[0], ast.Dict):
                    return False
                self._take(value.args[0])
            return True
        return False

    def _give(self, value: ast.expr) -> None:
        if not self._is_output(value) and not self._begins(value):
            raise Untranslatable(f"its function returns {_short(value)}")

    def _take(self, given: ast.Dict) -> None:
        for key, value in zip(given.keys, given.values, strict=True):
            if key is None:
                raise Untranslatable("its function spreads a dict")
            self.made[_text(key)] = self._read(value)

    def _is_output(self, value: ast.expr) -> bool:
        return isinstance(value, ast.Name) and value.id == self._output

    def _read(self, value: ast.expr) -> ast.expr:
        """A value of Python as one of expressions."""
        for kind, read in self._readers().items():
            if isinstance(value, kind):
                return read(value)
        raise Untranslatable(f"its function computes {_short(value)}")

    def _readers(self) -> dict[type[ast.expr], Callable[..., ast.expr]]:
        return {
            ast.Constant: self._constant,
            ast.Name: self._local,
            ast.Subscript: self._column,
            ast.BinOp: self._operation,
            ast.UnaryOp: self._sign,
            ast.Compare: self._comparison,
            ast.Call: self._call,
            ast.IfExp: lambda each: ast.IfExp(self._read(each.test), self._read(each.body), self._read(each.orelse)),
            ast.BoolOp: lambda each: ast.BoolOp(each.op, [self._read(part) for part in each.values]),
        }

    def _constant(self, value: ast.Constant) -> ast.expr:
        if isinstance(value.value, bool | int | float | str) or value.value is None:
            return value
        raise Untranslatable(f"its function has the constant {_short(value)}")

    def _local(self, value: ast.Name) -> ast.expr:
        if value.id not in self._locals:
            raise Untranslatable(f"its function uses {value.id}, which is made elsewhere")
        return self._locals[value.id]

    def _column(self, value: ast.Subscript) -> ast.expr:
        name = _text(value.slice)
        if self._is_output(value.value) and name in self.made:
            return ast.Name(name)
        if not (isinstance(value.value, ast.Name) and value.value.id == self._argument):
            raise Untranslatable(f"its function reads {_short(value)}")
        if name not in self._inputs:
            raise Untranslatable(f"its function reads '{name}', which no source of it has or more than one")
        return ast.parse(self._inputs[name], mode="eval").body

    def _operation(self, value: ast.BinOp) -> ast.expr:
        left, right = self._read(value.left), self._read(value.right)
        if isinstance(value.op, _OPERATORS):
            return ast.BinOp(left, value.op, right)
        join = _JOINS.get(type(value.op))
        if join is None:
            raise Untranslatable(f"its function computes {_short(value)}")
        return ast.BoolOp(join(), [left, right])

    def _sign(self, value: ast.UnaryOp) -> ast.expr:
        operator = ast.Not() if isinstance(value.op, ast.Invert) else value.op
        return ast.UnaryOp(operator, self._read(value.operand))

    def _comparison(self, value: ast.Compare) -> ast.expr:
        return ast.Compare(self._read(value.left), value.ops, [self._read(each) for each in value.comparators])

    def _call(self, value: ast.Call) -> ast.expr:
        if value.keywords:
            raise Untranslatable(f"its function calls {_short(value)}")
        name = _dotted(value.func)
        module, _, function = name.rpartition(".")
        if module in _MODULES:
            return self._numpy(value, function)
        if name == "abs":
            return _called("abs", [self._read(each) for each in value.args])
        if isinstance(value.func, ast.Attribute):
            return self._method(value, value.func)
        raise Untranslatable(f"its function calls {_short(value.func)}")

    def _numpy(self, value: ast.Call, function: str) -> ast.expr:
        if function == "where" and len(value.args) == 3:
            test, then, other = (self._read(each) for each in value.args)
            return ast.IfExp(test, then, other)
        if function not in _NUMPY:
            raise Untranslatable(f"its function calls {_short(value.func)}")
        return _called(_NUMPY[function], [self._read(each) for each in value.args])

    def _method(self, value: ast.Call, method: ast.Attribute) -> ast.expr:
        name, arguments = method.attr, value.args
        if isinstance(method.value, ast.Attribute) and method.value.attr == "str":
            if name in _TEXT_METHODS and not arguments:
                return _called(_TEXT_METHODS[name], [self._read(method.value.value)])
        elif name == "fillna" and len(arguments) == 1:
            return _called("coalesce", [self._read(method.value), self._read(arguments[0])])
        elif name == "clip" and len(arguments) == 2:
            return _called("clip", [self._read(method.value), *map(self._read, arguments)])
        elif name == "astype" and len(arguments) == 1 and _type_name(arguments[0]) in _FLOATS:
            return self._read(method.value)
        elif name in _METHODS and not arguments:
            return _called(_METHODS[name], [self._read(method.value)])
        raise Untranslatable(f"its function calls {_short(value)}")


def _called(name: str, arguments: list[ast.expr]) -> ast.expr:
    return ast.Call(ast.Name(name), arguments, [])


def _text(value: ast.expr) -> str:
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    raise Untranslatable(f"its function names a column by {_short(value)}")


def _type_name(value: ast.expr) -> str:
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    return _dotted(value).rpartition(".")[2]


def _dotted(value: ast.expr) -> str:
    if isinstance(value, ast.Attribute):
        return f"{_dotted(value.value)}.{value.attr}"
    return value.id if isinstance(value, ast.Name) else "?"


def _short(value: ast.AST) -> str:
    text = " ".join(ast.unparse(value).split())
    return text if len(text) <= 80 else text[:80] + "…"
