"""What breaks somebody, and what does not: each change of the table, judged."""

import pytest

from armature.runtime.contracts.documents import judged
from tests.contracts.changes import CHANGES
from tests.contracts.reading import LIBRARY, documents_of, edited_text

BEFORE = documents_of(LIBRARY)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_breaks_what_the_table_says(name: str) -> None:
    change = CHANGES[name]
    found = judged(BEFORE, documents_of(edited_text(*change.edits), BEFORE))
    assert sorted(one.text for one in found) == sorted(change.breaks)
    assert all(one.cure for one in found)


def test_a_union_whose_struct_contains_it_is_judged() -> None:
    endless = ("    cents: int\n", '    cents: int\n    then: "Loan | Sale | None" = None\n')
    before = documents_of(edited_text(endless))
    changed = documents_of(edited_text((endless[0], endless[1].replace("cents: int", "cents: str"))), before)
    found = [one.text for one in judged(before, changed)]
    assert judged(before, before) == []
    assert sorted(found) == [
        "Book.gone (sale).cents: was integer, is now string",
        "Sale.cents: on the gRPC wire it was int64, is now string",
    ]
