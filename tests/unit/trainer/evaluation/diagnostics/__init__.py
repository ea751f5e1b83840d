"""Tests of what the report shows of the test rows."""
