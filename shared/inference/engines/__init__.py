"""Token ids to logits: one engine for each library, behind one protocol."""
