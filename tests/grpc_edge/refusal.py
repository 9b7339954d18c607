"""What a stock client reads of an error: Google's own classes of `google.rpc`."""

from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

__all__ = ["Refused", "bare", "refused"]


class Refused:
    """A refusal with its details unpacked; None for a detail that is not there."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        self.code = error.code()
        self.text = error.details()
        self.trailing = dict(error.trailing_metadata() or ())
        self.status = status_pb2.Status.FromString(self.trailing["grpc-status-details-bin"])
        self.info = self._detail(error_details_pb2.ErrorInfo)
        self.bad = self._detail(error_details_pb2.BadRequest)
        self.retry = self._detail(error_details_pb2.RetryInfo)
        self.debug = self._detail(error_details_pb2.DebugInfo)

    def _detail(self, kind: Any) -> Any:
        for one in self.status.details:
            if one.Is(kind.DESCRIPTOR):
                found = kind()
                one.Unpack(found)
                return found
        return None


async def bare(call: Any) -> grpc.aio.AioRpcError:
    """Return the error that a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return raised.value


async def refused(call: Any) -> Refused:
    """Return what a call is refused with by the pipeline."""
    return Refused(await bare(call))
