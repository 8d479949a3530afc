"""The outbox: newest per topic, bounded, nothing lost silently."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.adapters.outbox import Outbox, Publication


def test_a_newer_publication_takes_the_place_of_the_older_one() -> None:
    """A topic that is published often does not lose its place in the queue, and is sent once."""
    box = Outbox(topics=10)
    for topic, payload in [("a", b"1"), ("b", b"1"), ("a", b"2")]:
        box.put(Publication(topic, payload))

    assert box.take(10) == [Publication("a", b"2"), Publication("b", b"1")]
    assert (box.replaced, box.dropped, len(box)) == (1, 0, 0)


def test_beyond_the_bound_the_oldest_is_dropped_and_counted() -> None:
    """Memory is bounded by the number of topics; what is lost is counted."""
    box = Outbox(topics=2)
    for topic in "abcd":
        box.put(Publication(topic, b"1"))

    assert [each.topic for each in box.take(10)] == ["c", "d"]
    assert box.dropped == 2


def test_what_did_not_arrive_goes_first_unless_something_newer_waits() -> None:
    """After a broken connection the unacknowledged are sent again, newest per topic."""
    box = Outbox(topics=10)
    for topic in "abc":
        box.put(Publication(topic, b"1"))
    taken = box.take(2)
    box.put(Publication("a", b"2"))

    box.give_back(taken)

    assert box.take(10) == [Publication("b", b"1"), Publication("c", b"1"), Publication("a", b"2")]
    assert box.replaced == 1


def test_of_two_that_did_not_arrive_the_later_one_counts() -> None:
    """One topic may be in flight twice; the later one wins."""
    box = Outbox(topics=10)

    box.give_back([Publication("a", b"1"), Publication("b", b"1"), Publication("a", b"2")])

    assert box.take(10) == [Publication("a", b"2"), Publication("b", b"1")]


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abcdef")),
        st.tuples(st.just("take"), st.integers(0, 4)),
        st.tuples(st.just("lose"), st.just(0)),
    ),
    max_size=60,
)


@settings(max_examples=100)
@given(actions=ACTIONS)
def test_whatever_happens_the_newest_of_a_topic_is_the_last_to_be_seen(actions: list[tuple[str, object]]) -> None:
    """Every put is sent, replaced or dropped, whatever is put, taken and lost; never an older one after a newer."""
    box = Outbox(topics=4)
    sent: list[Publication] = []
    in_flight: list[Publication] = []
    for number, (action, argument) in enumerate(actions):
        match action, argument:
            case "put", str(topic):
                box.put(Publication(topic, b"%d" % number))
            case "take", int(most):
                in_flight += box.take(most)
            case "lose", _:
                sent, in_flight = sent + in_flight[: len(in_flight) // 2], in_flight[len(in_flight) // 2 :]
                box.give_back(in_flight)
                in_flight = []
        assert len(box) <= 4
    sent += in_flight + box.take(100)

    puts = sum(action == "put" for action, _ in actions)
    assert len(sent) + box.replaced + box.dropped == puts
    for topic in "abcdef":
        numbers = [int(each.payload) for each in sent if each.topic == topic]
        assert numbers == sorted(numbers)
