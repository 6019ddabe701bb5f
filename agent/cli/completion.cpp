#include <memory>
#include <ostream>

#include "agent/cli/cli.h"
#include "agent/cli/completion_text.h"
#include "agent/cli/manual_text.h"

namespace fairlead::cli {

void addCompletion(Commands& commands) {
    CLI::App* command = commands.app.add_subcommand(
        "completion", "Print a script that completes the command line in a shell");
    command->footer(
        "Examples:\n"
        "  fairlead completion bash > /etc/bash_completion.d/fairlead\n"
        "  fairlead completion zsh > /usr/local/share/zsh/site-functions/_fairlead\n"
        "  fairlead completion fish > /etc/fish/completions/fairlead.fish\n"
        "  source <(fairlead completion bash)");
    const auto shell = std::make_shared<std::string>();
    command->add_option("SHELL", *shell, "bash, zsh or fish")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish"}));
    command->callback([&commands, shell] {
        commands.chosen = [&commands, shell] {
            const CommandInfo program = describe(commands.app);
            commands.streams.out << (*shell == "bash"  ? bashCompletion(program)
                                     : *shell == "zsh" ? zshCompletion(program)
                                                       : fishCompletion(program));
            return kDone;
        };
    });
}

void addManual(Commands& commands) {
    CLI::App* command = commands.app.add_subcommand("man", "Print the manual page");
    command->footer(
        "Examples:\n"
        "  fairlead man | man -l -\n"
        "  fairlead man > /usr/local/share/man/man8/fairlead.8");
    command->callback([&commands] {
        commands.chosen = [&commands] {
            commands.streams.out << manualPage(describe(commands.app));
            return kDone;
        };
    });
}

}  // namespace fairlead::cli
