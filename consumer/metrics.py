"""Every metric of the service: name, kind, unit, labels and meaning. Plain data; imports no metrics library.

`consumer/monitoring/` fills them from the observer's events and serves them; docs/metrics.md is generated from it.
Dashboards and alerts rely on the names, so tests/contract/metric_names.txt locks them.

A label names a part of the service, its model or its topics; a text, a key, an id or a user is never one.
A metric has at most MAX_SERIES series; what comes beyond them counts under OTHER, so that nothing is missing from
a sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from shared.reasons import Stage

MAX_SERIES: Final = 1_000
"""Most series of one metric in one process; a histogram counts as one."""
OTHER: Final = "other"
"""The label value of what has none of the expected values, or comes after MAX_SERIES."""

UNITS: Final = ("seconds", "bytes", "ratio", "records", "rows", "tokens")


@dataclass(frozen=True, slots=True)
class Label:
    """A label and its values."""

    name: str
    values: tuple[str, ...] = ()
    """All values, where they are known beforehand; a metric of such labels has all its series from the start."""


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One metric, equal to itself only. The labels of a series are given in the order of `labels`."""

    name: str
    """As it is exposed; a histogram has _bucket, _sum and _count in addition."""
    kind: Literal["counter", "gauge", "histogram", "info"]
    meaning: str
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram, without infinity."""

    @property
    def unit(self) -> str:
        """The unit at the end of the name, as Prometheus wants it; empty for a count or a state."""
        last = self.name.removesuffix("_total").rpartition("_")[2]
        return last if last in UNITS else ""


_TOPIC: Final = Label("topic")
_PARTITION: Final = Label("partition")
_MODEL: Final = Label("model_version")
_DEVICE: Final = Label("device")
_FEATURE: Final = Label("feature")
_DISTANCE: Final = Label("distance", ("psi", "js"))

OUTCOMES: Final = Label("outcome", ("result", "dead_letter", "deletion_skipped", "deletion_forwarded"))
STAGES: Final = Label("stage", ("read_wait", "decode", "tokenise", "device_wait", "device", "publish"))

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
# A group that begins with a backlog has records that are days old.
_AGES: Final = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 3_600, 21_600, 86_400)
_ROWS: Final = tuple(float(2**power) for power in range(13))
_TOKENS: Final = tuple(float(2**power) for power in range(5, 18))
_SHARES: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)


def _counter(name: str, meaning: str, *labels: Label) -> Metric:
    return Metric(name, "counter", meaning, labels)


def _gauge(name: str, meaning: str, *labels: Label) -> Metric:
    return Metric(name, "gauge", meaning, labels)


def _histogram(name: str, buckets: tuple[float, ...], meaning: str, *labels: Label) -> Metric:
    return Metric(name, "histogram", meaning, labels, buckets)


def _info(name: str, meaning: str, *labels: Label) -> Metric:
    return Metric(name, "info", meaning, labels)


# Keeping up
MESSAGES: Final = _counter(
    "sentiment_messages_total",
    "Outcomes of records, once they are written and committed, and those of `sentiment_repeated_messages_total`. "
    "The sum over all processes of `result` is the number of results in the output topic; `dead_letter` and "
    "`deletion_forwarded` likewise.",
    OUTCOMES,
)
REPEATED: Final = _counter(
    "sentiment_repeated_messages_total",
    "With at-least-once, records whose outcome is written, but whose commit failed, as in a rebalance: it is "
    "written again, so the topics have it more than once.",
)
READ: Final = _counter(
    "sentiment_read_records_total",
    "Records read from the input topics and handed on. More than the messages by those read again after a "
    "recovery or a rebalance.",
)
LAG_RECORDS: Final = _gauge(
    "sentiment_lag_records",
    "Offsets between the group's commit and the end of a partition, as kafka-consumer-groups shows them. Of the "
    "partitions of this process, asked for at each scrape; absent where the leader does not answer within 1 s.",
    _TOPIC,
    _PARTITION,
)
LAG_SECONDS: Final = _gauge(
    "sentiment_lag_seconds",
    "Age of the oldest record that is not committed, by its timestamp; 0 where there is none that may be read.",
    _TOPIC,
    _PARTITION,
)
OWNED: Final = _gauge("sentiment_owned_partitions", "Partitions that the group has assigned to this process.")
INFLIGHT_ROWS: Final = _gauge("sentiment_inflight_rows", "Records in hand: read, and not committed yet.")
INFLIGHT_BYTES: Final = _gauge("sentiment_inflight_bytes", "Key, value and headers of the records in hand.")
LAST_COMMIT: Final = _gauge(
    "sentiment_last_commit_timestamp_seconds",
    "Time of the last publish, in seconds since 1970; 0 before the first.",
)
END_TO_END: Final = _histogram(
    "sentiment_end_to_end_seconds", _AGES, "From the timestamp of a record to the commit of its outcome."
)

# Fast
STAGE_SECONDS: Final = _histogram(
    "sentiment_stage_seconds",
    _SECONDS,
    "Time of one step: `read_wait` for records of one read, `decode` of one micro-batch, `tokenise` of one "
    "micro-batch, `device_wait` of a pass from its being ready to its start, `device` of one forward pass, "
    "`publish` of one publish with its commit.",
    STAGES,
)
BATCH_ROWS: Final = _histogram("sentiment_batch_rows", _ROWS, "Texts of one forward pass.")
BATCH_TOKENS: Final = _histogram("sentiment_batch_tokens", _TOKENS, "Tokens of one forward pass, without padding.")
PUBLISH_RECORDS: Final = _histogram(
    "sentiment_publish_records", _ROWS, "Records of one publish, which is one transaction."
)
TOKENS: Final = _counter("sentiment_tokens_total", "Tokens that the model read.")
COMPUTED_TOKENS: Final = _counter(
    "sentiment_computed_tokens_total", "Tokens that the device computed, padding included."
)
PADDING: Final = _gauge(
    "sentiment_padding_ratio",
    "Share of the computed tokens of the last publish that were padding; over a time take the two counters.",
)
CACHE_HITS: Final = _counter(
    "sentiment_cache_hits_total",
    "Texts that needed no forward pass: their score was in the cache, or an equal text was in the batch.",
)
DEVICE_MEMORY_USED: Final = _gauge(
    "sentiment_device_memory_used_bytes", "Memory in use on the GPU, by all.", _DEVICE
)
DEVICE_MEMORY: Final = _gauge("sentiment_device_memory_total_bytes", "Memory of the GPU.", _DEVICE)
DEVICE_UTILISATION: Final = _gauge(
    "sentiment_device_utilization_ratio",
    "Share of the driver's last sample period in which a kernel ran on the GPU.",
    _DEVICE,
)

# Right
LABELS: Final = _counter(
    "sentiment_labels_total",
    "Results by label and by the version of the model that gave it.",
    _MODEL,
    Label("label"),
)
CONFIDENCE: Final = _histogram(
    "sentiment_confidence_ratio",
    _SHARES,
    "Calibrated probability of the label of a result; the mean is _sum by _count.",
    _MODEL,
)
MEAN_CONFIDENCE: Final = _gauge(
    "sentiment_mean_confidence_ratio", "Mean confidence of the results of the last publish that had any.", _MODEL
)
UNCERTAIN: Final = _counter("sentiment_uncertain_results_total", "Results that are marked uncertain.")
UNKNOWN: Final = _counter(
    "sentiment_unknown_results_total",
    "Results with `unknown_share`: the model does not know enough of the text. They are uncertain as well.",
)
TRUNCATED: Final = _counter(
    "sentiment_truncated_texts_total", "Results of texts of which the end was not read, in no segment either."
)
SEGMENTED: Final = _counter(
    "sentiment_segmented_texts_total", "Results of texts that were read in several segments, as they are long."
)
UNUSABLE_IDS: Final = _counter(
    "sentiment_unusable_ids_total", "Texts whose id cannot be one, so that it was replaced."
)
DRIFT_STATISTIC: Final = _gauge(
    "sentiment_drift_statistic",
    "Distance of the results of the last window from the model's validation part, by what is compared.",
    _FEATURE,
    _DISTANCE,
)
DRIFT_THRESHOLD: Final = _gauge(
    "sentiment_drift_threshold", "The distance above which a window drifts.", _FEATURE, _DISTANCE
)
DRIFT_ALARM: Final = _gauge("sentiment_drift_alarm", "1 while the last window drifts, else 0.", _FEATURE)
DRIFT_WINDOWS: Final = _counter(
    "sentiment_drift_windows_total",
    "Windows that were compared; `yes`: at least one distance was above its threshold.",
    Label("alarm", ("no", "yes")),
)

# What happened
DEAD_LETTERS: Final = _counter(
    "sentiment_dead_letters_total",
    "Dead letters that are committed. `reason` is that of `dlq list`, or the broker's name for an error at "
    "stage `publish`.",
    Label("stage", tuple(Stage)),
    Label("reason"),
)
REBALANCES: Final = _counter(
    "sentiment_rebalances_total",
    "Changes of the partitions of this process. `lost`: the group had given them away already, as after a "
    "session timeout.",
    Label("kind", ("assigned", "revoked", "lost")),
)
RECOVERIES: Final = _counter(
    "sentiment_recoveries_total",
    "Publishes, commits and rebalances that failed, after which the loop went back to the last commit. "
    "`refused`: Kafka refused a record, which is then found; `failed`: all else, which "
    "`limits.max_recoveries` counts.",
    Label("kind", ("failed", "refused")),
)
TRANSACTIONS: Final = _counter(
    "sentiment_transactions_total",
    "Transactions of the output, with exactly-once. `aborted`: taken back, or left to Kafka's timeout where "
    "it did not answer.",
    Label("state", ("begun", "committed", "aborted")),
)
CRASH_LOOPS: Final = _counter(
    "sentiment_crash_loops_total",
    "Partitions begun where earlier processes crashed again and again. `searching`: records are scored one by "
    "one to find the cause; `condemned`: it is found and becomes a dead letter.",
    Label("kind", ("searching", "condemned")),
)
ISOLATIONS: Final = _counter(
    "sentiment_isolations_total", "Windows of texts of which a pass failed and was run in parts."
)
ISOLATION_PASSES: Final = _counter(
    "sentiment_isolation_passes_total", "Forward passes in addition because of isolations."
)
UNSCORABLE: Final = _counter("sentiment_unscorable_texts_total", "Texts that isolations found to have no score.")
OUT_OF_MEMORY: Final = _counter("sentiment_out_of_memory_passes_total", "Forward passes that ran out of memory.")
TOKEN_BUDGET: Final = _gauge(
    "sentiment_token_budget_tokens", "Most tokens of a forward pass after the last isolation; 0 before the first."
)
HTTP_REQUESTS: Final = _counter(
    "sentiment_http_requests_total",
    "Scoring requests by HTTP status; `reason` says why a request got no scores, and is empty otherwise.",
    Label("status"),
    Label("reason"),
)
HTTP_TEXTS: Final = _counter("sentiment_http_texts_total", "Texts of scoring requests.")
HTTP_SECONDS: Final = _histogram(
    "sentiment_http_request_seconds", _SECONDS, "From the head of a scoring request to its answer."
)

# What runs
MODEL_INFO: Final = _info(
    "sentiment_model_info",
    "The model that serves.",
    Label("name"),
    _MODEL,
    Label("engine"),
    _DEVICE,
)
BUILD_INFO: Final = _info(
    "sentiment_build_info",
    "Versions of this service, of Python and of the Kafka client.",
    Label("version"),
    Label("python"),
    Label("confluent_kafka"),
)

METRICS: Final = tuple(one for one in globals().values() if isinstance(one, Metric))
"""All of the above, in this order."""
