"""keepalived and HAProxy from Debian, in a host."""



class Keepalived:
    def __init__(self, host, configuration):
        self.host = host
        path = host.file("keepalived.conf", configuration)
        run = host.directory / "run"
        run.mkdir(exist_ok=True)
        self.process = host.spawn(
            "keepalived", "keepalived", "--dont-fork", "--log-console", "--log-detail", "--vrrp", "-f", path,
            "-p", run / "keepalived.pid", "-r", run / "vrrp.pid", "-c", run / "checkers.pid")

    def log_text(self):
        return self.process.log_text()

    def stop(self):
        return self.process.stop()

    def kill(self):
        """Parent and child at once: the VIP stays, as it does when both are killed in real life."""
        self.process.kill()


class Haproxy:
    def __init__(self, host, configuration):
        path = host.file("haproxy.cfg", configuration)
        host.run("haproxy", "-c", "-f", path)
        self.process = host.spawn("haproxy", "haproxy", "-db", "-f", path)

    def stop(self):
        return self.process.stop()


def classic_keepalived(vip="10.10.1.108", priority=100, password="Admin123", preempt=True, script=None, interval=1, weight=11):
    """The classic file of a home-made control plane: version 2, PASS, one check."""
    check = script or "/usr/bin/test -e /"
    return f"""
global_defs {{
  router_id LVS_DEVEL
  vrrp_skip_check_adv_addr
  script_user root
  enable_script_security
}}
vrrp_script chk_haproxy {{
  script "{check}"
  interval 2
  weight {weight}
  rise 2
  fall 2
}}
vrrp_instance haproxy-vip {{
  state BACKUP
  {"" if preempt else "nopreempt"}
  priority {priority}
  interface eth0
  virtual_router_id 51
  advert_int {interval}
  authentication {{
    auth_type PASS
    auth_pass {password}
  }}
  virtual_ipaddress {{
    {vip}
  }}
  track_script {{
    chk_haproxy
  }}
}}
"""


