"""The breaker opens on a bad window, lets one probe through, and listens to nobody from before."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from armature.engine.breaker import Barred, Breaker, Permit
from armature.engine.policies import OutboundPolicy
from armature.engine.retry_budget import RetryBudget

POLICY = OutboundPolicy(breaker_failure_ratio=0.5, breaker_volume_min=4, breaker_window_seconds=10.0, breaker_open_seconds=5.0)


def permit(breaker: Breaker, now: float) -> Permit:
    answer = breaker.enter(now)
    assert isinstance(answer, Permit)
    return answer


def fail(breaker: Breaker, times: int, now: float) -> None:
    for _ in range(times):
        breaker.settle(permit(breaker, now), "bad", now)


def test_a_few_failures_below_the_volume_open_nothing() -> None:
    breaker = Breaker(POLICY)
    fail(breaker, 3, 0.0)
    assert isinstance(breaker.enter(0.0), Permit)


def test_failures_a_month_apart_open_nothing() -> None:
    breaker = Breaker(POLICY)
    for month in range(24):
        fail(breaker, 1, month * 2_592_000.0)
    assert breaker.open_until is None


def test_an_open_breaker_says_how_long_and_then_lets_one_through() -> None:
    breaker = Breaker(POLICY)
    fail(breaker, 4, 100.0)
    assert breaker.enter(101.0) == Barred(4.0)
    probe = permit(breaker, 105.0)
    assert probe.probe
    assert [type(breaker.enter(105.0)) for _ in range(100)] == [Barred] * 100
    breaker.settle(probe, "good", 105.1)
    assert breaker.enter(105.1) == Permit(breaker.generation)


def test_a_probe_that_never_came_back_is_replaced_and_then_ignored() -> None:
    breaker = Breaker(POLICY)
    fail(breaker, 4, 0.0)
    lost = permit(breaker, 5.0)
    second = permit(breaker, 10.0)
    breaker.settle(lost, "good", 10.1)
    assert isinstance(breaker.enter(10.2), Barred)
    breaker.settle(second, "good", 10.3)
    assert isinstance(breaker.enter(10.4), Permit)


def test_a_probe_that_was_cancelled_makes_room_for_the_next_at_once() -> None:
    breaker = Breaker(POLICY)
    fail(breaker, 4, 0.0)
    breaker.settle(permit(breaker, 5.0), "none", 5.1)
    assert permit(breaker, 5.1).probe


def test_late_answers_of_an_older_state_change_nothing() -> None:
    breaker = Breaker(POLICY)
    early = [permit(breaker, 0.0) for _ in range(50)]
    fail(breaker, 4, 0.0)
    for late in early[:25]:
        breaker.settle(late, "good", 1.0)
    assert isinstance(breaker.enter(1.0), Barred)
    breaker.settle(permit(breaker, 5.0), "good", 5.0)
    for late in early[25:]:
        breaker.settle(late, "bad", 5.0)
    assert isinstance(breaker.enter(5.0), Permit)


def test_a_recovered_host_starts_with_a_clean_window() -> None:
    breaker = Breaker(POLICY)
    fail(breaker, 4, 0.0)
    breaker.settle(permit(breaker, 5.0), "good", 5.0)
    fail(breaker, 3, 5.1)
    assert breaker.open_until is None


def test_retries_are_a_tenth_of_the_calls_in_the_long_run() -> None:
    budget = RetryBudget(0.1)
    retries = 0
    for _ in range(10_000):
        budget.earn()
        retries += budget.spend() + budget.spend()
    assert 1_000 <= retries <= 1_003


def test_a_ratio_of_zero_allows_no_retry_at_all() -> None:
    budget = RetryBudget(0.0)
    budget.earn()
    assert not budget.spend()


class BreakerMachine(RuleBasedStateMachine):
    """The breaker beside a model that keeps every result of the window in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(POLICY)
        self.now = 0.0
        self.out: list[Permit] = []
        self.state = 0
        self.results: list[tuple[float, bool]] = []
        self.open_until: float | None = None
        self.probe: tuple[Permit, float] | None = None

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 2.0, 5.0, 11.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def enters(self) -> None:
        answer = self.breaker.enter(self.now)
        if self.open_until is None:
            assert isinstance(answer, Permit) and not answer.probe
        elif self.now < self.open_until:
            assert answer == Barred(self.open_until - self.now)
        elif self.probe is not None and self.now < self.probe[1]:
            assert answer == Barred(self.probe[1] - self.now)
        else:
            assert isinstance(answer, Permit) and answer.probe
            self.probe = (answer, self.now + POLICY.breaker_open_seconds)
        if isinstance(answer, Permit):
            self.out.append(answer)

    @precondition(lambda self: self.out)
    @rule(pick=st.integers(0, 100), verdict=st.sampled_from(["good", "bad", "bad", "none"]))
    def settles(self, pick: int, verdict: str) -> None:
        settled = self.out.pop(pick % len(self.out))
        fresh = settled.generation == self.breaker.generation
        self.breaker.settle(settled, verdict, self.now)  # type: ignore[arg-type]
        if self.probe is not None and settled is self.probe[0]:
            assert fresh
            self._settle_probe(verdict)
        elif self.open_until is None and not settled.probe and fresh and verdict != "none":
            self._count(verdict == "bad")

    def _settle_probe(self, verdict: str) -> None:
        self.probe = None
        if verdict == "good":
            self.open_until, self.results = None, []
        elif verdict == "bad":
            self.open_until = self.now + POLICY.breaker_open_seconds

    def _count(self, bad: bool) -> None:
        self.results.append((self.now, bad))
        # One slice is a second here: the window holds this second and the nine before.
        recent = [was_bad for at, was_bad in self.results if int(at) > int(self.now) - 10]
        if bad and len(recent) >= POLICY.breaker_volume_min and sum(recent) * 2 >= len(recent):
            self.open_until = self.now + POLICY.breaker_open_seconds

    @invariant()
    def both_agree(self) -> None:
        assert self.breaker.open_until == self.open_until


TestBreakerMachine = BreakerMachine.TestCase
