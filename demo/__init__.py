"""The whole project in one command."""
