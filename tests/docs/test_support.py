"""The page of adapters names exactly the laws and adapters that exist, and says what a run has seen."""

import re
from pathlib import Path

import pytest

from tests.docs.support import Proof, adapter_of, adapters_page, differences, proofs, recorded, seen

PROOF = Proof("cache", "redis", "TestRedisCache", "tests/conformance/test_cache.py", ("test_a", "test_b"))
_CASE = '<testcase classname="tests.conformance.test_cache.TestRedisCache" name="{0}">{1}</testcase>'


def result(folder: Path, *cases: tuple[str, str]) -> Path:
    file = folder / "result.xml"
    file.write_text(f"<testsuites><testsuite>{''.join(_CASE.format(*case) for case in cases)}</testsuite></testsuites>")
    return file


def test_the_record_holds_every_law_of_every_adapter_and_no_other() -> None:
    """A law or an adapter that is new, gone or no longer kept: `python -m tests.docs.support` runs and records it."""
    everything: dict[str, dict[str, list[str]]] = {}
    for proof in proofs():
        for law in proof.laws:
            everything.setdefault(proof.port, {}).setdefault(law, []).append(proof.name)
    assert differences(recorded().kept, everything) == []


def test_every_adapter_of_a_port_has_a_section() -> None:
    sections = re.findall(r"^## (\w+)$", adapters_page(), re.MULTILINE)
    assert {proof.adapter for proof in proofs()} - {"outbound"} <= set(sections)


@pytest.mark.parametrize("trouble", ["<failure/>", "<error/>", "<skipped/>"])
def test_a_law_is_kept_only_when_every_run_of_it_passed(tmp_path: Path, trouble: str) -> None:
    file = result(tmp_path, ("test_a[1]", ""), ("test_a[2]", trouble), ("test_b", "<properties/>"))
    assert seen([file], [PROOF]) == {"cache": {"test_a": [], "test_b": ["TestRedisCache"]}}


def test_a_law_that_was_not_run_is_not_kept(tmp_path: Path) -> None:
    kept = seen([result(tmp_path, ("test_a", ""))], [PROOF])
    assert kept == {"cache": {"test_a": ["TestRedisCache"], "test_b": []}}
    assert differences({"cache": {"test_a": ["TestRedisCache"], "test_b": ["TestRedisCache"]}}, kept) == [
        "cache test_b: recorded TestRedisCache; found nothing"
    ]


def test_a_proof_whose_adapter_cannot_be_told_from_its_name_is_refused() -> None:
    assert [adapter_of(name) for name in ("TestRedisCache", "TestHttpx2HttpOnUvloop")] == ["redis", "httpx2"]
    with pytest.raises(ValueError, match="call it after its adapter"):
        adapter_of("TestOurCache")
