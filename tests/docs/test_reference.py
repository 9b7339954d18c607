"""Reference pages say what the code says: made from it, and complete."""

import re

import pytest

from tests.docs.commands import EXIT_CODES, all_commands
from tests.docs.cures import CURES, GATE_CURES
from tests.docs.failures import declared, gate
from tests.docs.pages import PAGES, ROOT
from tests.docs.ports import PROVEN_BY, port_files


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_what_the_code_says(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == PAGES[name](), "run: python -m tests.docs.pages"


def test_every_failure_has_a_cure_and_every_cure_a_failure() -> None:
    assert (declared().keys(), gate().keys()) == (CURES.keys(), GATE_CURES.keys())


def test_every_command_says_what_its_exit_codes_mean() -> None:
    assert all_commands().keys() == EXIT_CODES.keys()


def test_every_port_has_an_adapter_and_a_proof_that_exists() -> None:
    assert port_files().keys() == PROVEN_BY.keys()
    proofs = [path for _, proof in PROVEN_BY.values() for path in re.findall(r"tests/[\w/]+\.py", proof)]
    assert len(proofs) == len(PROVEN_BY) and [path for path in proofs if not (ROOT / path).is_file()] == []
