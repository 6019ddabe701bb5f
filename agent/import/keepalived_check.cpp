#include "agent/import/keepalived_check.h"

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/config/values.h"
#include "agent/import/keepalived_statement.h"
#include "agent/import/script_check.h"

namespace fairlead::importing {
namespace {

constexpr std::string_view kLocalhost = "https://localhost";

void place(CheckDraft& check, const ScriptTarget& target, const std::string& balancerPort) {
    switch (target.kind) {
        case ScriptTarget::Kind::Port:
            check.kind = "port";
            check.target = target.text;
            break;
        case ScriptTarget::Kind::Balancer:
            check.kind = "port";
            check.target = balancerPort;
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
    if (check.target == balancerPort) check.name = "lb";
}

}  // namespace

std::optional<CheckDraft> checkOf(const Statement& script, const Statement& use,
                                  const std::string& balancerPort, Draft& draft) {
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
        } else if (const auto time = secondsAsDuration(firstOf(each));
                   time && (word == "interval" || word == "timeout")) {
            check.values[word] = {.text = *time, .comment = each.origin.text()};
            dropRest(each, 2, draft);
        } else if (((word == "rise" || word == "fall") && whole(firstOf(each), 1, 1000)) ||
                   (word == "weight" && whole(firstOf(each), -253, 253))) {
            check.values[word] = {.text = firstOf(each), .comment = each.origin.text()};
            dropRest(each, 2, draft);
        } else if (word == "user" || word == "init_fail") {
            dropped.emplace_back(
                &each, word == "user" ? "fairlead runs no scripts" : "the first result decides alone");
        } else {
            dropped.emplace_back(&each, kNoCounterpart);
        }
    }
    for (std::size_t i = 1; i < use.words.size(); ++i) {
        const std::string value = i + 1 < use.words.size() ? use.words[i + 1] : "";
        if (use.words[i] == "weight" && whole(value, -253, 253)) {
            check.values["weight"] = {.text = value, .comment = use.origin.text()};
            ++i;
        } else {
            draft.drop(use.origin, check.name + " … " + use.words[i], kNoCounterpart);
        }
    }
    for (const auto& [statement, reason] : dropped)
        draft.drop(statement->origin, joined(statement->words), reason);
    if (!target) {
        draft.drop(script.origin, "vrrp_script " + check.name,
                   "what it asks isn't known, so it makes no check");
        return std::nullopt;
    }
    place(check, *target, balancerPort);
    if (check.kind == "https" && !config::parseHttpsUrl(check.target)) {
        draft.drop(script.origin, "vrrp_script " + check.name,
                   check.target + " names no address: fairlead resolves no names");
        return std::nullopt;
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
    return check;
}

}  // namespace fairlead::importing
