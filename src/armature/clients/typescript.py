"""A TypeScript package out of a surface: what it carries along, a file for each contract, and the client that holds them."""

import json
from collections.abc import Mapping

from armature.clients.carried.copies import carried
from armature.clients.output import Package
from armature.clients.surface import Contract, Surface, fingerprint
from armature.clients.typescript_contract import api_name, contract_file, refusal_classes
from armature.clients.typescript_words import identifier

__all__ = ["typescript_package"]

_RESERVED = ("constructor", "position", "then", "wire", "rt")

_COMPILER = {
    "target": "ES2022",
    "module": "NodeNext",
    "moduleResolution": "NodeNext",
    "lib": ["ES2022", "DOM", "DOM.Iterable", "DOM.AsyncIterable"],
    "types": [],
    "strict": True,
    "noUncheckedIndexedAccess": True,
    "noImplicitOverride": True,
    "noUnusedLocals": True,
    "exactOptionalPropertyTypes": True,
    "declaration": True,
    "rootDir": "src",
    "outDir": "dist",
}

_README = """# {name}

A typed client, made from the contracts by `armature client typescript`. Do not change it: make it again. It has no
dependencies; it needs a `fetch` (browsers, Node 20 or newer). `npm install && npm run build` compiles it.

```ts
import {{ Client, Refused }} from "{name}";

const client = new Client("https://api.example.com", {{ token: "…" }});
```

Each contract is an attribute:

{contracts}

- **Repeats.** Every command gets an idempotency key and is repeated with it, at most within the deadline, when the server cannot
  be reached, is busy or asks to wait. `{{ key }}` brings a key of your own.
- **Refusals** are thrown, one class for each code, with typed fields; `Refused` catches all, also codes newer than this package.
  `NoAnswer` says that nobody knows what happened: call again with its `key`.
- **Pages.** `…Each(…)` walks over everything by cursor, `…Pages(…)` over numbered pages.
- **Feeds** are iterators that are opened again by themselves and go on where they were. `signal` ends one that waits.
- **Versions.** `{{ ifMatch: thing.version }}` changes only that version; `…IfChanged(…)` answers null while nothing changed.
- **Reading your own writes.** Queries wait a moment for what this client changed. `client.position` hands that on.
- **Numbers.** Whole numbers have 64 bits on the wire and are exact here up to 2^53 - 1. Wider ones are refused, both ways,
  instead of becoming other numbers. Decimals, UUIDs, times and bytes are texts with a type of their own.

Fingerprint of the contracts: `{hashed}`.
"""


def typescript_package(surface: Surface, name: str, release: str) -> Package:
    """Return the package; `name` is what npm calls it."""
    hashed = fingerprint(surface)
    attributes = {_attribute(one): one for one in surface.contracts}
    files = {f"src/runtime/{file}": text for file, text in carried("typescript", ".ts").items()}
    for called, contract in attributes.items():
        files[f"src/contracts/{called}.ts"] = contract_file(contract)
    versions = {called: one.version for called, one in attributes.items()}
    files["src/runtime/platform.ts"] = _platform(surface)
    files["src/client.ts"] = _client(attributes)
    files["src/index.ts"] = _index(versions, hashed)
    files["package.json"] = _project(name, release)
    files["tsconfig.json"] = json.dumps({"compilerOptions": _COMPILER, "include": ["src"]}, indent=2) + "\n"
    lines = [f"- `client.{called}`: {', '.join(use.name for use in one.uses)}" for called, one in attributes.items()]
    files["README.md"] = _README.format(name=name, contracts="\n".join(lines), hashed=hashed)
    return Package("typescript", versions, hashed, files)


def _attribute(contract: Contract) -> str:
    name = contract.name if contract.version == 1 else f"{contract.name}_v{contract.version}"
    return identifier(name, _RESERVED)


def _platform(surface: Surface) -> str:
    known = "".join(f"  [{one.name}.code]: {one.name},\n" for one in surface.platform)
    parts = [
        "/** What the platform may refuse, whatever is asked. */",
        'import { Refused, type FieldError, type Refusals } from "./refusals.js";',
        *refusal_classes(surface.platform, ""),
        f"/** By code. */\nexport const PLATFORM: Refusals = {{\n{known}}};",
    ]
    return "\n\n".join(parts) + "\n"


def _client(attributes: Mapping[str, Contract]) -> str:
    imports = [
        f'import {{ {api_name(one)} as {_alias(called)} }} from "./contracts/{called}.js";' for called, one in attributes.items()
    ]
    fields = [f"  readonly {called}: {_alias(called)};" for called in attributes]
    made = [f"    this.{called} = new {_alias(called)}(this.wire);" for called in attributes]
    return "\n".join(
        [
            "/** The client: one object for each contract, and what they share. */",
            "",
            'import { Wire, type Options } from "./runtime/index.js";',
            *imports,
            "",
            "/** Calls the server at `url`; one client for as long as the program runs, since it keeps a budget of repeats. */",
            "export class Client {",
            *fields,
            "  private readonly wire: Wire;",
            "",
            "  constructor(url: string, options: Options = {}) {",
            "    this.wire = new Wire(url, options);",
            *made,
            "  }",
            "",
            "  /** Where this client's last command stands in the log; another client that is given it reads your writes. */",
            "  get position(): string | null {",
            "    return this.wire.position;",
            "  }",
            "",
            "  set position(position: string | null) {",
            "    this.wire.position = position;",
            "  }",
            "}",
            "",
        ]
    )


def _alias(called: str) -> str:
    return f"{called}_api"


def _index(versions: Mapping[str, int], hashed: str) -> str:
    exports = [f'export * as {called} from "./contracts/{called}.js";' for called in versions]
    return "\n".join(
        [
            "/** A typed client. Made from the contracts; a change here is lost with the next `armature client typescript`. */",
            "",
            'export { Client } from "./client.js";',
            'export * as refusals from "./runtime/platform.js";',
            *exports,
            'export { ApiError, NoAnswer, Refused, TooLate, Unreadable } from "./runtime/refusals.js";',
            'export type { FieldError, Problem } from "./runtime/refusals.js";',
            'export type { Answered, Call, Options, VersionedCall } from "./runtime/calls.js";',
            'export { TooWide } from "./runtime/json.js";',
            'export type { Base64, DateTime, Decimal, Happened, Page, Uuid, Version } from "./runtime/kinds.js";',
            "",
            "/** The version of each contract. */",
            f"export const CONTRACTS: {{ readonly [name: string]: number }} = {json.dumps(dict(versions))};",
            "",
            "/** The hash of the contracts this was made from. */",
            f"export const FINGERPRINT = {json.dumps(hashed)};",
            "",
        ]
    )


def _project(name: str, release: str) -> str:
    made = {
        "name": name,
        "version": release,
        "description": "A typed client.",
        "type": "module",
        "sideEffects": False,
        "exports": {".": {"types": "./dist/index.d.ts", "default": "./dist/index.js"}},
        "files": ["dist", "src"],
        "engines": {"node": ">=20"},
        "scripts": {"build": "tsc -p ."},
        "devDependencies": {"typescript": ">=5.6 <6"},
    }
    return json.dumps(made, indent=2) + "\n"
