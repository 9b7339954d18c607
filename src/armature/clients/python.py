"""A Python package out of a surface: what it carries along, a file for each contract, and the client that holds them."""

from collections.abc import Iterator

from armature.clients.blocking import blocking
from armature.clients.carried.copies import carried
from armature.clients.output import Package
from armature.clients.python_contract import api_name, contract_file, refusal_classes
from armature.clients.python_texts import client_text, init_text, project_text, readme_text
from armature.clients.python_words import Words, identifier
from armature.clients.surface import Contract, Surface, fingerprint

__all__ = ["python_package"]

_RESERVED = ("self", "close", "aclose", "position", "refusals")


def python_package(surface: Surface, name: str, release: str) -> Package:
    """Return the package; `name` is how it is imported."""
    hashed = fingerprint(surface)
    attributes = {attribute(one): one for one in surface.contracts}
    files = {f"src/{name}/{file}": text for file, text in _carried().items()}
    for called, contract in attributes.items():
        files[f"src/{name}/{called}.py"] = _contract(contract)
    files[f"src/{name}/refusals.py"] = _refusals(surface)
    apis = [(called, f"{called}", api_name(one)) for called, one in attributes.items()]
    files[f"src/{name}/_client_async.py"] = asynchronous = client_text(apis)
    files[f"src/{name}/_client.py"] = blocking(asynchronous)
    versions = {called: one.version for called, one in attributes.items()}
    files[f"src/{name}/__init__.py"] = init_text(name, versions, hashed, release)
    files[f"src/{name}/py.typed"] = ""
    files["pyproject.toml"] = project_text(name, release)
    files["README.md"] = readme_text(name, attributes, hashed)
    return Package("python", versions, hashed, files)


def attribute(contract: Contract) -> str:
    """Return what the client calls a contract; a later version has its number, so that the first keeps its name."""
    name = contract.name if contract.version == 1 else f"{contract.name}_v{contract.version}"
    return identifier(name, _RESERVED)


def _carried() -> dict[str, str]:
    files = carried("python", ".py")
    files["_wire.py"] = blocking(files["_wire_async.py"])
    return files


def _contract(contract: Contract) -> str:
    head = f'"""Contract {contract.name}, version {contract.version}. Made from the contract; a change here is lost."""\n\n'
    return head + "from __future__ import annotations\n\n" + contract_file(contract)


def _refusals(surface: Surface) -> str:
    words = Words(field.name for one in surface.platform for field in one.fields)
    words.take("._refusals", "FieldError")
    body = [*refusal_classes(surface.platform, words), *_platform(surface, words)]
    head = '"""What the platform may refuse, whatever is asked."""\n\nfrom __future__ import annotations\n\n'
    names = "".join(f'    "{one}",\n' for one in ["PLATFORM", *sorted(one.name for one in surface.platform)])
    return head + "\n".join([words.imports(), "", f"__all__ = [\n{names}]\n\n", *body]) + "\n"


def _platform(surface: Surface, words: Words) -> Iterator[str]:
    mapping, refused = words.take("collections.abc", "Mapping"), words.take("._refusals", "Refused")
    yield f"PLATFORM: {mapping}[str, type[{refused}]] = {{"
    yield from (f"    {one.name}.code: {one.name}," for one in surface.platform)
    yield "}"
    yield '"""By code."""'
