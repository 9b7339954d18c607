"""One owner, many guests: who may come, what they share, and what they see when the owner goes and comes back."""

import asyncio
import os
import socket
import stat
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from armature.adapters.store.frames import VERSION, encode, framed
from armature.adapters.store.guest_says import Hello
from armature.adapters.store.owner_says import Refused, of_owner
from armature.adapters.store.place import Hold, listening, reachable
from armature.conformance.database_accounts import ALL, BY_ID, TENANT, Account
from armature.conformance.database_world import LANE, Waiter, event, raises, run
from armature.kernel.refusals import Unavailable
from armature.ports.database import Committed, Decide, Read, Unit

from .pair import Keeper, guest
from .processes import Process
from .world import Guest, guest_world, kept, until

PROCESSES = 4
UNITS = 400


@pytest.mark.slow
def test_four_processes_share_the_writer_and_its_commits(tmp_path: Path) -> None:
    async def story() -> None:
        async with kept(Keeper(tmp_path)) as keeper, guest_world(tmp_path) as world:
            await world.account("hot")
            before = keeper.database.commits, keeper.database.batches
            with ExitStack() as stack:
                kinds = ("spread", "spread", "spread", "hot")
                processes = [stack.enter_context(Process("caller", tmp_path, kind, UNITS)) for kind in kinds]
                assert [await process.said() for process in processes] == ["open"] * PROCESSES
                for process in processes:
                    process.go()
                assert [await process.said() for process in processes] == [str(UNITS)] * PROCESSES
            assert keeper.database.commits - before[0] == PROCESSES * UNITS
            assert keeper.database.batches - before[1] < PROCESSES * UNITS / 4, "units of four processes do not share commits"
            assert len((await world.database.read(((ALL, (TENANT,)),)))[0]) == 3 * UNITS + 1
            assert await world.find("hot") == Account("hot", UNITS, UNITS + 1)
            assert await world.events() == list(range(1, PROCESSES * UNITS + 1))
            assert keeper.told == PROCESSES * UNITS

    run(story())


def test_units_of_one_moment_leave_together_and_share_a_commit(tmp_path: Path) -> None:
    async def story() -> None:
        async with kept(Keeper(tmp_path)) as keeper, guest_world(tmp_path) as one, guest_world(tmp_path, fresh=False) as two:
            before = keeper.database.batches
            waits = [world.commit(world.opened(f"{n}")) for n, world in enumerate((one, two) * 50)]
            assert {type(verdict) for verdict in await asyncio.gather(*waits)} == {Committed}
            assert keeper.database.batches - before <= 4
            assert await one.find("99") == await two.find("99") == Account("99", 0, 1)

    run(story())


def test_turns_that_ask_the_same_first_are_answered_with_their_turn_and_others_get_what_they_ask(tmp_path: Path) -> None:
    async def story() -> None:
        async with kept(Keeper(tmp_path)) as keeper, guest_world(tmp_path) as world:
            await world.account("a", 1)
            await world.account("b", 2)
            seen: list[list[int]] = []
            row = ("law_accounts", (TENANT, "a"))

            def asking(*names: str) -> Decide:
                async def decide(read: Read) -> Unit:
                    found = await read([(BY_ID, (TENANT, name)) for name in names])
                    (again,) = await read([(BY_ID, (TENANT, "a"))])
                    seen.append([rows[0].value for rows in found] + [again[0].value])
                    return Unit(LANE, Waiter(), (world.saved("a", again[0].value + 10, again[0].version),))

                return decide

            # All are sent before the first one has asked anything, or with guesses that others have replaced meanwhile.
            for names in (("a",), ("a",), ("b",), ("a", "b")):
                await asyncio.gather(*(world.database.turn((row,), asking(*names), Waiter()) for _ in range(3)))
            await asyncio.gather(*(world.database.turn((row,), asking(*n), Waiter()) for n in (("a",), ("b",), ("a", "b")) * 2))
            values = [1 + 10 * n for n in range(18)]
            kinds = [("a",)] * 6 + [("b",)] * 3 + [("a", "b")] * 3 + [("a",), ("b",), ("a", "b")] * 2
            wanted = [[value if name == "a" else 2 for name in kind] + [value] for kind, value in zip(kinds, values, strict=True)]
            assert seen == wanted
            assert keeper.database.commits == 20

    run(story())


def test_a_second_owner_is_refused_and_a_guest_of_the_first_notices_nothing(tmp_path: Path) -> None:
    first, second = Hold(tmp_path / "data.owner"), Hold(tmp_path / "data.owner")
    first.take()
    first.take()
    with pytest.raises(Unavailable, match=f"process {os.getpid()} owns the file already"):
        second.take()
    first.release()
    second.take()
    second.release()


def test_the_socket_is_for_its_user_alone_and_a_stale_one_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "store.sock"
    listening(path).close()  # as after a kill: the name is there, nobody answers
    with socket.socket(socket.AF_UNIX) as caller, pytest.raises(ConnectionRefusedError):
        caller.connect(str(path))
    with listening(path), socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(path))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert [entry.name for entry in tmp_path.iterdir()] == ["store.sock"]


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.chmod(0o666)], ids=["removed", "opened to others"])
def test_a_socket_that_somebody_took_away_is_put_back(
    tmp_path: Path, harm: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        path = tmp_path / "store.sock"
        async with kept(Keeper(tmp_path)), guest_world(tmp_path) as here:
            harm(path)
            await until(lambda: path.exists() and stat.S_IMODE(path.stat().st_mode) == 0o600, "it is there, and ours alone")
            await here.account("a")
            async with guest_world(tmp_path, fresh=False) as late:
                assert await late.find("a") == Account("a", 0, 1)
                await late.account("b")
        assert "somebody removed or changed the socket" in caplog.text

    run(story())
    assert list(tmp_path.glob("store.sock*")) == []


def test_a_folder_with_a_long_name_has_a_socket_all_the_same(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    with listening(folder / "store.sock"), socket.socket(socket.AF_UNIX) as caller, reachable(folder / "store.sock") as short:
        caller.connect(short)
        assert len(short) < len(str(folder / "store.sock"))


def test_a_guest_without_an_owner_says_what_is_missing(tmp_path: Path) -> None:
    refused = run(raises(Unavailable, guest(tmp_path, patience_seconds=0.1).open()))
    assert "no store answers at" in str(refused) and "store.sock" in str(refused)


def test_a_guest_that_reads_another_file_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with kept(Keeper(tmp_path)):
            other = tmp_path / "other.db"
            other.touch()
            refused = await raises(Unavailable, guest(tmp_path, file=other, patience_seconds=0.5).open())
            assert f"the store does not serve {other}" in str(refused)

    run(story())


def test_a_guest_of_another_release_is_refused_in_words(tmp_path: Path) -> None:
    async def story() -> None:
        async with kept(Keeper(tmp_path)):
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "store.sock"))
            writer.write(framed([encode(Hello(VERSION + 1, b"s"))]))
            length = int.from_bytes(await reader.readexactly(4), "little")
            (refused,) = of_owner(await reader.readexactly(length))
            assert isinstance(refused, Refused) and "run one release in all processes" in refused.words
            assert await reader.read() == b""
            writer.close()

    run(story())


@pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\n\r\n", b"\xff\xff\xff\xff rest", b"\x02\x00\x00\x00\x91\xc1"])
def test_what_cannot_be_read_is_hung_up_on_and_disturbs_nobody(tmp_path: Path, noise: bytes) -> None:
    async def story() -> None:
        async with kept(Keeper(tmp_path)), guest_world(tmp_path) as world:
            reader, writer = await asyncio.open_unix_connection(str(tmp_path / "store.sock"))
            writer.write(noise)
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
            await world.account("a")

    run(story())


def test_while_the_owner_is_away_reads_go_on_writes_are_refused_and_nothing_needs_a_restart(tmp_path: Path) -> None:
    async def story() -> None:
        first, second = Keeper(tmp_path), Keeper(tmp_path)
        await first.open()
        async with guest_world(tmp_path) as world:
            await world.account("a", 5)
            await world.database.reached()
            await first.close()
            assert await world.find("a") == Account("a", 5, 1)
            refused = await raises(Unavailable, world.commit(world.opened("b")))
            assert "store" in str(refused)
            await raises(Unavailable, world.step("a"))
            await raises(Unavailable, world.database.script("create table t (a)"))
            await raises(Unavailable, world.database.reached())
            async with kept(second):
                await until(lambda: answered(world), "the guest finds the new owner")
                assert isinstance(await world.commit(world.opened("b"), events=[event()]), Committed)
                assert isinstance(await world.step("a"), Committed)
                assert await world.find("b") == Account("b", 0, 1)

    run(story())


async def answered(world: Guest) -> bool:
    await world.database.reached()
    return True
