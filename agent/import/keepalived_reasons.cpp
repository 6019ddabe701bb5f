#include "agent/import/keepalived_reasons.h"

#include <map>

#include "agent/import/draft.h"

namespace fairlead::importing {
namespace {

using Reasons = std::map<std::string, std::string>;

const char* const kAnnounced =
    "fairlead announces the VIP by itself: at once, again within seconds, and every minute";
const char* const kNoScripts =
    "fairlead runs no program when the VIP moves: watch its log, metrics or `fairlead explain`";
const char* const kNoMail = "fairlead sends no mail: alert on its metrics";
const char* const kOwnProcess = "is about keepalived's own process";
const char* const kVirtualMac =
    "fairlead answers with the interface's own MAC and announces it by ARP or NDP";
/// In global_defs.
const Reasons kGlobal{
    {"router_id", "a name for logs and mails; fairlead's is nodeName"},
    {"vrrp_skip_check_adv_addr", "fairlead checks each advertisement, which costs nothing"},
    {"vrrp_garp_interval", kAnnounced},
    {"vrrp_gna_interval", kAnnounced},
    {"vrrp_strict", "fairlead keeps to the RFC and accepts traffic to the VIP all the same"},
    {"vrrp_iptables", "fairlead makes no firewall rules for the VIP"},
    {"vrrp_ipsets", "fairlead makes no firewall rules for the VIP"},
    {"vrrp_mcast_group4", "the group is the RFC's, 224.0.0.18"},
    {"vrrp_mcast_group6", "the group is the RFC's, ff02::12"},
    {"script_user", "fairlead runs no scripts"},
    {"enable_script_security", "fairlead runs no scripts"},
    {"max_auto_priority", kOwnProcess},
    {"vrrp_priority", "the election runs in real time by itself where it is allowed to"},
    {"vrrp_rt_priority", "the election runs in real time by itself where it is allowed to"},
    {"vrrp_no_swap", "the agent's memory is locked by itself where that is allowed"},
    {"vrrp_startup_delay", "see vrrp.startupDelay"},
    {"dynamic_interfaces", "the interface is followed when it goes and comes back"},
    {"process_names", kOwnProcess},
    {"use_pid_dir", kOwnProcess},
    {"net_namespace", "the agent works in the network namespace that it is started in"},
    {"enable_snmp_vrrp", "fairlead has Prometheus metrics"},
    {"enable_snmp_keepalived", "fairlead has Prometheus metrics"},
    {"snmp_socket", "fairlead has Prometheus metrics"},
    {"enable_traps", "fairlead has Prometheus metrics"},
    {"enable_dbus", "see `fairlead status`"},
};

/// In vrrp_instance.
const Reasons kInstance{
    {"use_vmac", kVirtualMac},
    {"vmac_xmit_base", kVirtualMac},
    {"use_ipvlan", kVirtualMac},
    {"dont_track_primary", "the VIP's interface is always watched"},
    {"track_interface", "the VIP's interface is always watched; others can't be"},
    {"track_file", "fairlead reads no such files: use a check"},
    {"track_process", "fairlead watches ports, not processes: use a check"},
    {"track_bfd", "fairlead doesn't speak BFD"},
    {"track_src_ip", "is always so"},
    {"mcast_src_ip", "advertisements come from the interface's primary address"},
    {"lvs_sync_daemon_interface", "fairlead doesn't use LVS"},
    {"debug", "see logging.level"},
    {"smtp_alert", kNoMail},
    {"virtual_routes", "fairlead adds no routes"},
    {"virtual_rules", "fairlead adds no rules"},
    {"promote_secondaries", "the VIP is a /32 of its own and no secondary address"},
    {"accept", "traffic to the VIP is always accepted"},
    {"no_accept", "traffic to the VIP is always accepted"},
    {"linkbeat_use_polling", "the kernel tells of link changes"},
    {"linkbeat_interfaces", "the kernel tells of link changes"},
    {"kernel_rx_buf_size", kOwnProcess},
    {"higher_prio_send_advert", "is always so"},
    {"lower_prio_no_advert", "a lower master is always answered, as RFC 9568 wants it"},
    {"native_ipv6", "the VIP's family tells"},
    {"skip_check_adv_addr", "fairlead checks each advertisement, which costs nothing"},
    {"strict_mode", "fairlead keeps to the RFC"},
    {"unicast_ttl", "unicast is sent with a TTL of 255"},
    {"unicast_fault_no_peer", "is always so"},
    {"check_unicast_src", "is always so"},
    {"garp_extra_if", kAnnounced},
    {"thread_timer_expired", "after a stall the agent listens before it insists"},
    {"timer_expired_backup", "after a stall the agent listens before it insists"},
    {"old_unicast_checksum", "is what keepalived before 1.4 did"},
    {"notify_deleted", kNoScripts},
};

bool isCounter(const std::string& word) {
    return word.starts_with("garp_") || word == "vrrp_garp_lower_prio_repeat" ||
           word.starts_with("vrrp_garp_") || word.starts_with("vrrp_gna_");
}

std::string reasonOf(const std::string& word, const Reasons& reasons) {
    if (isCounter(word)) return kAnnounced;
    if (word.starts_with("notify")) return kNoScripts;
    const auto known = reasons.find(word);
    return known != reasons.end() ? known->second : kNoCounterpart;
}

}  // namespace

std::string globalReason(const std::string& word) {
    if (word.starts_with("smtp") || word.starts_with("notification_email")) return kNoMail;
    return reasonOf(word, kGlobal);
}

std::string instanceReason(const std::string& word) {
    return reasonOf(word, kInstance);
}

}  // namespace fairlead::importing
