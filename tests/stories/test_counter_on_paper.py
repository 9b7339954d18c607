"""Whatever is done to counters, in whatever order, the module and the paper agree (50 examples; 1 000 with ARMATURE_SOAK=1)."""

import asyncio
import os
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from msgspec import UNSET, Struct

from armature.testing.answer import Response
from armature.testing.app import TestApp

from .paper import Paper

ROOT = Path(__file__).parents[2]
TENANTS = ("public", "other")
NAMES = st.sampled_from(["a", "b", "c", "d e", "ü"])
KEYS = st.none() | st.sampled_from(["k1", "k2"])
IF_MATCH = st.sampled_from(["absent", "absent", "fresh", "stale", "any"])
STEPS = st.integers(1, 9)
KEPT = ("etag", "location", "armature-position", "content-type")

Ref = tuple[str, str]
"""A counter: tenant and id."""


class Sent(Struct):
    """A command as it is sent: what, to which counter, with which body, under which key and condition."""

    verb: str
    ref: Ref
    body: Any
    key: str | None
    match: str = "absent"

    @property
    def path(self) -> str:
        """Where it goes."""
        if self.verb == "create":
            return "/v1/counters"
        return f"/v1/counters/{self.ref[1]}" + ("" if self.verb in ("edit", "delete") else f"/{self.verb}")

    @property
    def content(self) -> tuple[str, str]:
        """What a key stands for."""
        return self.path, repr(self.body)

    def headers(self, version: int) -> dict[str, str]:
        """Return key and condition; `version` is the one on paper."""
        tags = {"fresh": f'"{version}"', "stale": f'"{version + 3}"', "any": "*"}
        found = {} if self.key is None else {"idempotency-key": self.key}
        return found if self.match == "absent" else {**found, "if-match": tags[self.match]}


def kept(answer: Response) -> tuple[object, ...]:
    return answer.status, answer.body, [answer.headers.get(name) for name in KEPT]


class Counters(RuleBasedStateMachine):
    """One system, two tenants, and a sheet of paper for each."""

    refs: Bundle[Ref] = Bundle("refs")

    @initialize()
    def open(self) -> None:
        self.loop = asyncio.Runner()
        self.app = TestApp(ROOT)
        self.loop.run(self.app.open())
        self.papers = {tenant: Paper() for tenant in TENANTS}
        self.known: dict[tuple[str, str, str], tuple[tuple[str, str], tuple[object, ...]]] = {}
        """By tenant, operation and key: what was sent, and what was answered."""

    def teardown(self) -> None:
        if hasattr(self, "app"):
            try:
                self.loop.run(self._compare_views())
            finally:
                self.loop.run(self.app.close())
                self.loop.close()

    @rule(target=refs, tenant=st.sampled_from(TENANTS), name=NAMES, note=st.none() | st.just("n"), key=KEYS)
    def create(self, tenant: str, name: str, note: str | None, key: str | None) -> Any:
        paper = self.papers[tenant]
        refused = (409, "counter:name_taken") if paper.taken(name) else None
        answer = self.send(Sent("create", (tenant, ""), {"name": name, "note": note}, key), refused)
        if answer is None:
            return multiple()
        identity = str(answer.json()["id"])
        paper.create(identity, name, note)
        assert (answer.status, answer.headers["location"]) == (201, f"/v1/counters/{identity}")
        assert answer.json() == paper.shown(identity)
        return tenant, identity

    @rule(ref=refs, by=STEPS, verb=st.sampled_from(["increment", "decrement", "reset"]), key=KEYS, match=IF_MATCH)
    def move(self, ref: Ref, by: int, verb: str, key: str | None, match: str) -> None:
        paper, sheet = self.at(ref)
        refused = None
        if verb == "decrement" and sheet is not None and sheet.value < by:
            refused = (409, "counter:insufficient")
        if verb == "reset":
            self.app.clock.move(60)  # ten a minute may be reset
        body = {} if verb == "reset" else {"by": by}
        answer = self.send(Sent(verb, ref, body, key, match), refused)
        if answer is not None and sheet is not None:
            paper.step(ref[1], verb, {"increment": by, "decrement": -by, "reset": -sheet.value}[verb])
            assert answer.json() == paper.shown(ref[1])

    @rule(ref=refs, to=refs, by=STEPS, key=KEYS, match=IF_MATCH)
    def transfer(self, ref: Ref, to: Ref, by: int, key: str | None, match: str) -> None:
        paper, sheet = self.at(ref)
        refused = None
        if ref[1] == to[1]:
            refused = (422, "counter:same")
        elif sheet is not None and (to[0] != ref[0] or to[1] not in paper.sheets):
            refused = (404, "counter:not_found")  # also where only the other tenant has it
        elif sheet is not None and sheet.value < by:
            refused = (409, "counter:insufficient")
        body = {"to": to[1], "by": by}
        answer = self.send(Sent("transfer", ref, body, key, match), refused)
        if answer is not None:
            paper.step(ref[1], "transfer", -by)
            paper.step(to[1], "transfer", by)
            assert answer.json() == paper.shown(ref[1])

    @rule(ref=refs, name=st.just(UNSET) | NAMES, note=st.just(UNSET) | st.none() | st.just("m"), key=KEYS, match=IF_MATCH)
    def edit(self, ref: Ref, name: Any, note: Any, key: str | None, match: str) -> None:
        paper, sheet = self.at(ref)
        refused = (409, "counter:name_taken") if name is not UNSET and paper.taken(name, by=ref[1]) else None
        body = {field: value for field, value in (("name", name), ("note", note)) if value is not UNSET}
        answer = self.send(Sent("edit", ref, body, key, match), refused)
        if answer is not None and sheet is not None:
            sheet.name = body.get("name", sheet.name)
            sheet.note = body.get("note", sheet.note)
            paper.step(ref[1], "edit", 0)
            assert answer.json() == paper.shown(ref[1])

    @rule(ref=consumes(refs), match=IF_MATCH)
    def delete(self, ref: Ref, match: str) -> None:
        paper, _ = self.at(ref)
        answer = self.send(Sent("delete", ref, UNSET, None, match), None)
        if answer is not None:
            assert (answer.status, answer.body) == (204, b"")
            paper.delete(ref[1])

    @rule(ref=refs, tenant=st.sampled_from(TENANTS))
    def get(self, ref: Ref, tenant: str) -> None:
        answer = self.ask("GET", f"/v1/counters/{ref[1]}", tenant)
        if ref[1] in self.papers[tenant].sheets:
            assert answer.json() == self.papers[tenant].shown(ref[1])
            again = self.ask("GET", f"/v1/counters/{ref[1]}", tenant, {"if-none-match": answer.etag})
            assert (again.status, again.body) == (304, b"")
        else:
            assert (answer.status, answer.code) == (404, "counter:not_found")

    @rule(tenant=st.sampled_from(TENANTS), limit=st.integers(1, 3))
    def walk(self, tenant: str, limit: int) -> None:
        found: list[Any] = []
        cursor = ""
        while True:
            page = self.ask("GET", f"/v1/counters?limit={limit}{cursor}", tenant).json()
            found += page["items"]
            if not page["next_cursor"]:
                break
            assert len(page["items"]) == limit
            cursor = f"&cursor={page['next_cursor']}"
        paper = self.papers[tenant]
        assert found == [paper.shown(identity) for identity in paper.sheets]

    @rule()
    def restart(self) -> None:
        self.loop.run(self.app.restart())

    @invariant()
    def the_sum_is_the_papers(self) -> None:
        for tenant in TENANTS if hasattr(self, "app") else ():
            page = self.ask("GET", "/v1/counters?page=0&size=200&sort=value&order=desc", tenant).json()
            values = [item["value"] for item in page["items"]]
            assert values == sorted((sheet.value for sheet in self.papers[tenant].sheets.values()), reverse=True)
            assert page["total"] == len(values)

    def at(self, ref: Ref) -> tuple[Paper, Any]:
        paper = self.papers[ref[0]]
        return paper, paper.sheets.get(ref[1])

    def ask(self, method: str, path: str, tenant: str, headers: dict[str, str] | None = None, body: Any = UNSET) -> Response:
        sent = {**(headers or {}), "x-tenant-id": tenant}
        if body is not UNSET:
            return self.loop.run(
                self.app.post(path, json=body, headers=sent)
                if method == "POST"
                else self.app.patch(path, json=body, headers=sent)
            )
        return self.loop.run(self.app.request(method, path, headers=sent))

    def send(self, what: Sent, refused: tuple[int, str] | None) -> Response | None:
        """Send a command and compare with what must come; return the answer when it had an effect now."""
        sheet = self.papers[what.ref[0]].sheets.get(what.ref[1])
        method = {"edit": "PATCH", "delete": "DELETE"}.get(what.verb, "POST")
        version = sheet.version if sheet is not None else 1
        answer = self.ask(method, what.path, what.ref[0], what.headers(version), what.body)
        if what.key is not None and (earlier := self.known.get((what.ref[0], what.verb, what.key))) is not None:
            if earlier[0] == what.content:
                assert kept(answer) == earlier[1]
                assert answer.headers["idempotent-replayed"] == "true"
            else:
                assert (answer.status, answer.code) == (422, "idempotency:key_reused")
            return None
        if what.ref[1] and sheet is None and refused != (422, "counter:same"):
            refused = (404, "counter:not_found")
        if what.match == "stale" and (refused is None or answer.status == 412):
            refused = (412, "request:stale")  # of two reasons to refuse either may be given
        if refused is not None:
            assert (answer.status, answer.code) == refused
            return None
        assert answer.status in (200, 201, 204), answer
        if what.key is not None:
            self.known[what.ref[0], what.verb, what.key] = (what.content, kept(answer))
        return answer

    async def _compare_views(self) -> None:
        await self.app.settled()
        for tenant, paper in self.papers.items():
            for identity, sheet in {**paper.sheets, **paper.gone}.items():
                page = (await self.app.get(f"/v1/counters/{identity}/history?limit=200", tenant=tenant)).json()
                assert [(line["version"], line["operation"], line["value"]) for line in page["items"]] == sheet.lines
            totals = (await self.app.get("/v1/counters/totals", tenant=tenant)).json()
            values = sum(sheet.value for sheet in paper.sheets.values())
            assert totals == {"counters": len(paper.sheets), "value": values, "changes": paper.changes}


SOAK = os.environ.get("ARMATURE_SOAK") == "1"
TestCounters = Counters.TestCase
TestCounters.settings = settings(
    max_examples=1_000 if SOAK else 50,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
