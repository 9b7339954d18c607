"""Whether a checkpoint speaks of the log that is there. One that does not was made before a restore, or of another database.

Going on from it would pass over what the log will number next, without a word and for good (I11). So whoever keeps a
checkpoint asks here before it goes on, and halts by name; and stays halted, because a log that has grown past the
checkpoint meanwhile looks as if all were well.
"""

from armature.engine.event_log import Identity

__all__ = ["ahead", "foreign"]


def foreign(who: str, mark: Identity, position: int, log: Identity, head: int) -> str:
    """Return why `who` must halt, and what helps; empty when its checkpoint belongs to this log."""
    if mark.log != log.log:
        return f"{who}: its checkpoint is of the log {mark.log}, this database holds {log.log}; {_CURE}"
    if mark.epoch != log.epoch:
        return f"{who}: its checkpoint is of epoch {mark.epoch}, the log was restored or promoted to {log.epoch}; {_CURE}"
    return ahead(who, position, head)


def ahead(who: str, position: int, head: int) -> str:
    """Return why `who` must halt whose checkpoint lies in the database itself; `head` was read after `position`."""
    if position > head:
        return f"{who}: its checkpoint {position} is ahead of the log, which ends at {head}: the log was restored; {_CURE}"
    return ""


_CURE = (
    "bring back the database that this checkpoint belongs to, or forget the checkpoint and what it stands for; then start again"
)
