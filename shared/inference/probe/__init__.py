"""No engine on a CPU is trusted unseen: which of its passes are wrong here, and where that is remembered."""
