"""The plan of `fairlead import --cutover`, carried out on three hosts with keepalived and HAProxy while a client goes on."""

import subprocess

import yaml
from lab import Lab
from lab.agent import binary, defaults, merged
from lab.classic import haproxy_cfg, keepalived_conf
from lab.waiting import PATIENCE

VIP = "10.10.1.108"
PORT = 16443


def import_pair(host, priority, servers):
    """What `fairlead import` makes of the host's own two files."""
    files = (f"{host.directory}/keepalived.conf", f"{host.directory}/haproxy.conf")
    for name, text in zip(files, (keepalived_conf(VIP, priority=priority), haproxy_cfg(servers, tls_check=False))):
        with open(name, "w") as file:
            file.write(text)
    run = subprocess.run([binary(), "import", *files], capture_output=True, text=True, timeout=20)
    assert run.returncode == 0, run.stderr
    return yaml.safe_load(run.stdout)


def test_the_move_from_keepalived_and_haproxy_costs_no_more_than_a_stop_of_keepalived():
    with Lab(vips=[VIP]) as lab:
        hosts = lab.masters()
        for host in hosts:
            host.backend()
        servers = {host.name: f"{host.address}:6443" for host in hosts}
        # The servers here are not Go, and do not answer the classic SSLv3 hello.
        old = {}
        for number, host in enumerate(hosts):
            old[host.name] = [host.haproxy(servers, tls_check=False), host.keepalived(VIP, priority=100 + number)]
        lab.wait_for(lambda: lab.holders(VIP) == ["master3"], 20, "master3 to hold the VIP alone")

        with lab.client(port=PORT, period=0.01, ca=lab.authority.certificate) as client:
            lab.wait_for(lambda: client.successes() > 20, 10, "answers through the VIP")
            # The holder last.
            for number, host in enumerate(hosts):
                configuration = import_pair(host, 100 + number, servers)
                assert configuration["vrrp"]["virtualRouterID"] == 51
                old[host.name][1].stop()
                old[host.name][0].stop()
                # Beside the imported file only what keeps the lab's hosts apart, and the lab's own CA.
                more = {"loadBalancer": {"healthCheck": {"caFile": lab.authority.certificate}}}
                host.start_agent(merged(configuration, more, defaults(host)))
                lab.wait_for(lambda: host.agent.state in ("BACKUP", "MASTER") and len(host.agent.up()) == 3, 20, "the agent to take part")
                assert host.agent.metrics("vrrp_packets_rejected_total") == 0
            lab.wait_for(lambda: lab.holders(VIP) == ["master3"], 20, "the best one to hold the VIP again")
            last = client.successes()
            lab.wait_for(lambda: client.successes() > last + 20, 10, "answers through the VIP")
            outage = client.longest_outage()
            print(f"\nlongest outage {outage * 1000:.0f} ms, {client.successes()} requests answered, failed: {dict(client.failures())}")
        # keepalived's clean stop costs its peers the skew time of version 2: 0.6 s.
        assert outage < 1.2 * PATIENCE
