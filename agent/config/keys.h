#pragma once
// The table of configuration keys: the one place that knows a key's path, flag, default, meaning, and how its
// text gets into a Configuration and out of it again. The parser, the flags, `validate --effective`,
// `manifest config` and docs/configuration.md all come from it. Pure.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config/configuration.h"
#include "agent/config/values.h"

namespace fairlead::config {

using Texts = std::vector<std::string>;

template <typename Target>
struct BasicKey {
    std::string_view path;        ///< "vip.addresses"; within a check: "https.url"
    std::string_view flag;        ///< "--vip"; empty: there is none
    std::string_view type;        ///< the values it takes, as the documentation names them
    std::string_view help;        ///< one sentence or two
    std::string_view whenAbsent;  ///< what holds if nothing is given, where that isn't a value itself
    std::string_view orWord;      ///< of a list: the word that may stand in the list's place
    bool secret = false;          ///< never shown unless asked for
    /// Takes one text; of a list: one more entry. The error is one phrase.
    std::function<Parsed<void>(Target&, const std::string&)> set;
    /// The text of each value; empty: not set.
    std::function<Texts(const Target&)> get;
    /// Empties a list; the key is a list if there is this function.
    std::function<void(Target&)> clear;

    [[nodiscard]] bool list() const { return static_cast<bool>(clear); }
};

using Key = BasicKey<Configuration>;

/// In the order of the documentation.
const std::vector<Key>& keys();

/// One entry of `checks` while it is put together: which of its three kinds it is, is not decided yet.
struct CheckDraft {
    std::string name;
    std::optional<std::uint16_t> port;
    std::optional<lb::Endpoint> connect;
    std::optional<HttpsUrl> url;
    std::string caFile;
    std::string serverName;
    checks::CheckOptions options;  ///< the rest

    CheckDraft();
    explicit CheckDraft(const checks::CheckOptions& check);
    /// The error is one phrase.
    [[nodiscard]] Parsed<checks::CheckOptions> finish() const;
};

using CheckKey = BasicKey<CheckDraft>;

/// The keys of one entry of `checks`.
const std::vector<CheckKey>& checkKeys();

/// What holds where nothing is given.
Configuration defaults();

/// The check that is there if the configuration names none: on the balancer's own port.
checks::CheckOptions defaultCheck(std::uint16_t balancerPort);

}  // namespace fairlead::config
