"""The system inside another application, and other applications inside the system."""

from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

import armature
from armature.http import Request
from armature.runtime.asgi import asgi
from armature.runtime.problems import ModelError
from tests.edges.conftest import ROOT, client_of


def legacy() -> FastAPI:
    site = FastAPI()

    @site.get("/hello")
    async def hello(request: Request) -> dict[str, str]:
        return {"hello": "from the old site", "root": request.scope["root_path"], "link": str(request.url_for("hello"))}

    return site


def test_the_public_face_hands_it_out_when_asked() -> None:
    assert armature.asgi is asgi
    with pytest.raises(AttributeError, match="no attribute 'wsgi'"):
        _ = armature.wsgi


async def test_a_framework_can_mount_the_system(tmp_path: Path) -> None:
    inner = asgi(ROOT, flags={"--data": str(tmp_path)})
    host = FastAPI(lifespan=inner.lifespan)
    host.mount("/api", inner)
    async with host.router.lifespan_context(host):
        client = client_of(host)
        made = await client.post("/api/v1/counters", json={"name": "a"})
        assert made.status_code == 201
        assert made.headers["location"] == f"/api/v1/counters/{made.json()['id']}", "a link that works where the host put us"
        assert (await client.get(made.headers["location"])).json() == made.json()
        lost = await client.get("/api/v1/nothing")
        assert (lost.status_code, lost.json()["code"], lost.json()["instance"]) == (404, "request:no_route", "/api/v1/nothing")
        assert (await client.get("/api/docs")).status_code == 200


async def test_a_host_without_lifespan_opens_with_the_first_request(tmp_path: Path) -> None:
    inner = asgi(ROOT, flags={"--data": str(tmp_path)})
    try:
        assert (await client_of(inner).get("/livez")).status_code == 200
    finally:
        await inner.close()
        await inner.close()


def test_a_server_with_lifespan_opens_and_closes_it(tmp_path: Path) -> None:
    with TestClient(asgi(ROOT, flags={"--data": str(tmp_path)})) as client:
        assert client.get("/livez").status_code == 200
    assert not list(tmp_path.glob("*.db-wal")), "closed: the write-ahead log is folded in"


def test_a_start_that_is_refused_tells_the_server_why(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such file"), TestClient(asgi(ROOT, topology="nowhere")):
        pass


async def test_an_application_can_be_mounted_in_the_system(tmp_path: Path) -> None:
    system = asgi(ROOT, flags={"--data": str(tmp_path)}, mounts={"/legacy": legacy()})
    async with system.lifespan(), client_of(system) as client:
        hello = await client.get("/legacy/hello")
        assert hello.json() == {
            "hello": "from the old site",
            "root": "/legacy",
            "link": "http://armature.test/legacy/hello",
        }
        assert (await client.get("/legacy/none")).json() == {"detail": "Not Found"}, "below its path the old site answers"
        lost = await client.get("/legacyother")
        assert (lost.status_code, lost.json()["code"]) == (404, "request:no_route")
        assert (await client.post("/v1/counters", json={"name": "a"})).status_code == 201


async def test_a_mounted_application_that_falls_over_is_answered_for(tmp_path: Path) -> None:
    async def fallen(scope: object, receive: object, send: object) -> None:
        raise RuntimeError("secret")

    system = asgi(ROOT, flags={"--data": str(tmp_path)}, mounts={"/fallen": fallen})
    async with system.lifespan(), client_of(system) as client:
        answer = await client.get("/fallen/x")
    assert (answer.status_code, answer.json()["code"]) == (500, "system:bug")
    assert "secret" not in answer.text


JOTTER = {
    "module.yaml": "name: jotter\n",
    "contract.py": """
from typing import Protocol
from msgspec import Struct
from armature import Context, Contract, query

class Jot(Struct, frozen=True):
    text: str

class Jots(Contract, Protocol, name="jotter", version=1):
    @query("GET /jots/{number}", permission="jotter:read")
    async def get(self, ctx: Context, *, number: int) -> Jot:
        \"\"\"Return one jot.\"\"\"
        ...
""",
    "module.py": """
from armature import Context, Module, Needs
from modules.jotter.contract import Jot, Jots

class JotService(Jots):
    async def get(self, ctx: Context, *, number: int) -> Jot:
        return Jot(f"{number} for {ctx.tenant}")

def build(needs: Needs) -> Module:
    return Module("jotter", offers=[JotService()])
""",
    "http.py": """
from armature.http import PlainTextResponse, Request, Response, Route, call

async def plain(request: Request) -> Response:
    jot = await call(request, "jotter.get", number=int(request.path_params["number"]))
    return PlainTextResponse(jot.text)

routes = [Route("/jots/{number:int}.txt", plain)]
""",
}


async def test_a_route_of_a_module_reaches_operations_as_its_caller(tmp_path: Path) -> None:
    folder = tmp_path / "modules" / "jotter"
    folder.mkdir(parents=True)
    for name, text in JOTTER.items():
        (folder / name).write_text(text)
    system = asgi(tmp_path)
    async with system.lifespan(), client_of(system) as client:
        mine = await client.get("/jots/7.txt", headers={"X-Tenant-ID": "acme"})
        assert (mine.status_code, mine.text) == (200, "7 for acme")
        nobody = await client.get("/jots/7.txt", headers={"X-Actor": "none"})
        assert (nobody.status_code, nobody.json()["code"]) == (401, "auth:unauthenticated")
        posted = await client.post("/jots/7.txt")
        assert (posted.status_code, posted.headers["allow"]) == (405, "GET, HEAD")
