"""Nobody reaches what is not public by writing it in a clever way."""

import pytest

from armature.engine.ssrf import AddressRefused, Target, admit, canonical_host, read_target
from tests.outbound.addresses import ADDRESSES, HOSTS, URLS

PUBLIC = "93.184.216.34"
NOBODY: frozenset[str] = frozenset()


def target(host: str = "example.com", allowed: bool = False) -> Target:
    return Target("https", host, 443, "/", allowed)


@pytest.mark.parametrize(("address", "public"), ADDRESSES)
def test_every_address_has_its_verdict(address: str, public: bool) -> None:
    if public:
        assert admit(target(), [address]) == (address,)
    else:
        with pytest.raises(AddressRefused):
            admit(target(), [address])


@pytest.mark.parametrize("private", [address for address, public in ADDRESSES if not public])
def test_one_bad_address_among_good_ones_refuses_the_host(private: str) -> None:
    with pytest.raises(AddressRefused):
        admit(target(), [PUBLIC, private, "2606:4700:4700::1111"])


@pytest.mark.parametrize(("written", "meant"), HOSTS)
def test_every_spelling_of_a_host_means_one_host_or_none(written: str, meant: str | None) -> None:
    if meant is None:
        with pytest.raises(AddressRefused):
            read_target(f"https://{written}/", NOBODY)
    else:
        assert read_target(f"https://{written}/", NOBODY).host == meant


@pytest.mark.parametrize("url", URLS)
def test_a_url_that_two_readers_could_read_differently_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        read_target(url, NOBODY)


def test_an_ordinary_url_is_read_to_the_last_character() -> None:
    read = read_target("HTTPS://Example.com:443/a/b;c?q=1&r=%20#part", NOBODY)
    assert read == Target("https", "example.com", 443, "/a/b;c?q=1&r=%20", False)
    assert read_target("https://example.com?q", NOBODY).path == "/?q"
    assert (read.authority, read_target("https://[2606:4700::1]/", NOBODY).authority) == ("example.com", "[2606:4700::1]")


def test_an_allowed_host_may_be_plain_private_and_on_any_port() -> None:
    allowed = read_target("http://Billing.internal:9000/x", frozenset({"billing.internal"}))
    assert (allowed.allowed, allowed.authority) == (True, "billing.internal:9000")
    assert admit(allowed, ["10.1.2.3"]) == ("10.1.2.3",)
    assert read_target("http://other.internal.evil.com/".replace("http:", "https:"), NOBODY).allowed is False


@pytest.mark.parametrize(
    "never", ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "0.0.0.0", "::ffff:10.0.0.1", "224.0.0.1"]
)
def test_an_allowed_name_that_turns_to_the_metadata_service_is_refused(never: str) -> None:
    with pytest.raises(AddressRefused):
        admit(target("billing.internal", allowed=True), [never])


def test_an_address_that_is_itself_listed_is_allowed_to_be_what_it_is() -> None:
    assert admit(target("169.254.169.254", allowed=True), ["169.254.169.254"]) == ("169.254.169.254",)


def test_a_host_without_an_address_is_refused() -> None:
    with pytest.raises(AddressRefused, match="no address"):
        admit(target(), [])


def test_a_refusal_says_what_would_be_accepted() -> None:
    with pytest.raises(AddressRefused, match=r"outbound\.allow_hosts"):
        read_target("http://example.com/", NOBODY)
    with pytest.raises(AddressRefused, match="four decimal numbers"):
        canonical_host("0x7f.1")
