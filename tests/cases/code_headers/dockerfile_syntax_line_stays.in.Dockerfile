# syntax=docker/dockerfile:1
# Copyright 2023 Quay Labs
FROM alpine
