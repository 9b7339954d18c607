"""Whatever bytes come as a request of whatever method, over a real channel: the caller is told what is wrong with them, nothing
breaks, and the next call is answered."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from armature.edges.grpc.codec import Codec
from armature.edges.grpc.messages import Messages
from armature.edges.grpc.numbering import NO_PINS
from armature.edges.grpc.proto import ProtoFile, ProtoMethod
from armature.edges.grpc.schema import packages, proto_file
from armature.edges.grpc.schema_text import pins
from armature.runtime.process import System
from tests.grpc_edge.rig import ROOT, address, serving
from tests.grpc_edge.values import things

EVERYTHING = Path(__file__).parent / "everything"
PROJECTS = {
    "the project's": (ROOT, "/counter.v1.Counters/Totals", {"LIMITS__OPERATIONS": '{"counter.reset": "100000/second"}'}),
    "every type's": (EVERYTHING, "/things.v1.Things/Names", {}),
}
# What a caller may be told of bytes: it worked, or it is his mistake. Anything else is ours.
HIS = {
    *(grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.ALREADY_EXISTS),
    *(grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.PERMISSION_DENIED),
}

numbers = st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 2**31, 2**63 - 1, 2**63, 2**64 - 1])
ID = b"01981a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b"
texts = st.sampled_from(["", "a", ID.decode(), "1e999999999", "NaN", '"', "\\u0000", "\0"]) | st.text(max_size=10)
words = texts.map(str.encode) | st.sampled_from([b"\xff", b"\xed\xa0\x80"])


def varint(value: int) -> bytes:
    """Return a number as protocol buffers write it."""
    rest, last = divmod(value, 128)
    return bytes([last | 128]) + varint(rest) if rest else bytes([last])


def framed(number: int, content: bytes) -> bytes:
    """Return a field of so many bytes."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def _plain(number: int) -> st.SearchStrategy[bytes]:
    """Fields of one number in every wire type, those that nobody uses too, with contents of any sort."""
    return st.one_of(
        numbers.map(lambda value: varint(number << 3) + varint(value)),
        st.binary(min_size=8, max_size=8).map(lambda value: varint(number << 3 | 1) + value),
        st.binary(min_size=4, max_size=4).map(lambda value: varint(number << 3 | 5) + value),
        (words | st.binary(max_size=20)).map(lambda value: framed(number, value)),
        st.sampled_from([3, 4, 6, 7]).map(lambda kind: varint(number << 3 | kind)),
    )


def wire(depth: int = 3) -> st.SearchStrategy[bytes]:
    """Fields with small numbers, in any order, repeated, and within each other."""
    number = st.integers(0, 40) | st.sampled_from([2**29 - 1, 2**29, 2**32])
    one = number.flatmap(_plain)
    if depth:
        one |= st.builds(framed, st.integers(1, 40), wire(depth - 1))
    return st.lists(one, max_size=5).map(b"".join)


def sound(descriptor: Any, depth: int = 3) -> st.SearchStrategy[bytes]:
    """Messages of a kind: each field or not, with values that its type allows."""
    fields = [st.just(b"") | _field(field, depth) for field in descriptor.fields]
    return st.permutations(fields).flatmap(lambda chosen: st.tuples(*chosen)).map(b"".join)


def _field(field: Any, depth: int) -> st.SearchStrategy[bytes]:
    if field.message_type is not None:
        within = sound(field.message_type, depth - 1) if depth else st.just(b"")
        return within.map(lambda content: framed(field.number, content))
    if field.type in (field.TYPE_STRING, field.TYPE_BYTES):
        return texts.map(lambda content: framed(field.number, content.encode()))
    if field.type == field.TYPE_DOUBLE:
        return st.binary(min_size=8, max_size=8).map(lambda content: varint(field.number << 3 | 1) + content)
    return numbers.map(lambda value: varint(field.number << 3) + varint(value))


@st.composite
def spoilt(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """A message of which a piece was cut out, doubled, or written over."""
    content = draw(whole)
    start, end = sorted(draw(st.tuples(*[st.integers(0, len(content))] * 2)))
    piece = draw(st.sampled_from([b"", content[start:end] * 2]) | st.binary(max_size=4))
    return content[:start] + piece + content[end:]


class Target:
    """A process and every method that it serves, with what may be sent there."""

    def __init__(self, system: System, channel: Any, root: Path, good: str, known: bytes) -> None:
        self._channel, self._good = channel, good
        self.told: Counter[str] = Counter()
        contracts = [one for module in system.core.hosted.modules for one in module.contracts]
        files = [proto_file(offered, _pins(root, package)) for package, offered in packages(contracts).items()]
        self.calls = st.one_of([call for file in files for call in _calls(file, known)])

    async def send(self, path: str, stream: bool, content: bytes) -> None:
        """Send one request and see that it is judged, and that the next one is answered."""
        if stream:
            call = self._channel.unary_stream(path)(content, timeout=20.0)
            code = grpc.StatusCode.OK
            try:
                await call.read()
            except aio.AioRpcError as refused:
                code = refused.code()
            call.cancel()
        else:
            code = await self._channel.unary_unary(path)(content, timeout=20.0).code()
        self.told[code.name] += 1
        assert code in HIS, (path, content.hex(), code)
        assert await self._channel.unary_unary(self._good)(b"").code() is grpc.StatusCode.OK


def _pins(root: Path, package: str) -> Any:
    committed = root / "contracts" / f"{package}.proto"
    return pins(committed.read_text()) if committed.exists() else NO_PINS


def _calls(file: ProtoFile, known: bytes) -> Iterator[st.SearchStrategy[Any]]:
    """Yield for each method its path, whether it is a stream, and five requests that it may be sent."""
    messages = Messages()
    messages.add(file)
    codec = Codec(file, messages)
    for service, method in ((one, method) for one in file.services for method in one.methods):
        whole = sound(messages.of(f"{file.package}.{method.request}").DESCRIPTOR)
        sensible = _sensible(known, method, codec)
        # One of each sort, for left to chance the sensible ones are rare, and only these come past the judge of arguments.
        contents = st.tuples(st.binary(max_size=50) | wire(), whole, spoilt(whole), sensible, spoilt(sensible))
        yield st.tuples(st.just(f"/{file.package}.{service.name}/{method.name}"), st.just(method.stream), contents)


@pytest.mark.parametrize("which", PROJECTS)
def test_any_bytes_are_judged_and_the_next_call_is_answered(which: str, tmp_path: Path) -> None:
    root, good, policies = PROJECTS[which]
    with asyncio.Runner() as runner:
        opened = serving(root, tmp_path, policies)
        system = runner.run(opened.__aenter__())
        channel = runner.run(_channel(system))
        try:
            target = Target(system, channel, root, good, runner.run(_known(channel)))

            @settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
            @given(target.calls)
            def play(call: tuple[str, bool, tuple[bytes, ...]]) -> None:
                path, stream, contents = call
                for content in contents:
                    runner.run(target.send(path, stream, content))

            play()
            assert {"OK", "INVALID_ARGUMENT"} <= target.told.keys(), "bytes of one sort only were tried"
        finally:
            runner.run(channel.close())
            runner.run(opened.__aexit__(None, None, None))


def _sensible(known: bytes, method: ProtoMethod, codec: Codec) -> st.SearchStrategy[bytes]:
    """What nearly each method may be asked with: whom it is about, and a number or a thing."""
    # What a delete takes away, nothing else would be asked about any more.
    one = framed(1, ID if method.name == "Delete" else known)
    if method.operation == "things.put" and method.carrier is not None:
        encode = codec.encoder(method.carrier)
        return things().map(lambda thing: one + framed(2, encode(thing).SerializeToString()))
    return st.just(one) | st.integers(0, 9).map(lambda number: one + varint(2 << 3) + varint(number))


async def _known(channel: Any) -> bytes:
    """Return the id of a counter, where there are counters."""
    try:
        made: bytes = await channel.unary_unary("/counter.v1.Counters/Create")(framed(1, b"known"))
    except aio.AioRpcError:
        return ID
    return made[2 : 2 + len(ID)]


async def _channel(system: System) -> aio.Channel:
    return aio.insecure_channel(address(system))
