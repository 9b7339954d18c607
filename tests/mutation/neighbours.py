"""Defects in how processes call each other, each with the test that must notice."""

from .mutants import Edit, Mutant

__all__ = ["NEIGHBOURS"]

WAY = "engine/remote_way.py"
HOST = "engine/remote_host.py"
TLS = "adapters/grpc/tls.py"
WAYS = "tests/neighbours/test_way.py::"
GRPC = "adapters/grpc/links.py"
HEARING, TALK = "adapters/grpc/hearing.py", "adapters/grpc/talk.py"
TALKS = "tests/neighbours/test_grpc_talk.py::"
OUTCOMES = "adapters/grpc/outcomes.py"
RELEASES = "tests/neighbours/test_releases.py::"
MESSAGE, TURNSTILE = "engine/remote_message.py", "engine/turnstile.py"
REPLAYS = "tests/neighbours/test_nats_replay.py::"

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
        (Edit(MESSAGE, "if not hmac.compare_digest(tag, _tag(body, keyed)):", "if False:"),),
        RELEASES + "test_a_forged_message_is_refused_and_logged_and_nothing_is_done",
        "assert {'count': 1} == {'count': 0}",
    ),
    Mutant(
        "a message that was taken is taken again",
        (Edit(TURNSTILE, "if ask.id in ids:", "if False:"),),
        REPLAYS + "test_the_answer_to_a_query_is_not_given_twice",
        "assert b'link:repeated' in",
    ),
    Mutant(
        "a message is taken however old it is",
        (Edit(TURNSTILE, "if until <= now or slot < self._first or ask.sent_at > now + SKEW_SECONDS:", "if False:"),),
        REPLAYS + "test_what_comes_from_long_ago_is_not_taken_by_a_process_that_has_never_seen_it",
        "assert (b'link:stale' in",
    ),
    Mutant(
        "a command without a key leaves no mark",
        (Edit("engine/pipeline.py", "self._parts.keys.mark(call))", "None)"),),
        REPLAYS + "test_another_member_of_the_group_does_not_do_what_was_done[without-a-key]",
        "assert 2 == 1",
    ),
    Mutant(
        "a key is forgotten while its message is still taken",
        (Edit("engine/idempotency.py", "max(self._ttl, timedelta(seconds=call.again[1]))", "self._ttl"),),
        REPLAYS + "test_a_key_is_kept_for_as_long_as_its_message_is_taken",
        "assert 2 == 1",
    ),
    Mutant(
        "an answer to another question is taken",
        (Edit(MESSAGE, "if answer.of != question.id:", "if False:"),),
        REPLAYS + "test_an_old_answer_is_not_taken_for_the_answer_to_a_new_question",
        "assert (200, None) == (503, 'system:unavailable')",
    ),
    Mutant(
        "a question may be its own answer",
        (Edit(MESSAGE, 'person=b"armature-told"', 'person=b"armature-ask"'),),
        REPLAYS + "test_a_question_is_not_taken_for_its_own_answer",
        "answer was given to another question",
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
        (Edit(GRPC, "        self._turn_away()\n        with suppress", "        with suppress"),),
        TALKS + "test_who_leaves_says_so_to_everybody_and_finishes_what_is_in_hand[beside-it]",
        "LinkLate",
    ),
    Mutant(
        "a refusal of who leaves is taken for a loss",
        (Edit(OUTCOMES, "        if _marked(error):\n", "        if False:\n"),),
        "tests/neighbours/test_grpc_leaving.py::test_who_said_that_it_leaves_is_not_asked_again_before_it_has_left",
        "'LinkLost'",
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
        "a conversation ends in order with messages in hand",
        (Edit(HEARING, "if self._in_hand or failed:", "if failed:"),),
        TALKS + "test_who_must_end_with_messages_in_hand_says_so",
        "Leaving: 'counter'",
    ),
    Mutant(
        "messages are taken while a conversation ends in order",
        (Edit(HEARING, "        if self._over:  # it", "        if False:  # it"),),
        TALKS + "test_what_comes_as_a_conversation_ends_in_order_is_not_begun",
        "assert [b'too late'] == []",
    ),
    Mutant(
        "what was sent in a conversation that breaks is taken for not sent",
        (Edit(TALK, "number > self._handed_over:", "True:"),),
        TALKS + "test_what_was_sent_in_a_conversation_that_breaks_may_have_been_begun",
        "NotTaken(",
    ),
    Mutant(
        "who leaves takes what comes in a conversation",
        (Edit(HEARING, "elif self._turned_away():", "elif False:"),),
        TALKS + "test_who_leaves_says_so_to_everybody_and_finishes_what_is_in_hand[in-a-conversation]",
        "LinkLate",
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
