"""A cursor opens for the list and the tenant it was made for, and for nobody else."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armature.engine.cursors import Cursors
from armature.kernel.refusals import Invalid

CURSORS = Cursors(b"k" * 32)


@given(st.uuids() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=50))
def test_a_sealed_value_comes_back(value: Any) -> None:
    assert CURSORS.open("t\0list", CURSORS.seal("t\0list", value), type(value)) == value


@pytest.mark.parametrize("scope", ["u\0list", "t\0other", "", "t\0list\0"])
def test_another_tenant_or_list_is_refused(scope: str) -> None:
    with pytest.raises(Invalid) as refused:
        CURSORS.open(scope, CURSORS.seal("t\0list", 7), int)
    assert [error.path for error in refused.value.errors] == ["cursor"]


@given(st.integers(0, 200), st.integers(1, 255))
def test_one_changed_byte_is_refused(at: int, by: int) -> None:
    # 36 bytes: the last letter of the text has no unused bits, in which a change would be none.
    raw = bytearray(CURSORS.seal("s", "some text of this sizes").encode())
    raw[at % len(raw)] ^= by
    text = raw.decode("latin-1")
    with pytest.raises(Invalid):
        CURSORS.open("s", text, str)


@given(st.text(max_size=60))
def test_made_up_text_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        CURSORS.open("s", text, int)


def test_a_value_of_another_kind_is_refused() -> None:
    with pytest.raises(Invalid):
        CURSORS.open("s", CURSORS.seal("s", "text"), UUID)


def test_a_key_of_another_installation_is_refused() -> None:
    with pytest.raises(Invalid):
        Cursors(b"other" * 8).open("s", CURSORS.seal("s", 1), int)
