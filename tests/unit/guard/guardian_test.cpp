#include "agent/guard/guardian.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "agent/guard/executor.h"
#include "tests/unit/guard/guardian_fixture.h"

namespace fairlead::guard {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

std::string firstWord(const std::string& path) {
    std::ifstream file(path);
    std::string word;
    file >> word;
    return word;
}

class EveryShape : public GuardianTest, public testing::WithParamInterface<GuardianOptions> {};

INSTANTIATE_TEST_SUITE_P(Guardian, EveryShape,
                         testing::Values(GuardianOptions{.shape = Shape::Child},
                                         GuardianOptions{.shape = Shape::Child, .pidfd = false},
                                         GuardianOptions{.shape = Shape::Parent}),
                         [](const auto& given) {
                             return given.param.shape == Shape::Parent ? "Parent"
                                    : given.param.pidfd                ? "Child"
                                                                       : "ChildWithoutPidfd";
                         });

TEST_P(EveryShape, ForAKilledAgentTheAddressGoesAndThePeersAreTold) {
    AgentProcess process(GetParam());
    hold(process);
    EXPECT_EQ(vips(), 3);
    expectSilence();
    kill(process.agent, SIGKILL);
    const std::string line = process.errors();
    expectEverything();
    EXPECT_THAT(line, testing::MatchesRegex("W[0-9]{4} [0-9:.]{15} guard\\] the agent died; gave its "
                                            "address up and told the peers .*\n"));
    EXPECT_THAT(line, HasSubstr("removed=\"10.9.0.100,10.9.0.101,fd09::100\" interface=eth0 messages=7\n"));
    if (GetParam().shape == Shape::Parent) {
        EXPECT_THAT(line, HasSubstr(" cause=SIGKILL "));
    }
}

TEST_P(EveryShape, AfterACleanExitNothingIsDone) {
    AgentProcess process(GetParam());
    hold(process);
    ASSERT_EQ(process.ask('c'), "cleared");
    process.order('x');
    EXPECT_EQ(process.exitStatus(), 3);
    EXPECT_EQ(process.errors(), "");
    EXPECT_EQ(vips(), 3);
    expectSilence();
}

TEST_P(EveryShape, AnAgentThatExitsWhileItHoldsIsTakenForDead) {
    AgentProcess process(GetParam());
    hold(process);
    process.order('x');
    EXPECT_EQ(process.exitStatus(), 3);
    EXPECT_THAT(process.errors(), HasSubstr("the agent died"));
    expectEverything();
}

TEST_P(EveryShape, AnAgentThatHoldsNothingDiesQuietly) {
    AgentProcess process(GetParam());
    kill(process.agent, SIGKILL);
    EXPECT_EQ(process.errors(), "");
    expectSilence();
}

TEST_P(EveryShape, AFrozenAgentIsNotDead) {
    AgentProcess process(GetParam());
    hold(process);
    kill(process.agent, SIGSTOP);
    const std::string status = "/proc/" + std::to_string(process.agent) + "/stat";
    EXPECT_TRUE(await([&] {
        std::ifstream file(status);
        std::string pid;
        std::string name;
        std::string state;
        file >> pid >> name >> state;
        return state == "T";
    }));
    kill(process.agent, SIGCONT);
    EXPECT_EQ(process.ask('a'), "alive");
    EXPECT_EQ(vips(), 3);
    expectSilence();
}

TEST_P(EveryShape, TheGuardianKeepsNoDescriptors) {
    const Descriptor inherited(socket(AF_INET, SOCK_STREAM, 0));
    AgentProcess process(GetParam());
    const std::string proc = "/proc/" + std::to_string(process.guardian);
    // In shape Parent the agent is there before the guardian has settled.
    EXPECT_TRUE(await([&] { return std::filesystem::read_symlink(proc + "/cwd") == "/"; }));
    EXPECT_TRUE(await([&] { return firstWord(proc + "/comm") == "fairlead-guard"; }));
    const auto links = [&] {
        std::vector<std::string> names;
        std::error_code none;
        for (const auto& entry : std::filesystem::directory_iterator(proc + "/fd", none))
            names.push_back(std::filesystem::read_symlink(entry.path(), none).string());
        return names;
    };
    // Two /dev/null, stderr and what it waits on. Between, it rehearses with a socket.
    EXPECT_TRUE(await([&] { return links().size() == 4; })) << testing::PrintToString(links());
    const std::vector<std::string> open = links();
    EXPECT_EQ(std::ranges::count(open, "/dev/null"), 2);
    EXPECT_THAT(open, Not(testing::Contains(HasSubstr("socket:"))));
}

TEST_P(EveryShape, SignalsDoNotEndTheGuardianBeforeTheAgent) {
    AgentProcess process(GetParam());
    hold(process);
    // Those that shape Parent passes on and this agent doesn't survive are left to the next test.
    kill(process.guardian, GetParam().shape == Shape::Parent ? SIGHUP : SIGTERM);
    kill(process.guardian, SIGPIPE);
    kill(process.guardian, SIGALRM);
    if (GetParam().shape == Shape::Parent) {
        EXPECT_EQ(process.read(), "HUP");
    }
    EXPECT_EQ(process.ask('a'), "alive");
    kill(process.agent, SIGKILL);
    expectEverything();
}

TEST_F(GuardianTest, AsAParentItPassesSignalsOnAndEndsAsTheAgentDoes) {
    AgentProcess process({.shape = Shape::Parent});
    kill(process.guardian, SIGHUP);
    EXPECT_EQ(process.read(), "HUP");
    kill(process.guardian, SIGTERM);
    EXPECT_EQ(process.exitStatus(), 7);

    AgentProcess killed({.shape = Shape::Parent});
    killed.order('k');
    EXPECT_EQ(killed.exitStatus(), 128 + SIGKILL);
}

TEST_F(GuardianTest, Pid1IsTheGuardian) {
    AgentProcess process({}, true);
    EXPECT_EQ(process.guardian, 1);
    process.agent = -1;  // a number of its own namespace
    hold(process);
    EXPECT_EQ(process.ask('a'), "alive");
    process.order('k');
    EXPECT_EQ(process.exitStatus(), 128 + SIGKILL);
    expectEverything();
}

TEST_F(GuardianTest, WhoIsNotPid1IsTheAgent) {
    AgentProcess process({});
    EXPECT_EQ(process.ask('a'), "alive");
    process.order('k');
    EXPECT_EQ(process.exitStatus(), -SIGKILL);
}

TEST_F(GuardianTest, AChildGuardiansDeathIsSeenAndLeavesNoZombie) {
    AgentProcess process({.shape = Shape::Child});
    kill(process.guardian, SIGKILL);
    EXPECT_TRUE(await([&] { return process.ask('a') == "gone"; }));
    EXPECT_FALSE(std::filesystem::exists("/proc/" + std::to_string(process.guardian)));
    EXPECT_EQ(process.ask('a'), "gone");
}

TEST_F(GuardianTest, AParentGuardiansDeathStopsTheAgent) {
    AgentProcess process({.shape = Shape::Parent});
    kill(process.guardian, SIGKILL);
    int status = 0;
    // It becomes our child only when its parent is dead.
    EXPECT_TRUE(await([&] { return waitpid(process.agent, &status, WNOHANG) == process.agent; }));
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7);  // by SIGTERM, in order
}

TEST_F(GuardianTest, ItsLineIsJsonWhereTheLogIs) {
    AgentProcess process({.shape = Shape::Parent, .format = logging::Format::Json});
    hold(process);
    process.order('k');
    EXPECT_THAT(process.errors(), testing::MatchesRegex("\\{\"time\":\".*\"component\":\"guard\".*"
                                                        "\"cause\":\"SIGKILL\".*\"messages\":\"7\"\\}\n"));
}

PlainWill willFor(int interfaceIndex) {
    Testament testament;
    writeWills(testament, interfaceIndex);
    return testament.read(0).value();
}

TEST_F(GuardianTest, ExecutesAWill) {
    addVips();
    const Outcome outcome = execute(willFor(static_cast<int>(if_nametoindex("eth0"))));
    EXPECT_EQ(outcome.removed, "10.9.0.100,10.9.0.101");
    EXPECT_EQ(outcome.interface, "eth0");
    EXPECT_EQ(outcome.sent, kRepeat + 1);
    EXPECT_EQ(outcome.failures, "");
    EXPECT_EQ(vips(), 1);
}

TEST_F(GuardianTest, AnAddressThatIsGoneAlreadyIsNoFailure) {
    const Outcome outcome = execute(willFor(static_cast<int>(if_nametoindex("eth0"))));
    EXPECT_EQ(outcome.removed, "");
    EXPECT_EQ(outcome.sent, kRepeat + 1);
    EXPECT_EQ(outcome.failures, "");
}

TEST_F(GuardianTest, SaysWhatCouldNotBeSent) {
    const int index = static_cast<int>(if_nametoindex("eth0"));
    run("ip link del eth0");
    const Outcome outcome = execute(willFor(index));
    EXPECT_EQ(outcome.interface, "interface " + std::to_string(index));
    EXPECT_EQ(outcome.sent, 0);
    EXPECT_THAT(outcome.failures, Not(HasSubstr("removing")));
    EXPECT_THAT(outcome.failures, HasSubstr("o"));
}

}  // namespace
}  // namespace fairlead::guard
