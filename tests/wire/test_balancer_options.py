"""The balancer's options on the wire: the PROXY protocol to servers that speak it, both address families on either side,
the local backend first, and probes that show a certificate."""

import os

import pytest
import yaml
from lab import Lab
from lab.agent import defaults, merged

VIP = "10.10.1.108"
PORT = 16443
QUICK = {"type": "http", "path": "/readyz", "interval": "200ms", "timeout": "1s"}


def balancer(host, backends, **options):
    """An agent that balances alone, without a VIP."""
    configuration = merged(
        defaults(host),
        {"loadBalancer": {"bind": [f"0.0.0.0:{PORT}"], "healthCheck": QUICK}, "backends": {"static": backends}},
        {"loadBalancer": options},
    )
    return host.start_agent(yaml.safe_dump(configuration, sort_keys=False))


def all_up(lab, agent, count):
    lab.wait_for(lambda: len(agent.up()) == count, 10, f"{count} backends that are up")


# --- the PROXY protocol ---

HAPROXY = """
global
    log stderr local0
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend told
    bind {address}:6443 accept-proxy
    http-request return status 200 content-type text/plain lf-string "haproxy %[src] %[src_port] %[dst] %[dst_port]\\n"
"""

NGINX = """
daemon off;
pid {directory}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    server {{
        listen {address}:6443 proxy_protocol;
        return 200 "nginx $proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port\\n";
    }}
}}
"""


def start_haproxy(host, address):
    file = os.path.join(host.directory, "accept-proxy.cfg")
    with open(file, "w") as output:
        output.write(HAPROXY.format(address=address))
    return host.start("haproxy", "/usr/sbin/haproxy", "-db", "-f", file)


def start_nginx(host, address):
    file = os.path.join(host.directory, "nginx.conf")
    with open(file, "w") as output:
        output.write(NGINX.format(address=address, directory=host.directory))
    return host.start("nginx", "/usr/sbin/nginx", "-c", file)


def test_servers_that_speak_the_proxy_protocol_learn_who_the_client_is():
    with Lab(vips=[]) as lab:
        front = lab.host("front", "10.10.1.83", ipv6="2001:db8::83/64")
        lab.host("client", "10.10.1.20", ipv6="2001:db8::20/64")
        start_haproxy(lab.host("haproxy", "10.10.1.84"), "10.10.1.84")
        start_nginx(lab.host("nginx", "10.10.1.85"), "10.10.1.85")
        agent = balancer(front, ["10.10.1.84:6443", "10.10.1.85:6443"], bind=[f"0.0.0.0:{PORT}", f"[::]:{PORT}"], proxyProtocol=True)
        # That they are up shows that probes send a header, too: both servers refuse whoever sends none.
        all_up(lab, agent, 2)
        for address, source in (("10.10.1.83", "10.10.1.20"), ("2001:db8::83", "2001:db8::20")):
            told = {}
            for _ in range(20):
                connection = lab.client_host.connect(address, PORT)
                port = connection.getsockname()[1]
                status, text = lab.client_host._get(connection, address, PORT, "/")
                assert status == 200
                server, *rest = text.split()
                assert rest == [source, str(port), address, str(PORT)], text
                told[server] = True
            assert set(told) == {"haproxy", "nginx"}, "both were reached"


# --- address families ---


def test_each_family_of_clients_reaches_backends_of_each_family():
    with Lab(vips=[]) as lab:
        front = lab.host("front", "10.10.1.83", ipv6="2001:db8::83/64")
        lab.host("client", "10.10.1.20", ipv6="2001:db8::20/64")
        for name, number in (("four", 84), ("six", 85)):
            lab.host(name, f"10.10.1.{number}", ipv6=f"2001:db8::{number}/64").backend(tls=False)
        agent = balancer(front, ["10.10.1.84:6443", "[2001:db8::85]:6443"], bind=[f"0.0.0.0:{PORT}", f"[::]:{PORT}"])
        all_up(lab, agent, 2)
        for address in ("10.10.1.83", "2001:db8::83"):
            names = {lab.client_host.http_get(address, PORT, "/")[1] for _ in range(20)}
            assert names == {"four", "six"}, f"through {address}"
        # Large answers and half-closes take other ways through the proxy than small ones.
        with lab.client_host.connect("2001:db8::83", PORT, timeout=20) as connection:
            connection.sendall(f"GET /flood/{4 << 20} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            received = 0
            while received < 4 << 20:
                data = connection.recv(1 << 18)
                assert data, "closed early"
                received += len(data)
        assert sorted(each["connectionsTotal"] > 0 for each in agent.status()["backends"]) == [True, True]


def test_a_listener_is_for_its_own_family_alone():
    with Lab(vips=[]) as lab:
        front = lab.host("front", "10.10.1.83", ipv6="2001:db8::83/64")
        lab.host("client", "10.10.1.20", ipv6="2001:db8::20/64")
        lab.host("four", "10.10.1.84").backend(tls=False)
        agent = balancer(front, ["10.10.1.84:6443"], bind=[f"[::]:{PORT}"])
        all_up(lab, agent, 1)
        assert lab.client_host.http_get("2001:db8::83", PORT, "/")[1] == "four"
        with pytest.raises(ConnectionRefusedError):
            lab.client_host.http_get("10.10.1.83", PORT, "/")


# --- the local backend ---


def test_the_local_backend_serves_while_it_works_and_the_others_otherwise():
    with Lab(vips=[]) as lab:
        hosts = lab.masters()
        servers = {host.name: host.backend(tls=False) for host in hosts}
        agent = balancer(hosts[0], [f"{host.address}:6443" for host in hosts], preferLocal=True)
        all_up(lab, agent, 3)

        def names():
            return {lab.client_host.http_get("10.10.1.83", PORT, "/")[1] for _ in range(12)}

        assert names() == {"master1"}
        servers["master1"].kill()
        assert "master1" not in names(), "not even before its probe fails"
        lab.wait_for(lambda: len(agent.up()) == 2, 10, "the local backend to be down")
        assert names() == {"master2", "master3"}
        hosts[0].backend(tls=False)
        all_up(lab, agent, 3)
        lab.wait_for(lambda: names() == {"master1"}, 5, "the local backend to serve again")


# --- probes that show a certificate ---


def test_with_a_certificate_probes_see_that_a_closed_api_server_is_not_ready():
    """The stand-in answers strangers with 401, as an API server without anonymous access does."""
    with Lab(vips=[]) as lab:
        hosts = lab.masters(2)
        servers = [host.stand_in("--closed") for host in hosts]
        certificate, key = lab.authority.client("fairlead", "/CN=fairlead")
        check = {"type": "https", "caFile": lab.authority.certificate}
        backends = [f"{host.address}:6443" for host in hosts]
        stranger = balancer(hosts[0], backends, healthCheck=check)
        all_up(lab, stranger, 2)
        assert all("readiness unknown" in each["detail"] for each in stranger.status()["backends"])
        known = balancer(hosts[1], backends, healthCheck={**check, "clientCertFile": certificate, "clientKeyFile": key})
        all_up(lab, known, 2)
        assert all(each["detail"] == "200 OK" for each in known.status()["backends"])

        servers[1].tell("readyz", status=500)
        lab.wait_for(lambda: known.backends()[backends[1]] == "draining", 10, "the drain")
        assert stranger.backends()[backends[1]] == "up", "who shows nothing is told nothing"
