// Commands that read files: import with its includes, validate --effective, and explain where no agent
// answers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "agent/history/history.h"
#include "tests/unit/cli/call.h"

namespace fairlead::cli {
namespace {

using test::call;
using test::Outcome;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class FilesTest : public testing::Test {
  protected:
    FilesTest() {
        std::string name = testing::TempDir() + "fairlead-cli-XXXXXX";
        EXPECT_NE(mkdtemp(name.data()), nullptr);
        folder_ = name;
    }
    ~FilesTest() override { std::filesystem::remove_all(folder_); }

    [[nodiscard]] std::string file(const std::string& name) const { return (folder_ / name).string(); }
    std::string write(const std::string& name, const std::string& text) const {
        std::filesystem::create_directories((folder_ / name).parent_path());
        std::ofstream(file(name)) << text;
        return file(name);
    }
    /// A pair whose keepalived.conf includes conf.d/*.conf.
    [[nodiscard]] std::vector<std::string> pair() const {
        return {write("keepalived.conf", "include conf.d/*.conf\n"),
                write("haproxy.cfg",
                      "frontend kube\n bind *:16443\n default_backend kube\nbackend kube\n"
                      " server m1 10.0.0.1:6443 check\n")};
    }

    std::filesystem::path folder_;
};

TEST_F(FilesTest, ImportReadsWhatIsIncludedBesideTheFileThatIncludesIt) {
    write("conf.d/a.conf",
          "vrrp_instance a {\n virtual_router_id 7\n interface eth0\n"
          " virtual_ipaddress {\n 10.0.0.100\n }\n}\n");
    write("conf.d/other.txt", "vrrp_instance b {\n virtual_router_id 8\n}\n");
    std::vector<std::string> arguments = pair();
    arguments.insert(arguments.begin(), "import");
    const Outcome outcome = call(arguments);
    EXPECT_EQ(outcome.code, kDone) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    EXPECT_THAT(outcome.out, HasSubstr("  virtualRouterID: 7"));
    EXPECT_THAT(outcome.out, HasSubstr(file("conf.d/a.conf") + ":2\n"));
    EXPECT_THAT(outcome.out, Not(HasSubstr("other.txt")));
    // What it prints is a configuration that holds here.
    EXPECT_EQ(call({"validate", "--config", write("fairlead.yaml", outcome.out)}).code, kDone);

    arguments.insert(arguments.begin() + 1, "--cutover");
    EXPECT_THAT(call(arguments).out,
                StartsWith("Moving 10.0.0.100 (virtual router 7) from keepalived and HAProxy"));
}

TEST_F(FilesTest, ImportSaysWhyTheResultCannotBeUsedAndPrintsItAllTheSame) {
    std::vector<std::string> arguments = pair();
    arguments.insert(arguments.begin(), "import");
    const Outcome outcome = call(arguments);
    EXPECT_EQ(outcome.code, kWrong);
    EXPECT_EQ(outcome.err, "fairlead: " + file("keepalived.conf") +
                               ":1: include conf.d/*.conf: no such file\n"
                               "fairlead: there is no vrrp_instance, so no VIP\n");
    EXPECT_THAT(outcome.out, HasSubstr("backends:\n"));
    const Outcome missing = call({"import", file("nowhere"), arguments[2]});
    EXPECT_EQ(missing.code, kWrong);
    EXPECT_THAT(missing.err, HasSubstr(file("nowhere") + ": No such file or directory"));
}

TEST_F(FilesTest, ValidateShowsAllThatWouldHoldOnThisHost) {
    const std::string text =
        "apiVersion: fairlead.dev/v1alpha1\nkind: FairleadConfiguration\n"
        "vip: {addresses: [192.0.2.108], interface: lo}\nvrrp: {priority: 77}\n"
        "backends: {kubernetes: {kubeconfig: []}, static: ['192.0.2.1:6443']}\n";
    const std::string good = write("good.yaml", text);
    const Outcome outcome = call({"validate", "--config", good, "--effective", "--vrid", "9"});
    EXPECT_EQ(outcome.code, kDone) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("  priority: 77\n"));
    EXPECT_THAT(outcome.out, HasSubstr("  virtualRouterID: 9\n"));
    EXPECT_THAT(outcome.err, HasSubstr("192.0.2.108 is in no subnet of lo"));
    // What it prints is the same configuration once more.
    EXPECT_EQ(call({"validate", "--config", write("again.yaml", outcome.out), "--effective"}).out,
              outcome.out);

    const Outcome elsewhere = call({"validate", "--config", good, "--effective", "--interface", "nosuch0"});
    EXPECT_EQ(elsewhere.code, kWrong);
    EXPECT_THAT(elsewhere.err,
                StartsWith("flag --interface: vip.interface: no interface \"nosuch0\" on this host"));
    EXPECT_EQ(elsewhere.out, "");
}

TEST_F(FilesTest, ExplainReadsWhatTheLastAgentHasLeftWhereNoneAnswers) {
    history::History history;
    history.add({.when = 1'700'000'000'000'000,
                 .level = logging::Level::Info,
                 .component = "vrrp",
                 .message = "became MASTER",
                 .fields = {{"vrid", 51}}});
    const std::string left = write("history.json", history::toJson(history));
    const std::vector<std::string> explain{"explain", "--vrid", "239", "--history-file"};
    const auto explained = [&](const std::string& name, std::vector<std::string> more = {}) {
        std::vector<std::string> arguments = explain;
        arguments.push_back(name);
        arguments.insert(arguments.end(), more.begin(), more.end());
        return call(arguments);
    };
    const Outcome text = explained(left);
    EXPECT_EQ(text.code, kDone);
    EXPECT_THAT(text.out, HasSubstr("became MASTER"));
    EXPECT_THAT(text.err, EndsWith("fairlead: showing " + left + " instead\n"));
    EXPECT_EQ(explained(left, {"-o", "json"}).out, history::toJson(history));

    const Outcome garbage = explained(write("garbage", "{"));
    EXPECT_EQ(garbage.code, kWrong);
    EXPECT_THAT(garbage.err, HasSubstr("fairlead: " + file("garbage") + " "));
    const Outcome none = explained(file("nowhere"));
    EXPECT_EQ(none.code, kWrong);
    EXPECT_THAT(none.err, HasSubstr(file("nowhere")));
    EXPECT_EQ(none.out, "");
}

}  // namespace
}  // namespace fairlead::cli
