#pragma once
// Configurations of the tests: what stands above each one, and what parse() says of a text.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "agent/config/parse.h"

namespace fairlead::config::test {

inline const std::string kHead = "apiVersion: fairlead.dev/v1alpha1\nkind: FairleadConfiguration\n";
/// Three lines with the head, so that what a test adds begins in line 4.
inline const std::string kVip = "vip: {addresses: [10.10.1.108]}\n";

inline Configuration good(const std::string& text, const std::vector<Flag>& flags = {}) {
    ParseResult result = parse(text, text.empty() ? "" : "FILE", flags);
    EXPECT_EQ(result.errors, std::vector<std::string>()) << "in:\n" << text;
    return std::move(result.configuration);
}

}  // namespace fairlead::config::test
