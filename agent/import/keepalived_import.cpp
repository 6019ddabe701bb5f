#include "agent/import/keepalived_import.h"

#include <set>
#include <utility>

#include "agent/config/values.h"
#include "agent/import/keepalived_check.h"
#include "agent/import/keepalived_reasons.h"
#include "agent/import/keepalived_statement.h"

namespace fairlead::importing {
namespace {

using config::yamlQuoted;

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
                draft_.drop(statement.origin, joined(statement.words), kNoCounterpart);
            }
        }
        if (instances.empty()) {
            draft_.errors.emplace_back("there is no vrrp_instance, so no VIP");
            return;
        }
        for (const Statement* statement : instances)
            instance(*statement, statement == instances.front());
        for (const auto& [name, statement] : scripts_) {
            if (!tracked_.contains(name)) {
                draft_.drop(statement->origin, joined(statement->words),
                            "no track_script of that instance names it");
            }
        }
        finish();
    }

  private:
    void global(const Statement& block) {
        for (const Statement& each : block.block) {
            const std::string& word = each.words.front();
            if (word == "vrrp_version") {
                version(each);
            } else if (const auto time = secondsAsDuration(firstOf(each));
                       time && word == "vrrp_startup_delay") {
                draft_.set("vrrp.startupDelay", *time, each.origin);
                dropRest(each, 2, draft_);
            } else {
                draft_.drop(each.origin, joined(each.words), globalReason(word));
            }
        }
    }

    void version(const Statement& statement) {
        if (firstOf(statement) == "2" || firstOf(statement) == "3") {
            draft_.set("vrrp.version", firstOf(statement), statement.origin);
            dropRest(statement, 2, draft_);
        } else {
            draft_.drop(statement.origin, joined(statement.words), "no version of VRRP");
        }
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
            dropRest(statement, 2, draft_);
        } else {
            draft_.drop(statement.origin, joined(statement.words),
                        "must be " + std::to_string(least) + " to " + std::to_string(most));
        }
    }

    void time(const Statement& statement, const std::string& path) {
        if (const auto value = secondsAsDuration(firstOf(statement))) {
            draft_.set(path, *value, statement.origin);
            dropRest(statement, 2, draft_);
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
            dropRest(each, 2, draft_);
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
            dropRest(each, 1, draft_);
        } else if (word == "preempt") {
            draft_.set("vrrp.preempt", "true", each.origin);
            dropRest(each, 1, draft_);
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
            draft_.drop(each.origin, joined(each.words), instanceReason(word));
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
            const auto vip = addressWithin(each.words.front());
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
                draft_.drop(each.origin, each.words.front(), kNoCounterpart);
            }
        }
        if (type == "PASS" && password) {
            const std::string word = firstOf(*password).substr(0, 8);  // as much as VRRP carries
            draft_.values["vrrp.authentication"] = {
                .text = "{type: PASS, password: " + yamlQuoted(word) + "}",
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
            if (const auto peer = addressWithin(each.words.front())) {
                list += (list.empty() ? "" : ", ") + yamlQuoted(peer->to_string());
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
                if (auto check = checkOf(*script->second, each, balancerPort_, draft_))
                    draft_.checks.push_back(std::move(*check));
            } else {
                draft_.drop(each.origin, joined(each.words), "it is tracked already");
            }
        }
    }

    void finish() {
        if (vips_.empty()) draft_.errors.emplace_back("there is no virtual_ipaddress, so no VIP");
        std::string list;
        for (const std::string& vip : vips_)
            list += (list.empty() ? "" : ", ") + (vip.find(':') == std::string::npos ? vip : yamlQuoted(vip));
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
