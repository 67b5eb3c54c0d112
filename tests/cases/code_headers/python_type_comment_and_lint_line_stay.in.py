# Copyright 2021 Quay Labs
# pylint: disable=invalid-name
# type: ignore

X = 1
