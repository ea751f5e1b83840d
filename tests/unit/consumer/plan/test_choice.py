"""The limits that are measured, refused and recommended."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as property_settings
from hypothesis import strategies as st

from consumer.plan.choice import (
    AS_GOOD,
    RECORDS,
    Cost,
    Deadline,
    Figures,
    Latency,
    Measured,
    Refused,
    Setting,
    Target,
    deadline,
    grid,
    recommend,
    refusal,
)
from consumer.settings import ConsumerSettings
from shared.errors import SettingsError

LIMIT = Deadline(60, "transaction timeout")
NOW = Setting(512, 2_048)


def measured(records: int, tokens: int, rate: float, p99_s: float = 1.0) -> Measured:
    """A setting with these figures."""
    return Measured(Setting(records, tokens), Figures(rate, Latency(p99_s / 2, p99_s), 2**30, None))


def settings(delivery: str = "exactly-once", **properties: object) -> ConsumerSettings:
    """Settings with these properties of librdkafka, whose dots are written as underscores."""
    named = {name.replace("_", "."): value for name, value in properties.items()}
    return ConsumerSettings.model_validate({"delivery": delivery, "kafka": {"properties": named}})


def test_the_grid_lies_around_what_the_device_likes() -> None:
    """Given texts that fill every budget, when laid out, then a quarter to twice the device's, and the current."""
    found = grid([10] * 100, full_tokens=2_048, current=NOW, inflight=2, padding=32)

    assert {setting.batch_tokens for setting in found} == {512, 1_024, 2_048, 4_096}
    assert {setting.batch_records for setting in found} == {*RECORDS, 512}
    assert len(found) == len(set(found)) == 16 + 1 - 1  # 64 x 2 rows of 10 tokens already fit 2,048


@property_settings(deadline=None, max_examples=30)
@given(
    lengths=st.lists(st.integers(1, 128), min_size=1, max_size=50),
    full_tokens=st.sampled_from([8, 2_048, 32_768]),
    padding=st.sampled_from([None, 0, 32]),
)
def test_a_budget_that_nothing_fills_is_not_measured(
    lengths: list[int], full_tokens: int, padding: int | None
) -> None:
    """Given any texts, when laid out, then each size has the least budget, each once, memory rising."""
    found = grid(lengths, full_tokens=full_tokens, current=NOW, inflight=1, padding=padding)

    assert NOW in found
    assert len(found) == len(set(found))
    assert found == sorted(found, key=lambda setting: setting.batch_tokens)
    for records in RECORDS:
        budgets = [setting.batch_tokens for setting in found if setting.batch_records == records]
        assert min(budgets) == full_tokens // 4
        if records * max(lengths) <= full_tokens // 4:
            assert len(budgets) == 1 or records > 4_095


@pytest.mark.parametrize(
    ("given_", "seconds", "name"),
    [
        (settings(), 60, "transaction timeout"),
        (settings("at-least-once"), 300, "poll interval"),
        (settings(max_poll_interval_ms="20000", session_timeout_ms=6_000), 20, "poll interval"),
    ],
)
def test_the_deadline_is_what_is_breached_first(given_: ConsumerSettings, seconds: float, name: str) -> None:
    """Given timeouts of Kafka's client, when read, then the shorter one of those that apply."""
    assert deadline(given_) == Deadline(seconds, name)


def test_a_setting_is_refused_for_its_worst_batch() -> None:
    """Given texts of 50 ms, when 2 x 1,024 of them take 102.4 s, then that is refused, and 2 x 600 are not."""
    longest = Cost(128, 0.05)

    assert refusal(Setting(1_024, 512), longest=longest, inflight=2, limit=LIMIT) == Refused(
        Setting(1_024, 512), "worst batch 102 s"
    )
    assert refusal(Setting(600, 512), longest=longest, inflight=2, limit=LIMIT) is None


def test_the_smallest_of_the_fastest_is_recommended() -> None:
    """Given two settings within 2 % of the fastest, when chosen, then the one with fewer records is taken."""
    fast, as_fast = measured(4_096, 512, 1_000), measured(256, 2_048, 981)
    slower, larger = measured(64, 2_048, 979), measured(256, 4_096, 1_000 * AS_GOOD)

    assert recommend([slower, larger, as_fast, fast], LIMIT) is as_fast


def test_a_target_goes_above_the_rate() -> None:
    """Given a target, when the fastest miss it only by their wait for the publish, then a slower one is taken."""
    slow, fast = measured(64, 512, 500, p99_s=0.25), measured(256, 512, 900, p99_s=0.5)

    assert recommend([slow, fast], LIMIT, Target(0.625, commit_interval_s=0.25)) is slow
    assert recommend([slow, fast], LIMIT, Target(0.625, commit_interval_s=0.125)) is fast


def test_a_target_out_of_reach_names_the_best_that_can_be_had() -> None:
    """Given a target that no setting meets, when chosen, then the least p99 and its setting are named."""
    slow, fast = measured(64, 512, 500, p99_s=0.25), measured(256, 512, 900, p99_s=0.5)

    with pytest.raises(SettingsError) as raised:
        recommend([Refused(NOW, "out of memory"), fast, slow], LIMIT, Target(0.05, commit_interval_s=0.125))

    assert "within 50 ms: the least is 375 ms, 125 ms of it" in str(raised.value)
    assert "limits.batch_records 64, limits.batch_tokens 512 and 500 texts/s" in str(raised.value)
    assert raised.value.exit_code == 78


def test_where_all_is_refused_nothing_is_recommended() -> None:
    """Given no setting that may be tried, when chosen, then the error names the broken limit and what to do."""
    with pytest.raises(SettingsError, match=r"transaction timeout of 60 s; lower limits\.inflight_batches"):
        recommend([Refused(NOW, "worst batch 412 s")], LIMIT)


def test_percentiles_are_measured_values() -> None:
    """Given 1 to 100 s, when ranked, then p50 is the 50th and p99 the 99th; a single value is both."""
    assert Latency.of([float(second) for second in range(100, 0, -1)]) == Latency(50, 99)
    assert Latency.of([3.0]) == Latency(3, 3)
