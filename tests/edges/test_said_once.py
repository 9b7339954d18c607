"""A header that counts once is not taken from whoever wrote last: sent again it is refused, on every path that asks who calls."""

from uuid import uuid4

import pytest

from tests.edges.conftest import Open
from tests.edges.test_app import refused

ONCE = ["Armature-Position", "Authorization", "Idempotency-Key", "If-Match", "X-Actor", "X-Roles", "X-Tenant-ID"]


@pytest.mark.parametrize("name", ONCE)
async def test_what_counts_once_is_refused_when_it_is_sent_again(site: Open, name: str) -> None:
    async with site() as found:
        for path in ("/v1/counters", f"/v1/counters/{uuid4()}/events"):
            twice = [(name, "same"), ("Accept", "text/event-stream"), (name.lower(), "same")]
            problem = refused(await found.client.get(path, headers=twice), 422, "request:invalid")
            assert problem["errors"] == [{"path": name, "message": "is sent more than once; send it once"}]


async def test_other_headers_may_be_sent_again(site: Open) -> None:
    async with site() as found:
        assert (await found.client.get("/v1/counters", headers=[("Accept", "a/b"), ("Accept", "*/*")])).status_code == 200
