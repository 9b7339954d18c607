"""Do those who follow a log of another database speak of the log that is there? After a restore one that does not has halted, or
will (I11). Who follows the log of the database that the doctor looks at is judged with its marks (`doctor_marks`)."""

from collections.abc import Mapping, Sequence

from armature.engine.checkpoints import foreign
from armature.engine.event_log import Identity
from armature.kernel.statement import select
from armature.runtime.diagnosis import Diagnosis, error, ok
from armature.runtime.logs import Opened, opened
from armature.runtime.model import Model
from armature.runtime.project import Project

__all__ = ["examine_consumers"]

_ABOUT = "consumers"


class _Follower(Identity, frozen=True):
    consumer: str
    position: int


FOLLOWERS = select(_Follower, "select log, epoch, consumer, position from armature_consumers order by consumer limit 1000")


async def examine_consumers(model: Model, project: Project, environ: Mapping[str, str]) -> Diagnosis | None:
    """Compare the place of every other consumer, in each database of the topology, with the log it follows; None without any."""
    async with opened(model, project, environ) as databases:
        followers: list[_Follower] = []
        for one in databases:
            one.database.bind((FOLLOWERS,))
            found = (await one.database.read(((FOLLOWERS, ()),)))[0]
            followers += [mark for mark in found if one.home != model.home or mark.log != one.log.identity.log]
    troubles = [said for follower in followers if (said := _trouble(follower, databases))]
    if troubles:
        said, _, cure = troubles[0].rpartition("; ")
        more = f", and {len(troubles) - 1} more" if len(troubles) > 1 else ""
        return error(_ABOUT, said + more, cure)
    names = ", ".join(one.consumer for one in followers)
    return ok(_ABOUT, f"{names}: each is in the log that it follows") if followers else None


def _trouble(follower: _Follower, databases: Sequence[Opened]) -> str:
    who, mark = f"consumer {follower.consumer}", Identity(follower.log, follower.epoch)
    for one in databases:
        if one.log.identity.log == follower.log:
            return foreign(who, mark, follower.position, one.log.identity, one.head)
    cure = "bring back the database that this checkpoint belongs to, or forget the checkpoint and what it stands for"
    return f"{who}: its checkpoint is of the log {follower.log}, which no database of this topology holds; {cure}"
