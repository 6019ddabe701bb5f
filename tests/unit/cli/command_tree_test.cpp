#include "agent/cli/command_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <sstream>

#include "agent/cli/cli.h"
#include "agent/config/keys.h"

namespace fairlead::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string run(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "fairlead");
    std::ostringstream out;
    std::ostringstream err;
    EXPECT_EQ(main(static_cast<int>(arguments.size()), arguments.data(), out, err), kDone) << err.str();
    return out.str();
}

/// Every command of the real command line, with what leads to it.
void each(const std::function<void(const CommandInfo&, const std::string&)>& look) {
    CLI::App app("fairlead");
    app.name("fairlead");
    std::ostringstream out;
    Commands commands{.app = app, .streams = {.out = out, .err = out}, .chosen = {}};
    addAll(commands);
    const std::function<void(const CommandInfo&, const std::string&)> walk = [&](const CommandInfo& command,
                                                                                 const std::string& before) {
        const std::string place = before.empty() ? command.name : before + " " + command.name;
        look(command, place);
        for (const CommandInfo& child : command.children)
            walk(child, place);
    };
    walk(describe(app), "");
}

TEST(CommandTree, FindsTheWordsThatAnOptionTakes) {
    EXPECT_THAT(choicesIn("multicast or unicast"), ElementsAre("multicast", "unicast"));
    EXPECT_THAT(choicesIn("debug, info, warning or error"), ElementsAre("debug", "info", "warning", "error"));
    for (const char* other : {"", "text", "0 to 65535", "nodes, or a list of addresses", "list of files"})
        EXPECT_THAT(choicesIn(other), IsEmpty()) << other;
}

TEST(CommandTree, EveryCommandHasAnExampleThatNamesIt) {
    each([](const CommandInfo& command, const std::string& place) {
        EXPECT_FALSE(command.help.empty()) << place;
        EXPECT_THAT(command.footer, HasSubstr("Examples:\n")) << place;
        EXPECT_THAT(command.footer, HasSubstr(place)) << place;
        for (const OptionInfo& option : command.options)
            EXPECT_FALSE(option.help.empty()) << place << " " << option.names.front();
    });
}

TEST(CommandTree, CompletionKnowsEveryCommandAndOption) {
    const std::string bash = run({"completion", "bash"});
    const std::string zsh = run({"completion", "zsh"});
    const std::string fish = run({"completion", "fish"});
    each([&](const CommandInfo& command, const std::string& place) {
        for (const std::string* script : {&bash, &zsh})
            EXPECT_THAT(*script, HasSubstr("'" + place + "')")) << place;
        for (const OptionInfo& option : command.options) {
            if (option.positional) continue;
            for (const std::string& name : option.names) {
                EXPECT_THAT(bash, HasSubstr(name));
                EXPECT_THAT(zsh, HasSubstr("'" + name + ":"));
                EXPECT_THAT(fish, HasSubstr(name.starts_with("--") ? " -l " + name.substr(2)
                                                                   : " -s " + name.substr(1)));
            }
        }
    });
}

TEST(CommandTree, TheManualPageInTheDocumentationIsCurrent) {
    std::ifstream file(std::string(FAIRLEAD_SOURCE) + "/docs/fairlead.8");
    std::ostringstream text;
    text << file.rdbuf();
    EXPECT_EQ(text.str(), run({"man"})) << "fairlead man > docs/fairlead.8";
}

TEST(CommandTree, TheManualPageHasEveryCommandAndKey) {
    std::string page = run({"man"});
    for (std::size_t at = 0; (at = page.find("\\-", at)) != std::string::npos;)
        page.replace(at, 2, "-");
    each([&](const CommandInfo& command, const std::string& place) {
        if (!command.children.empty()) return;
        EXPECT_THAT(page, HasSubstr(".SS " + place + "\n"));
    });
    for (const config::Key& key : config::keys())
        EXPECT_THAT(page, HasSubstr("\\fB" + std::string(key.path) + "\\fR"));
}

}  // namespace
}  // namespace fairlead::cli
