#pragma once
// The table of configuration keys: the one place that knows a key's path, flag, default, meaning, and how its
// text gets into a Configuration and out of it again. The parser, the flags, `validate --effective`,
// `manifest config` and docs/configuration.md all come from it. Pure.

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "agent/config/configuration.h"
#include "agent/config/values.h"

namespace fairlead::config {

using Texts = std::vector<std::string>;

struct Key {
    const char* path;     ///< "vip.addresses"; of a check: "port"
    const char* flag;     ///< "--vip", or null
    const char* type;     ///< as the documentation names it
    const char* help;     ///< one sentence or two
    bool list = false;    ///< a sequence, and a flag that may be repeated
    bool secret = false;  ///< never shown
    /// Takes the text(s); exactly one unless `list`. The error is one phrase.
    std::function<Parsed<void>(Configuration&, const Texts&)> set;
    std::function<Texts(const Configuration&)> get;
};

/// In the order of the documentation.
const std::vector<Key>& keys();

struct CheckKey {
    const char* path;
    const char* type;
    const char* help;
    std::function<Parsed<void>(checks::CheckOptions&, const std::string&)> set;
};

/// The keys of one entry of `checks`.
const std::vector<CheckKey>& checkKeys();

/// What holds where nothing is given.
Configuration defaults();

/// The check that is there if the configuration names none: on the balancer's own port.
checks::CheckOptions defaultCheck(std::uint16_t balancerPort);

}  // namespace fairlead::config
