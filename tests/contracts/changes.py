"""Changes of a contract, each with what it breaks in words (nothing: it breaks nobody), and what buf says of its `.proto`."""

from typing import Literal

from msgspec import Struct


class Change(Struct, frozen=True):
    """`buf` is whether it finds a break; `why` is said where that differs from our verdict on purpose."""

    edits: tuple[tuple[str, str], ...]
    breaks: tuple[str, ...]
    buf: Literal["breaks", "passes"]
    why: str = ""


REST = "the .proto cannot say it; REST and the pipeline can"


def change(old: str, new: str, *breaks: str, buf: Literal["breaks", "passes"], why: str = "") -> Change:
    """One place changed."""
    return Change(((old, new),), breaks, buf, why)


BUY = 'title: Title, shelf: Shelf, copies: Copies = 1, place: Place | None = None, hint: str = ""'
BOOK_NOTE = "    note: str | None\n"

CHANGES: dict[str, Change] = {
    # arguments
    "an argument is removed": change(
        ', hint: str = ""', "", "library.buy argument hint: is gone, and who sends it is refused", buf="breaks"
    ),
    "an argument gets another name": change(
        "hint: str", "tip: str", "library.buy argument hint: is gone, and who sends it is refused", buf="breaks"
    ),
    "a required argument is added": change(
        "title: Title, shelf: Shelf, copies",
        "title: Title, author: str, shelf: Shelf, copies",
        "library.buy argument author: is new and required",
        buf="passes",
        why=REST,
    ),
    "an optional argument is added": change("hint: str", 'author: str = "", hint: str', buf="passes"),
    "an argument becomes required": change(
        "copies: Copies = 1", "copies: Copies", "library.buy argument copies: is now required", buf="passes", why=REST
    ),
    "an argument becomes optional": change("shelf: Shelf, copies", 'shelf: Shelf = "art", copies', buf="passes"),
    "the default of an argument changes": change(
        "copies: Copies = 1",
        "copies: Copies = 2",
        "library.buy argument copies: left out it means 2, it meant 1",
        buf="passes",
        why=REST,
    ),
    "a number may be less than before": change(
        "ge=1, le=100", "ge=1, le=50", "library.buy argument copies: at most 50, it was 100", buf="passes", why=REST
    ),
    "a number must be more than before": change(
        "ge=1, le=100", "gt=1, le=100", "library.buy argument copies: at least 2, it was 1", buf="passes", why=REST
    ),
    "a number may be more than before": change("ge=1, le=100", "ge=1, le=1000", buf="passes"),
    "a text must be shorter than before": change(
        "max_length=80",
        "max_length=40",
        "library.buy argument title: at most 40 characters, it was 80",
        "library.edit argument title: at most 40 characters, it was 80",
        buf="passes",
        why=REST,
    ),
    "a text may be longer than before": change("max_length=80", "max_length=800", buf="passes"),
    "a text gets a pattern": change(
        "max_length=80)]",
        'max_length=80, pattern="^[A-Z]")]',
        "library.buy argument title: pattern is ^[A-Z], it was none",
        "library.edit argument title: pattern is ^[A-Z], it was none",
        buf="passes",
        why=REST,
    ),
    "an argument gets another type": change(
        'hint: str = ""',
        "hint: int = 0",
        "library.buy argument hint: left out it means 0, it meant ''",
        "library.buy argument hint: was string, is now integer",
        "BuyRequest.hint: on the gRPC wire it was string, is now int64",
        buf="breaks",
    ),
    "a number may have a fraction": change(
        "copies: Copies = 1",
        "copies: Annotated[float, Meta(ge=1, le=100)] = 1",
        "BuyRequest.copies: on the gRPC wire it was int64, is now double",
        buf="breaks",
    ),
    "null is no longer taken": change(
        "shelf: Shelf | None = None, cursor",
        'shelf: Shelf = "art", cursor',
        "library.list argument shelf: left out it means 'art', it meant None",
        "library.list argument shelf: null is no longer accepted",
        buf="passes",
        why=REST,
    ),
    "null is taken, too": change(
        "title: Title | UnsetType = UNSET",
        "title: Title | UnsetType | None = UNSET",
        buf="breaks",
        why="the field keeps its number and its bytes in its oneof; only source that is compiled again reads it otherwise",
    ),
    "a struct that is sent gets a required field": change(
        "    room: str\n",
        "    room: str\n    house: str\n",
        "library.buy argument place.house: is new and required",
        buf="passes",
        why=REST,
    ),
    "a struct that is sent gets an optional field": change(
        "    row: int | None = None\n", '    row: int | None = None\n    house: str = ""\n', buf="passes"
    ),
    "a rule is added": change(
        'rules=[not_together("cursor", "page")]',
        'rules=[not_together("cursor", "page"), not_together("shelf", "page")]',
        "library.list: refuses more: shelf and page exclude each other",
        buf="passes",
        why=REST,
    ),
    "a rule is removed": change('rules=[not_together("cursor", "page")]', "rules=[]", buf="passes"),
    # results
    "a field of an answer is removed": change(BOOK_NOTE, "", "Book.note: is gone", buf="breaks"),
    "a field of an answer gets another name": change("    title: str\n", "    name: str\n", "Book.title: is gone", buf="breaks"),
    "an answer has one field more": change(BOOK_NOTE, BOOK_NOTE + "    pages: int\n", buf="passes"),
    "a field of an answer may be null": change(
        "    title: str\n",
        "    title: str | None\n",
        "Book.title: may now be null",
        buf="breaks",
    ),
    "a field of an answer is never null any more": change(
        BOOK_NOTE,
        "    note: str\n",
        buf="breaks",
        why="the bytes are the same; source that asks whether the field is there is compiled again",
    ),
    "a field of an answer may be absent": change(
        '    version: int\n\n\n@event("library.bought"',
        '    version: int | UnsetType = UNSET\n\n\n@event("library.bought"',
        "Book.version: may now be absent",
        buf="breaks",
    ),
    "a number in an answer may be below zero": change(
        "copies: Annotated[int, Meta(ge=0)]", "copies: int", "Book.copies: at least no bound, it was 0", buf="passes", why=REST
    ),
    "a field of an answer gets another type": change(
        "    cents: int\n",
        "    cents: str\n",
        "Book.gone (sale).cents: was integer, is now string",
        "Sale.cents: on the gRPC wire it was int64, is now string",
        buf="breaks",
    ),
    "a list becomes one": change(
        "places: list[Place]",
        "places: Place",
        "Book.places: was array, is now object",
        "Book.places: on the gRPC wire it was repeated Place, is now Place",
        buf="breaks",
    ),
    "one value more everywhere": change(
        '"art", "science"]',
        '"art", "music", "science"]',
        "Book.shelf: 'music' may now come",
        "library.bought field shelf: 'music' may now come (for listeners)",
        buf="passes",
        why="literals travel as texts on gRPC; a REST client with a closed enum does not know it",
    ),
    "one value less everywhere": change(
        '"art", "science"]',
        '"art"]',
        "library.buy argument shelf: 'science' is no longer accepted",
        "library.list argument shelf: 'science' is no longer accepted",
        "library.bought field shelf: 'science' is no longer accepted (for what the log holds)",
        buf="passes",
        why=REST,
    ),
    "one kind more in a union": Change(
        (
            (
                "class Place(",
                'class Gift(Struct, frozen=True, tag="gift"):\n    """Somebody got it."""\n\n    to: str\n\n\nclass Place(',
            ),
            ("Loan | Sale | None", "Gift | Loan | Sale | None"),
        ),
        ("Book.gone: may now be gift",),
        "passes",
        "a client of gRPC sees an unset oneof; one of REST a tag it does not know",
    ),
    "one kind less in a union": change(
        "Loan | Sale | None", "Loan | None", "Book.gone: on the gRPC wire it was BookGone, is now Loan", buf="breaks"
    ),
    # operations
    "an operation is removed": change(
        LIST := '''    @query("GET /opening-hours", public=True)
    async def hours(self, ctx: Context) -> dict[str, str]:
        """Return when it is open."""
        ...
''',
        "",
        "library.hours is gone",
        buf="breaks",
    ),
    "an operation is added": change(
        LIST, LIST + "\n" + LIST.replace("opening-hours", "closing-hours").replace("hours(", "closing("), buf="passes"
    ),
    "an operation gets the name of a message": change(
        LIST,
        LIST + "\n" + LIST.replace("opening-hours", "best-book").replace("hours(", "book(").replace("dict[str, str]", "Book"),
        buf="passes",
    ),
    "an operation gets another route": change(
        "GET /opening-hours",
        "GET /hours",
        "library.hours: its route was GET /v1/opening-hours, is now GET /v1/hours",
        buf="passes",
        why=REST,
    ),
    "an operation gets another method": change(
        "PATCH /books",
        "PUT /books",
        "library.edit: its route was PATCH /v1/books/{book_id}, is now PUT /v1/books/{book_id}",
        buf="passes",
        why=REST,
    ),
    "an operation answers with another status": change(
        "status=201", "status=200", "library.buy: its status was 201, is now 200", buf="passes", why=REST
    ),
    "an operation asks for another permission": change(
        '"GET /books", permission="library:read"',
        '"GET /books", permission="library:list"',
        "library.list: it asks for library:list, it was library:read",
        buf="passes",
        why=REST,
    ),
    "a public operation asks for a permission": change(
        "public=True",
        'permission="library:read"',
        "library.hours: it asks for library:read, it was public",
        buf="passes",
        why=REST,
    ),
    "an operation becomes public": change('"GET /books", permission="library:read"', '"GET /books", public=True', buf="passes"),
    "a limit is tighter": change(
        'limit="10/minute"', 'limit="5/minute"', "library.buy: its limit was 10/minute, is now 5/minute", buf="passes", why=REST
    ),
    "as many calls, but not at once": change(
        'limit="10/minute"', 'limit="1/6s"', "library.buy: its limit was 10/minute, is now 1/6s", buf="passes", why=REST
    ),
    "a limit is wider": change('limit="10/minute"', 'limit="20/minute"', buf="passes"),
    "a limit where none was": change(
        '"GET /opening-hours", public=True',
        '"GET /opening-hours", public=True, limit="5/minute"',
        "library.hours: its limit was none, is now 5/minute",
        buf="passes",
        why=REST,
    ),
    "a body may be smaller only": change(
        'idempotency="optional"',
        "body_bytes_max=1000",
        "library.edit: a body had up to 1048576 bytes, now 1000",
        buf="passes",
        why=REST,
    ),
    "a key is required": change(
        'idempotency="optional"',
        'idempotency="required"',
        "library.edit: an Idempotency-Key was optional, is now required",
        buf="passes",
        why=REST,
    ),
    "a key is not kept any more": change(
        'idempotency="optional"',
        'idempotency="none"',
        "library.edit: an Idempotency-Key was optional, is now none",
        buf="passes",
        why=REST,
    ),
    "an ETag is gone": change(
        'refuses=[BookNotFound], etag="version")',
        "refuses=[BookNotFound])",
        "library.get: it has no ETag any more",
        buf="passes",
        why=REST,
    ),
    "a Location is gone": change(
        '        location="/books/{id}",\n',
        "",
        "library.buy: its Location was /books/{id}, is now absent",
        buf="passes",
        why=REST,
    ),
    "better words": change("Return when it is open.", "Return the hours at which it is open.", buf="passes"),
    # failures
    "an operation refuses for one reason less": change(
        "        refuses=[TooMany],\n", "", "library.buy: no longer refuses with library:too_many", buf="passes", why=REST
    ),
    "an operation refuses for one reason more": change(
        'refuses=[BookNotFound], etag="version")', 'refuses=[BookNotFound, TooMany], etag="version")', buf="passes"
    ),
    "a failure gets another code": change(
        '"library:too_many"', '"library:full"', "library.buy: no longer refuses with library:too_many", buf="passes", why=REST
    ),
    "a failure gets another kind": change(
        "Kind.CONFLICT",
        "Kind.FORBIDDEN",
        "library:too_many: its kind was CONFLICT, is now FORBIDDEN",
        "library:too_many: its status was 409, is now 403",
        buf="passes",
        why=REST,
    ),
    "a field of a failure is removed": change(
        '    """There is room for {room}."""\n\n    room: int\n',
        '    """There is no room."""\n',
        "library:too_many field room: is gone",
        buf="passes",
        why=REST,
    ),
    # events
    "an event is removed": Change(
        (
            ("of=[Bought, Lost]", "of=[Bought]"),
            (
                '''@event("library.lost", schema=1, stream="book_id", version="version")
class Lost(Event, frozen=True):
    """A book went."""

    book_id: UUID
    version: int


''',
                "",
            ),
        ),
        ("library.events: no longer streams library.lost", "the event library.lost is gone"),
        "breaks",
    ),
    "a feed streams one event less": change(
        "of=[Bought, Lost]", "of=[Bought]", "library.events: no longer streams library.lost", buf="breaks"
    ),
    "an event has one field less": change(
        "    price: int = 0\n", "", "library.bought field price: is gone (for listeners)", buf="breaks"
    ),
    "an event has one field more, with a default": change(
        "    price: int = 0\n", '    price: int = 0\n    by: str = ""\n', buf="passes"
    ),
    "an event has a required field that old ones lack": change(
        "    copies: int\n    version: int\n    price",
        "    copies: int\n    by: str\n    version: int\n    price",
        "library.bought field by: is new and required (for what the log holds)",
        buf="passes",
        why="the wire has no log to read again",
    ),
    "an event belongs to another stream": change(
        'stream="hall"',
        'stream="wing"',
        "library.closed: the field that names its stream was hall, is now wing",
        buf="passes",
        why="streams are the log's",
    ),
    "an event changes with its schema": Change(
        (('"library.bought", schema=1', '"library.bought", schema=2'), ("    price: int = 0\n", "    cents: int\n")),
        (),
        "breaks",
        "a new schema is a new promise, with an upcast for the log; compiled feeds lose the field",
    ),
    # versions
    "everything changes with the version": Change(
        (('name="library", version=1', 'name="library", version=2'), ("GET /opening-hours", "GET /hours"), (BOOK_NOTE, "")),
        (),
        "passes",
    ),
    "the contract gets another name": change(
        'name="library", version=1', 'name="shelves", version=1', "the contract library.v1 is gone", buf="breaks"
    ),
}
