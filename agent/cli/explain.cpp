#include <memory>
#include <ostream>

#include "agent/cli/agent_flags.h"
#include "agent/cli/cli.h"
#include "agent/config/configuration.h"
#include "agent/control/control_client.h"
#include "agent/files/small_file.h"
#include "agent/history/history.h"

namespace fairlead::cli {

void addExplain(Commands& commands) {
    CLI::App* command = commands.app.add_subcommand(
        "explain", "Tell what happened lately to the VIP and the backends, and why, one line each");
    command->footer(
        "Examples:\n"
        "  fairlead explain\n"
        "  fairlead explain -o json\n"
        "  kubectl -n kube-system exec fairlead-master1 -- fairlead explain\n"
        "\n"
        "The agent on this host is asked; where none runs, the file is read that the last one has left.");
    const auto format = std::make_shared<std::string>("text");
    command->add_option("-o,--output", *format, "text or json")
        ->check(CLI::IsMember({"text", "json"}))
        ->capture_default_str();
    const auto file = std::make_shared<std::string>(config::Configuration().logging.historyFile);
    command->add_option("--history-file", *file, "What is read if no agent answers (logging.historyFile)")
        ->capture_default_str();
    const auto virtualRouterId = addVirtualRouterId(*command);
    command->callback([&commands, format, file, virtualRouterId] {
        commands.chosen = [&commands, format, file, virtualRouterId] {
            control::Answer answer = control::ask(static_cast<std::uint8_t>(*virtualRouterId), "explain");
            std::string origin = "the agent's answer";
            if (!answer.ok) {
                const auto content = files::readSmallFile(*file);
                if (!content) {
                    commands.streams.err << "fairlead: " << answer.text
                                         << "fairlead: " << content.error().text << '\n';
                    return kWrong;
                }
                commands.streams.err << "fairlead: " << answer.text << "fairlead: showing " << *file
                                     << " instead\n";
                answer.text = content->text;
                origin = *file;
            }
            const auto history = history::fromJson(answer.text);
            if (!history) {
                commands.streams.err << "fairlead: " << origin << " " << history.error() << '\n';
                return kWrong;
            }
            commands.streams.out << (*format == "json" ? history::toJson(*history)
                                                       : history::toText(*history));
            return kDone;
        };
    });
}

}  // namespace fairlead::cli
