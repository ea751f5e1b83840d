"""The order in which the demo sends its tweets."""

from __future__ import annotations

from collections import Counter

from demo.replay import Tweet, in_changing_mood


def test_the_mood_changes_in_the_middle() -> None:
    """Given tweets, then each is there once, and most negative ones are in the second half."""
    tweets = [Tweet(str(n), f"text {n}", ("negative", "neutral", "positive")[n % 3]) for n in range(600)]
    ordered = in_changing_mood(tweets)
    first, second = (Counter(tweet.label for tweet in half) for half in (ordered[:300], ordered[300:]))

    assert sorted(tweet.id for tweet in ordered) == sorted(tweet.id for tweet in tweets)
    assert second["negative"] > 3 * first["negative"]
    assert first["negative"] > 0
    # Evenly within a half, so that the change is one step and not a heap of equal labels.
    assert Counter(tweet.label for tweet in ordered[:60])["negative"] > 0
