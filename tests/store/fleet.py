"""The topology `store` by hand: an owner and webs, each a process that a test may stop or kill."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.faults.process.server import Server

__all__ = ["Part", "parts"]


class Part(Server):
    """One process of the topology. The owner takes no requests, and tells its health on its port."""

    def __init__(self, data: Path, process: str) -> None:
        super().__init__(data, words=["--topology", "store", "--process", process])
        self._words += ["--health-port", str(self.port)]

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process is not None
        return self.process.pid


@contextmanager
def parts(data: Path, webs: int) -> Iterator[tuple[Part, list[Part]]]:
    """Start an owner and so many webs; all are killed at the end."""
    with ExitStack() as stack:
        owner = stack.enter_context(Part(data, "store"))
        owner.start()
        made = [stack.enter_context(Part(data, "web")) for _ in range(webs)]
        for web in made:
            web.start()
        yield owner, made
