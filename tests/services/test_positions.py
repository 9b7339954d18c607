"""Positions of several logs side by side: each reader takes the one of its log, and a log nobody knows is refused."""

import pytest

from armature.testing.answer import Response
from tests.services.street import Street

pytestmark = pytest.mark.slow

HEADER = "armature-position"


def _written(street: Street, tenant: str) -> tuple[str, str, str]:
    """Return a counter, and the positions of a command on each log."""
    counter = street.limited(tenant)
    reserved, _ = street.insist("POST", f"/v1/quotas/{counter}/reservations", {"amount": 2}, tenant=tenant)
    moved, _ = street.insist("POST", f"/v1/counters/{counter}/increment", {"by": 3}, tenant=tenant)
    return counter, moved.headers[HEADER], reserved.headers[HEADER]


def _read(street: Street, tenant: str, path: str, *positions: str) -> Response:
    return street.ask("GET", path, tenant=tenant, armature_position=", ".join(positions))


def test_a_position_says_which_log_it_is_of(street: Street) -> None:
    _, main, quota = _written(street, street.tenant())
    assert ":" not in main
    assert quota.startswith("quota:") and len(quota) == len("quota:") + 28


def test_who_brings_several_positions_reads_what_was_written_in_each(street: Street) -> None:
    tenant = street.tenant()
    counter, main, quota = _written(street, tenant)
    for number in range(1, 11):
        moved, _ = street.insist("POST", f"/v1/counters/{counter}/increment", tenant=tenant)
        for positions in ((moved.headers[HEADER], quota), (quota, moved.headers[HEADER]), (moved.headers[HEADER],)):
            totals = _read(street, tenant, "/v1/counters/totals", *positions)
            assert (totals.status, totals.json()["value"]) == (200, 3 + number)
    for positions in ((main, quota), (quota,), (main,)):
        seen = _read(street, tenant, f"/v1/quotas/{counter}", *positions)
        assert seen.status == 200, seen
        board = _read(street, tenant, f"/v1/desk/{counter}", *positions)
        assert board.status == 200, board


def test_a_log_nobody_knows_and_a_position_nobody_gave_are_refused(street: Street) -> None:
    tenant = street.tenant()
    counter, main, quota = _written(street, tenant)
    token = quota.removeprefix("quota:")
    for path, positions in (
        ("/v1/counters/totals", (f"elsewhere:{main}",)),
        ("/v1/counters/totals", (main, f"elsewhere:{token}")),
        ("/v1/counters/totals", (token,)),
        (f"/v1/quotas/{counter}", (f"quota:{main}",)),
        (f"/v1/quotas/{counter}", (f"elsewhere:{token}", quota)),
        (f"/v1/quotas/{counter}", ("quota:",)),
    ):
        refused = _read(street, tenant, path, *positions)
        assert refused.status == 422, (path, positions, refused)
        assert [one["path"] for one in refused.problem()["errors"]] == ["Armature-Position"]
    # What is of the other log is not this one's to judge.
    assert _read(street, tenant, "/v1/counters/totals", main, f"quota:{main}").status == 200
