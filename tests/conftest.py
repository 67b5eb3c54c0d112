"""Fixtures shared by all tests: the real sample data (when it is there) and a closed network."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED_DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real sample data beside the checkout; tests that need it are skipped by name without it."""
    if not (SHARED_DATA / "MANIFEST.md").is_file():
        pytest.skip(f"real sample data is not there ({SHARED_DATA})")
    return SHARED_DATA


@pytest.fixture(autouse=True)
def closed_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches beyond this machine: only loopback and Unix sockets connect."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        if isinstance(address, tuple) and host not in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "::"):
            raise OSError(f"tests may not connect to {host}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
