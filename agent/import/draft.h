#pragma once
// What the two files come to: values with where each is from, ready to be written as a FairleadConfiguration.
// Plain values.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/import/source.h"

namespace fairlead::importing {

/// The reason that is given where there is no better one.
inline constexpr const char* kNoCounterpart = "fairlead has nothing that corresponds";

/// One value as the configuration file has it.
struct Value {
    std::string text;     ///< YAML: "51", "[10.10.1.108]", "1s"
    std::string comment;  ///< where it is from, or why it is so
};

struct CheckDraft {
    std::string name;
    std::string kind;                     ///< "port", "connect" or "https"
    std::string target;                   ///< "16443", "127.0.0.1:80", "https://127.0.0.1:6443/readyz"
    std::map<std::string, Value> values;  ///< interval, timeout, rise, fall, weight
    Origin origin;
};

struct Draft {
    std::map<std::string, Value> values;  ///< by path: "vip.addresses", "vrrp.priority", …
    std::vector<CheckDraft> checks;
    std::vector<NotCarried> notCarried;
    std::vector<std::string> errors;  ///< what makes a configuration impossible, one line each

    /// What comes later counts, as in both files; a value that it takes the place of is told of.
    void set(const std::string& path, std::string text, const Origin& origin) {
        const auto known = values.find(path);
        if (known != values.end() && known->second.text != text) {
            drop(origin, path + ": " + text,
                 "in place of " + known->second.text + ", " + known->second.comment);
        }
        values[path] = {.text = std::move(text), .comment = origin.text()};
    }
    void drop(const Origin& origin, std::string directive, std::string reason) {
        notCarried.push_back(
            {.origin = origin, .directive = std::move(directive), .reason = std::move(reason)});
    }
};

/// A FairleadConfiguration with a comment beside each value, and behind it what isn't carried.
std::string render(const Draft& draft);

}  // namespace fairlead::importing
