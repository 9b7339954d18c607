"""A validated POST as FastAPI's tutorial writes it: six fields, a pydantic model in and out, nothing stored.

Run: python -m bench.peers.fastapi_post PORT FOLDER
"""

import sys
from datetime import datetime
from typing import Annotated, Literal

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field

__all__ = ["app"]


class Form(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=80)]
    kind: Literal["goods", "service", "gift"]
    quantity: Annotated[int, Field(ge=1, le=1_000)]
    price: Annotated[float, Field(ge=0)]
    at: datetime
    note: Annotated[str, Field(max_length=200)] | None = None


app = FastAPI()


@app.post("/v1/echo")
async def echo(form: Form) -> Form:
    return form


@app.get("/readyz")
async def ready() -> dict[str, str]:
    return {}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False, log_level="warning")
