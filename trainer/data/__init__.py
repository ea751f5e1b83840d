"""Reads files and topics, removes duplicates and splits the labelled rows into parts."""
