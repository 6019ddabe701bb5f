"""The tables by which the data path dsr spreads connections, as the kernel has them (docs/kernel.md)."""

import json

TABLE = "fairlead_51"  # of the default virtual router ID


def slots(host, ipv6=False):
    """{bucket: MAC}, by which this host would spread connections if it held the VIP"""
    listed = json.loads(host.run("nft", "-j", "list", "map", "netdev", TABLE, "slots_ip6" if ipv6 else "slots_ip"))["nftables"]
    return {bucket: owner for each in listed if "map" in each for bucket, owner in each["map"].get("elem", [])}


def settle(hosts, owners, ipv6=False, timeout=10):
    """Waits until the tables of all these hosts agree that exactly `owners`, hosts as well, get connections."""
    macs = {host.mac for host in owners}

    def settled():
        tables = [slots(host, ipv6) for host in hosts]
        return set(tables[0].values()) == macs and all(table == tables[0] for table in tables)

    hosts[0].lab.wait_for(settled, timeout, f"tables of {', '.join(host.name for host in owners)}")
