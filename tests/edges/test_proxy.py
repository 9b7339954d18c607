"""Who is believed about a caller's address: our own proxies, as far as their word reaches, and nobody else."""

import pytest

from armature.edges.http.proxy import TrustedProxies, UnknownNetwork

OURS = TrustedProxies(["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "caller"),
    [
        ("10.0.0.1", [b"203.0.113.9"], "203.0.113.9"),
        ("203.0.113.1", [b"198.51.100.1"], "203.0.113.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [b"127.0.0.1, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", [b"203.0.113.9, 10.1.1.1, 192.0.2.7"], "203.0.113.9"),
        ("10.0.0.1", [b"1.1.1.1", b"203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", [b"10.9.9.9, 10.8.8.8"], "10.9.9.9"),
        ("10.0.0.1", [b"203.0.113.9, unknown"], "10.0.0.1"),
        ("10.0.0.1", [b"203.0.113.9, <script>, 10.1.1.1"], "10.1.1.1"),
        ("10.0.0.1", [b""], "10.0.0.1"),
        ("10.0.0.1", [b"203.0.113.9:5123"], "203.0.113.9"),
        ("10.0.0.1", [b"[2001:db9::5]:443"], "2001:db9::5"),
        ("2001:db8::1", [b"2001:db9::5"], "2001:db9::5"),
        ("::ffff:10.0.0.1", [b"::ffff:203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", [b"203.0.113.9\xff"], "10.0.0.1"),
        ("10.0.0.1", [b"0x0a.0.0.1"], "10.0.0.1"),
        ("", [b"203.0.113.9"], ""),
    ],
)
def test_the_right_most_hop_that_is_not_ours_is_the_caller(peer: str, forwarded: list[bytes], caller: str) -> None:
    assert OURS.client_address(peer, forwarded) == caller


def test_without_trusted_proxies_the_header_is_not_looked_at() -> None:
    assert TrustedProxies([]).client_address("10.0.0.1", [b"203.0.113.9"]) == "10.0.0.1"


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "proxy.internal", ""])
def test_an_entry_that_is_no_network_is_refused_with_a_cure(text: str) -> None:
    with pytest.raises(UnknownNetwork, match=r"http.trusted_proxies: .*; write a network as"):
        TrustedProxies([text])
