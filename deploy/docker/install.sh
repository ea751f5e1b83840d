#!/bin/sh
# Steps of the Dockerfile, with the uv of its stage `tools`:
#   install-packages EXTRA...          the pinned dependencies of the project with these extras, into /opt/venv
#   install-packages --wheel FOLDER    the project's wheel, from the sources in the working folder
#   install-packages --project FOLDER  that wheel, into /opt/venv
set -eu
# uv does not read pip's configuration, which is where an index is named.
UV_DEFAULT_INDEX="$(/opt/uv/bin/pip config get global.index-url 2>/dev/null || true)"
# Compiled here: the file system of the containers is read-only. The certificates are those of the base image.
export UV_DEFAULT_INDEX UV_CACHE_DIR=/var/cache/uv UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_SYSTEM_CERTS=1 UV_NO_PROGRESS=1
uv=/opt/uv/bin/uv
case "$1" in
    --wheel)
        exec "$uv" build --quiet --wheel --no-cache --python python3 --out-dir "$2" .
        ;;
    --project)
        exec "$uv" pip install --quiet --no-cache --python /opt/venv --offline --no-deps "$2"/*.whl
        ;;
esac
cd /build
for extra in "$@"; do
    set -- "$@" --extra "$extra"
    shift
done
exec "$uv" pip install --python /opt/venv ${TORCH_BACKEND:+--torch-backend "$TORCH_BACKEND"} \
    --constraints constraints.txt --requirements pyproject.toml "$@"
