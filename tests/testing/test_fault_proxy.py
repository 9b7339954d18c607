"""Each fault of the proxy happens, is counted, and ends when it is healed."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from armature.testing.faults import (
    Blackhole,
    Delay,
    Duplicate,
    LoseAnswers,
    Pass,
    Refuse,
    Reset,
    TcpProxy,
    Throttle,
    Truncate,
)

WAITS_SECONDS = 10.0


class Ledger(socketserver.ThreadingTCPServer):
    """Answers each line with `done LINE` and remembers it."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Clerk)
        self.lines: list[bytes] = []
        self.ended = 0
        self.written = threading.Condition()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def ends(self, count: int) -> None:
        """Return when so many connections have ended."""
        with self.written:
            assert self.written.wait_for(lambda: self.ended >= count, WAITS_SECONDS)

    def has(self, *lines: bytes) -> None:
        """Return when these lines are there, in this order among others."""
        with self.written:
            assert self.written.wait_for(lambda: [one for one in self.lines if one in lines] == list(lines), WAITS_SECONDS)


class Clerk(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        ledger = self.server
        assert isinstance(ledger, Ledger)
        try:
            for line in self.rfile:
                with ledger.written:
                    ledger.lines.append(line.strip())
                    ledger.written.notify_all()
                self.wfile.write(b"done " + line)
        except OSError:
            return
        finally:
            with ledger.written:
                ledger.ended += 1
                ledger.written.notify_all()


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    with Ledger() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(ledger: Ledger) -> Iterator[TcpProxy]:
    with TcpProxy(ledger.port) as running:
        yield running


@contextmanager
def caller(proxy: TcpProxy) -> Iterator[socket.socket]:
    with closing(socket.create_connection(("127.0.0.1", proxy.port), WAITS_SECONDS)) as line:
        yield line


def asks(line: socket.socket, words: bytes) -> bytes:
    line.sendall(words + b"\n")
    return hears(line)


def hears(line: socket.socket) -> bytes:
    told = b""
    while not told.endswith(b"\n") and (piece := line.recv(4_096)):
        told += piece
    return told


def test_what_is_said_passes_both_ways(proxy: TcpProxy) -> None:
    with caller(proxy) as line:
        assert asks(line, b"one") == b"done one\n"
        assert asks(line, b"x" * 300_000) == b"done " + b"x" * 300_000 + b"\n"
        line.shutdown(socket.SHUT_WR)
        assert line.recv(1) == b"", "the end of one side reaches the other"
    assert proxy.counts == {"connections": 1}


def test_nobody_listens_while_it_refuses_and_the_port_stays_ours(proxy: TcpProxy) -> None:
    with caller(proxy) as line:
        assert asks(line, b"one") == b"done one\n"
        proxy.switch(Refuse())
        with pytest.raises(ConnectionResetError):
            line.recv(1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port), WAITS_SECONDS)
    assert proxy.counts["Refuse"] == 1
    proxy.switch(Pass())
    with caller(proxy) as line:
        assert asks(line, b"two") == b"done two\n"


def test_a_server_that_is_down_is_a_reset_that_is_counted_apart() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with TcpProxy(nobody.getsockname()[1]) as proxy:
            with pytest.raises(ConnectionResetError), caller(proxy) as line:
                line.recv(1)
            assert proxy.counts == {"connections": 1, "unreachable": 1}


def test_reset_ends_connections_that_are_there_and_those_that_come(proxy: TcpProxy) -> None:
    with caller(proxy) as line:
        assert asks(line, b"one") == b"done one\n"
        proxy.switch(Reset())
        with pytest.raises(ConnectionResetError):
            line.recv(1)
    with pytest.raises(ConnectionResetError), caller(proxy) as line:  # it may happen while the caller still connects
        line.recv(1)
    assert proxy.counts["Reset"] == 2


def test_a_black_hole_holds_and_what_it_held_arrives_after_it(proxy: TcpProxy, ledger: Ledger) -> None:
    with caller(proxy) as line:
        assert asks(line, b"one") == b"done one\n"
        proxy.switch(Blackhole())
        line.sendall(b"two\n")
        with caller(proxy) as newcomer:
            newcomer.sendall(b"three\n")
            line.settimeout(0.05)
            with pytest.raises(TimeoutError):
                line.recv(1)
            assert ledger.lines == [b"one"]
            line.settimeout(WAITS_SECONDS)
            proxy.wait(Blackhole, 2)
            proxy.switch(Pass())
            assert hears(line) == b"done two\n"
            assert hears(newcomer) == b"done three\n"


def test_a_server_that_takes_its_client_for_dead_ends_its_own_side(proxy: TcpProxy, ledger: Ledger) -> None:
    with caller(proxy) as line:
        assert asks(line, b"one") == b"done one\n"
        proxy.switch(Blackhole(keepalive=0.01))
        line.sendall(b"two\n")
        ledger.ends(1)
        line.settimeout(0.05)
        with pytest.raises(TimeoutError):
            line.recv(1)
        line.settimeout(WAITS_SECONDS)
        proxy.switch(Pass())
        assert line.recv(1) == b"", "the client hears of it when the partition is over"
    assert b"two" not in ledger.lines


def test_a_new_partition_for_an_old_one_still_holds(proxy: TcpProxy, ledger: Ledger) -> None:
    with caller(proxy) as line:
        proxy.switch(Blackhole())
        line.sendall(b"one\n")
        proxy.switch(Delay(0.001))
        assert hears(line) == b"done one\n"
        assert proxy.counts["Delay"] == 2


def test_a_delay_counts_each_piece_and_keeps_their_order(proxy: TcpProxy) -> None:
    proxy.switch(Delay(0.02))
    with caller(proxy) as line:
        before = time.monotonic()
        assert asks(line, b"one") == b"done one\n"
        assert time.monotonic() - before >= 0.04, "once there and once back"
    assert proxy.counts["Delay"] == 2


def test_a_throttle_lets_little_pass_at_a_time(proxy: TcpProxy) -> None:
    proxy.switch(Throttle(bytes_per_second=2_000))
    with caller(proxy) as line:
        assert asks(line, b"x" * 200) == b"done " + b"x" * 200 + b"\n"
    assert proxy.counts["Throttle"] >= 4, "201 bytes there and 206 back, 100 at a time"


def test_a_lost_answer_is_lost_after_the_work_was_done(proxy: TcpProxy, ledger: Ledger) -> None:
    proxy.switch(LoseAnswers())
    with caller(proxy) as line, pytest.raises(ConnectionResetError):
        asks(line, b"one")
    assert ledger.lines == [b"one"]
    assert proxy.counts["LoseAnswers"] == 1


def test_answers_may_be_lost_in_silence(proxy: TcpProxy, ledger: Ledger) -> None:
    proxy.switch(LoseAnswers(cut=False))
    with caller(proxy) as line:
        line.sendall(b"one\n")
        proxy.wait(LoseAnswers)
        assert ledger.lines == [b"one"]
        proxy.switch(Pass())
        assert asks(line, b"two") == b"done two\n"


@pytest.mark.parametrize("after", [0, 1, 7])
def test_an_answer_breaks_off_in_the_middle(proxy: TcpProxy, after: int) -> None:
    with caller(proxy) as line:
        assert asks(line, b"something longer") == b"done something longer\n"
        proxy.switch(Truncate(after))
        line.sendall(b"two\n")
        assert hears(line) == b"done two\n"[:after]
    assert proxy.counts["Truncate"] == 1


def test_a_request_breaks_off_in_the_middle(proxy: TcpProxy, ledger: Ledger) -> None:
    proxy.switch(Truncate(2, side="client"))
    with caller(proxy) as line:
        line.sendall(b"one\n")
        ledger.has(b"on")


def test_a_doubled_connection_says_everything_twice(proxy: TcpProxy, ledger: Ledger) -> None:
    with caller(proxy) as old:
        assert asks(old, b"old") == b"done old\n"
        proxy.switch(Duplicate())
        with caller(proxy) as line:
            assert asks(line, b"one") == b"done one\n"
            ledger.has(b"one", b"one")
            assert asks(old, b"old again") == b"done old again\n"
            assert ledger.lines.count(b"old again") == 1
        assert proxy.counts["Duplicate"] == 1


def test_a_trigger_hits_one_connection_after_its_words_have_passed(proxy: TcpProxy, ledger: Ledger) -> None:
    trigger = proxy.when(b"commit", LoseAnswers())
    with caller(proxy) as other, caller(proxy) as line:
        assert asks(line, b"begin") == b"done begin\n"
        with pytest.raises(ConnectionResetError):
            asks(line, b"commit")
        assert asks(other, b"begin") == b"done begin\n"
        assert asks(other, b"commit") == b"done commit\n", "it fires once"
    trigger.wait()
    assert trigger.fired == 1
    assert ledger.lines.count(b"commit") == 2


def test_a_trigger_may_come_before_its_words_and_at_the_nth_time(proxy: TcpProxy, ledger: Ledger) -> None:
    trigger = proxy.when(b"commit", Reset(), nth=2, before=True)
    with caller(proxy) as line:
        assert asks(line, b"commit") == b"done commit\n"
        with pytest.raises(ConnectionResetError):
            asks(line, b"commit")
    assert (trigger.fired, ledger.lines) == (1, [b"commit"])


def test_words_that_come_in_pieces_are_recognised(proxy: TcpProxy, ledger: Ledger) -> None:
    trigger = proxy.when(b"commit", LoseAnswers())
    with caller(proxy) as line:
        line.sendall(b"one\ncom")
        assert hears(line) == b"done one\n"
        with pytest.raises(ConnectionResetError):
            asks(line, b"mit")
    assert trigger.fired == 1


def test_an_answer_can_be_what_sets_off_a_fault_everywhere(proxy: TcpProxy) -> None:
    trigger = proxy.when(b"done one", Refuse(), side="server", before=True, everywhere=True)
    with caller(proxy) as line, pytest.raises(ConnectionResetError):
        asks(line, b"one")
    trigger.wait()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port), WAITS_SECONDS)


def test_waiting_for_words_that_never_pass_fails_with_them(proxy: TcpProxy) -> None:
    with pytest.raises(AssertionError, match=r"b'never' did not pass from the client within 0\.01 s"):
        proxy.when(b"never", Reset()).wait(0.01)


def test_waiting_for_a_fault_that_never_happens_fails_with_its_name(proxy: TcpProxy) -> None:
    with pytest.raises(AssertionError, match=r"Reset happened 0 times, not 1, within 0\.01 s"):
        proxy.wait(Reset, seconds=0.01)


def test_healing_reaches_connections_that_a_trigger_broke(proxy: TcpProxy) -> None:
    with caller(proxy) as line:
        proxy.when(b"hold", Blackhole(), before=True)
        line.sendall(b"hold\n")
        line.settimeout(0.05)
        with pytest.raises(TimeoutError):
            line.recv(1)
        line.settimeout(WAITS_SECONDS)
        proxy.switch(Pass())
        assert hears(line) == b"done hold\n"


def test_leaving_the_block_ends_every_connection(ledger: Ledger) -> None:
    with TcpProxy(ledger.port) as proxy, caller(proxy) as line:
        assert asks(line, b"one") == b"done one\n"
        proxy.switch(Blackhole())
        line.sendall(b"two\n")
        assert proxy.open == 1
    assert proxy.open == 0
