"""Who may ask an admin address that others can reach."""

import base64
import http.client
import os
import ssl
import subprocess

import pytest
from lab import Lab
from lab.agent import binary, merged

VIP = "10.10.1.108"
TOKEN = "0123456789abcdef0123456789abcdef"
SETTINGS = {"vip": {"addresses": [VIP]}, "vrrp": {"advertInterval": "100ms"}, "backends": {"static": ["10.10.1.20:6443"]}}


@pytest.fixture
def lab():
    with Lab(vips=[VIP]) as made:
        yield made


@pytest.fixture
def host(lab):
    return lab.host("master1", "10.10.1.83")


def secured(host, **more):
    certificate, key = host.lab.authority.server(host.name, [host.address, "127.0.0.1"])
    token = os.path.join(host.directory, "token")
    with open(token, "w") as file:
        file.write(TOKEN + "\n")
    return merged(SETTINGS, {"admin": {"bind": "0.0.0.0:16444", "tls": {"certFile": certificate, "keyFile": key}, "tokenFile": token}}, more)


def ask(lab, address, path, authorization=None, identity=None):
    """The status and text for a client on another host, over verified TLS."""
    context = ssl.create_default_context(cafile=lab.authority.certificate)
    if identity:
        context.load_cert_chain(*identity)
    client = http.client.HTTPSConnection(address, 16444)
    client.sock = context.wrap_socket(lab.client_host.connect(address, 16444), server_hostname=address)
    try:
        client.request("GET", path, headers={"Authorization": authorization} if authorization else {})
        answer = client.getresponse()
        return answer.status, answer.read().decode()
    finally:
        client.close()


def start(lab, host, configuration):
    agent = host.start_agent(configuration, wait=False)
    lab.wait_for(lambda: ask(lab, host.address, "/healthz")[0] == 200, 10, "the agent")
    return agent


@pytest.mark.parametrize(
    "admin, complaint",
    [
        ({"bind": "0.0.0.0:16444"}, "admin.bind: 0.0.0.0:16444 can be reached by others; give admin.tls.certFile"),
        ({"bind": "10.10.1.83:16444", "tokenFile": "/etc/token"}, "give admin.tls.certFile and admin.tls.keyFile, or set admin.insecure: true"),
        ({"bind": "[::]:16444", "tls": {"certFile": "/a", "keyFile": "/b"}}, "give admin.tokenFile or admin.tls.clientCAFile"),
        ({"tls": {"certFile": "/a"}}, "admin.tls.keyFile: must be given beside admin.tls.certFile"),
        ({"tls": {"clientCAFile": "/a"}}, "admin.tls.clientCAFile: needs admin.tls.certFile and admin.tls.keyFile"),
    ],
)
def test_what_others_could_read_is_refused_unless_somebody_insists(host, admin, complaint):
    host.start_agent(merged(SETTINGS, {"admin": admin}), wait=False)
    assert host.agent.popen.wait(10) == 1
    assert complaint in host.agent.text(), host.agent.text()
    if "tls" not in admin:
        insisting = merged(SETTINGS, {"admin": {**admin, "tokenFile": "", "insecure": True}})
        host.start_agent(insisting, wait=False)
        host.lab.wait_for(lambda: host.http_get(host.address, 16444, "/healthz")[0] == 200, 10, "the agent, insecure")


def test_files_that_cannot_be_used_are_named(host):
    configuration = secured(host)
    configuration["admin"]["tls"]["certFile"] = "/nonexistent.crt"
    host.start_agent(configuration, wait=False)
    assert host.agent.popen.wait(10) == 1
    assert "admin.tls.certFile: /nonexistent.crt: No such file" in host.agent.text(), host.agent.text()


def test_a_token_or_a_certificate_opens_everything_and_probes_need_neither(lab, host):
    authority = lab.authority
    configuration = secured(host, admin={"tls": {"clientCAFile": authority.certificate}})
    start(lab, host, configuration)
    for path in ("/healthz", "/readyz"):
        assert ask(lab, host.address, path)[0] in (200, 503)
    for path in ("/", "/status", "/metrics", "/events"):
        status, text = ask(lab, host.address, path)
        assert status == 401 and "token" in text, (path, text)
    basic = base64.b64encode(f"anybody:{TOKEN}".encode()).decode()
    for authorization in (f"Bearer {TOKEN}", f"Basic {basic}"):
        assert ask(lab, host.address, "/status", authorization)[0] == 200
    assert ask(lab, host.address, "/metrics", "Bearer " + "x" * 32)[0] == 401
    identity = authority.client("monitor", "/CN=monitor")
    assert ask(lab, host.address, "/metrics", identity=identity)[0] == 200
    # Over the socket it is root who asks.
    run = subprocess.run(["nsenter", f"--net=/run/netns/{host.namespace}", "--", binary(), "status"], capture_output=True, text=True, timeout=20)
    assert run.returncode == 0, run.stderr


def test_a_token_that_changes_is_known_at_once(lab, host):
    configuration = secured(host)
    start(lab, host, configuration)
    assert ask(lab, host.address, "/status", f"Bearer {TOKEN}")[0] == 200
    with open(configuration["admin"]["tokenFile"], "w") as file:
        file.write("another token, long enough\n")
    assert ask(lab, host.address, "/status", f"Bearer {TOKEN}")[0] == 401
    assert ask(lab, host.address, "/status", "Bearer another token, long enough")[0] == 200


def test_a_certificate_that_is_renewed_is_used(lab, host):
    configuration = secured(host)
    start(lab, host, configuration)
    certificate, key = lab.authority.server(host.name, [host.address, "10.10.1.99"], name="renewed")
    for source, target in ((key, configuration["admin"]["tls"]["keyFile"]), (certificate, configuration["admin"]["tls"]["certFile"])):
        with open(source) as new:
            text = new.read()
        with open(f"{target}.new", "w") as file:
            file.write(text)
        os.rename(f"{target}.new", target)

    def shown():
        with lab.client_host.tls_connect(host.address, 16444, lab.authority.certificate) as connection:
            return connection.getpeercert()["subjectAltName"]

    lab.wait_for(lambda: ("IP Address", "10.10.1.99") in shown(), 10, "the new certificate")
