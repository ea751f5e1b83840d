"""Tests of `shared/model_folder`, without Kafka."""
