"""A module's contract as it is written: its operations, events and failures with their places, without importing it."""

import ast
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct, field

from armature.checks.tree import Source

__all__ = ["ContractSource", "Method", "contract_source", "keyword", "named", "subclasses"]

Method = ast.FunctionDef | ast.AsyncFunctionDef


class ContractSource(Struct, frozen=True, eq=False):
    """What stands in `contract.py`; empty where there is none."""

    source: Source | None = None
    operations: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By contract class: each operation and its line."""
    methods: Mapping[str, Mapping[str, Method]] = field(default_factory=dict)
    contracts: Mapping[str, ast.ClassDef] = field(default_factory=dict)
    events: Mapping[str, str] = field(default_factory=dict)
    """The event's name by its class."""
    failures: Mapping[str, ast.ClassDef] = field(default_factory=dict)

    def facts(self) -> list[str]:
        """Everything a neighbour may use, as `uses:` writes it."""
        name = self.source.module if self.source else ""
        return sorted({f"{name}.{one}" for methods in self.operations.values() for one in methods} | set(self.events.values()))

    def offers(self, fact: str) -> bool:
        """Whether it has that operation or event."""
        return fact in self.facts()


def contract_source(sources: Sequence[Source]) -> ContractSource:
    """Find the contract among a module's files."""
    source = next((one for one in sources if one.part == "contract"), None)
    if source is None:
        return ContractSource()
    contracts = {one.name: one for one in subclasses(source, "Contract")}
    methods = {name: {one.name: one for one in _operations(contract)} for name, contract in contracts.items()}
    return ContractSource(
        source=source,
        operations={name: {one: method.lineno for one, method in own.items()} for name, own in methods.items()},
        methods=methods,
        contracts=contracts,
        events=dict(_events(source)),
        failures={one.name: one for one in subclasses(source, "Failure")},
    )


def subclasses(source: Source, *bases: str) -> Iterator[ast.ClassDef]:
    """Return the classes of a file that derive from one of these names, also through each other."""
    family = set(bases)
    for one in sorted(source.all(ast.ClassDef), key=lambda one: one.lineno):
        if family.intersection(named(base) for base in one.bases):
            family.add(one.name)
            yield one


def keyword(node: ast.Call | ast.ClassDef, name: str) -> ast.expr | None:
    """Return the value of a keyword of a call or of a class line."""
    return next((one.value for one in node.keywords if one.arg == name), None)


def named(node: ast.expr) -> str:
    """Return the last word of what is named: `X` for `X`, `a.X`, `X[T]` and `X(…)`."""
    if isinstance(node, ast.Subscript):
        return named(node.value)
    if isinstance(node, ast.Call):
        return named(node.func)
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _operations(contract: ast.ClassDef) -> Iterator[Method]:
    for node in contract.body:
        if isinstance(node, Method) and any(named(one) in ("query", "command", "feed") for one in node.decorator_list):
            yield node


def _events(source: Source) -> Iterator[tuple[str, str]]:
    for one in source.all(ast.ClassDef):
        for decorator in one.decorator_list:
            if isinstance(decorator, ast.Call) and named(decorator) == "event" and decorator.args:
                name = decorator.args[0]
                yield one.name, str(name.value) if isinstance(name, ast.Constant) else ""
