#include <algorithm>
#include <array>

#include "agent/import/draft.h"

namespace fairlead::importing {
namespace {

constexpr std::size_t kCommentColumn = 44;

std::string withComment(std::string line, const std::string& comment) {
    if (comment.empty()) return line + "\n";
    if (line.size() + 2 < kCommentColumn) line.append(kCommentColumn - line.size() - 2, ' ');
    return line + "  # " + comment + "\n";
}

/// The keys of one section, those of a nested mapping below its name.
struct Section {
    const char* name;
    std::vector<const char*> keys;
    const char* nested = nullptr;
    std::vector<const char*> nestedKeys;
};

std::string render(const Section& section, const std::map<std::string, Value>& values) {
    std::string text;
    const std::string prefix = std::string(section.name) + ".";
    for (const char* key : section.keys) {
        if (const auto found = values.find(prefix + key); found != values.end())
            text += withComment(std::string("  ") + key + ": " + found->second.text, found->second.comment);
    }
    if (section.nested) {
        std::string inner;
        for (const char* key : section.nestedKeys) {
            if (const auto found = values.find(prefix + section.nested + "." + key); found != values.end()) {
                inner +=
                    withComment(std::string("    ") + key + ": " + found->second.text, found->second.comment);
            }
        }
        if (!inner.empty()) text += std::string("  ") + section.nested + ":\n" + inner;
    }
    return text.empty() ? "" : std::string(section.name) + ":\n" + text;
}

std::string render(const std::vector<CheckDraft>& checks) {
    if (checks.empty()) return "checks: []\n";
    std::string text = "checks:\n";
    for (const CheckDraft& check : checks) {
        std::string name = check.name;
        std::ranges::replace_if(
            name, [](char c) { return static_cast<unsigned char>(c) < 0x21 || c == '"' || c == '\\'; }, '-');
        text += withComment("  - name: \"" + name + "\"", check.origin.text());
        if (check.kind == "https") {
            text += "    https: {url: \"" + check.target + "\", caFile: /etc/kubernetes/pki/ca.crt}\n";
        } else {
            text += "    " + check.kind + ": " +
                    (check.kind == "port" ? check.target : "\"" + check.target + "\"") + "\n";
        }
        for (const char* key : {"interval", "timeout", "rise", "fall", "weight"}) {
            if (const auto found = check.values.find(key); found != check.values.end()) {
                text +=
                    withComment(std::string("    ") + key + ": " + found->second.text, found->second.comment);
            }
        }
    }
    return text;
}

}  // namespace

std::string render(const Draft& draft) {
    std::string text =
        "# Made by `fairlead import`; beside each value stands where it is from, at the end what isn't "
        "carried.\n"
        "apiVersion: fairlead.dev/v1alpha1\n"
        "kind: FairleadConfiguration\n";
    const Section before[] = {
        {.name = "vip", .keys = {"addresses", "interface"}},
        {.name = "vrrp",
         .keys = {"version", "virtualRouterID", "priority", "advertInterval", "preempt", "preemptDelay",
                  "startupDelay", "authentication", "transport", "peers"}},
    };
    for (const Section& section : before)
        text += render(section, draft.values);
    text += render(draft.checks);
    const Section after[] = {
        {.name = "loadBalancer",
         .keys = {"bind", "algorithm", "connectTimeout", "maxConnections"},
         .nested = "healthCheck",
         .nestedKeys = {"path", "expectStatus", "interval", "rise", "fall"}},
        {.name = "backends", .keys = {"port", "static"}},
    };
    for (const Section& section : after)
        text += render(section, draft.values);
    if (draft.notCarried.empty()) return text;
    std::vector<NotCarried> sorted = draft.notCarried;
    std::ranges::stable_sort(
        sorted, {}, [](const NotCarried& each) { return std::pair(each.origin.file, each.origin.line); });
    text += "#\n# Not carried over:\n";
    for (const NotCarried& each : sorted)
        text += "# " + each.origin.text() + ": " + each.directive + ": " + each.reason + "\n";
    return text;
}

}  // namespace fairlead::importing
