"""From files and topics to labelled rows without duplicates, in parts."""
