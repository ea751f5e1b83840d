# A consumer with its model in the image, so that one digest names both. The context is the model folder:
#
#   docker build -f deploy/docker/model.Dockerfile -t registry.example/consumer:1 .demo/model
#
ARG CONSUMER_IMAGE=sentiment-stream/consumer-cpu
FROM ${CONSUMER_IMAGE}
COPY --chown=10001:10001 . /model/
ENV SENTIMENT_MODEL=/model
