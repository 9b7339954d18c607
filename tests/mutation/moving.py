"""Defects of moving up: found by the modelled worlds of its course."""

from .mutants import Edit, Mutant

__all__ = ["MOVING"]

COURSE = "engine/moving.py"

MOVING = (
    Mutant(
        "promote takes a snapshot without the log's tail",
        (
            Edit(COURSE, "while self._waiting() > self._limits.remainder_max:", "while False:"),
            Edit(
                COURSE,
                "        changes = self._round(tables)\n        for table, rows in changes.rows.items():",
                "        changes = Changes(0, {}, [])\n        for table, rows in changes.rows.items():",
            ),
            Edit(
                COURSE,
                "if self._last_event() != (last := self._source.last_event()) and",
                "if (last := 0) and",
            ),
            Edit(COURSE, "        if here != there:", "        if False:"),
            Edit(COURSE, "            if wrong := _differing(table, keys, here, there):", "            if wrong := []:"),
        ),
        "tests/moving/test_course.py::test_nothing_is_lost_between_a_snapshot_and_the_switch",
        "assert world.target.stored[table] == world.source.stored[table]",
    ),
    Mutant(
        "promote has nothing but its comparison against a missing tail",
        (
            Edit(COURSE, "while self._waiting() > self._limits.remainder_max:", "while False:"),
            Edit(
                COURSE,
                "        changes = self._round(tables)\n        for table, rows in changes.rows.items():",
                "        changes = Changes(0, {}, [])\n        for table, rows in changes.rows.items():",
            ),
        ),
        "tests/moving/test_course.py::test_nothing_is_lost_between_a_snapshot_and_the_switch",
        "nothing was switched",
    ),
)
