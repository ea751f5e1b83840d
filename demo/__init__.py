"""The whole project at work in one command."""
