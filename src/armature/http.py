"""What a module's `http.py` is written with: routes and responses of the web framework, and the way to operations.

    routes = [Route("/counters.csv", download)]

    async def download(request: Request) -> Response:
        page = await call(request, "counter.list", limit=200)
        ...

The names are Starlette's and stay so; a module imports them from here, so that the framework is named in one place.
"""

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from armature.edges.http.elsewhere import call, wait

__all__ = [
    "FileResponse",
    "HTMLResponse",
    "PlainTextResponse",
    "RedirectResponse",
    "Request",
    "Response",
    "Route",
    "StreamingResponse",
    "UploadFile",
    "WebSocket",
    "WebSocketRoute",
    "call",
    "wait",
]
