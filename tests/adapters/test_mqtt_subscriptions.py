"""What is subscribed to and taken back, and which copies of a message count; against a real mosquitto."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from servers import Collector, Mosquitto, eventually, refusing
from sessions import Inbox, a_broker, payloads

from forecaster.adapters.mqtt_subscriptions import Subscriptions
from forecaster.errors import StoreError

VERSIONS = pytest.mark.parametrize("version", ["5", "3.1.1"])


def heard(inbox: Inbox) -> list[tuple[str, bytes]]:
    return [(message.topic, message.payload) for message, _ in inbox]


@VERSIONS
def test_what_is_no_longer_wanted_is_taken_back(mosquitto: Mosquitto, tmp_path: Path, version: str) -> None:
    """A session keeps its subscriptions; those of former settings would go on, and count narrowed ones twice."""
    inbox: Inbox = []
    file = tmp_path / "subscriptions.json"
    before = ("home/+/noise", "home/+/litres")
    with a_broker(mosquitto.url, [], *before, subscribed=file, version=version):
        pass
    with (
        a_broker(mosquitto.url, inbox, "home/kitchen/litres", subscribed=file, version=version),
        Collector(mosquitto.port) as collector,
    ):
        eventually(lambda: json.loads(file.read_text()) == ["home/kitchen/litres"], what="taking back")
        collector.publish("home/a/noise", b"1")
        collector.publish("home/kitchen/litres", b"2")
        collector.publish("home/kitchen/litres", b"3")
        eventually(lambda: len(inbox) >= 2, what="two messages")

    assert heard(inbox) == [("home/kitchen/litres", b"2"), ("home/kitchen/litres", b"3")]


def test_what_waited_by_a_subscription_that_is_taken_back_comes_once(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Also where the new one would have brought it, and has an identifier that it does not carry."""
    inbox: Inbox = []
    file = tmp_path / "subscriptions.json"
    with Collector(mosquitto.port) as collector:
        with a_broker(mosquitto.url, [], "+/b", "a/#", subscribed=file):
            pass
        collector.publish("a/c", b"1")
        collector.publish("c/b", b"2")
        with a_broker(mosquitto.url, inbox, "a/+", "+/c", "+/b", subscribed=file):
            eventually(lambda: len(inbox) >= 2, what="what waited")
            collector.publish("a/c", b"3")
            collector.publish("a/b", b"4")
            eventually(lambda: b"4" in payloads(inbox), what="the next messages")

    assert heard(inbox) == [("a/c", b"1"), ("c/b", b"2"), ("a/c", b"3"), ("a/b", b"4")]


@VERSIONS
@pytest.mark.parametrize(
    "filters",
    [("home/{m}/litres", "home/kitchen/litres"), ("home/+/litres", "+/kitchen/#", "home/kitchen/+", "other/#")],
    ids=["covered", "meeting"],
)
def test_a_message_that_several_subscriptions_match_comes_once(
    mosquitto: Mosquitto, version: str, filters: tuple[str, ...]
) -> None:
    """With MQTT 5 a copy comes by each; the others are acknowledged, and do not come again."""
    inbox: Inbox = []
    filters = tuple(one.replace("{m}", "+") for one in filters)
    with Collector(mosquitto.port) as collector:
        for number in range(2):
            with a_broker(mosquitto.url, inbox, *filters, version=version) as broker:
                collector.publish("home/kitchen/litres", b"%d" % number)
                collector.publish("home/bath/litres", b"%d" % number)
                eventually(lambda number=number: len(inbox) >= 2 * number + 2, what="two messages")
                for _, acknowledge in inbox:
                    acknowledge()
                broker.publish("probe", b"")
                eventually(lambda: broker.waiting == 0, what="acknowledging")

    topics = ["home/kitchen/litres", "home/bath/litres"]
    assert heard(inbox) == [(topic, b"%d" % number) for number in range(2) for topic in topics]


@VERSIONS
def test_a_subscription_that_is_refused_is_named_and_the_others_are_heard(
    mosquitto_here: None, tmp_path: Path, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What can come does, and a person can see that not all of it can."""
    caplog.set_level(logging.ERROR)
    mosquitto = Mosquitto(tmp_path / "m", lines=refusing(tmp_path, "secret/#")).start()
    inbox: Inbox = []
    filters = ("home/+", "secret/a", "+/b", "secret/c")
    try:
        with (
            a_broker(mosquitto.url, inbox, *filters, wait=False, version=version) as broker,
            Collector(mosquitto.port) as collector,
        ):
            eventually(broker.listening, what="the answers")
            collector.publish("home/a", b"1")
            eventually(lambda: inbox, what="the message")
            assert not broker.connected()
    finally:
        mosquitto.stop()

    [said] = caplog.messages
    assert said.startswith("the broker does not let us subscribe")
    assert [one for one in filters if f"'{one}'" in said] == ["secret/a", "secret/c"]


def test_what_a_refused_subscription_would_have_brought_too_comes_by_the_other(
    mosquitto_here: None, tmp_path: Path
) -> None:
    """Also what waits when the service starts again, before the broker has refused once more."""
    mosquitto = Mosquitto(tmp_path / "m", lines=refusing(tmp_path, "home/kitchen/#")).start()
    inbox: Inbox = []
    filters = ("home/kitchen/+", "home/+/litres")
    file = tmp_path / "subscriptions.json"
    try:
        with Collector(mosquitto.port) as collector:
            with a_broker(mosquitto.url, inbox, *filters, wait=False, subscribed=file) as broker:
                eventually(broker.listening, what="the answers")
                collector.publish("home/kitchen/litres", b"1")
                eventually(lambda: inbox, what="the message")
                inbox[0][1]()
            collector.publish("home/kitchen/litres", b"2")
            with a_broker(mosquitto.url, inbox, *filters, wait=False, subscribed=file) as broker:
                eventually(broker.listening, what="the answers")
                collector.publish("home/kitchen/litres", b"3")
                eventually(lambda: b"3" in payloads(inbox), what="the last message")
    finally:
        mosquitto.stop()

    assert payloads(inbox) == [b"1", b"2", b"3"]


def test_what_waited_by_two_subscriptions_of_which_one_is_taken_back_comes_once(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """Whichever it is; what only the one brings that is taken back comes too."""
    inbox: Inbox = []
    file = tmp_path / "subscriptions.json"
    with Collector(mosquitto.port) as collector:
        for number, kept in enumerate(("a/+", "+/b")):
            with a_broker(mosquitto.url, [], "a/+", "+/b", subscribed=file, client_id=kept):
                pass
            collector.publish("a/b", b"%d" % number)
            collector.publish("a/c", b"%d" % number)
            collector.publish("c/b", b"%d" % number)
            with a_broker(mosquitto.url, inbox, kept, subscribed=file, client_id=kept):
                eventually(lambda kept=kept: json.loads(file.read_text()) == [kept], what="taking back")
                collector.publish("a/b", b"next")
                eventually(lambda number=number: payloads(inbox).count(b"next") > number, what="the next message")

    assert sorted(heard(inbox)) == [
        *(("a/b", b"0"), ("a/b", b"1"), ("a/b", b"next"), ("a/b", b"next")),
        *(("a/c", b"0"), ("a/c", b"1"), ("c/b", b"0"), ("c/b", b"1")),
    ]


def test_what_is_kept_comes_by_a_new_subscription_though_an_old_one_is_taken_back(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """The broker sends retained messages by those alone that it is asked for."""
    inbox: Inbox = []
    file = tmp_path / "subscriptions.json"
    with Collector(mosquitto.port) as collector:
        collector.publish("a/b", b"1", retain=True)
        with a_broker(mosquitto.url, [], "c/+", "+/b", subscribed=file):
            pass
        with a_broker(mosquitto.url, inbox, "a/+", "+/c", subscribed=file):
            eventually(lambda: json.loads(file.read_text()) == ["a/+", "+/c"], what="taking back")

    assert ("a/b", b"1") in heard(inbox)


def test_a_filter_that_another_covers_is_not_subscribed_to() -> None:
    """And taken back, for a version that knew no better may have left it in the session."""
    found = Subscriptions(["home/kitchen/litres", "home/+/litres", "$SYS/a", "+/a"])
    assert (found.wanted, found.stale) == (("home/+/litres", "$SYS/a", "+/a"), ("home/kitchen/litres",))
    assert list(found.identifiers) == []


def test_only_filters_that_meet_have_identifiers_and_keep_them() -> None:
    """Without, nothing has to be looked at as messages come; what waits carries those of the last session."""
    first = Subscriptions(["a/+", "+/b", "c/d/e"])
    second = Subscriptions(["x/b", "+/b", "x/+"])
    assert list(first.identifiers) == ["a/+", "+/b"]
    assert first.identifiers["+/b"] == second.identifiers["+/b"]


def test_one_copy_with_several_identifiers_counts_once() -> None:
    """Or several copies with one each; what carries only those of former settings is a copy of nothing."""
    two = Subscriptions(["a/+", "+/b"])
    first, second = two.identifiers.values()
    assert two.counts("a/b", [second, first])
    assert two.counts("a/b", [first])
    assert not two.counts("a/b", [second])
    assert two.counts("c/b", [second])
    assert two.counts("a/b", [12345])
    assert two.counts("a/b", [])


def test_of_what_waits_there_are_copies_by_former_subscriptions_only(tmp_path: Path) -> None:
    """So these come first, and the one new to the session is not waited for."""
    file = tmp_path / "subscriptions.json"
    Subscriptions(["+/b"], file).settled()
    now = Subscriptions(["a/+", "+/b"], file)
    assert now.counts("a/b", [now.identifiers["+/b"]])


def test_filters_the_session_had_first_stay_first_though_the_broker_was_not_reached(tmp_path: Path) -> None:
    """What waits there has no copies by those that it was not yet asked for."""
    file = tmp_path / "subscriptions.json"
    Subscriptions(["x/+"], file).settled()
    Subscriptions(["a/+", "x/+"], file)
    assert Subscriptions(["a/+", "x/+"], file).wanted == ("x/+", "a/+")


def test_a_copy_by_a_refused_filter_counts_where_no_other_brings_the_topic() -> None:
    """And the broker may grant it at the next connection, where the other may be refused."""
    two = Subscriptions(["a/+", "+/b"])
    first, second = two.identifiers.values()
    two.refused(["a/+"])
    assert two.counts("a/b", [second])
    assert not two.counts("a/b", [first])
    assert two.counts("a/c", [first])
    two.refused(["+/b"])
    assert two.counts("a/b", [first])


def test_what_may_be_in_the_session_is_remembered_until_it_is_not(tmp_path: Path) -> None:
    """Killed before the broker has answered, the next start takes back what this one meant to."""
    file = tmp_path / "subscriptions.json"
    Subscriptions(["a", "b"], file)
    Subscriptions(["c"], file)
    last = Subscriptions(["b"], file)
    assert last.stale == ("a", "c")
    last.settled()
    assert Subscriptions(["b"], file).stale == ()


@pytest.mark.parametrize("content", ["[", "5", "null", '"a/b"', "{}", "[[1]]", "[1]", '[""]'])
def test_a_memory_that_cannot_be_read_is_named(tmp_path: Path, content: str) -> None:
    """It is ours alone: somebody has written to it."""
    file = tmp_path / "subscriptions.json"
    file.write_text(content)
    with pytest.raises(StoreError, match=r"subscriptions\.json: cannot be read .* move it away"):
        Subscriptions([], file)
