"""Training that learns from a teacher."""
