"""Topic filters with named captures, and the names of streams."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from forecaster.pipeline.topics import Captures, TopicFilter, covers, meet, stream_name


@pytest.mark.parametrize(
    ("text", "mqtt", "topic", "captures"),
    [
        ("a/b", "a/b", "a/b", ()),
        ("a/b", "a/b", "a/b/c", None),
        ("home/{home}/power", "home/+/power", "home/x y/power", (("home", "x y"),)),
        ("home/{home}/power", "home/+/power", "home//power", None),
        ("home/{home}/power", "home/+/power", "home/a/b/power", None),
        ("+/{b}/#", "+/+/#", "x/y/z/1", (("", "x"), ("b", "y"), ("", "z/1"))),
        ("a/#", "a/#", "a", None),
        ("#", "#", "any/thing", (("", "any/thing"),)),
        ("#", "#", "$SYS/broker", None),
        ("tele/plug_{n}/SENSOR", "tele/+/SENSOR", "tele/plug_7/SENSOR", (("n", "7"),)),
        ("tele/plug_{n}/SENSOR", "tele/+/SENSOR", "tele/lamp_7/SENSOR", None),
        ("a.c/(x)", "a.c/(x)", "abc/(x)", None),
    ],
)
def test_a_filter_matches_and_captures(text: str, mqtt: str, topic: str, captures: Captures | None) -> None:
    """Captures are whole levels or parts of one, never empty; the rest is literal."""
    compiled = TopicFilter.parse(text)

    assert compiled.mqtt == mqtt
    assert compiled.match(topic) == captures


@pytest.mark.parametrize("text", ["", "a/#/b", "a/b#", "a/x+", "a/{", "a/{x y}", "a/{}", "{a}/{a}", "a\0b"])
def test_a_filter_that_makes_no_sense_is_refused(text: str) -> None:
    """With words, before anything is subscribed to."""
    with pytest.raises(ValueError, match=r"filter|level|name"):
        TopicFilter.parse(text)


def test_streams_are_named_by_template_captures_or_topic() -> None:
    """In that order."""
    captures = (("home", "a"), ("", "x"), ("meter", "1"))

    assert stream_name(captures, "home/a/x/1", "{meter} of {home}") == "1 of a"
    assert stream_name(captures, "home/a/x/1", None) == "a/x/1"
    assert stream_name((), "home/a/x/1", None) == "home/a/x/1"


@pytest.mark.parametrize("template", ["{unknown}", "{}", "{0}", "", "{home}/#", "+", "{home", "{home.x}"])
def test_a_template_that_cannot_name_a_stream_is_refused(template: str) -> None:
    """It names what is not captured, or would not be a topic."""
    with pytest.raises(ValueError, match="name"):
        TopicFilter.parse("home/{home}").check_template(template)


def test_a_template_of_captures_is_accepted() -> None:
    """So is none at all."""
    TopicFilter.parse("home/{home}").check_template("{home}/kitchen")
    TopicFilter.parse("home").check_template(None)


LEVELS = st.lists(st.sampled_from(["a", "b", "$c", "+", "#"]), min_size=1, max_size=3)
FILTERS = LEVELS.filter(lambda levels: "#" not in levels[:-1]).map("/".join)
TOPICS = ["/".join(levels) for size in range(1, 5) for levels in product(["a", "b", "$c", ""], repeat=size)]


@given(one=FILTERS, other=FILTERS)
def test_filters_are_compared_as_the_topics_they_match(one: str, other: str) -> None:
    """All short topics are tried, and matched by paho; levels that are nobody's stand for any others."""
    ours = {topic for topic in TOPICS if topic_matches_sub(one, topic)}
    theirs = {topic for topic in TOPICS if topic_matches_sub(other, topic)}
    assert meet(one, other) == bool(ours & theirs)
    if covers(one, other):
        assert theirs <= ours
    elif "#" not in (one.split("/")[-1], other.split("/")[-1]):
        assert not theirs <= ours


@given(one=FILTERS, topic=st.sampled_from(TOPICS))
def test_a_topic_meets_the_filters_that_match_it(one: str, topic: str) -> None:
    """As paho matches them."""
    assert meet(one, topic) == topic_matches_sub(one, topic)
