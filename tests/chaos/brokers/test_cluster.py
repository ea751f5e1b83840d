"""The foundation of the chaos tests works: nodes die and come back, and every fault has the promised effect."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import pytest
from confluent_kafka import Producer

from tests.chaos.brokers.node import GUARD
from tests.chaos.brokers.wire import API_VERSIONS, FIND_COORDINATOR, Wire
from tests.support.topics import Sent, produce, read_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chaos.brokers.cluster import Cluster

TIMEOUT_S: Final = 30.0
NODE: Final = 1
SHORT_S: Final = 0.3
"""How long nothing may arrive; a healthy answer takes a few milliseconds."""


@pytest.fixture(autouse=True)
def _healed(request: pytest.FixtureRequest) -> Iterator[None]:
    """No fault outlives its test."""
    yield
    if "cluster" in request.fixturenames:
        request.getfixturevalue("cluster").proxy.clear()


@pytest.fixture
def wire(cluster: Cluster) -> Iterator[Wire]:
    """A connection to NODE through the proxy that has already been answered once."""
    with Wire(through_proxy(cluster)) as connection:
        assert connection.ask() == connection.answer()[0]
        yield connection


def test_a_transaction_goes_through_the_proxy(cluster: Cluster) -> None:
    """Given three nodes, when a transaction is committed through the proxy, then a direct reader sees it."""
    topic = cluster.new_topic(partitions=3)
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "transactional.id": topic})
    producer.init_transactions(TIMEOUT_S)

    producer.begin_transaction()
    for partition in range(3):
        producer.produce(topic, value=str(partition), partition=partition)
    producer.commit_transaction(TIMEOUT_S)

    assert {message.value() for message in read_all(cluster.direct, topic)} == {b"0", b"1", b"2"}
    addresses = {f"{node.host}:{node.port}" for node in producer.list_topics(timeout=TIMEOUT_S).brokers.values()}
    assert addresses == set(cluster.bootstrap.split(","))


def test_the_coordinator_is_the_one_that_the_broker_names(cluster: Cluster, wire: Wire) -> None:
    """Given five ids, when their coordinators are computed, then the broker names the same nodes."""
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "transactional.id": f"any-{uuid4()}"})
    producer.init_transactions(TIMEOUT_S)  # the very first request makes the broker create the transaction topic
    ids = [f"sentiment-{uuid4()}" for _ in range(5)]

    assert [cluster.coordinator_of_transaction(name) for name in ids] == [wire.coordinator(name) for name in ids]


def test_a_killed_node_comes_back_with_its_data(cluster: Cluster) -> None:
    """Given a record that only one node has, when that node is killed and started, then the record is there."""
    topic = cluster.new_topic(on_node=NODE)
    produce(cluster.direct, topic, [Sent(b"only here")])

    cluster.kill(NODE)
    assert not cluster.alive(NODE)
    cluster.start(NODE)

    assert cluster.leader_of(topic, 0) == NODE
    assert [message.value() for message in read_all(cluster.direct, topic)] == [b"only here"]


def test_a_paused_node_answers_when_it_is_resumed(cluster: Cluster, wire: Wire) -> None:
    """Given a paused node, when a request is sent, then the node answers only after it was resumed."""
    cluster.pause(NODE)
    try:
        asked = wire.ask()
        assert_silent(wire)
    finally:
        cluster.resume(NODE)

    assert wire.answer()[0] == asked


def test_latency_delays_both_ways_and_keeps_order(cluster: Cluster, wire: Wire) -> None:
    """Given 0.2 s of latency, when three requests are sent, then all responses come in order after 0.4 s."""
    cluster.proxy.latency(NODE, 0.2)

    began = time.monotonic()
    asked = [wire.ask() for _ in range(3)]
    answered = [wire.answer()[0] for _ in range(3)]

    assert answered == asked
    assert 0.4 <= time.monotonic() - began < 2.0


def test_a_slow_leader_delays_only_what_it_is_slow_at(cluster: Cluster, wire: Wire) -> None:
    """Given a node that is slow for one kind of request, then another kind is answered at once, this one late."""
    cluster.proxy.slow(NODE, 0.5, {FIND_COORDINATOR})

    began = time.monotonic()
    wire.ask()
    wire.answer()
    assert time.monotonic() - began < 0.4
    wire.coordinator("any")

    assert 0.5 <= time.monotonic() - began < 2.0


def test_a_slow_request_is_dropped_when_the_fault_ends(cluster: Cluster, wire: Wire) -> None:
    """Given a request that a slow node holds, when the fault is cleared, then its connection is reset."""
    cluster.proxy.slow(NODE, TIMEOUT_S, {API_VERSIONS})
    wire.ask()
    assert_silent(wire)

    cluster.proxy.clear(NODE)

    with pytest.raises(ConnectionResetError):
        wire.answer()
    assert_answers(cluster)


def test_a_stall_loses_nothing(cluster: Cluster, wire: Wire) -> None:
    """Given a stalled node, when a request is sent, then the answer comes later, on the same connection."""
    cluster.proxy.stall(NODE)
    asked = wire.ask()
    assert_silent(wire)
    with Wire(through_proxy(cluster)) as late:
        late_asked = late.ask()
        assert_silent(late)

        cluster.proxy.clear(NODE)

        assert wire.answer()[0] == asked
        assert late.answer()[0] == late_asked


def test_a_black_hole_swallows_until_it_is_cleared(cluster: Cluster, wire: Wire) -> None:
    """Given a black hole, when a request is sent, then no answer ever comes; later, new connections work."""
    cluster.proxy.black_hole(NODE)
    wire.ask()
    assert_silent(wire)

    cluster.proxy.clear(NODE)

    with pytest.raises(ConnectionResetError):
        wire.answer()
    assert_answers(cluster)


def test_a_reset_hits_only_the_connections_there_are(cluster: Cluster, wire: Wire) -> None:
    """Given an open connection, when its node is reset, then it sees an RST, and a new one works."""
    cluster.proxy.reset(NODE)

    with pytest.raises(ConnectionResetError):
        wire.answer()
    assert_answers(cluster)


def test_a_refusing_node_lets_nobody_in(cluster: Cluster, wire: Wire) -> None:
    """Given a node that refuses, when old and new connections are used, then all are reset until it ends."""
    cluster.proxy.refuse(NODE)

    with pytest.raises(ConnectionResetError):
        wire.answer()
    with pytest.raises(ConnectionError), Wire(through_proxy(cluster)) as refused:
        refused.answer()

    cluster.proxy.clear(NODE)
    assert_answers(cluster)


def test_a_producer_suffers_a_fault_and_gets_over_it(cluster: Cluster) -> None:
    """Given a producer whose leader is a black hole, then its record times out and the next one arrives."""
    topic = cluster.new_topic()
    errors: list[object] = []
    producer = Producer(
        {
            "bootstrap.servers": cluster.bootstrap,
            "message.timeout.ms": 2000,
            "socket.timeout.ms": 1000,
            "log_level": 0,
        }
    )
    producer.produce(topic, value="before", on_delivery=lambda error, _message: errors.append(error))
    assert producer.flush(TIMEOUT_S) == 0

    cluster.proxy.black_hole(cluster.leader_of(topic, 0))
    producer.produce(topic, value="lost", on_delivery=lambda error, _message: errors.append(error))
    assert producer.flush(TIMEOUT_S) == 0
    cluster.proxy.clear()
    producer.produce(topic, value="after", on_delivery=lambda error, _message: errors.append(error))
    assert producer.flush(TIMEOUT_S) == 0

    assert [error is None for error in errors] == [True, False, True]
    # A producer without idempotence may write a record twice if its first answer is late.
    assert list(dict.fromkeys(one.value() for one in read_all(cluster.direct, topic))) == [b"before", b"after"]


@pytest.mark.parametrize("paused", [False, True])
def test_java_dies_with_the_tests(paused: bool) -> None:
    """Given tests killed with SIGKILL, when a process ran under the guard, paused or not, then it is gone."""
    program = (
        "import subprocess, sys, time; command = ['/bin/sh', '-c', sys.argv[1], 'guard', 'sleep', '600'];"
        "guard = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE);"
        "print(int(guard.stdout.readline()), flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program, GUARD], stdout=subprocess.PIPE) as tests:
        assert tests.stdout
        pid = int(tests.stdout.readline())
        if paused:
            os.kill(pid, signal.SIGSTOP)
        tests.kill()

    deadline = time.monotonic() + TIMEOUT_S
    with suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.kill(pid, 0)
            time.sleep(0.02)
        pytest.fail("it is still there")


def through_proxy(cluster: Cluster) -> str:
    """The address of NODE behind the proxy."""
    return cluster.bootstrap.split(",")[NODE]


def assert_silent(wire: Wire) -> None:
    """Nothing arrives, and the connection stays open."""
    wire.patience(SHORT_S)
    with pytest.raises(TimeoutError):
        wire.answer()
    wire.patience(TIMEOUT_S)


def assert_answers(cluster: Cluster) -> None:
    """A new connection is answered."""
    with Wire(through_proxy(cluster)) as wire:
        assert wire.ask() == wire.answer()[0]
