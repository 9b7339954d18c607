"""The table of invariants names tests that exist, and all of the invariants that hold so far."""

from tests.invariants.table import INVARIANTS, missing

HELD = {f"I{number}" for number in (*range(1, 15), 31, 32, 33, 34)}


def test_every_invariant_is_there_once_with_tests_that_exist() -> None:
    assert {one.code for one in INVARIANTS} == HELD and len(INVARIANTS) == len(HELD)
    assert all(one.proofs for one in INVARIANTS)
    assert [proof for one in INVARIANTS for proof in missing(one.proofs)] == []


def test_a_test_that_is_not_there_would_be_found() -> None:
    there = "tests/invariants/test_table.py::test_every_invariant_is_there_once_with_tests_that_exist"
    renamed, gone = there.replace("is_there", "was_there"), "tests/invariants/test_gone.py"
    assert list(missing((there, renamed, gone))) == [renamed, gone]
