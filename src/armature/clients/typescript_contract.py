"""One contract in TypeScript: its types, its refusals, and a class with its operations."""

import json
from collections.abc import Iterator, Sequence

from armature.clients.shapes import Paged, Plain
from armature.clients.surface import Contract, Field, Record, Refusal, Use
from armature.clients.typescript_words import ContractNames, camel, comment, identifier, member

__all__ = ["api_name", "contract_file", "refusal_classes"]

# What a refusal has of its own; a field of that name gets another one.
_OF_REFUSALS = ("problem", "requestId", "retryAfterSeconds", "transient", "member", "message", "name", "stack", "cause")
_NAMES = ContractNames()


def api_name(contract: Contract) -> str:
    """Return the name of the class."""
    name = contract.title if contract.title not in contract.types() else f"{contract.title}Api"
    return _NAMES.named(name)


def contract_file(contract: Contract) -> str:
    """Return the text of the contract's file."""
    made = _Class(contract)
    parts = [
        comment(f"Contract {contract.name}, version {contract.version}. Made from the contract; a change here is lost."),
        'import { PLATFORM } from "../runtime/platform.js";\nimport * as rt from "../runtime/index.js";',
        *(
            f"{comment(one.doc or one.name)}\nexport type {_NAMES.named(one.name)} = "
            f"{' | '.join(json.dumps(value) for _, value in one.members)};"
            for one in contract.enumerations
        ),
        *map(_record, contract.records),
        *refusal_classes(contract.refusals, "rt."),
        _known(contract),
        *made.constants(),
        "\n".join(made.lines()),
    ]
    return "\n\n".join(parts) + "\n"


def refusal_classes(refusals: Sequence[Refusal], runtime: str) -> Iterator[str]:
    """Return a class for each refusal; `runtime` stands before what is not of the contract."""
    for one in refusals:
        lines = [comment(one.doc or one.code), f"export class {_NAMES.named(one.name)} extends {runtime}Refused {{"]
        lines.append(f"  static readonly code = {json.dumps(one.code)};")
        for field in one.fields:
            kind = _NAMES.type(field.type)
            name = identifier(field.name, _OF_REFUSALS)
            lines.append(f"  readonly {name} = this.member<{kind}>({json.dumps(field.wire)});")
        yield "\n".join([*lines, "}"])


def _record(record: Record) -> str:
    lines = [comment(record.doc or record.name), f"export interface {_NAMES.named(record.name)} {{"]
    if record.tag_field is not None:
        lines.append(f"  readonly {member(record.tag_field)}: {json.dumps(record.tag)};")
    for field in record.fields:
        # What the server says is there unless it is marked absent; a caller may leave out whatever has a default.
        optional = field.absent and (record.asked or field.default is None)
        lines.append(f"  readonly {member(field.wire)}{'?' if optional else ''}: {_NAMES.type(field.type)};")
    return "\n".join([*lines, "}"])


def _known(contract: Contract) -> str:
    names = [_NAMES.named(one.name) for one in contract.refusals]
    body = "".join(f"  [{name}.code]: {name},\n" for name in names)
    return f"const REFUSALS: rt.Refusals = {{\n  ...PLATFORM,\n{body}}};"


class _Class:
    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._methods: dict[str, str] = {}
        self._taken = {"constructor", "then", "wire"}  # what has a `then` is called by `await`
        for use in contract.uses:
            self._methods[use.name] = self._free(use.name)

    def constants(self) -> Iterator[str]:
        """Return what each operation is, as values."""
        for use in self._contract.uses:
            said = {
                "name": use.full_name,
                "method": use.method,
                "path": use.path,
                "inPath": list(use.path_fields),
                "inBody": use.in_body,
                "query": use.kind != "command",
                "takesKey": use.takes_key,
                "empty": use.result == Plain("null"),
            }
            lines = [f"  {name}: {json.dumps(value)}," for name, value in said.items()]
            if use.floats:
                lines.append(f"  floats: {json.dumps(use.floats)},")
            if use.unsaid:
                lines.append(f"  unsaid: {json.dumps(use.unsaid)},")
            if use.events:
                lines.append(f"  events: {json.dumps([name for name, _ in use.events])},")
            yield "\n".join([f"const {_constant(use)}: rt.Operation = {{", *lines, "  refusals: REFUSALS,", "};"])

    def lines(self) -> Iterator[str]:
        """Return the class."""
        contract = self._contract
        yield comment(contract.doc or contract.name)
        yield f"export class {api_name(contract)} {{"
        yield "  constructor(private readonly wire: rt.Wire) {}"
        for use in contract.uses:
            yield ""
            yield from self._feed(use) if use.kind == "feed" else self._operation(use)
            yield from self._if_changed(use) if use.conditional else ()
            yield from self._each(use) if use.each is not None else ()
            yield from self._numbered(use) if use.numbered is not None else ()
        yield "}"

    def _operation(self, use: Use) -> Iterator[str]:
        options = "rt.VersionedCall" if use.takes_version else "rt.Call"
        answer = "void" if use.result == Plain("null") else _NAMES.type(use.result)
        yield comment(_about(use), "  ")
        yield f"  {self._methods[use.name]}({_arguments(use.arguments)}, call?: {options}): Promise<{answer}> {{"
        yield f"    return this.wire.run<{answer}>({_constant(use)}, args, call);"
        yield "  }"

    def _if_changed(self, use: Use) -> Iterator[str]:
        answer = f"{_NAMES.type(use.result)} | null"
        name = self._free(f"{use.name}_if_changed")
        yield ""
        yield comment("As above, and null while it is still of the version `ifNoneMatch`.", "  ")
        yield f"  {name}({_arguments(use.arguments, False)}, ifNoneMatch: rt.Version, call?: rt.Call): Promise<{answer}> {{"
        yield f"    return this.wire.runIfChanged<{_NAMES.type(use.result)}>({_constant(use)}, args, ifNoneMatch, call);"
        yield "  }"

    def _each(self, use: Use) -> Iterator[str]:
        assert isinstance(use.result, Paged)
        arguments = [one for one in use.arguments if one.name in (use.each or ())]
        item = _NAMES.type(use.result.item)
        yield ""
        yield comment("Walk over all of them, page by page: nothing is lost or doubled while rows come and go.", "  ")
        name = self._free(f"{use.name}_each")
        yield f"  {name}({_arguments(arguments)}, call?: rt.Call): AsyncGenerator<{item}, void, undefined> {{"
        yield f"    return this.wire.each<{item}>({_constant(use)}, args, call);"
        yield "  }"

    def _numbered(self, use: Use) -> Iterator[str]:
        assert isinstance(use.result, Paged)
        arguments = [one for one in use.arguments if one.name in (use.numbered or ())]
        item = _NAMES.type(use.result.item)
        answer = f"AsyncGenerator<rt.Page<{item}>, void, undefined>"
        yield ""
        yield comment("Walk over numbered pages, from page `first`.", "  ")
        name = self._free(f"{use.name}_pages")
        yield f"  {name}({_arguments(arguments)}, first = 0, call?: rt.Call): {answer} {{"
        yield f"    return this.wire.numbered<{item}>({_constant(use)}, args, first, call);"
        yield "  }"

    def _feed(self, use: Use) -> Iterator[str]:
        happened = " | ".join(f"rt.Happened<{json.dumps(name)}, {_NAMES.named(record)}>" for name, record in use.events)
        yield comment(
            f"{_about(use)}\n\nIt is opened again when it breaks, and goes on after the last event; `after` is an `id`.", "  "
        )
        yield f"  {self._methods[use.name]}("
        yield f"    {_arguments(use.arguments)},"
        yield "    after: string | null = null,"
        yield "    call?: rt.Call,"
        yield f"  ): AsyncGenerator<{happened}, void, undefined> {{"
        yield f"    return this.wire.follow<{happened}>({_constant(use)}, args, after, call);"
        yield "  }"

    def _free(self, name: str) -> str:
        made = camel(name)
        while made in self._taken:
            made += "_"
        self._taken.add(made)
        return made


def _constant(use: Use) -> str:
    return f"{use.name.upper()}_OP"


def _arguments(arguments: Sequence[Field], may_be_left_out: bool = True) -> str:
    inner = "; ".join(
        f"readonly {member(one.wire)}{'?' if one.absent else ''}: {_NAMES.type(one.type)}{' | undefined' if one.absent else ''}"
        for one in arguments
    )
    left_out = " = {}" if may_be_left_out and all(one.absent for one in arguments) else ""
    return f"args: {{ {inner} }}{left_out}" if inner else f"args: Record<string, never>{left_out}"


def _about(use: Use) -> str:
    left_out = ", ".join(f"{one.name} = {one.default}" for one in use.arguments if one.default not in (None, "null"))
    said = [
        use.doc or use.full_name,
        f"Left out: {left_out}." if left_out else "",
        f"Needs the permission {use.permission}." if use.permission else "",
        f"Refused as {', '.join(_NAMES.named(one) for one in use.refuses)}." if use.refuses else "",
    ]
    return "\n\n".join(filter(None, said))
