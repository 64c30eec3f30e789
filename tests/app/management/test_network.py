"""Ports and addresses of this machine."""

from __future__ import annotations

import socket

import pytest

from labelapp.management import network


@pytest.fixture
def taken():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_port_that_somebody_listens_on_is_not_free(taken):
    assert not network.port_is_free("127.0.0.1", taken)


def test_the_proposed_port_is_free(taken):
    other = network.free_port_near("127.0.0.1", taken)
    assert other is not None
    assert other > taken
    assert network.port_is_free("127.0.0.1", other)


def test_an_address_of_another_machine_is_not_free():
    assert not network.port_is_free("203.0.113.9", 8000)


def test_on_loopback_nobody_else_is_allowed():
    reach = network.reach("127.0.0.1", 8000)
    assert reach.team == []
    assert set(reach.allowed_hosts) == {"localhost", "127.0.0.1", "[::1]"}


def test_everywhere_allows_the_addresses_of_this_machine(monkeypatch):
    monkeypatch.setattr(network, "lan_addresses", lambda: ["192.168.1.20"])
    reach = network.reach("0.0.0.0", 8123)
    assert reach.team[0] == "http://192.168.1.20:8123"
    assert "192.168.1.20" in reach.allowed_hosts
    assert "http://192.168.1.20:8123" in reach.origins
    assert "*" not in reach.allowed_hosts


def test_lan_addresses_leave_out_loopback():
    assert not [address for address in network.lan_addresses() if address.startswith("127.")]
