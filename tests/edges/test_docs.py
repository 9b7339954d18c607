"""The page at /docs: whole without internet, and strict about what it may load. And the port that operators have."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from armature.edges.http.server import HttpServer
from armature.engine.policies import HttpPolicy
from tests.edges.conftest import ROOT, Open, client_of

STATIC = ROOT / "src" / "armature" / "edges" / "http" / "static"


async def test_the_page_and_all_it_loads_are_served_from_here(site: Open) -> None:
    async with site() as found:
        page = await found.client.get("/docs")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        loaded = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
        assert {"docs/docs.css", "docs/docs.js", "openapi.json"} <= set(loaded)
        for one in loaded:
            if not one.startswith("data:"):
                assert (await found.client.get("/" + one)).status_code == 200, one


async def test_the_policy_forbids_what_the_page_does_not_need(site: Open) -> None:
    async with site() as found:
        policy = (await found.client.get("/docs")).headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy


@pytest.mark.parametrize("file", sorted(STATIC.iterdir()), ids=lambda file: file.name)
def test_nothing_in_the_page_needs_what_the_policy_forbids(file: Path) -> None:
    text = file.read_text()
    assert not re.search(r"https?://|innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|\sstyle=|\son\w+=\"", text)


async def test_an_unchanged_document_is_not_sent_again(site: Open) -> None:
    async with site() as found:
        first = await found.client.get("/openapi.json")
        again = await found.client.get("/openapi.json", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        other = await found.client.get("/openapi.json", headers={"If-None-Match": '"other"'})
        assert other.content == first.content


async def test_operators_have_a_port_of_their_own(site: Open) -> None:
    async with site("production", HTTP__ADMIN_PORT="0") as found:
        for path in ("/docs", "/openapi.json", "/metrics"):
            assert (await found.client.get(path)).status_code == 404, path
        for path in ("/livez", "/health-check"):
            assert (await found.client.get(path)).status_code == 200, path
        async with client_of(found.system.apps.admin) as admin:
            for path in ("/docs", "/docs/docs.js", "/openapi.json", "/metrics", "/livez"):
                assert (await admin.get(path)).status_code == 200, path
            assert (await admin.get("/v1/counters")).status_code == 404, "operations are for the public port"


async def test_the_admin_application_runs_on_a_real_port(site: Open) -> None:
    async with site("production", HTTP__ADMIN_PORT="0") as found:
        server = HttpServer(found.system.apps.admin, HttpPolicy(port=0))
        await server.start()
        try:
            async with httpx2.AsyncClient() as client:
                text = (await client.get(server.address + "/metrics")).text
        finally:
            await asyncio.wait_for(server.stop(), 20)
    assert "http_request_duration_seconds" in text


@pytest.mark.slow
def test_the_command_says_where_operators_look(tmp_path: Path) -> None:
    command = [Path(sys.executable).with_name("armature"), "run", "--port", "0", "--admin-port", "0", "--data", tmp_path]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = "".join(iter(process.stdout.readline, "Stop with Ctrl-C.\n"))
        public, docs, metrics = (re.search(pattern, said) for pattern in (r"(\S+)/v1", r"(\S+)/docs", r"(\S+)/metrics"))
        assert public and docs and metrics, said
        assert httpx2.get(docs[0]).status_code == httpx2.get(metrics[0]).status_code == 200
        assert httpx2.get(public[1] + "/docs").status_code == 404
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()
