#pragma once
// A pair of files that is enough, and what is made of others.

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "agent/config/parse.h"
#include "agent/import/import.h"

namespace fairlead::importing::test {

inline constexpr const char* kHaproxy =
    "frontend kube\n bind *:16443\n default_backend kube\nbackend kube\n server m1 10.0.0.1:6443 check\n";
inline constexpr const char* kKeepalived =
    "vrrp_instance a {\n virtual_router_id 7\n interface eth0\n virtual_ipaddress {\n 10.0.0.100\n }\n}\n";

inline std::vector<SourceFile> none(const std::string& /*pattern*/, const std::string& /*from*/) {
    return {};
}

inline Imported imported(const std::string& keepalived, const std::string& haproxy,
                         const Includes& includes = none) {
    return importPair({.name = "k", .text = keepalived}, {.name = "h", .text = haproxy}, includes);
}

/// What the result comes to, which must be without a mistake.
inline config::Configuration configured(const Imported& result) {
    EXPECT_TRUE(result.errors.empty()) << result.errors.front();
    auto parsed = config::parse(result.configuration, "FILE", {});
    EXPECT_TRUE(parsed.errors.empty()) << parsed.errors.front() << "\n" << result.configuration;
    return std::move(parsed.configuration);
}

inline testing::AssertionResult says(const Imported& result, const std::string& text) {
    if (result.configuration.find(text) != std::string::npos) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "not said: " << text << "\nin:\n" << result.configuration;
}

}  // namespace fairlead::importing::test
