"""Jinja as chat templates expect it, for templates that nobody has vetted.

A template comes with a model's files. It must not reach the process (Jinja's sandbox), nor hold
it (a budget, charged in every loop, call, filter, operation that makes text, and output).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn, TypeVar

from jinja2 import nodes, pass_context
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.ext import Extension, LoopControlExtension
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import MAX_RANGE, ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from service.dialogue import costs
from service.dialogue.budget import Budget

_N = TypeVar("_N", bound=nodes.Node)

BUDGET = "the budget"
"""The variable that carries the Budget; with its space no template can name it."""


class TemplateRefusedError(TemplateError):
    """The template itself called `raise_exception`: it cannot express these messages."""


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment that transformers gives to chat templates, plus the budget.

    Renderings need the variable `BUDGET`. What they raise beside Jinja's own errors is whatever
    the template's operations raise.
    """

    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[LoopControlExtension, _GenerationTag],
            finalize=_charge_output,
        )
        self.globals["raise_exception"] = _raise_exception
        self.globals["range"] = _range
        del self.globals["lipsum"]
        self.filters = {name: _metered(name, run) for name, run in self.filters.items()}

    def add_filter(self, name: str, run: Callable[..., object]) -> None:
        """Adds a filter, charged like Jinja's own."""
        self.filters[name] = _metered(name, run)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = Parser(self, source, name, filename).parse()
        _Meter().visit(tree)
        return tree

    @pass_context
    def tick(self, context: Context, amount: int) -> bool:
        """Charges `amount`; always true, so that it can stand in a condition."""
        _budget(context).spend(amount)
        return True

    @pass_context
    def charged(self, context: Context, value: object) -> object:
        """`value`, a collection just made, after charging all that is in it."""
        _budget(context).spend(costs.size(value))
        return value

    # The names follow Jinja's: positional only, as keyword arguments are the template's.
    def call(self, context: Context, obj: object, /, *args: object, **kwargs: object) -> object:
        method = getattr(obj, "__wrapped__", obj)
        subject, name = getattr(method, "__self__", None), getattr(method, "__name__", "")
        amount = 1
        if obj is dict:
            amount = costs.size(args) + costs.size(kwargs)
        elif isinstance(subject, str):
            if name == "join" and args:
                args = (_iterable(args[0]),)
                amount = costs.of_call(name, args[0], [subject], {})
            else:
                # Jinja hides variables of its own among the keywords.
                own = {key: value for key, value in kwargs.items() if not key.startswith("_")}
                amount = costs.of_call(name, subject, args, own)
        _budget(context).spend(amount)
        return super().call(context, obj, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:
        _budget(context).spend(costs.of_binary(operator, left, right))
        return super().call_binop(context, operator, left, right)


def _budget(context: Context) -> Budget:
    budget = context.resolve(BUDGET)
    assert isinstance(budget, Budget)
    return budget


@pass_context
def _charge_output(context: Context, value: object) -> object:
    _budget(context).spend(costs.size(value))
    return value


def _raise_exception(message: str) -> NoReturn:
    raise TemplateRefusedError(message)


def _range(*args: int) -> range:
    numbers = range(*args)
    if len(numbers) > MAX_RANGE:
        raise SecurityError("it counts too far")
    return numbers


def _iterable(value: object) -> list[object]:
    return list(value)  # type: ignore[call-overload,no-any-return]


def _metered(name: str, run: Callable[..., object]) -> Callable[..., object]:
    wanted = getattr(getattr(run, "jinja_pass_arg", None), "name", None)

    @pass_context
    def metered(context: Context, value: object, *args: object, **kwargs: object) -> object:
        if name == "join":
            value = _iterable(value)
        _budget(context).spend(costs.of_call(name, value, args, kwargs))
        match wanted:
            case "context":
                return run(context, value, *args, **kwargs)
            case "eval_context":
                return run(context.eval_ctx, value, *args, **kwargs)
            case "environment":
                return run(context.environment, value, *args, **kwargs)
        return run(value, *args, **kwargs)

    return metered


class _Meter(NodeTransformer):
    """Charges what Jinja itself does not pass by the environment.

    Turns of loops and runs of macros are charged with the text in their bodies.

    Collections are charged where they are written, so that none can hold another many times over.
    `a ~ b` becomes `[a, b] | join`, which means the same and is charged.
    """

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802  Jinja's naming
        self._charge_body(node, node.body)
        if node.test is not None:
            node.test = nodes.And(_tick(1, node), node.test, lineno=node.lineno)
        return node

    def visit_Macro(self, node: nodes.Macro) -> nodes.Macro:  # noqa: N802
        self._charge_body(node, node.body)
        return node

    def visit_CallBlock(self, node: nodes.CallBlock) -> nodes.CallBlock:  # noqa: N802
        self._charge_body(node, node.body)
        return node

    def visit_Block(self, node: nodes.Block) -> nodes.Block:  # noqa: N802
        self._charge_body(node, node.body)
        return node

    def visit_List(self, node: nodes.List) -> nodes.Call:  # noqa: N802
        return self._charge_collection(node)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Call:  # noqa: N802
        return self._charge_collection(node)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Expr:  # noqa: N802
        if node.ctx != "load":
            return node  # the targets of an assignment
        return self._charge_collection(node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802
        self.generic_visit(node)
        parts = nodes.List(node.nodes)
        return _placed(nodes.Filter(parts, "join", [], [], None, None), node)

    def _charge_collection(self, node: nodes.Expr) -> nodes.Call:
        self.generic_visit(node)
        return _call("charged", node, node)

    def _charge_body(self, node: nodes.Node, body: list[nodes.Node]) -> None:
        self.generic_visit(node)
        num_chars = sum(len(text.data) for child in body for text in _texts(child))
        body.insert(0, nodes.ExprStmt(_tick(1 + num_chars, node), lineno=node.lineno))


def _texts(node: nodes.Node) -> list[nodes.TemplateData]:
    own = [node] if isinstance(node, nodes.TemplateData) else []
    return [*own, *node.find_all(nodes.TemplateData)]


def _tick(amount: int, origin: nodes.Node) -> nodes.Call:
    return _call("tick", nodes.Const(amount), origin)


def _call(method: str, argument: nodes.Expr, origin: nodes.Node) -> nodes.Call:
    called = nodes.EnvironmentAttribute(method)
    return _placed(nodes.Call(called, [argument], [], None, None), origin)


def _placed(node: _N, origin: nodes.Node) -> _N:
    """`node`, where `origin` stands in the source."""
    assert origin.environment is not None
    node.set_lineno(origin.lineno).set_environment(origin.environment)
    return node


class _GenerationTag(Extension):
    """`{% generation %}` marks what a model is trained on; for a prompt it means nothing."""

    tags = {"generation"}  # noqa: RUF012  Jinja's own declaration

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)
