"""By what name a row is looked up while a unit that changes it is on its way."""

from uuid import UUID

from armature.adapters.postgres.plan import row_name

TYPES = ("text", "uuid", "int8", "text")
PAGE = UUID("0190a7b4-0000-7000-8000-000000000001")


def test_equal_values_name_one_row_and_nothing_else_does() -> None:
    name = row_name("book_pages", (3, 1), TYPES)
    told = name(("a", PAGE, 1, "shop"))
    assert told == name(("b", UUID(str(PAGE)), 2, "shop"))
    others = (
        name(("a", UUID(int=PAGE.int + 1), 1, "shop")),
        name(("a", PAGE, 1, "other shop")),
        name(("a", UUID(int=0), 1, "shop")),
        name(("a", None, 1, "shop")),
        row_name("book_covers", (3, 1), TYPES)(("a", PAGE, 1, "shop")),
    )
    assert len({told, *others}) == 6


def test_a_row_is_named_by_one_value_too() -> None:
    name = row_name("book_pages", (1,), TYPES)
    assert {name(("a", PAGE, 1, "shop")): "its claim"}[name(("b", UUID(int=PAGE.int), 3, "other shop"))] == "its claim"
