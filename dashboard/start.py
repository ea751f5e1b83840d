"""Wires the dashboard: reader, texts, pulse and page, each on a thread of its own; this one waits for signals."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any, Final

import structlog

from dashboard.stream.pulse import Pulse
from dashboard.stream.status import Status
from dashboard.stream.subscriber import Subscriber
from dashboard.texts.reader import TextReader
from dashboard.threads import start_guarded
from dashboard.web.app import make_app
from dashboard.web.card import card_of
from dashboard.web.frames import Frames
from dashboard.web.labels import Labels
from dashboard.window.window import Window
from shared import __version__
from shared.http.listening import address_of
from shared.http.server import serving
from shared.settings import effective
from shared.terminal import say

if TYPE_CHECKING:
    from dashboard.settings import DashboardEnvironment

log = structlog.get_logger()

END_S: Final = 3.0
"""Seconds that the readers have to close their clients."""


def run(settings: DashboardEnvironment) -> None:
    """Serves the page until a signal; raises SentimentError for what ends it early."""
    own, stop = settings.dashboard, threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    log.info("starting", version=__version__, **effective(settings))
    card, polarity = (None, dict[str, int]()) if own.model is None else card_of(own.model)
    window, status = Window(hidden=own.redact, reviewed=own.labels_topic is not None), Status()
    labels = None if own.labels_topic is None else Labels(settings.kafka, own.labels_topic, window)
    texts = TextReader(settings, window, status, stop)
    reader = Subscriber(settings, window, status, stop, wanted=texts.want)
    frames = Frames(window, status, _fixed(settings, card), polarity)
    with serving(own, make_app(own, window, frames, stop, labels), stop) as port:
        threads = [part.start() for part in (reader, texts, Pulse(settings, window, status, stop))]
        if labels is not None:
            start_guarded(labels.exclude_labelled, "labels")
        query = "" if own.token is None else "/?token=..."
        say(f"The page is at http://{address_of(own.host)}:{port}{query}")
        stop.wait()
        log.info("stopping")
    for thread in threads:
        thread.join(END_S)
    if labels is not None:
        labels.close()


def _fixed(settings: DashboardEnvironment, card: dict[str, Any] | None) -> dict[str, Any]:
    own = settings.dashboard
    return {
        "result_topics": own.result_topics,
        "letter_topics": own.letter_topics,
        "group_by": own.group_by,
        "redacted": own.redact,
        "can_score": own.score_url is not None,
        "labels_topic": own.labels_topic,
        "card": card,
        "version": __version__,
    }
