"""The images and the compose file, run on a container engine; `make test-docker`."""
