// Commands that ask the agent on this host, with one that answers in this process.

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/system_error.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <thread>

#include "agent/control/control_server.h"
#include "tests/unit/cli/call.h"

namespace fairlead::cli {
namespace {

using test::call;
using test::Outcome;
using testing::HasSubstr;

class AskingTest : public testing::Test {
  protected:
    AskingTest() {
        const auto echo = [this](const std::string& name) {
            return [this, name](const std::string& argument) {
                return control::Answer{.ok = ok_, .text = name + "(" + argument + "): " + answer_ + "\n"};
            };
        };
        // A virtual router ID that nobody has in this network namespace.
        for (id_ = 254; id_ > 200 && !server_; --id_) {
            try {
                server_.emplace(context_, static_cast<std::uint8_t>(id_),
                                std::map<std::string, control::Handler>{
                                    {"handover", echo("handover")},
                                    {"drain", echo("drain")},
                                    {"undrain", echo("undrain")},
                                    {"status", [this](const std::string&) {
                                         return control::Answer{.ok = ok_, .text = answer_ + "\n"};
                                     }}});
                break;
            } catch (const boost::system::system_error&) {
                continue;
            }
        }
        EXPECT_TRUE(server_);
        thread_ = std::thread([this] { context_.run(); });
    }
    ~AskingTest() override {
        context_.stop();
        thread_.join();
    }

    Outcome ask(std::vector<std::string> command) {
        command.insert(command.end(), {"--vrid", std::to_string(id_)});
        return call(std::move(command));
    }

    // Set before a command is called, read by the answer to it.
    bool ok_ = true;
    std::string answer_ = "done";
    int id_ = 0;

  private:
    boost::asio::io_context context_;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{context_.get_executor()};
    std::optional<control::ControlServer> server_;
    std::thread thread_;
};

TEST_F(AskingTest, WhatTheAgentHasDoneGoesToStdout) {
    for (const auto& [command, said] :
         {std::pair<std::vector<std::string>, std::string>{{"handover"}, "handover(): done\n"},
          {{"drain", "master2"}, "drain(master2): done\n"},
          {{"undrain", "10.10.1.84:6443"}, "undrain(10.10.1.84:6443): done\n"}}) {
        const Outcome outcome = ask(command);
        EXPECT_EQ(outcome.code, kDone);
        EXPECT_EQ(outcome.out, said);
        EXPECT_EQ(outcome.err, "");
    }
}

TEST_F(AskingTest, WhatItRefusesGoesToStderrWithOne) {
    ok_ = false;
    answer_ = "no such backend";
    for (const std::vector<std::string>& command :
         {std::vector<std::string>{"handover"}, {"drain", "master2"}, {"undrain", "master2"}, {"status"}}) {
        const Outcome outcome = ask(command);
        EXPECT_EQ(outcome.code, kWrong);
        EXPECT_EQ(outcome.out, "");
        EXPECT_THAT(outcome.err, HasSubstr("no such backend\n"));
    }
}

TEST_F(AskingTest, StatusOfAnotherVersionsAgentIsNotGuessedAt) {
    for (const char* text : {"[]", "garbage", ""}) {
        answer_ = text;
        const Outcome outcome = ask({"status"});
        EXPECT_EQ(outcome.code, kWrong) << text;
        EXPECT_EQ(outcome.err,
                  "fairlead: the agent's answer can't be understood; is it of another version?\n");
    }
    answer_ = "{}";
    EXPECT_EQ(ask({"status"}).code, kDone) << "keys that are missing are missing";
    EXPECT_EQ(ask({"status", "-o", "json"}).out, "{}\n") << "as it came";
}

}  // namespace
}  // namespace fairlead::cli
