#include "agent/import/keepalived_import.h"

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>
#include <utility>

#include "agent/config/values.h"
#include "agent/import/script_check.h"

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

constexpr std::string_view kLocalhost = "https://localhost";

std::string firstOf(const Statement& statement) {
    return statement.words.size() > 1 ? statement.words[1] : "";
}

/// A whole number within the range, else nothing.
std::optional<long> whole(const std::string& text, long least, long most) {
    if (text.empty() || text.size() > 9) return std::nullopt;
    std::size_t end = 0;
    long value = 0;
    try {
        value = std::stol(text, &end);
    } catch (const std::exception&) {
        return std::nullopt;
    }
    if (end != text.size() || value < least || value > most) return std::nullopt;
    return value;
}

/// Seconds with a fraction as a duration: "1" → "1s", "0.2" → "200ms"; nothing if it is no such number.
std::optional<std::string> duration(const std::string& text) {
    if (text.empty() || text.size() > 12 || text.find_first_not_of("0123456789.") != std::string::npos)
        return std::nullopt;
    double seconds = 0;
    try {
        seconds = std::stod(text);
    } catch (const std::exception&) {
        return std::nullopt;
    }
    const long milliseconds = std::lround(seconds * 1000);
    if (milliseconds % 1000 == 0) return std::to_string(milliseconds / 1000) + "s";
    return std::to_string(milliseconds) + "ms";
}

std::optional<boost::asio::ip::address> address(const std::string& text) {
    boost::system::error_code error;
    auto result = boost::asio::ip::make_address(text.substr(0, text.find('/')), error);
    if (error) return std::nullopt;
    return result;
}

/// In double quotes, so that YAML takes it as it is.
std::string quoted(const std::string& text) {
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') result += '\\';
        result += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
    }
    return result + "\"";
}

bool isCounter(const std::string& word) {
    return word.starts_with("garp_") || word == "vrrp_garp_lower_prio_repeat" ||
           word.starts_with("vrrp_garp_") || word.starts_with("vrrp_gna_");
}

class Importer {
  public:
    Importer(const KeepalivedFile& file, std::string balancerPort, Draft& draft)
        : file_(file), balancerPort_(std::move(balancerPort)), draft_(draft) {}

    void run() {
        draft_.errors.insert(draft_.errors.end(), file_.errors.begin(), file_.errors.end());
        draft_.notCarried.insert(draft_.notCarried.end(), file_.notCarried.begin(), file_.notCarried.end());
        std::vector<const Statement*> instances;
        for (const Statement& statement : file_.statements) {
            const std::string& word = statement.words.front();
            if (word == "global_defs" || word == "global") {
                global(statement);
            } else if (word == "vrrp_instance") {
                instances.push_back(&statement);
            } else if (word == "vrrp_script") {
                if (!scripts_.emplace(firstOf(statement), &statement).second) {
                    draft_.drop(statement.origin, joined(statement.words),
                                "there is one of that name before it, which counts");
                }
            } else if (word == "vrrp_sync_group") {
                draft_.drop(statement.origin, joined(statement.words),
                            "the VIPs of one configuration always move together");
            } else if (word == "virtual_server" || word == "virtual_server_group") {
                draft_.drop(statement.origin, joined(statement.words),
                            "LVS: fairlead balances by itself (loadBalancer)");
            } else {
                draft_.drop(statement.origin, joined(statement.words),
                            "fairlead has nothing that corresponds");
            }
        }
        if (instances.empty()) {
            draft_.errors.emplace_back("there is no vrrp_instance, so no VIP");
            return;
        }
        for (const Statement* statement : instances)
            instance(*statement, statement == instances.front());
        for (const auto& [name, statement] : scripts_) {
            if (!tracked_.contains(name))
                draft_.drop(statement->origin, joined(statement->words),
                            "no track_script of that instance names it");
        }
        finish();
    }

  private:
    void global(const Statement& block) {
        for (const Statement& each : block.block) {
            const std::string& word = each.words.front();
            if (word == "vrrp_version") {
                version(each);
            } else if (const auto time = duration(firstOf(each)); time && word == "vrrp_startup_delay") {
                draft_.set("vrrp.startupDelay", *time, each.origin);
                rest(each, 2);
            } else if (word.starts_with("smtp") || word.starts_with("notification_email")) {
                draft_.drop(each.origin, joined(each.words), kNoMail);
            } else {
                refuse(each, kGlobal);
            }
        }
    }

    /// What stands behind the values that were carried.
    void rest(const Statement& statement, std::size_t carried) {
        if (statement.words.size() <= carried) return;
        const auto begin = statement.words.begin() + static_cast<std::ptrdiff_t>(carried);
        draft_.drop(statement.origin,
                    statement.words.front() + " … " + joined({begin, statement.words.end()}),
                    "fairlead has nothing that corresponds");
    }

    void version(const Statement& statement) {
        if (firstOf(statement) == "2" || firstOf(statement) == "3") {
            draft_.set("vrrp.version", firstOf(statement), statement.origin);
            rest(statement, 2);
        } else {
            draft_.drop(statement.origin, joined(statement.words), "no version of VRRP");
        }
    }

    void refuse(const Statement& statement, const Reasons& reasons) {
        const std::string& word = statement.words.front();
        const auto known = reasons.find(word);
        std::string reason = "fairlead has nothing that corresponds";
        if (known != reasons.end()) reason = known->second;
        if (isCounter(word)) reason = kAnnounced;
        if (word.starts_with("notify")) reason = kNoScripts;
        draft_.drop(statement.origin, joined(statement.words), reason);
    }

    /// The first one is carried, and what others of its number add to it.
    void instance(const Statement& block, bool first) {
        std::string number;
        for (const Statement& each : block.block) {
            if (each.words.front() == "virtual_router_id") number = firstOf(each);
        }
        if (!first && number != number_) {
            draft_.drop(block.origin, joined(block.words),
                        "another virtual router: an agent has one; give its addresses to the first one, or "
                        "keep keepalived for it");
            return;
        }
        number_ = number;
        if (!whole(number, 1, 255))
            draft_.errors.push_back(block.origin.text() + ": virtual_router_id must be 1 to 255");
        for (const Statement& each : block.block)
            inInstance(each, first);
    }

    void number(const Statement& statement, const std::string& path, long least, long most) {
        if (const auto value = whole(firstOf(statement), least, most)) {
            draft_.set(path, std::to_string(*value), statement.origin);
            rest(statement, 2);
        } else {
            draft_.drop(statement.origin, joined(statement.words),
                        "must be " + std::to_string(least) + " to " + std::to_string(most));
        }
    }

    void time(const Statement& statement, const std::string& path) {
        if (const auto value = duration(firstOf(statement))) {
            draft_.set(path, *value, statement.origin);
            rest(statement, 2);
        } else {
            draft_.drop(statement.origin, joined(statement.words), "not a number of seconds");
        }
    }

    void inInstance(const Statement& each, bool first) {
        const std::string& word = each.words.front();
        if (word == "virtual_ipaddress" || word == "virtual_ipaddress_excluded") {
            addresses(each);
        } else if (!first) {
            if (word != "virtual_router_id")
                draft_.drop(each.origin, joined(each.words), "the first instance of this number decides");
        } else if (word == "state") {
            draft_.drop(each.origin, joined(each.words), "the priority alone decides who holds the VIP");
        } else if (word == "interface") {
            draft_.set("vip.interface", firstOf(each), each.origin);
            rest(each, 2);
        } else if (word == "virtual_router_id") {
            number(each, "vrrp.virtualRouterID", 1, 255);
        } else if (word == "priority") {
            priority(each);
        } else if (word == "advert_int") {
            time(each, "vrrp.advertInterval");
        } else if (word == "version") {
            version(each);
        } else if (word == "nopreempt") {
            draft_.set("vrrp.preempt", "false", each.origin);
            rest(each, 1);
        } else if (word == "preempt") {
            draft_.set("vrrp.preempt", "true", each.origin);
            rest(each, 1);
        } else if (word == "preempt_delay") {
            time(each, "vrrp.preemptDelay");
        } else if (word == "authentication") {
            authentication(each);
        } else if (word == "unicast_src_ip") {
            draft_.drop(each.origin, joined(each.words),
                        "advertisements come from the interface's primary address");
        } else if (word == "unicast_peer") {
            peers(each);
        } else if (word == "track_script") {
            track(each);
        } else if (word == "auth_hmac") {
            draft_.drop(each.origin, "auth_hmac",
                        "put its key into a file and set vrrp.authentication: {type: HMAC, keyFile: …}");
        } else {
            refuse(each, kInstance);
        }
    }

    void priority(const Statement& statement) {
        if (firstOf(statement) == "255") {
            draft_.set("vrrp.priority", "254", statement.origin);
            draft_.drop(statement.origin, "priority 255",
                        "255 is for a host whose own address the VIP is; 254 is taken");
            return;
        }
        number(statement, "vrrp.priority", 1, 254);
    }

    void addresses(const Statement& block) {
        for (const Statement& each : block.block) {
            const auto vip = address(each.words.front());
            if (!vip) {
                draft_.drop(each.origin, joined(each.words), "not an address");
                continue;
            }
            vips_.push_back(vip->to_string());
            if (vipOrigin_.line == 0) vipOrigin_ = each.origin;
            const std::size_t slash = each.words.front().find('/');
            if (slash != std::string::npos && !vip->is_v6() && each.words.front().substr(slash) != "/32") {
                draft_.drop(each.origin, each.words.front().substr(slash),
                            "the VIP is always a /32 (IPv6: /128), so that no route and no source address "
                            "comes with it");
            }
            for (std::size_t i = 1; i < each.words.size(); i += 2) {
                const std::string value = i + 1 < each.words.size() ? each.words[i + 1] : "";
                if (each.words[i] == "dev") {
                    device(each, value);
                } else {
                    draft_.drop(each.origin, each.words[i] + (value.empty() ? "" : " " + value),
                                "the VIP is installed as fairlead needs it");
                }
            }
        }
    }

    void device(const Statement& statement, const std::string& name) {
        const auto known = draft_.values.find("vip.interface");
        if (known == draft_.values.end()) {
            draft_.set("vip.interface", name, statement.origin);
        } else if (known->second.text != name) {
            draft_.drop(statement.origin, "dev " + name,
                        "VIP and advertisements are on one interface, " + known->second.text);
        }
    }

    void authentication(const Statement& block) {
        std::string type;
        const Statement* password = nullptr;
        for (const Statement& each : block.block) {
            if (each.words.front() == "auth_type") {
                type = firstOf(each);
            } else if (each.words.front() == "auth_pass") {
                password = &each;
            } else {
                draft_.drop(each.origin, each.words.front(), "fairlead has nothing that corresponds");
            }
        }
        if (type == "PASS" && password) {
            const std::string word = firstOf(*password).substr(0, 8);  // as much as VRRP carries
            draft_.values["vrrp.authentication"] = {.text = "{type: PASS, password: " + quoted(word) + "}",
                                                    .comment = password->origin.text()};
        } else {
            draft_.drop(block.origin, "authentication { auth_type " + type + " }",
                        type == "AH" ? "AH is obsolete and not spoken; use HMAC once keepalived is gone"
                                     : "there is no password");
        }
    }

    void peers(const Statement& block) {
        std::string list;
        for (const Statement& each : block.block) {
            if (const auto peer = address(each.words.front())) {
                list += (list.empty() ? "" : ", ") + quoted(peer->to_string());
            } else {
                draft_.drop(each.origin, joined(each.words), "not an address");
            }
            if (each.words.size() > 1) {
                draft_.drop(each.origin, joined({each.words.begin() + 1, each.words.end()}),
                            "a peer's TTL isn't checked");
            }
        }
        draft_.set("vrrp.transport", "unicast", block.origin);
        draft_.set("vrrp.peers", "[" + list + "]", block.origin);
    }

    void track(const Statement& block) {
        for (const Statement& each : block.block) {
            const auto script = scripts_.find(each.words.front());
            if (script == scripts_.end()) {
                draft_.drop(each.origin, joined(each.words), "there is no vrrp_script of that name");
            } else if (tracked_.insert(each.words.front()).second) {
                check(*script->second, each);
            } else {
                draft_.drop(each.origin, joined(each.words), "it is tracked already");
            }
        }
    }

    void check(const Statement& script, const Statement& use) {
        CheckDraft check{
            .name = firstOf(script), .kind = {}, .target = {}, .values = {}, .origin = script.origin};
        std::optional<ScriptTarget> target;
        std::vector<std::pair<const Statement*, std::string>> dropped;
        for (const Statement& each : script.block) {
            const std::string& word = each.words.front();
            if (word == "script") {
                target = scriptTarget(joined({each.words.begin() + 1, each.words.end()}));
                check.origin = each.origin;
                if (!target) {
                    dropped.emplace_back(&each,
                                         "a script of your own: fairlead runs none; say by a check which "
                                         "port, address or URL it asks");
                }
            } else if (const auto time = duration(firstOf(each));
                       time && (word == "interval" || word == "timeout")) {
                check.values[word] = {.text = *time, .comment = each.origin.text()};
                rest(each, 2);
            } else if (((word == "rise" || word == "fall") && whole(firstOf(each), 1, 1000)) ||
                       (word == "weight" && whole(firstOf(each), -253, 253))) {
                check.values[word] = {.text = firstOf(each), .comment = each.origin.text()};
                rest(each, 2);
            } else if (word == "user" || word == "init_fail") {
                dropped.emplace_back(
                    &each, word == "user" ? "fairlead runs no scripts" : "the first result decides alone");
            } else {
                dropped.emplace_back(&each, "fairlead has nothing that corresponds");
            }
        }
        for (std::size_t i = 1; i < use.words.size(); ++i) {
            const std::string value = i + 1 < use.words.size() ? use.words[i + 1] : "";
            if (use.words[i] == "weight" && whole(value, -253, 253)) {
                check.values["weight"] = {.text = value, .comment = use.origin.text()};
                ++i;
            } else {
                draft_.drop(use.origin, check.name + " … " + use.words[i],
                            "fairlead has nothing that corresponds");
            }
        }
        for (const auto& [statement, reason] : dropped)
            draft_.drop(statement->origin, joined(statement->words), reason);
        if (!target) {
            draft_.drop(script.origin, "vrrp_script " + check.name,
                        "what it asks isn't known, so it makes no check");
            return;
        }
        place(check, *target);
        if (check.kind == "https" && !config::parseHttpsUrl(check.target)) {
            draft_.drop(script.origin, "vrrp_script " + check.name,
                        check.target + " names no address: fairlead resolves no names");
            return;
        }
        // keepalived's own default, where fairlead has another.
        if (!check.values.contains("interval"))
            check.values["interval"] = {.text = "1s", .comment = "keepalived's default"};
        if (!check.values.contains("rise"))
            check.values["rise"] = {.text = "1", .comment = "keepalived's default"};
        if (!check.values.contains("fall"))
            check.values["fall"] = {.text = "1", .comment = "keepalived's default"};
        if (!check.values.contains("weight"))
            check.values["weight"] = {.text = "0", .comment = "keepalived's default"};
        draft_.checks.push_back(std::move(check));
    }

    void place(CheckDraft& check, const ScriptTarget& target) {
        switch (target.kind) {
            case ScriptTarget::Kind::Port:
                check.kind = "port";
                check.target = target.text;
                break;
            case ScriptTarget::Kind::Balancer:
                check.kind = "port";
                check.target = balancerPort_;
                break;
            case ScriptTarget::Kind::Connect:
                check.kind = "connect";
                check.target = target.text;
                break;
            case ScriptTarget::Kind::Https:
                check.kind = "https";
                check.target = target.text;
                // The certificate is verified for `kubernetes`, whatever the address.
                if (check.target.starts_with(kLocalhost))
                    check.target.replace(0, kLocalhost.size(), "https://127.0.0.1");
                break;
        }
        if (check.target == balancerPort_) check.name = "lb";
    }

    void finish() {
        if (vips_.empty()) draft_.errors.emplace_back("there is no virtual_ipaddress, so no VIP");
        std::string list;
        for (const std::string& vip : vips_)
            list += (list.empty() ? "" : ", ") + (vip.find(':') == std::string::npos ? vip : quoted(vip));
        draft_.set("vip.addresses", "[" + list + "]", vipOrigin_);
        const auto missing = [&](const char* path, const char* text) {
            if (!draft_.values.contains(path))
                draft_.values[path] = {.text = text, .comment = "keepalived's default"};
        };
        missing("vrrp.version", "2");
        missing("vrrp.advertInterval", "1s");
        missing("vrrp.priority", "100");
    }

    const KeepalivedFile& file_;
    const std::string balancerPort_;
    Draft& draft_;
    std::map<std::string, const Statement*> scripts_;
    std::set<std::string> tracked_;
    std::vector<std::string> vips_;
    Origin vipOrigin_;
    std::string number_;
};

}  // namespace

void importKeepalived(const KeepalivedFile& file, const std::string& balancerPort, Draft& draft) {
    Importer(file, balancerPort, draft).run();
}

}  // namespace fairlead::importing
