#include <memory>
#include <ostream>

#include "agent/cli/agent_flags.h"
#include "agent/cli/cli.h"
#include "agent/control/control_client.h"

namespace fairlead::cli {

void addHandover(Commands& commands) {
    CLI::App* command = commands.app.add_subcommand(
        "handover", "Give the VIP that this host holds to the next best peer, now");
    command->footer(
        "Examples:\n"
        "  fairlead handover\n"
        "  kubectl -n kube-system exec fairlead-master1 -- fairlead handover\n"
        "\n"
        "Runs on the host that holds the VIP, as root. This host does not take the VIP back from a living "
        "peer\n"
        "before it has been the holder again, whatever its priority; a restart of its agent ends that.");
    const auto virtualRouterId = addVirtualRouterId(*command);
    command->callback([&commands, virtualRouterId] {
        commands.chosen = [&commands, virtualRouterId] {
            const control::Answer answer =
                control::ask(static_cast<std::uint8_t>(*virtualRouterId), "handover");
            (answer.ok ? commands.streams.out : commands.streams.err) << answer.text;
            return answer.ok ? kDone : kWrong;
        };
    });
}

}  // namespace fairlead::cli
