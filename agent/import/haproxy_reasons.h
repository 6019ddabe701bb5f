#pragma once
// Why a line of haproxy.cfg isn't carried: one phrase for every word of HAProxy's Configuration Manual that
// fairlead has no key for. Pure.

#include <string>

namespace fairlead::importing {

inline constexpr const char* kTls =
    "fairlead passes TLS through as it is, so that clients see the API server's own certificate";
inline constexpr const char* kHttp = "is about HTTP; fairlead balances TCP";

/// `word` begins the line.
std::string lineReason(const std::string& word);

/// `word` is behind `option`.
std::string optionReason(const std::string& word);

}  // namespace fairlead::importing
