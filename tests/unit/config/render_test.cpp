// A configuration as text again: a file to start from, and checks of every kind.

#include "agent/config/render.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "tests/unit/config/text.h"

namespace fairlead::config {
namespace {

using test::good;
using test::kHead;
using test::kVip;
using testing::HasSubstr;

std::vector<std::string> linesOf(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);)
        lines.push_back(line);
    return lines;
}

TEST(Template, IsAFileThatSaysTheSameAsWhatItWasMadeOf) {
    const std::string given = kHead +
                              "vip: {addresses: [10.10.1.108, 'fe80::1'], interface: bond0.100}\n"
                              "vrrp: {priority: 150, transport: unicast, peers: [10.10.1.84, 'fe80::2']}\n"
                              "checks: [{name: a, https: {url: 'https://[::1]:6443/livez', caFile: /ca, "
                              "serverName: ''}, weight: -7}]\n"
                              "loadBalancer: {accessLog: true, idleTimeout: 90s}\n"
                              "backends: {kubernetes: {kubeconfig: []}, static: ['10.10.1.84:6443']}\n";
    const Configuration configuration = good(given);
    const std::string text = renderTemplate(configuration);
    EXPECT_EQ(renderEffective(good(text)), renderEffective(configuration)) << text;
    for (const char* line : {"  priority: 150\n", "  addresses: [10.10.1.108, \"fe80::1\"]\n",
                             "  peers: [10.10.1.84, \"fe80::2\"]\n", "    kubeconfig: []\n",
                             "  - name: a\n    https:\n      url: \"https://[::1]:6443/livez\"\n"})
        EXPECT_THAT(text, HasSubstr(line));
}

TEST(Template, ShowsWhatWasNotGivenAsCommentsAtItsDefault) {
    const std::string text = renderTemplate(good(kHead + kVip));
    for (const char* line : {"  # priority: 100\n", "  # advertInterval: 200ms\n",
                             "# checks:\n#   - name: lb\n", "  # bind: [\"0.0.0.0:16443\"]\n"})
        EXPECT_THAT(text, HasSubstr(line));
    EXPECT_EQ(renderEffective(good(text)), renderEffective(good(kHead + kVip)));
}

TEST(Template, ExplainsEveryKeyInLinesThatFitAScreen) {
    const std::string text = renderTemplate(good(kHead + kVip));
    for (const std::string& line : linesOf(text))
        EXPECT_LE(line.size(), 112U) << line;
    EXPECT_THAT(text, HasSubstr("Default: "));
}

TEST(Effective, HasChecksOfEveryKindAndReadsBackAlike) {
    const std::string text = renderEffective(
        good(kHead + kVip +
             "checks: [{name: a, port: 22}, {name: b, connect: '[::1]:22', interval: 1500ms}, "
             "{name: c, https: {url: 'https://127.0.0.1:6443/readyz'}, weight: -3}]\n"));
    EXPECT_EQ(renderEffective(good(text)), text);
    for (const char* part :
         {"port: 22\n", "connect: \"[::1]:22\"\n", "interval: 1500ms\n",
          "url: \"https://127.0.0.1:6443/readyz\"\n", "weight: -3\n", "serverName: kubernetes\n"})
        EXPECT_THAT(text, HasSubstr(part));
    EXPECT_THAT(renderEffective(good(kHead + kVip + "checks: []\n")), HasSubstr("\nchecks: []\n"));
}

/// What YAML would take for something else than the text that it is.
TEST(Effective, QuotesWhatAReaderOfYamlCouldMistake) {
    for (const char* name : {"yes", "0x10", "1.5", "null", "-", "a: b", "a#b", "\"", "\\", "Größe", "010"}) {
        std::string escaped;
        for (const char* c = name; *c != 0; ++c) {
            if (*c == '"' || *c == '\\') escaped += '\\';
            escaped += *c;
        }
        const Configuration configuration = good(kHead + kVip + "nodeName: \"" + escaped + "\"\n");
        EXPECT_EQ(configuration.nodeName, name);
        const std::string text = renderEffective(configuration);
        EXPECT_THAT(text, HasSubstr("nodeName: \"" + escaped + "\"\n"));
        EXPECT_EQ(good(text).nodeName, name);
    }
    EXPECT_THAT(renderEffective(good(kHead + kVip + "nodeName: 10.10.1.83\n")),
                HasSubstr("nodeName: 10.10.1.83\n"))
        << "more than one dot is no number";
}

}  // namespace
}  // namespace fairlead::config
