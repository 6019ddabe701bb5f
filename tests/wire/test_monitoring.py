"""manifests/prometheus-rules.yaml and manifests/grafana-dashboard.json against a real Prometheus that scrapes a lab's agents, over TLS and with a
token, as docs/monitoring.md says."""

import json
import os
import re
import subprocess
import urllib.parse

import pytest
import yaml
from lab import Lab
from lab.agent import ROOT
from lab.stand_in import StandInPlane

VIP = "10.10.1.108"
TOKEN = "0123456789abcdef0123456789abcdef"
RULES = os.path.join(ROOT, "manifests/prometheus-rules.yaml")
DASHBOARD = os.path.join(ROOT, "manifests/grafana-dashboard.json")


def test_the_rules_are_well_formed_and_fire_when_they_should():
    subprocess.run(["promtool", "check", "rules", RULES], check=True, timeout=60)
    subprocess.run(["promtool", "test", "rules", os.path.join(ROOT, "tests/alerts/alerts_test.yaml")], check=True, timeout=60)


def test_every_alert_has_a_test_and_says_what_to_do():
    with open(RULES) as file:
        rules = [rule for group in yaml.safe_load(file)["groups"] for rule in group["rules"]]
    with open(os.path.join(ROOT, "tests/alerts/alerts_test.yaml")) as file:
        tests = yaml.safe_load(file)["tests"]
    fired = {case["alertname"] for test in tests for case in test["alert_rule_test"] if case["exp_alerts"]}
    quiet = {case["alertname"] for case in tests[0]["alert_rule_test"] if not case["exp_alerts"]}
    names = {rule["alert"] for rule in rules}
    assert fired == names and quiet == names
    assert all(rule["annotations"]["summary"] and rule["annotations"]["action"] and rule["labels"]["severity"] in ("warning", "critical") for rule in rules)


@pytest.fixture(scope="module")
def prometheus():
    """(lab, ask): two agents with everything that has metrics, and a function that queries the Prometheus."""
    with Lab(vips=[VIP]) as lab:
        hosts = lab.masters(2)
        plane = StandInPlane(lab, VIP)
        plane.start(*hosts)
        for host in hosts:
            plane.add_node(host)
        token = os.path.join(lab.directory, "token")
        with open(token, "w") as file:
            file.write(TOKEN + "\n")
        for number, host in enumerate(hosts):
            certificate, key = lab.authority.server(host.name, [host.address, "127.0.0.1"], name=f"admin-{host.name}")
            settings = {
                "vip": {"addresses": [VIP], "probe": {"interval": "20ms", "timeout": "100ms"}},
                "vrrp": {"advertInterval": "100ms", "priority": 110 - number},
                "loadBalancer": {"healthCheck": {"interval": "200ms", "caFile": lab.authority.certificate}},
                "backends": {"kubernetes": {"kubeconfig": [plane.admin_conf(host.directory)]}},
                "admin": {"bind": "0.0.0.0:16444", "tls": {"certFile": certificate, "keyFile": key}, "tokenFile": token},
            }
            agent = host.start_agent(settings, wait=False)
            lab.wait_for(lambda host=host, agent=agent: agent.alive and host.https_get(host.address, 16444, "/readyz")[0] == 200, 15, f"the agent on {host.name}")
        # A failover, so that there is an outage to show.
        lab.wait_for(lambda: hosts[0].holds(VIP), 10, "the VIP")
        hosts[0].cut_link()
        lab.wait_for(lambda: hosts[1].holds(VIP), 10, "the other to take over")
        hosts[0].heal_link()
        lab.wait_for(lambda: hosts[0].holds(VIP) and not hosts[1].holds(VIP), 20, "the VIP to come back")

        monitor = lab.client_host
        file = os.path.join(lab.directory, "prometheus.yml")
        with open(file, "w") as output:
            yaml.safe_dump(
                {
                    "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                    "rule_files": [RULES],
                    "scrape_configs": [
                        {
                            "job_name": "fairlead",
                            "scheme": "https",
                            "authorization": {"credentials_file": token},
                            "tls_config": {"ca_file": lab.authority.certificate},
                            "static_configs": [{"targets": [f"{host.address}:16444" for host in hosts]}],
                        }
                    ],
                },
                output,
            )
        monitor.start(
            "prometheus", "/usr/bin/prometheus", f"--config.file={file}", f"--storage.tsdb.path={lab.directory}/tsdb",
            "--web.listen-address=127.0.0.1:9090",
        )  # fmt: skip

        def ask(query):
            status, text = monitor.http_get("127.0.0.1", 9090, "/api/v1/query?" + urllib.parse.urlencode({"query": query}))
            if status == 503:
                raise OSError("Prometheus is still starting")
            answer = json.loads(text)
            assert status == 200 and answer["status"] == "success", (query, text)
            return answer["data"]["result"]

        lab.wait_for(lambda: len(ask("up == 1")) == 2, 30, "both agents to be scraped")
        # Some traffic, and two scrapes after it, for the rates.
        for _ in range(5):
            assert monitor.https_get(VIP, 16443, "/readyz")[0] == 200
        lab.wait_for(lambda: ask("min(count_over_time(up[1m])) > 5"), 30, "some scrapes")
        yield lab, ask


def test_every_panel_of_the_dashboard_has_data(prometheus):
    _, ask = prometheus
    with open(DASHBOARD) as file:
        dashboard = json.load(file)
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert len(panels) > 15
    empty = []
    for panel in panels:
        for target in panel["targets"]:
            query = target["expr"]
            for name, value in (("$job", ".*"), ("$__rate_interval", "10s"), ("$__range", "5m")):
                query = query.replace(name, value)
            assert "$" not in query, query
            if not ask(query):
                empty.append((panel["title"], query))
    assert not empty
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    for i, a in enumerate(places):
        assert a["x"] + a["w"] <= 24
        for b in places[:i]:
            apart = a["x"] >= b["x"] + b["w"] or b["x"] >= a["x"] + a["w"] or a["y"] >= b["y"] + b["h"] or b["y"] >= a["y"] + a["h"]
            assert apart, (a, b)


def test_every_metric_that_the_dashboard_and_the_rules_name_is_documented():
    with open(os.path.join(ROOT, "docs/metrics.md")) as file:
        documented = set(re.findall(r"^\| `(\w+)`", file.read(), re.M))
    with open(DASHBOARD) as file:
        text = file.read()
    with open(RULES) as file:
        text += "\n".join(line for line in file if "expr:" in line or "increase" in line)
    used = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\b(?:fairlead|process)_\w+", text)}
    assert used and used <= documented, used - documented


def test_the_rules_are_evaluated_without_an_error_and_nothing_is_critical(prometheus):
    lab, ask = prometheus
    monitor = lab.client_host

    def rules():
        answer = json.loads(monitor.http_get("127.0.0.1", 9090, "/api/v1/rules")[1])
        return [rule for group in answer["data"]["groups"] for rule in group["rules"]]

    lab.wait_for(lambda: all(rule["health"] == "ok" for rule in rules()), 20, "every rule to be evaluated")
    assert [rule["name"] for rule in rules() if rule["state"] == "firing" and rule["labels"]["severity"] == "critical"] == []
