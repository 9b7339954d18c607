"""Acks are read off the wire wherever the network cuts them, and everything else reaches the client as it was."""

import asyncio

import pytest

from armature.adapters.nats.frames import FastClient

INBOX = b"_INBOX.ack.0123456789abcdef"


class Recording(FastClient):
    """Not connected; keeps what its own parser hands over."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[object] = []
        self.listen_for_acks(INBOX, self.heard.extend)

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        self.heard.append(bytes(subject) + b" " + data)

    async def _process_ping(self) -> None:
        self.heard.append("ping")


def _ack(number: int) -> bytes:
    answer = b'{"stream":"s", "seq":%d}' % (number + 1)
    return b"MSG %b.%d 7  %d\r\n%b\r\n" % (INBOX, number, len(answer), answer)


def _message(subject: bytes, data: bytes) -> bytes:
    return b"MSG %b 3 %d\r\n%b\r\n" % (subject, len(data), data)


_REFUSED = b'{"error":{"code":503}}'
_STREAM = b"".join(
    (
        *map(_ack, range(3)),
        b"PING\r\n",
        _ack(3),
        _message(b"other", b"MSG _INBOX.ack.0123456789abcdef.9 7 2\r\n{}"),
        *map(_ack, range(4, 6)),
        _message(INBOX + b".6", _REFUSED),
        _ack(7),
    )
)


@pytest.mark.parametrize("step", [1, 2, 3, 7, 50, 61, len(_STREAM)])
def test_acks_are_read_wherever_they_are_cut(step: int) -> None:
    async def story() -> list[object]:
        client = Recording()
        for offset in range(step):
            for at in range(offset - step, len(_STREAM), step):
                await client._ps.parse(_STREAM[max(0, at) : max(0, at + step)])
        return client.heard

    def number(one: object) -> object:
        # Acks behind something else in one piece reach the client's parser, and count from there.
        text = one if isinstance(one, bytes) else b""
        return int(text.split()[0].rpartition(b".")[2]) if b'"seq"' in text else one

    once = [0, 1, 2, "ping", 3, b"other MSG _INBOX.ack.0123456789abcdef.9 7 2\r\n{}", 4, 5, INBOX + b".6 " + _REFUSED, 7]
    assert [number(one) for one in asyncio.run(story())] == once * step


def test_a_broken_connection_takes_half_an_ack_with_it() -> None:
    async def story() -> list[object]:
        client = Recording()
        await client._ps.parse(_ack(1) + _ack(2)[:20])
        client._ps.reset()
        await client._ps.parse(_ack(3))
        return client.heard

    assert asyncio.run(story()) == [1, 3]
