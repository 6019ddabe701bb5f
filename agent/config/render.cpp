#include "agent/config/render.h"

#include <algorithm>
#include <cctype>

#include "agent/config/keys.h"

namespace fairlead::config {
namespace {

std::string quoted(const std::string& text) {
    const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '.' || c == '/' || c == '-' || c == '_';
    }) && text.front() != '-';
    if (plain) return text;
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') result += '\\';
        result += c;
    }
    return result + "\"";
}

std::string listText(const Texts& texts) {
    std::string result = "[";
    for (const std::string& text : texts)
        result += (result.size() > 1 ? ", " : "") + quoted(text);
    return result + "]";
}

void renderCheck(std::string& out, const checks::CheckOptions& check) {
    out += "  - name: " + quoted(check.name) + "\n";
    if (const auto* port = std::get_if<checks::ListeningPort>(&check.target)) {
        out += "    port: " + std::to_string(port->port) + "\n";
    } else if (const auto* connect = std::get_if<checks::TcpConnect>(&check.target)) {
        out += "    connect: " + quoted(lb::toString(connect->endpoint)) + "\n";
    } else if (const auto* get = std::get_if<checks::HttpsGet>(&check.target)) {
        out +=
            "    https:\n      url: " + quoted("https://" + lb::toString(get->endpoint) + get->path) + "\n";
        if (!get->caFile.empty()) out += "      caFile: " + quoted(get->caFile) + "\n";
        if (!get->serverName.empty()) out += "      serverName: " + quoted(get->serverName) + "\n";
    }
    out += "    interval: " + durationText(check.interval) + "\n    timeout: " + durationText(check.timeout) +
           "\n    rise: " + std::to_string(check.rise) + "\n    fall: " + std::to_string(check.fall) +
           "\n    weight: " + std::to_string(check.weight) + "\n";
}

void renderChecks(std::string& out, const std::vector<checks::CheckOptions>& checks) {
    out += checks.empty() ? "checks: []\n" : "checks:\n";
    for (const checks::CheckOptions& check : checks)
        renderCheck(out, check);
}

/// The shared beginning of two dotted paths, in whole parts.
std::size_t sharedParts(const Texts& a, const Texts& b) {
    std::size_t shared = 0;
    while (shared + 1 < a.size() && shared + 1 < b.size() && a[shared] == b[shared])
        ++shared;
    return shared;
}

Texts partsOf(const std::string& path) {
    Texts parts;
    std::size_t begin = 0;
    for (std::size_t dot = path.find('.'); dot != std::string::npos; dot = path.find('.', begin)) {
        parts.push_back(path.substr(begin, dot - begin));
        begin = dot + 1;
    }
    parts.push_back(path.substr(begin));
    return parts;
}

std::string tableText(std::string text) {
    for (std::size_t at = text.find('|'); at != std::string::npos; at = text.find('|', at + 2))
        text.insert(at, "\\");
    return text;
}

}  // namespace

std::string renderYaml(const Configuration& configuration, Comments comments) {
    std::string out = "apiVersion: fairlead.dev/v1alpha1\nkind: FairleadConfiguration\n";
    Texts before;
    for (const Key& key : keys()) {
        const Texts parts = partsOf(key.path);
        const Texts values = key.get(configuration);
        // An empty text means "derive it" or "none"; a key that isn't there says the same.
        const bool absent = !key.list && values.front().empty();
        if (parts.front() == "loadBalancer" && (before.empty() || before.front() != "loadBalancer"))
            renderChecks(out, configuration.checks);
        for (std::size_t level = sharedParts(before, parts); level + 1 < parts.size(); ++level) {
            out += std::string(level * 2, ' ') + parts[level] + ":\n";
        }
        const std::string indent((parts.size() - 1) * 2, ' ');
        if (comments == Comments::Help) out += indent + "# " + key.help + "\n";
        std::string value = key.list ? listText(values) : quoted(values.front());
        if (key.secret && !absent) value = "REDACTED";
        out += indent + (absent && std::string_view(key.path) != "backends.cacheFile" ? "# " : "") +
               parts.back() + ": " + value + "\n";
        before = parts;
    }
    return out;
}

std::string renderReference() {
    const Configuration fallback = defaults();
    std::string out =
        "# Configuration\n\n"
        "A YAML file given by `--config FILE`; flags override it. Every key is optional but `vip.addresses`. "
        "Durations are a whole number\n"
        "with a unit: `200ms`, `2s`, `5m`, `1h`. The file is read strictly: an unknown or doubled key, a "
        "value out of range, an anchor or a\n"
        "second document is an error that names its line. `fairlead validate --config FILE` checks a file, "
        "`--effective` prints what\n"
        "results from it, and `fairlead manifest config` prints one with every key.\n\n"
        "The file begins with `apiVersion: fairlead.dev/v1alpha1` and `kind: FairleadConfiguration`.\n\n"
        "| key | flag | value | default | meaning |\n|---|---|---|---|---|\n";
    for (const Key& key : keys()) {
        const Texts values = key.get(fallback);
        const std::string value = key.list ? listText(values) : values.front();
        out += "| `" + std::string(key.path) + "` | " + (key.flag ? "`" + std::string(key.flag) + "`" : "") +
               " | " + tableText(key.type) + " | " + (value.empty() ? "" : "`" + value + "`") + " | " +
               tableText(key.help) + " |\n";
    }
    out +=
        "\n## `checks`\n\n"
        "A list; without it there is one check, `lb`, on the balancer's first port with weight 11. `checks: "
        "[]` means none. What checks do\n"
        "to the priority, and what a check of the balancer's own port means, stands in "
        "[concepts.md](concepts.md).\n\n"
        "| key | value | meaning |\n|---|---|---|\n";
    for (const CheckKey& key : checkKeys()) {
        out += "| `" + std::string(key.path) + "` | " + tableText(key.type) + " | " + tableText(key.help) +
               " |\n";
    }
    return out;
}

}  // namespace fairlead::config
