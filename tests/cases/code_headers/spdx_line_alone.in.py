# SPDX-FileCopyrightText: 2022 Eva Lind <eva@lind.example>
#
# SPDX-License-Identifier: MIT

"""Knots."""
