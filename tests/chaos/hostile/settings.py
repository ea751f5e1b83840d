"""Hostile settings: strategies for environments and settings files, with secrets only in secret fields."""

from __future__ import annotations

from typing import Final

import yaml
from hypothesis import strategies as st

from consumer.settings import ConsumerSettings
from shared.settings import variable
from tests.chaos.hostile.inputs import MARKER, picked

_SECRET_SETTINGS: Final = ("kafka.sasl_password", "kafka.ssl_key_password")
_SETTINGS: Final = (
    *ConsumerSettings.model_fields, "kafka.properties", "kafka.sasl_username", "kafka.bootstrap_servers",
    "limits.batch_records", "limits.max_output_bytes", "limits.commit_timeout_s",
    "trainer.seed", "trainer.split", "trainer.epochs",
)  # fmt: skip
_ODD: Final = (
    "", "~", "x", "nan", "inf", "1e999", "-1", "0", "9" * 4_301, "^(",
    "^" + "(" * 9_000, "^x{99999999999999999999}", "a,b,,",
    "\ud800", "\0", "{", "[", '{"a": 1}', '{"\\ud800": "x"}',
    '{"a": {"b": []}}', "!!bool x", "0x_", "2001-99-99", "true", "&a [*a]",
)  # fmt: skip
SECRETS = st.sampled_from(
    [
        MARKER,
        f"{{{MARKER}}}",
        f"[{MARKER}]",
        f"*{MARKER}",
        f"{MARKER}\ud800",
        f"'{MARKER}",
        f"{MARKER}: {MARKER}",
        f"!{MARKER}",
    ]
)
ENVIRONMENTS = st.builds(
    dict.__or__,
    st.dictionaries(
        st.sampled_from(
            [*map(variable, _SETTINGS), "SENTIMENT_CONFIG", "SENTIMENT_", "SENTIMENT_KAFKA__SASL_PASWORD"]
        )
        | st.text(max_size=30).map("SENTIMENT_".__add__),
        picked(_ODD) | st.text(max_size=30),
        max_size=3,
    ),
    st.dictionaries(st.sampled_from([variable(name) for name in _SECRET_SETTINGS]), SECRETS, max_size=2)
    | st.builds(lambda secret: {"SENTIMENT_KAFKA__PROPERTIES": f"{{sasl.password: {secret}}}"}, SECRETS),
)
_YAML_BITS: Final = (
    "kafka:", "\n  ", "\n", "limits:", "batch_records", "input_topics",
    "properties:", "trainer:", "seed", ":", ": ", "{", "}",
    "[", "]", ",", "&a ", "*a", "!!int ", "!!set ", "!!omap ", "!!timestamp ",
    "!!python/object:os.system ", '"', "'", "\\U",
    "- ", "? ", "<<: ", "%TAG", "---\n", "|\n", "\t", "\u2028", "#", "[" * 400, *_ODD,
)  # fmt: skip
_YAML_TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | picked(_ODD),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from([*_SETTINGS, "kafka", "limits", "trainer", "sasl_username"]) | st.integers(), inner
        )
    ),
    max_leaves=6,
).map(lambda tree: yaml.safe_dump(tree, allow_unicode=True))
_SECRET_LINES = st.builds(
    lambda name, gap, secret: f"kafka: {{{name.removeprefix('kafka.')}{gap}{secret}}}\n",
    st.sampled_from(_SECRET_SETTINGS),
    st.sampled_from([": ", ":"]),
    SECRETS,
)
FILES = st.binary(max_size=40) | st.builds(
    lambda secret, rest: (secret + rest).encode("utf-8", "surrogatepass"),
    st.just("") | _SECRET_LINES,
    _YAML_TREES | st.lists(picked(_YAML_BITS), max_size=12).map("".join),
)
"""Settings files: bytes, trees of odd values, and pieces of YAML; secrets only in secret fields."""
