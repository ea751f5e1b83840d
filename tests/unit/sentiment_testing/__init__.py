"""Unit tests of the testing package."""
