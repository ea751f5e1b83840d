"""Token ids to logits: one engine per library, with a common protocol."""
