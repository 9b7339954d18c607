"""Messages are read off the wire wherever the network cuts them; what is not plain reaches the same taker by the client's way."""

import asyncio

import pytest

from armature.adapters.nats.frames import FastClient
from armature.adapters.nats.messages import Headers

LARGE = b"x" * 100_000
Told = tuple[bytes, bytes, bytes, str]


class Recording(FastClient):
    """Not connected; number 7 has a taker, and what its own parser hands over is told there too."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[Told] = []
        self.slowly = 0
        self._fast.takers[b"7"] = self._take

    def _take(self, subject: bytes, reply: bytes, data: bytes, headers: Headers | None) -> None:
        self.taken.append((subject, reply, data, ""))

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        self.slowly += 1
        self.taken.append((bytes(subject), bytes(reply), data, (headers or b"").decode()))

    async def _process_ping(self) -> None:
        self.taken.append((b"ping", b"", b"", ""))


def _message(number: int, reply: bytes, data: bytes) -> bytes:
    return b"MSG a.b %d %b%d\r\n%b\r\n" % (number, reply + b" ", len(data), data)


_HEADERS = "NATS/1.0 503\r\n\r\n"
_STREAM = b"".join(
    (
        _message(7, b"_INBOX.1", b"first"),
        _message(7, b"", b"MSG a.b 7 2\r\n{}"),
        b"PING\r\n",
        _message(7, b"_INBOX.2", b""),
        _message(8, b"", b"somebody else's"),
        b"HMSG a.b 7 %d %d\r\n%b\r\n" % (len(_HEADERS), len(_HEADERS), _HEADERS.encode()),
        _message(7, b"_INBOX.3", LARGE),
        _message(7, b"_INBOX.4", b"last"),
    )
)
_TOLD: list[Told] = [
    (b"a.b", b"_INBOX.1", b"first", ""),
    (b"a.b", b"", b"MSG a.b 7 2\r\n{}", ""),
    (b"ping", b"", b"", ""),
    (b"a.b", b"_INBOX.2", b"", ""),
    (b"a.b", b"", b"somebody else's", ""),
    (b"a.b", b"", b"", _HEADERS),
    (b"a.b", b"_INBOX.3", LARGE, ""),
    (b"a.b", b"_INBOX.4", b"last", ""),
]


async def _fed(step: int, stream: bytes) -> Recording:
    client = Recording()
    for at in range(0, len(stream), step):
        await client._ps.parse(stream[at : at + step])
    return client


@pytest.mark.parametrize("step", [1, 2, 3, 7, 50, 61, 4_096, 32_768, 65_536, len(_STREAM)])
def test_messages_are_read_wherever_they_are_cut(step: int) -> None:
    assert asyncio.run(_fed(step, _STREAM)).taken == _TOLD


@pytest.mark.parametrize("step", [1, 7, 300, 32_768])
def test_plain_messages_need_no_parser_of_the_client(step: int) -> None:
    client = asyncio.run(_fed(step, _message(7, b"_INBOX.1", b"x" * 500) * 200))
    assert len(client.taken) == 200
    assert client.slowly == 0


def test_a_broken_connection_takes_half_a_message_with_it() -> None:
    async def story() -> list[Told]:
        client = Recording()
        await client._ps.parse(_message(7, b"", b"one") + _message(7, b"", b"two")[:15])
        client._ps.reset()
        await client._ps.parse(_message(7, b"", b"three"))
        return client.taken

    assert [data for _, _, data, _ in asyncio.run(story())] == [b"one", b"three"]
