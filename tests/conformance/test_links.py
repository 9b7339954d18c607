"""Each adapter of links keeps the laws of its port."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest

from armature.adapters.grpc.certificates import issue
from armature.adapters.grpc.links import GrpcLinks, Place
from armature.adapters.grpc.targets import Targets, socket_of
from armature.adapters.grpc.tls import Tls, TlsFiles
from armature.adapters.memory.links import MemoryLinks, Switchboard
from armature.adapters.nats.connection import NatsConnection
from armature.adapters.nats.links import NatsLinks
from armature.conformance.links import LinkLaws
from armature.ports.links import Links, Respond
from armature.testing.servers import LocalNats

HOSTS = {"alpha": ["alpha-process"], "beta": ["beta-process"]}


class TestMemoryLinks(LinkLaws):
    @pytest.fixture(autouse=True)
    def _board(self) -> None:
        self.board = Switchboard()

    def make(self, process: str) -> Links:
        return MemoryLinks(self.board, message_bytes_max=self.bytes_max)


class TestGrpcLinks(LinkLaws):
    @pytest.fixture(autouse=True)
    def _sockets(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        self.folder = tmp_path_factory.mktemp("s")

    def make(self, process: str) -> Links:
        names = {"a1": "alpha-process", "a2": "alpha-process", "b": "beta-process"}
        listen = f"unix:{socket_of(self.folder, names[process])}" if process in names else None
        return GrpcLinks(Place(listen, HOSTS, Targets(self.folder, {}), message_bytes_max=self.bytes_max))


class _Announced(GrpcLinks):
    """Says where it listens as soon as it does: ports are free ones, which nobody can write down before."""

    def __init__(self, place: Place, told: Callable[[str], None]) -> None:
        super().__init__(place)
        self._told = told

    async def answer(self, modules: Collection[str], respond: Respond) -> None:
        await super().answer(modules, respond)
        assert self.listening is not None
        self._told(self.listening)


class TestGrpcTlsLinks(LinkLaws):
    """On ports, with mutual TLS; replicas of a process are addresses beside each other."""

    @pytest.fixture(autouse=True)
    def _certificates(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        self.addresses: dict[str, str] = {}
        issue(tmp_path, "laws", ("asker", "alpha-process", "beta-process"))

    def make(self, process: str) -> Links:
        name = {"a1": "alpha-process", "a2": "alpha-process", "b": "beta-process"}.get(process, "asker")
        files = TlsFiles(*(self.folder / file for file in (f"{name}.pem", f"{name}.key", "ca.pem")))
        listen = None if name == "asker" else "127.0.0.1:0"
        targets = Targets(self.folder, self.addresses)
        place = Place(listen, HOSTS, targets, Tls(files, ["asker"]), message_bytes_max=self.bytes_max)
        return _Announced(place, lambda at: self._tell(name, at))

    def _tell(self, name: str, at: str) -> None:
        self.addresses[name] = ",".join((*filter(None, self.addresses.get(name, "").split(",")), at))


@pytest.mark.slow
class TestNatsLinks(LinkLaws):
    dies_silently = True

    @pytest.fixture(autouse=True, scope="class")
    def _own_server(self, request: pytest.FixtureRequest) -> Iterator[None]:
        with LocalNats() as request.cls.own:
            yield

    @pytest.fixture(autouse=True)
    def _own_installation(self, tmp_path: Path) -> None:
        self.installation = tmp_path.name

    def make(self, process: str) -> Links:
        return NatsLinks(NatsConnection(self.own.url), self.installation, message_bytes_max=self.bytes_max)
