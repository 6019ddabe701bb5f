#include "agent/import/import.h"

#include <glob.h>

#include <filesystem>
#include <memory>
#include <ostream>
#include <stdexcept>

#include "agent/cli/cli.h"
#include "agent/files/small_file.h"

namespace fairlead::cli {
namespace {

importing::SourceFile read(const std::string& name) {
    auto content = files::readSmallFile(name);
    if (!content) throw std::runtime_error(content.error().text);
    return {.name = name, .text = std::move(content->text)};
}

/// What an include's pattern names, relative to the file that has it; those that can't be read are left out.
std::vector<importing::SourceFile> included(const std::string& pattern, const std::string& from) {
    const std::filesystem::path path = std::filesystem::path(from).parent_path() / pattern;
    glob_t found{};
    std::vector<importing::SourceFile> files;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): a command has one thread
    if (glob(path.c_str(), 0, nullptr, &found) == 0) {
        for (std::size_t i = 0; i < found.gl_pathc; ++i) {
            const char* name = found.gl_pathv[i];
            if (auto content = files::readSmallFile(name))
                files.push_back({.name = name, .text = std::move(content->text)});
        }
    }
    globfree(&found);
    return files;
}

}  // namespace

void addImport(Commands& commands) {
    CLI::App* command = commands.app.add_subcommand(
        "import", "Print the configuration that corresponds to a keepalived.conf and a haproxy.cfg");
    command->footer(
        "Examples:\n"
        "  fairlead import /etc/keepalived/keepalived.conf /etc/haproxy/haproxy.cfg > "
        "/etc/kubernetes/fairlead.yaml\n"
        "  fairlead import --cutover /etc/keepalived/keepalived.conf /etc/haproxy/haproxy.cfg\n"
        "\n"
        "Beside each value stands the line that it is from; behind them, as comments, every directive that "
        "isn't\n"
        "carried and why. Exits with 1 if the result can't be used as it is; stderr then says why.");
    const auto keepalived = std::make_shared<std::string>();
    const auto haproxy = std::make_shared<std::string>();
    const auto cutover = std::make_shared<bool>(false);
    command->add_option("KEEPALIVED_CONF", *keepalived, "keepalived's configuration")->required();
    command->add_option("HAPROXY_CFG", *haproxy, "HAProxy's configuration")->required();
    command->add_flag("--cutover", *cutover, "Print the steps of moving over without an outage instead");
    command->callback([&commands, keepalived, haproxy, cutover] {
        commands.chosen = [&commands, keepalived, haproxy, cutover] {
            const importing::SourceFile first = read(*keepalived);
            const importing::SourceFile second = read(*haproxy);
            const importing::Imported result = importing::importPair(first, second, included);
            commands.streams.out << (*cutover ? importing::cutoverPlan(first, second, included)
                                              : result.configuration);
            for (const std::string& error : result.errors)
                commands.streams.err << "fairlead: " << error << '\n';
            return result.errors.empty() ? kDone : kWrong;
        };
    });
}

}  // namespace fairlead::cli
