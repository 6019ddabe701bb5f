// In child processes: what is given up doesn't come back. The tests run as root, who has it all to begin
// with.

#include "agent/privileges/privileges.h"

#include <gtest/gtest.h>
#include <linux/capability.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <string>

#include "tests/unit/privileges/in_child.h"

namespace fairlead::privileges {
namespace {

std::string ofThisProcess(const std::string& field) {
    std::ifstream file("/proc/self/status");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with(field + ":"))
            return line.substr(line.find_first_not_of(" \t", field.size() + 1));
    }
    return "";
}

TEST(Privileges, OnlyThoseAskedForAreLeft) {
    EXPECT_TRUE(inChild([] {
        const std::array kept{CAP_NET_ADMIN, CAP_NET_RAW};
        return keepOnly(kept) && effective() == "cap_net_admin,cap_net_raw" &&
               ofThisProcess("CapPrm") == "0000000000003000" &&
               ofThisProcess("CapBnd") == "0000000000003000" && ofThisProcess("NoNewPrivs") == "1";
    }));
}

TEST(Privileges, NoneMayBeLeft) {
    EXPECT_TRUE(inChild([] { return keepOnly({}) && effective() == "none"; }));
}

TEST(Privileges, WhatIsMissingIsNotGained) {
    EXPECT_TRUE(inChild([] {
        const std::array more{CAP_NET_RAW};
        return keepOnly({}) && keepOnly(more) && effective() == "none";
    }));
}

TEST(Privileges, AProgramThatIsRunLaterGetsNothingBack) {
    EXPECT_TRUE(inChild([] {
        const std::array kept{CAP_NET_RAW};
        return keepOnly(kept) && std::system("grep -q '^CapEff:.*0000000000002000$' /proc/self/status") == 0;
    }));
}

}  // namespace
}  // namespace fairlead::privileges
