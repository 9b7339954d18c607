"""Defects of what is promised: old events that are read raw, and breaks that the judge overlooks."""

from .mutants import Edit, Mutant

__all__ = ["PROMISES"]

COMPARING = "runtime/contracts/comparing.py"
BOUNDS = "runtime/contracts/bounds.py"
UPCASTING = "tests/contracts/test_upcasting.py::"
ASKED = "tests/contracts/test_comparing.py::test_what_was_accepted_and_no_longer_is_is_told"
GIVEN = "tests/contracts/test_comparing.py::test_what_could_not_come_and_now_may_is_told"
TOLD = "assert []"

PROMISES = (
    Mutant(
        "a fold reads an old event as if it were new",
        (
            Edit(
                "engine/folding.py",
                "event.payload if event.schema == schema else newest",
                "event.payload if True else newest",
            ),
        ),
        UPCASTING + "test_a_fold_is_handed_todays_event",
        "assert chunk.failed is None",
    ),
    Mutant(
        "an old event is brought up by one schema only",
        (Edit("engine/upcasting.py", "range(schema, declared.schema)", "range(schema, schema + 1)"),),
        UPCASTING + "test_data_of_any_schema_becomes_todays_and_newer_stays",
        "AssertionError",
    ),
    Mutant(
        "a missing upcast is passed over",
        (
            Edit(
                "engine/upcasting.py",
                "if function is None:\n            raise NoUpcast(",
                "if function is None:\n            continue\n            raise NoUpcast(",
            ),
        ),
        UPCASTING + "test_a_missing_step_names_what_to_write",
        "DID NOT RAISE",
    ),
    Mutant("the judge sees no upper bound", (Edit(BOUNDS, "if sign * (low - high) > 0:", "if False:"),), ASKED, TOLD),
    Mutant("the judge sees no new value in an answer", (Edit(BOUNDS, "if value not in closed:", "if False:"),), GIVEN, TOLD),
    Mutant(
        "the judge sees no field that became required",
        (Edit(COMPARING, "if self._asked and needed == (False, True):", "if False:"),),
        ASKED,
        TOLD,
    ),
    Mutant(
        "the judge sees no null that may now come",
        (Edit(COMPARING, "if not self._asked and after and not before:", "if False:"),),
        GIVEN,
        TOLD,
    ),
    Mutant(
        "the judge looks into no list",
        (Edit(COMPARING, 'yield from self.any(f"{at}[]", before.get("items", {}), after.get("items", {}))', "pass"),),
        ASKED,
        TOLD,
    ),
    Mutant(
        "a break is written without a word",
        (Edit("runtime/contracts/folder.py", "if broken and reason is None:", "if False:"),),
        "tests/contracts/test_folder.py::test_what_breaks_somebody_is_not_written",
        "assert refused.exit_code == 1",
    ),
)
