"""What a NATS server says of itself when a doctor asks: one connection, two questions, nothing changed."""

from collections.abc import Mapping
from contextlib import suppress

from nats.errors import Error
from nats.js.errors import NotFoundError, ServiceUnavailableError

from armature.adapters.nats.connection import NatsConnection, translated
from armature.adapters.nats.settings import NatsSettings, agree, covering, stream_config
from armature.engine.names import event_stream
from armature.ports.bus import BusRefused

__all__ = ["inquire"]

_SECONDS = 3.0


async def inquire(url: str, installation: str) -> Mapping[str, str]:
    """Return `version`, `jetstream` (on or off) and `stream`: absent, as asked, or what the server made of a setting.

    `Unavailable`: it is away.
    """
    connection = NatsConnection(url, name="armature doctor", connect_seconds=_SECONDS)
    await connection.open()
    try:
        with translated():
            version = connection.client.connected_server_version
            found = {"version": f"{version.major}.{version.minor}.{version.patch}", "jetstream": "on", "stream": "absent"}
            api = connection.client.jetstream(timeout=_SECONDS)
            try:
                await api.account_info()
            except (ServiceUnavailableError, Error):
                return {**found, "jetstream": "off"}
            name = event_stream(installation)
            asked = stream_config(name, covering(installation, ()), NatsSettings()).as_dict()
            with suppress(NotFoundError):
                found["stream"] = _compared(asked, (await api.stream_info(name)).config.as_dict())
            return found
    finally:
        await connection.close()


def _compared(asked: dict[str, object], echoed: dict[str, object]) -> str:
    try:
        agree("stream", asked, echoed)
    except BusRefused as refused:
        return str(refused)
    return "as asked"
