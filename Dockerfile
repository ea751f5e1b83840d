# The project's images, one target each; the model is mounted, or baked in by deploy/docker/model.Dockerfile.
#
#   docker build --target consumer-cpu -t sentiment-stream/consumer-cpu .
#
#   consumer-cpu    OpenVINO, no torch: BERT, RoBERTa, ELECTRA and DistilBERT on CPUs
#   consumer-cuda   torch: GPUs, and other architectures
#   trainer         sentiment-trainer
#   dashboard       sentiment-dashboard
#
# BASE_IMAGE needs Python 3.11 or later with venv, and certificates of authorities. A pip.conf with an `index-url`
# of your own: --secret id=pip,src=FILE. TORCH_BACKEND names one of PyTorch's own index, such as `cu132`, or `cpu`,
# about 5 GB smaller; empty takes the torch of the package index, which brings CUDA. (`auto` looks at the machine
# that builds, and a build sees no GPU.) docs/containers.md says what has run.
ARG BASE_IMAGE=python:3.12.12-slim-bookworm

FROM ${BASE_IMAGE} AS tools
ARG UV_VERSION=0.13.9
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python3 -m venv /opt/uv && /opt/uv/bin/pip install --quiet --no-cache-dir "uv==${UV_VERSION}"
COPY deploy/docker/install.sh /opt/uv/bin/install-packages

FROM tools AS wheel
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY shared shared
COPY trainer trainer
COPY consumer consumer
COPY testing testing
COPY dashboard dashboard
RUN --mount=type=secret,id=pip,target=/etc/pip.conf install -d /wheel && /opt/uv/bin/install-packages --wheel /wheel

FROM ${BASE_IMAGE} AS runtime
# /models: a new volume that is mounted there takes its owner from here, so that the trainer may write.
RUN groupadd --system --gid 10001 sentiment \
    && useradd --system --uid 10001 --gid 10001 --home-dir /tmp --no-create-home sentiment \
    && install -d -o sentiment -g sentiment /models && python3 -m venv --without-pip /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /tmp

# In each target: the dependencies first, so that this layer stays while only the project's own code changes.
FROM runtime AS consumer-cpu
RUN --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv \
    --mount=type=bind,source=pyproject.toml,target=/build/pyproject.toml \
    --mount=type=bind,source=constraints.txt,target=/build/constraints.txt \
    --mount=type=cache,id=uv,target=/var/cache/uv \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    /opt/uv/bin/install-packages cpu http otel
COPY --from=wheel /wheel /opt/wheel
RUN --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv /opt/uv/bin/install-packages --project /opt/wheel
ENV SENTIMENT_HTTP__PORT=8080
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=10s --start-period=120s CMD ["sentiment-consumer", "health"]
ENTRYPOINT ["sentiment-consumer"]
CMD ["run"]
ARG VERSION=0.2.0
ARG REVISION=
LABEL org.opencontainers.image.title="sentiment-stream consumer for CPUs" \
      org.opencontainers.image.description="Scores a Kafka stream of texts with a fine-tuned BERT, on OpenVINO." \
      org.opencontainers.image.version="${VERSION}" org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"

FROM runtime AS consumer-cuda
ARG TORCH_BACKEND=
RUN --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv \
    --mount=type=bind,source=pyproject.toml,target=/build/pyproject.toml \
    --mount=type=bind,source=constraints.txt,target=/build/constraints.txt \
    --mount=type=cache,id=uv,target=/var/cache/uv \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    /opt/uv/bin/install-packages gpu http otel
COPY --from=wheel /wheel /opt/wheel
RUN --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv /opt/uv/bin/install-packages --project /opt/wheel
ENV SENTIMENT_HTTP__PORT=8080
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=10s --start-period=120s CMD ["sentiment-consumer", "health"]
ENTRYPOINT ["sentiment-consumer"]
CMD ["run"]
ARG VERSION=0.2.0
ARG REVISION=
LABEL org.opencontainers.image.title="sentiment-stream consumer for GPUs" \
      org.opencontainers.image.description="Scores a Kafka stream of texts with a fine-tuned BERT, on CUDA." \
      org.opencontainers.image.version="${VERSION}" org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"

FROM runtime AS trainer
ARG TORCH_BACKEND=
RUN --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv \
    --mount=type=bind,source=pyproject.toml,target=/build/pyproject.toml \
    --mount=type=bind,source=constraints.txt,target=/build/constraints.txt \
    --mount=type=cache,id=uv,target=/var/cache/uv \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    /opt/uv/bin/install-packages trainer
COPY --from=wheel /wheel /opt/wheel
RUN --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv /opt/uv/bin/install-packages --project /opt/wheel
USER 10001:10001
ENTRYPOINT ["sentiment-trainer"]
CMD ["--help"]
ARG VERSION=0.2.0
ARG REVISION=
LABEL org.opencontainers.image.title="sentiment-stream trainer" \
      org.opencontainers.image.description="Turns labelled texts into a model folder for the consumer." \
      org.opencontainers.image.version="${VERSION}" org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"

FROM runtime AS dashboard
RUN --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv \
    --mount=type=bind,source=pyproject.toml,target=/build/pyproject.toml \
    --mount=type=bind,source=constraints.txt,target=/build/constraints.txt \
    --mount=type=cache,id=uv,target=/var/cache/uv \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    /opt/uv/bin/install-packages dashboard
COPY --from=wheel /wheel /opt/wheel
RUN --mount=type=bind,from=tools,source=/opt/uv,target=/opt/uv /opt/uv/bin/install-packages --project /opt/wheel
USER 10001:10001
# Any answer will do: without the token it is 401.
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s CMD python -c \
"from http.client import HTTPConnection as C; \
c = C('127.0.0.1', 8000, timeout=5); c.request('GET', '/'); c.getresponse()"
ENTRYPOINT ["sentiment-dashboard"]
ARG VERSION=0.2.0
ARG REVISION=
LABEL org.opencontainers.image.title="sentiment-stream dashboard" \
      org.opencontainers.image.description="A live page of the results." \
      org.opencontainers.image.version="${VERSION}" org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
