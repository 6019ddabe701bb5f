"""The usual keepalived.conf and haproxy.cfg, for keepalived and HAProxy as rivals and fellows of the agent."""


def keepalived_conf(vip, priority=100, password="Admin123", state="BACKUP", virtual_router_id=51, check=True, interface="eth0"):
    """As the classic notes have it; the check is the port check of the balancer, `ss | grep`."""
    script = """
vrrp_script chk_haproxy {
  script "/bin/bash -c 'if [[ $(ss -nlp | grep 16443) ]]; then exit 0; else exit 1; fi'"
  interval 2
  weight 11
  rise 2
  fall 2
}
"""
    track = """
  track_script {
    chk_haproxy
  }"""
    return f"""global_defs {{
  router_id LVS_DEVEL
  vrrp_skip_check_adv_addr
  vrrp_garp_interval 0
  vrrp_gna_interval 0
  script_user root
  enable_script_security
}}
{script if check else ""}
vrrp_instance haproxy-vip {{
  state {state}
  priority {priority}
  interface {interface}
  virtual_router_id {virtual_router_id}
  advert_int 1
  authentication {{
    auth_type PASS
    auth_pass {password}
  }}
  virtual_ipaddress {{
    {vip}
  }}{track if check else ""}
}}
"""


def haproxy_cfg(servers, port=16443, tls_check=True):
    """`servers`: name → address:port of an API server. The classic file names two checks, of which HAProxy runs the
    second, an SSLv3 hello; only servers that answer it with an alert, as Go's do, pass. `tls_check=False`: a connect."""
    check = "option ssl-hello-chk" if tls_check else "option tcp-check"
    lines = "\n".join(f"    server {name} {address} check" for name, address in servers.items())
    return f"""global
    maxconn 1000
defaults
    mode tcp
    retries 1
    timeout connect 5s
    timeout client 20s
    timeout server 20s
    timeout check 10s
frontend apiserver
    bind *:{port}
    default_backend apiserver
backend apiserver
    {check}
    balance roundrobin
{lines}
"""
