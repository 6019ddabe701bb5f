#include <memory>
#include <ostream>

#include "agent/cli/agent_flags.h"
#include "agent/cli/cli.h"
#include "agent/control/control_client.h"

namespace fairlead::cli {
namespace {

void add(Commands& commands, const std::string& name, const std::string& description,
         const std::string& more) {
    CLI::App* command = commands.app.add_subcommand(name, description);
    command->footer("Examples:\n  fairlead " + name + " master2\n  fairlead " + name +
                    " 10.10.1.84:6443\n\n" + more);
    const auto backend = std::make_shared<std::string>();
    command->add_option("BACKEND", *backend, "Its name or endpoint, as fairlead status shows it")->required();
    const auto virtualRouterId = addVirtualRouterId(*command);
    command->callback([&commands, name, backend, virtualRouterId] {
        commands.chosen = [&commands, name, backend, virtualRouterId] {
            const control::Answer answer =
                control::ask(static_cast<std::uint8_t>(*virtualRouterId), name + " " + *backend);
            (answer.ok ? commands.streams.out : commands.streams.err) << answer.text;
            return answer.ok ? kDone : kWrong;
        };
    });
}

}  // namespace

void addDrain(Commands& commands) {
    add(commands, "drain", "Send no new connections to a backend; those that are open stay",
        "Holds on this host alone, until `fairlead undrain` or the agent's end. On all hosts at once:\n"
        "  kubectl annotate node master2 fairlead.dev/drain=true");
    add(commands, "undrain", "Send new connections to a backend again",
        "Does not undo the annotation of a Node:\n"
        "  kubectl annotate node master2 fairlead.dev/drain-");
}

}  // namespace fairlead::cli
