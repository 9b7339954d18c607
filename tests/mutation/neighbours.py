"""Defects in how processes call each other, each with the test that must notice."""

from .mutants import Edit, Mutant

__all__ = ["NEIGHBOURS"]

WAY = "engine/remote_way.py"
HOST = "engine/remote_host.py"
TLS = "adapters/grpc/tls.py"
WAYS = "tests/neighbours/test_way.py::"
GRPC = "adapters/grpc/links.py"
OUTCOMES = "adapters/grpc/outcomes.py"
LAW_5 = "tests/conformance/test_links.py::TestGrpcLinks::test_law_5_who_leaves_costs_nobody_an_answer_while_another_stays"
RELEASES = "tests/neighbours/test_releases.py::"

NEIGHBOURS = (
    Mutant(
        "a command without a key is sent again",
        (Edit(WAY, "harmless = isinstance(error, NotSent) or errand.reads or errand.keyed", "harmless = True"),),
        WAYS + "test_what_may_have_been_done_is_not_sent_again_without_a_key",
        "assert 3 == 1",
    ),
    Mutant(
        "retries have no budget",
        (Edit(WAY, "attempt < self._policy.attempts_max and self._budget.spend()", "attempt < self._policy.attempts_max"),),
        WAYS + "test_retries_are_a_tenth_of_the_calls_and_a_reserve",
        "assert 900 <=",
    ),
    Mutant(
        "an unknown outcome is told as a certain one",
        (Edit(WAY, "        if doubtful and not errand.reads:\n            return", "        if False:\n            return"),),
        WAYS + "test_what_may_have_been_done_is_not_sent_again_without_a_key",
        "assert 'system:unavailable' == 'commit:unknown'",
    ),
    Mutant(
        "the last attempt speaks for the first",
        (
            Edit(
                WAY,
                "                if doubtful and not errand.reads:\n                    raise UnknownOutcome from refused\n",
                "",
            ),
        ),
        WAYS + "test_a_refusal_of_the_second_attempt_says_nothing_of_the_first",
        "== 'commit:unknown'",
    ),
    Mutant(
        "whoever asks is believed to have the permission",
        (Edit(HOST, "        pipeline.authorise(call)\n        if pipeline.rate", "        if pipeline.rate"),),
        RELEASES + "test_permissions_are_looked_at_again_where_the_operation_lives",
        "assert '' == 'auth:forbidden'",
    ),
    Mutant(
        "a forged message is taken",
        (Edit("engine/remote_message.py", "if not hmac.compare_digest(tag, self._tag(body)):", "if False:"),),
        RELEASES + "test_a_forged_message_is_refused_and_logged_and_nothing_is_done",
        "system:unavailable",
    ),
    Mutant(
        "every certificate of the authority is admitted",
        (Edit(TLS, "return bool(self._admitted.intersection(identities or ()))", "return True"),),
        "tests/neighbours/test_tls.py::test_a_good_certificate_of_somebody_who_is_not_admitted_is_refused",
        "it was answered",
    ),
    Mutant(
        "half a renewal is taken",
        (Edit("adapters/grpc/shown.py", "        self._fits(found, key)\n", ""),),
        "tests/neighbours/test_tls.py::test_files_that_cannot_be_used_are_refused_at_the_start",
        "DID NOT RAISE",
    ),
    Mutant(
        "any process of the installation may answer for another",
        (Edit("adapters/grpc/links.py", 'name_override", process)', 'name_override", "localhost")'),),
        "tests/neighbours/test_tls.py::test_a_server_that_is_another_process_is_told_nothing",
        "it was answered",
    ),
    Mutant(
        "who leaves tells nobody before it stops",
        (
            Edit(GRPC, "        self._turn_away()\n        with suppress", "        with suppress"),
            Edit(GRPC, "timeout(_LEAVE_SECONDS):", "timeout(0.1):"),
        ),
        LAW_5,
        "'alpha': CANCELLED",
    ),
    Mutant(
        "a refusal of who leaves is taken for a loss",
        (Edit(OUTCOMES, "        if _marked(error):\n", "        if False:\n"),),
        LAW_5,
        "LinkLost: 'alpha': leaving",
    ),
    Mutant(
        "what had begun on a connection that broke is taken for not sent",
        (
            Edit(
                OUTCOMES,
                '_NOT_BEGUN = ("stream removed (goaway received", "stream removed (',
                '_NOT_BEGUN = ("stream removed (", "',
            ),
        ),
        "tests/neighbours/test_grpc_leaving.py::test_what_was_there_when_the_connection_broke_may_have_been_begun",
        "NotTaken(",
    ),
    Mutant(
        "a message that the network cut goes the long way",
        (Edit("adapters/nats/frames.py", " and not (self.takers and is_cut(self._rest, self.takers))", ""),),
        "tests/conformance/test_nats_messages.py::test_plain_messages_need_no_parser_of_the_client",
        "assert 200 == 0",
    ),
    Mutant(
        "nobody there is taken for an empty answer",
        (Edit("adapters/nats/links.py", "if headers.get(Header.STATUS) == NO_RESPONDERS_STATUS:", "if False:"),),
        "tests/conformance/test_links.py::TestNatsLinks::test_law_3_nobody_there_is_told_at_once",
        "DID NOT RAISE",
    ),
    Mutant(
        "a server that comes late is never found",
        (Edit("adapters/nats/links.py", "            self._open_if_need_be()\n", ""),),
        "tests/conformance/test_nats_links.py::test_who_began_before_the_server_asks_as_soon_as_it_is_there",
        "TimeoutError",
    ),
)
