// The page at `/`: what its file says of itself. What it does in a browser: tests/wire/test_page.py.

#include "agent/admin/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <sstream>

namespace fairlead::admin {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Page, IsTheFileInTheSource) {
    std::ifstream file(std::string(FAIRLEAD_SOURCE) + "/agent/admin/page/index.html");
    std::ostringstream text;
    text << file.rdbuf();
    EXPECT_EQ(text.str(), pageText());
    EXPECT_EQ(page().body, pageText());
}

TEST(Page, NeedsNothingFromElsewhere) {
    const std::string text(pageText());
    EXPECT_THAT(text, Not(HasSubstr("//cdn")));
    // The one address in it is the name of SVG.
    const std::regex url("https?://[^\"' ]+");
    for (auto match = std::sregex_iterator(text.begin(), text.end(), url); match != std::sregex_iterator();
         ++match)
        EXPECT_EQ(match->str(), "http://www.w3.org/2000/svg");
    for (const char* loading : {"@import", "url(", " src=", "innerHTML =", "eval(", "style=\"", "onclick="})
        EXPECT_THAT(text, Not(HasSubstr(loading)));
}

TEST(Page, ItsPolicyAllowsItsOwnScriptAndStyleAlone) {
    std::string policy;
    for (const auto& [name, value] : page().headers) {
        if (name == "Content-Security-Policy") policy = value;
    }
    EXPECT_TRUE(std::regex_search(policy, std::regex("script-src 'sha256-[A-Za-z0-9+/]{43}=';")));
    EXPECT_TRUE(std::regex_search(policy, std::regex("style-src 'sha256-[A-Za-z0-9+/]{43}=';")));
    EXPECT_THAT(policy, HasSubstr("default-src 'none'"));
    EXPECT_THAT(policy, HasSubstr("frame-ancestors 'none'"));
    EXPECT_THAT(policy, Not(HasSubstr("unsafe")));
}

}  // namespace
}  // namespace fairlead::admin
