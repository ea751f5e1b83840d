"""Scores and health over HTTP; FastAPI and uvicorn are imported only where a port is set."""
