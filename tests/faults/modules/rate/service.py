"""The use cases of rates."""

from modules.rate.contract import Rate, Rates

from armature import Context, Http, HttpRequest


class RateService(Rates):
    """Rates from outside."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def rate(self, ctx: Context, *, port: int) -> Rate:
        answer = await self._http.send(ctx, HttpRequest(method="GET", url=f"http://127.0.0.1:{port}/"))
        return Rate(answer.status)
