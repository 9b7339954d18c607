"""The operations of a contract as a Python class: one method each, and one more for each way of walking or asking again.

Written once, for callers that wait without blocking; `blocking.py` makes the other class from it.
"""

import json
from collections.abc import Iterator, Sequence

from armature.clients.python_words import Words, docstring, identifier
from armature.clients.shapes import Paged, Plain
from armature.clients.surface import Contract, Field, Use

__all__ = ["PythonClass"]

_OWN = ("self",)


class PythonClass:
    """`title` is the name of the blocking class."""

    def __init__(self, contract: Contract, title: str, words: Words) -> None:
        self._contract = contract
        self._title = title
        self._words = words
        self._call = f"{words.take('._calls', 'Call')} | None = None"
        self._taken = {identifier(use.name, _OWN) for use in contract.uses}

    def constants(self) -> Iterator[str]:
        """Return what each operation is, as values."""
        words = self._words
        operation = words.take("._calls", "Operation")
        for use in self._contract.uses:
            yield f"{_constant(use)}: {operation}[{self._answer(use)}] = {operation}("
            yield f'    name="{use.full_name}",'
            yield f'    method="{use.method}",'
            yield f'    path="{use.path}",'
            yield f"    decode={self._decoder(use)},"
            if use.path_fields:
                yield f"    in_path=({''.join(f'{name!r}, ' for name in use.path_fields).replace(chr(39), chr(34)).strip()}),"
            for flag, said in (("in_body", use.in_body), ("query", use.kind != "command"), ("takes_key", use.takes_key)):
                if said:
                    yield f"    {flag}=True,"
            if use.unsaid:
                yield f"    unsaid=({''.join(f'{json.dumps(said)}, ' for said in use.unsaid).strip()}),"
            yield "    refusals=_REFUSALS,"
            if use.events:
                decoder = words.take("msgspec.json", "Decoder")
                yield "    events={"
                yield from (f'        "{name}": {decoder}({record}).decode,' for name, record in use.events)
                yield "    },"
            yield ")"

    def lines(self) -> Iterator[str]:
        """Return the class for callers that do not block."""
        contract, words = self._contract, self._words
        wire = words.take("._wire_async", "AsyncWire")
        words.take("._wire", "Wire")
        yield f"class Async{self._title}:"
        yield docstring(contract.doc or contract.name, "    ")
        yield ""
        yield f"    def __init__(self, wire: {wire}) -> None:"
        yield "        self._wire = wire"
        for use in contract.uses:
            yield from self._feed(use) if use.kind == "feed" else self._operation(use)
            yield from self._if_changed(use) if use.conditional else ()
            yield from self._each(use) if use.each is not None else ()
            yield from self._numbered(use) if use.numbered is not None else ()

    def _operation(self, use: Use) -> Iterator[str]:
        more = [f"if_match: {self._words.take('._calls', 'Version')} | None = None"] if use.takes_version else []
        name = identifier(use.name, _OWN)
        yield from self._head(use, f"async def {name}", use.arguments, more, self._words.type(use.result))
        yield self._doc(use, use.arguments)
        last = ", if_match" if use.takes_version else ""
        yield f"        return await self._wire.run({_constant(use)}, {_given(use, use.arguments)}, call{last})"

    def _if_changed(self, use: Use) -> Iterator[str]:
        more = [f"if_none_match: {self._words.take('._calls', 'Version')}"]
        answer = f"{self._words.type(use.result)} | None"
        yield from self._head(use, f"async def {self._free(use, 'if_changed')}", use.arguments, more, answer)
        yield docstring("As above, and None while it is still of the version in `if_none_match`.", "        ")
        given = _given(use, use.arguments)
        yield f"        return await self._wire.run_if_changed({_constant(use)}, {given}, call, if_none_match)"

    def _each(self, use: Use) -> Iterator[str]:
        arguments = [one for one in use.arguments if one.name in (use.each or ())]
        walk = self._both("AsyncIterator")
        yield from self._head(use, f"def {self._free(use, 'each')}", arguments, [], f"{walk}[{self._item(use)}]")
        yield docstring("Walk over all of them, page by page: nothing is lost or doubled while rows come and go.", "        ")
        yield f"        return self._wire.each({_constant(use)}, {_given(use, arguments)}, call)"

    def _numbered(self, use: Use) -> Iterator[str]:
        arguments = [one for one in use.arguments if one.name in (use.numbered or ())]
        walk = self._both("AsyncIterator")
        first = f"first: {self._words.take('builtins', 'int')} = 0"
        yield from self._head(
            use, f"def {self._free(use, 'pages')}", arguments, [first], f"{walk}[{self._words.type(use.result)}]"
        )
        yield docstring("Walk over numbered pages, from page `first`.", "        ")
        yield f"        return self._wire.numbered({_constant(use)}, {_given(use, arguments)}, call, first)"

    def _feed(self, use: Use) -> Iterator[str]:
        words = self._words
        answer = f"{self._both('AsyncGenerator')}[{words.take('._events', 'Happened')}[{self._answer(use)}], None]"
        after = f"after: {words.take('builtins', 'str')} | None = None"
        yield from self._head(use, f"def {identifier(use.name, _OWN)}", use.arguments, [after], answer)
        yield self._doc(
            use, use.arguments, "It is opened again when it breaks, and goes on after the last event; `after` is an `id`."
        )
        yield f"        return self._wire.follow({_constant(use)}, {_given(use, use.arguments)}, call, after)"

    def _head(self, use: Use, name: str, arguments: Sequence[Field], more: Sequence[str], answer: str) -> Iterator[str]:
        yield ""
        yield f"    {name}("
        yield "        self,"
        yield "        *,"
        for one in sorted(arguments, key=lambda one: one.absent):
            unset = f" = {self._words.take('msgspec', 'UNSET')}" if one.absent else ""
            yield f"        {_argument(use, one)}: {self._words.type(one.type, absent=one.absent)}{unset},"
        yield from (f"        {one}," for one in (*more, f"call: {self._call}"))
        yield f"    ) -> {answer}:"

    def _doc(self, use: Use, arguments: Sequence[Field], more: str = "") -> str:
        left_out = ", ".join(f"{one.name} = {one.default}" for one in arguments if one.default not in (None, "null"))
        said = [
            use.doc or use.full_name,
            more,
            f"Left out: {left_out}." if left_out else "",
            f"Needs the permission {use.permission}." if use.permission else "",
            f"Refused as {', '.join(use.refuses)}." if use.refuses else "",
        ]
        return docstring("\n\n".join(filter(None, said)), "        ")

    def _answer(self, use: Use) -> str:
        return " | ".join(record for _, record in use.events) if use.events else self._words.type(use.result)

    def _item(self, use: Use) -> str:
        assert isinstance(use.result, Paged)
        return self._words.type(use.result.item)

    def _decoder(self, use: Use) -> str:
        words = self._words
        if use.result == Plain("null"):
            # A feed has no answer of its own; its events are read one by one.
            return words.take("._calls", "never" if use.events else "nothing")
        return f"{words.take('msgspec.json', 'Decoder')}({words.type(use.result)}).decode"

    def _both(self, name: str) -> str:
        self._words.take("collections.abc", name.removeprefix("Async"))
        return self._words.take("collections.abc", name)

    def _free(self, use: Use, ending: str) -> str:
        """A name for one more method; operations have theirs first."""
        name = identifier(f"{use.name}_{ending}", self._taken)
        self._taken.add(name)
        return name


def _constant(use: Use) -> str:
    return f"_{use.name.upper()}_OP"


def _argument(use: Use, argument: Field) -> str:
    """What methods call an argument: its name, unless they take something else under it."""
    taken = {
        "self": True,
        "call": True,
        "if_match": use.takes_version,
        "if_none_match": use.conditional,
        "after": use.kind == "feed",
        "first": use.numbered is not None,
    }
    return identifier(argument.name, (name for name, there in taken.items() if there))


def _given(use: Use, arguments: Sequence[Field]) -> str:
    return "{" + ", ".join(f'"{one.wire}": {_argument(use, one)}' for one in arguments) + "}"
