#include "agent/cli/status_text.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "agent/cli/table.h"

namespace fairlead::cli {
namespace {

using Json = nlohmann::json;

const Json& at(const Json& object, const char* key) {
    static const Json kNothing;
    if (!object.is_object()) return kNothing;
    const auto found = object.find(key);
    return found == object.end() ? kNothing : *found;
}

std::string text(const Json& object, const char* key) {
    const Json& value = at(object, key);
    if (value.is_string()) return value.get<std::string>();
    if (value.is_number_integer()) return std::to_string(value.get<std::int64_t>());
    return "-";
}

double number(const Json& object, const char* key, double otherwise = -1) {
    const Json& value = at(object, key);
    return value.is_number() ? value.get<double>() : otherwise;
}

std::string age(const Json& object, const char* key) {
    return ageText(number(object, key));
}

/// As age, but where it counts to the hundredth of a second.
std::string length(const Json& object, const char* key) {
    const double seconds = number(object, key);
    if (seconds < 0 || seconds >= 60) return ageText(seconds);
    const auto hundredths = std::lround(seconds * 100);
    const std::string fraction = std::to_string(hundredths % 100);
    return std::to_string(hundredths / 100) + "." + (fraction.size() < 2 ? "0" : "") + fraction + "s";
}

std::string interval(const Json& object, const char* key) {
    const double seconds = number(object, key);
    if (seconds < 0) return "-";
    if (seconds < 1) return std::to_string(std::lround(seconds * 1000)) + "ms";
    return ageText(seconds);
}

std::string list(const Json& values) {
    std::string result;
    if (values.is_array()) {
        for (const Json& each : values) {
            if (each.is_string()) result += (result.empty() ? "" : ",") + each.get<std::string>();
        }
    }
    return result.empty() ? "-" : result;
}

class Page {
  public:
    explicit Page(StatusStyle style) : style_(style) {}

    /// A table under its heading line; nothing if it has no rows beside that.
    void table(const std::vector<Row>& rows) {
        if (rows.size() < 2) return;
        if (!text_.empty()) text_ += '\n';
        text_ += columns(rows);
    }

    void line(const std::string& words, bool bad = false) {
        const std::string clean = columns({{words}});
        text_ += bad && style_.colour ? "\033[33m" + clean.substr(0, clean.size() - 1) + "\033[0m\n" : clean;
    }

    void blank() { text_ += '\n'; }

    [[nodiscard]] std::string take() { return std::move(text_); }

  private:
    StatusStyle style_;
    std::string text_;
};

/// "rejected: ttl 3, checksum 1"; empty if there is nothing.
std::string counts(const std::string& what, const Json& counted) {
    std::string result;
    if (!counted.is_object()) return result;
    for (const auto& [reason, count] : counted.items()) {
        if (!count.is_number_integer() || count.get<std::int64_t>() == 0) continue;
        result.append(result.empty() ? what + ": " : ", ").append(reason).append(" ");
        result += std::to_string(count.get<std::int64_t>());
    }
    return result;
}

std::string madeUp(std::string priority, const std::string& parts) {
    return std::move(priority.append(" = ").append(parts));
}

void addRouters(Page& page, const Json& routers) {
    std::vector<Row> rows{{"VIP", "VRID", "STATE", "SINCE", "PRIORITY", "INTERVAL", "INTERFACE"}};
    for (const Json& router : routers) {
        const std::string parts = text(router, "priorityExplanation");
        const std::string priority = text(router, "priority");
        rows.push_back({list(at(router, "addresses")), text(router, "virtualRouterID"), text(router, "state"),
                        age(router, "sinceSeconds"),
                        parts == "-" || parts == priority ? priority : madeUp(priority, parts),
                        interval(router, "advertIntervalSeconds"), text(router, "interface")});
    }
    page.table(rows);
    for (const Json& router : routers) {
        page.line("  because: " + text(router, "cause"), text(router, "state") == "FAULT");
        if (const std::string rejected = counts("rejected", at(router, "rejected")); !rejected.empty())
            page.line("  " + rejected);
    }
}

void addPeers(Page& page, const Json& routers) {
    std::vector<Row> rows{{"PEER", "FAMILY", "PRIORITY", "INTERVAL", "LAST HEARD", "AS"}};
    for (const Json& router : routers) {
        for (const Json& peer : at(router, "peers")) {
            rows.push_back({text(peer, "address"), text(router, "family"), text(peer, "priority"),
                            interval(peer, "advertIntervalSeconds"), age(peer, "lastHeardSeconds") + " ago",
                            "master"});
        }
        for (const Json& candidate : at(router, "candidates")) {
            rows.push_back({text(candidate, "address"), text(router, "family"), text(candidate, "priority"),
                            "-", age(candidate, "lastHeardSeconds") + " ago", "candidate"});
        }
    }
    page.table(rows);
    for (const Json& router : routers) {
        for (const Json& holder : at(router, "foreignHolders")) {
            page.line("  " + text(holder, "mac") + " claimed " + text(holder, "address") + " " +
                          age(holder, "lastSeenSeconds") + " ago, though this host holds it",
                      true);
        }
    }
}

/// "no answer for 0.5s now"; "answers since 12s; last outage 0.75s, 12s ago: Connection refused"
std::string serviceText(const Json& probe) {
    const Json& answers = at(probe, "answers");
    std::string words = text(probe, "target");
    if (!answers.is_boolean()) return words + " has not answered yet";
    const Json& current = at(probe, "currentOutage");
    if (answers == false) {
        return words + " does not answer, for " + length(current, "seconds") + ": " + text(current, "cause");
    }
    words += " answers, since " + age(probe, "sinceSeconds");
    if (number(probe, "outages", 0) > 0) {
        words += "; " + text(probe, "outages") +
                 (text(probe, "outages") == "1" ? " outage, " : " outages, ") +
                 length(probe, "outageSeconds") + " in all";
    }
    return words;
}

void addVipProbes(Page& page, const Json& probes) {
    if (!probes.is_array() || probes.empty()) return;
    page.blank();
    for (const Json& probe : probes)
        page.line(serviceText(probe), at(probe, "answers") == false);
    constexpr std::size_t kShown = 3;
    std::vector<Row> rows{{"OUTAGE OF", "LENGTH", "ENDED", "CAUSE"}};
    for (const Json& probe : probes) {
        const Json& outages = at(probe, "lastOutages");
        if (!outages.is_array()) continue;
        for (std::size_t i = 0; i < std::min(outages.size(), kShown); ++i) {
            const Json& outage = outages[i];
            rows.push_back({text(probe, "target"), length(outage, "seconds"),
                            age(outage, "endedSeconds") + " ago", text(outage, "cause")});
        }
    }
    page.table(rows);
}

const Json* backendIn(const Json* status, const std::string& endpoint) {
    if (!status) return nullptr;
    for (const Json& backend : at(*status, "backends")) {
        if (text(backend, "endpoint") == endpoint) return &backend;
    }
    return nullptr;
}

void addBackends(Page& page, const Json& status, const Json* earlier) {
    Row heading{"BACKEND", "NAME", "HEALTH", "SINCE", "CONNS", "TOTAL"};
    if (earlier) heading.emplace_back("NEW/S");
    heading.emplace_back("PROBE");
    std::vector<Row> rows{heading};
    for (const Json& backend : at(status, "backends")) {
        Row row{text(backend, "endpoint"),
                text(backend, "name"),
                text(backend, "health") + (at(backend, "draining") == true ? ",drains" : ""),
                age(backend, "sinceSeconds"),
                text(backend, "connections"),
                text(backend, "connectionsTotal")};
        if (earlier) {
            const Json* before = backendIn(earlier, row.front());
            const double time = number(status, "uptimeSeconds", 0) - number(*earlier, "uptimeSeconds", 0);
            const double added =
                before ? number(backend, "connectionsTotal", 0) - number(*before, "connectionsTotal", 0) : -1;
            row.push_back(time > 0 && added >= 0 ? std::to_string(std::lround(added / time)) : "-");
        }
        const double probe = number(backend, "probeSeconds");
        row.push_back(probe < 0 ? "-" : std::to_string(std::lround(probe * 1000)) + "ms");
        rows.push_back(std::move(row));
    }
    page.table(rows);
    for (const Json& backend : at(status, "backends")) {
        if (text(backend, "health") != "up")
            page.line("  " + text(backend, "endpoint") + ": " + text(backend, "detail"), true);
    }
}

void addChecks(Page& page, const Json& status) {
    std::vector<Row> rows{{"CHECK", "UP", "WEIGHT", "DETAIL"}};
    for (const Json& check : at(status, "checks")) {
        const bool decided = at(check, "decided") == true;
        rows.push_back({text(check, "name"),
                        !decided                  ? "?"
                        : at(check, "up") == true ? "yes"
                                                  : "no",
                        text(check, "weight"), text(check, "detail")});
    }
    page.table(rows);
}

void addKubernetes(Page& page, const Json& status) {
    const Json& watch = at(status, "kubernetes");
    if (!watch.is_object()) return;
    page.blank();
    const bool up = at(watch, "watchUp") == true;
    const bool slices = text(watch, "source") == "endpointslices";
    page.line((slices ? "Endpoints: " : "Nodes: ") + text(watch, "nodes") +
                  (up ? ", watching " : ", no watch; last asked ") + text(watch, "server") +
                  ", last contact " + age(watch, "lastContactSeconds") + " ago",
              !up);
    page.line("  identity: " + text(watch, "kubeconfig"));
}

}  // namespace

std::string statusText(const Json& status, const Json* earlier, StatusStyle style) {
    Page page(style);
    page.line(text(status, "nodeName") + ": fairlead " + text(status, "version") + ", up " +
              age(status, "uptimeSeconds"));
    const Json& routers = at(status, "routers");
    if (routers.is_array() && routers.empty()) page.line("No VIP: the balancer works alone");
    addRouters(page, routers);
    addPeers(page, routers);
    addVipProbes(page, at(status, "vipProbes"));
    addBackends(page, status, earlier);
    const Json& balancer = at(status, "balancer");
    page.line("  listening on " + list(at(balancer, "listeners")) + "; backends from " +
              text(balancer, "backendSource"));
    addChecks(page, status);
    addKubernetes(page, status);
    const Json& warnings = at(status, "warnings");
    if (warnings.is_array() && !warnings.empty()) {
        page.blank();
        for (const Json& warning : warnings) {
            if (warning.is_string()) page.line("! " + warning.get<std::string>(), true);
        }
    }
    return page.take();
}

}  // namespace fairlead::cli
