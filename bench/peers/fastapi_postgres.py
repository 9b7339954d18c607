"""The peer on PostgreSQL: `peers/fastapi_orm.py` with the SQLAlchemy 2 ORM over asyncpg.

Careful means here: a pool that has a connection for each caller, reads in autocommit, a row lock and `version_id_col` for
writes, key and event in the same transaction, a retry after a lost version or a deadlock.

Run: python -m bench.peers.fastapi_postgres PORT FOLDER   (the database by ARMATURE_POSTGRES_URL)
"""

import os
import sys

import uvicorn

from bench.peers.fastapi_orm import create_app
from bench.peers.orm_schema import postgres_engines

if __name__ == "__main__":
    uvicorn.run(
        create_app(postgres_engines(os.environ["ARMATURE_POSTGRES_URL"]), at_once=32),
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
