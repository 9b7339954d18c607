"""A service of `split` is killed while callers are served: the desk shows what is left, or says who is away, and is whole again
by itself; what was reserved is settled once."""

import signal
from collections.abc import Iterator
from threading import Event, Thread
from typing import Any, Self

import pytest

from armature.testing.answer import Response
from tests.topologies.hands import Hands, Process, until
from tests.topologies.place import ROOT

pytestmark = pytest.mark.slow

TENANT = {"x_tenant_id": "acme"}
RESERVED = 1_000_000
MORE = 20
# Of each visitor: enough to be asking when somebody is killed, and no more than the reactions of a small machine follow.
_PACE_SECONDS = 0.05
# What was in the hands of who was killed comes again soon.
QUICK = {
    "ARMATURE_DELIVERY__ACK_SECONDS": "1",
    "ARMATURE_DELIVERY__LEASE_SECONDS": "1",
    "ARMATURE_DELIVERY__RETRY_SECONDS": "0.1",
}


class Visitor(Thread):
    """Does the same thing at the edge over and over until it is told to leave, and keeps every answer."""

    def __init__(self, edge: Process, method: str, path: str) -> None:
        super().__init__(daemon=True)
        self.answers: list[Response] = []
        self._edge, self._method, self._path = edge, method, path
        self._leave = Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._leave.set()
        self.join(90)

    def run(self) -> None:
        """Ask; the edge itself is never away, so a call that ends without an answer ends the thread, and the test with it."""
        while not self._leave.wait(_PACE_SECONDS):
            self.answers.append(self._edge.ask(self._method, self._path, **TENANT))

    def goes_on(self, status: int = 200) -> None:
        """Wait until some more have that status."""
        wanted = self._having(status) + MORE
        until(lambda: self._having(status) >= wanted, lambda: f"{self._path} answers {status}; last: {self.answers[-1:]}")

    def shows(self, missing: list[str]) -> None:
        """Wait until the last answer is a board on which those are missing."""
        until(lambda: self._last().get("missing") == missing, lambda: f"missing is {missing}: {self.answers[-1:]}")

    def _last(self) -> dict[str, Any]:
        return dict(self.answers[-1].json()) if self.answers else {}

    def _having(self, status: int) -> int:
        return sum(one.status == status for one in self.answers)


class Street:
    """One process of each kind, ready, and a counter whose every step is reserved."""

    def __init__(self, hands: Hands) -> None:
        self.hands = hands
        self.running = {name: hands.launch(name) for name in ("counter", "quota", "keeper", "edge")}
        for process in self.running.values():
            process.ready()
        self.edge = self.running["edge"]
        made = self.edge.ask("POST", "/v1/counters", {"name": "visits"}, **TENANT)
        assert made.status == 201, made
        self.counter = str(made.json()["id"])
        for method, path, body in (
            ("PUT", "", {"allowed": 2 * RESERVED}),
            ("POST", "/reservations", {"amount": RESERVED, "seconds": 86_400}),
        ):
            done = self.edge.ask(method, f"/v1/quotas/{self.counter}{path}", body, **TENANT)
            assert done.status in (200, 201), done

    def board(self) -> Visitor:
        """Return who looks at the desk."""
        return Visitor(self.edge, "GET", f"/v1/desk/{self.counter}")

    def mover(self) -> Visitor:
        """Return who moves the counter."""
        return Visitor(self.edge, "POST", f"/v1/counters/{self.counter}/increment")

    def kill(self, name: str) -> None:
        """Kill a service with -9."""
        assert self.running[name].end(signal.SIGKILL) == -signal.SIGKILL

    def again(self, name: str) -> None:
        """Start it anew; the edge finds it by itself."""
        self.running[name] = self.hands.launch(name).ready()
        self.edge.ready()

    def says(self, module: str) -> None:
        """Wait until the edge says which module is away; of others at most that they are there and miss somebody themselves."""

        def missing() -> list[str]:
            answer = self.edge.ask("GET", "/readyz")
            return [] if answer.status == 200 else list(answer.json()["missing"])

        until(lambda: any(module in one for one in missing()), lambda: f"the edge says that {module} is away: {missing()}")
        told = missing()
        assert all(module in one or "it answers and is not ready itself" in one for one in told), told

    def settled(self) -> None:
        """Every step of the counter was followed once, and its whole way came out of what was reserved."""
        value = self.edge.ask("GET", f"/v1/counters/{self.counter}", **TENANT).json()["value"]

        def quota() -> dict[str, Any]:
            return dict(self.edge.ask("GET", f"/v1/quotas/{self.counter}", **TENANT).json())

        until(lambda: quota().get("used") == value, lambda: f"used is {value}: {quota()}")
        assert quota()["reserved"] == RESERVED - value
        assert quota()["version"] == 2 + value, "a step was followed twice, or two at once"


@pytest.fixture(scope="module")
def street() -> Iterator[Street]:
    """Opened once; who kills a service starts it again."""
    with Hands(ROOT, "split", QUICK) as hands:
        yield Street(hands)


def test_without_quota_the_desk_shows_the_counter_and_says_who_is_missing(street: Street) -> None:
    with street.board() as board, street.mover() as mover:
        board.goes_on()
        board.shows(missing=[])
        street.kill("quota")
        board.shows(missing=["quota"])
        street.says("quota")
        # The counter is not quota's: it moves on, and the desk with it.
        mover.goes_on()
        board.goes_on()
        refused = street.edge.ask("POST", f"/v1/quotas/{street.counter}/reservations", {"amount": 1}, **TENANT)
        assert refused.status == 503 and b"quota" in refused.body, refused
        street.again("quota")
        board.shows(missing=[])
        board.goes_on()
    assert {one.status for one in (*board.answers, *mover.answers)} == {200}
    for answer in board.answers:
        shown = answer.json()
        assert shown["counter"]["id"] == street.counter
        assert (shown["usage"] is None) == (shown["missing"] == ["quota"]), shown
    street.settled()


def test_without_the_counter_the_desk_refuses_by_its_name_and_nothing_is_followed_twice(street: Street) -> None:
    with street.board() as board, street.mover() as mover:
        board.goes_on()
        mover.goes_on()
        street.kill("counter")
        board.goes_on(503)
        street.says("counter")
        refused = street.edge.ask("GET", f"/v1/quotas/{street.counter}/usage", **TENANT)
        assert refused.status == 503 and b"counter" in refused.body, refused
        # What is quota's alone is answered.
        assert street.edge.ask("GET", f"/v1/quotas/{street.counter}", **TENANT).status == 200
        street.again("counter")
        board.shows(missing=[])
        board.goes_on()
        mover.goes_on()
    away = [one for one in board.answers if one.status != 200]
    assert {one.status for one in away} <= {503, 504}
    assert all(b"counter" in one.body for one in away if one.status == 503), [one for one in away if b"counter" not in one.body]
    assert {one.status for one in mover.answers} <= {200, 503, 504}
    street.settled()
