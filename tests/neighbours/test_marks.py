"""The mark that a command without a key leaves in its commit, where its message may come again."""

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from armature.engine.call import Identity
from armature.engine.remote_message import Repeated
from armature.ports.database import Unit, Verdict
from tests.neighbours.harbour import Harbour, build

WHO = Identity("ann", frozenset(("*",)))


class Doubtful:
    """A database whose first word on each commit is lost, so that the unit is looked at once more."""

    def __init__(self, database: Any) -> None:
        self._database = database

    async def commit(self, unit: Unit) -> Verdict:
        await self._database.commit(unit)
        verdict: Verdict = await self._database.commit(unit)
        return verdict


async def load(pipeline: Any, message: bytes) -> Any:
    call = pipeline.new_call("public", WHO, "request")
    call.again = message, 70.0
    return await pipeline.run(call, {"note": "tea", "gate": ""}, "http", ())


async def test_a_mark_is_known_to_the_run_that_left_it_and_refuses_every_other(tmp_path: Path) -> None:
    async with Harbour(build(tmp_path)) as harbour:
        app = await harbour.open("app")
        pipeline: Any = app.system.core.pipeline("pier.load")
        parts = pipeline._parts
        pipeline._parts = structs.replace(parts, database=Doubtful(parts.database))
        assert (await load(pipeline, b"first")).result.note == "tea"
        pipeline._parts = parts
        with pytest.raises(Repeated):
            await load(pipeline, b"first")
        assert (await load(pipeline, b"second")).result.note == "tea"
        watch: Any = app.system.core.pipeline("pier.watch")
        seen = await watch.run(watch.new_call("public", WHO, "request"), {"gate": ""}, "http", ())
        assert seen.result.count == 2
