#include <nlohmann/json.hpp>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <ostream>
#include <thread>

#include "agent/cli/agent_flags.h"
#include "agent/cli/cli.h"
#include "agent/cli/status_text.h"
#include "agent/control/control_client.h"

namespace fairlead::cli {
namespace {

using Json = nlohmann::json;

volatile std::sig_atomic_t interrupted = 0;

int fail(const Commands& commands, const std::string& text) {
    commands.streams.err << "fairlead: " << text;
    return kWrong;
}

/// Every second, on a cleared screen, until SIGINT; an agent that goes away is waited for.
int watchStatus(const Commands& commands, std::uint8_t virtualRouterId) {
    std::signal(SIGINT, [](int) { interrupted = 1; });
    std::optional<Json> earlier;
    while (interrupted == 0) {
        const control::Answer answer = control::ask(virtualRouterId, "status");
        Json status = answer.ok ? Json::parse(answer.text, nullptr, false) : Json();
        std::string text = answer.text;
        if (status.is_object()) {
            text = statusText(status, earlier ? &*earlier : nullptr, {.colour = isatty(STDOUT_FILENO) != 0});
            earlier = std::move(status);
        }
        commands.streams.out << "\033[H\033[2J" << text << std::flush;
        for (int i = 0; i < 10 && interrupted == 0; ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return kDone;
}

}  // namespace

void addStatus(Commands& commands) {
    CLI::App* command = commands.app.add_subcommand(
        "status", "Show who holds the VIP and why, the peers heard, and the backends and their health");
    command->footer(
        "Examples:\n"
        "  fairlead status\n"
        "  fairlead status -o json | jq .router.state\n"
        "  fairlead status --watch\n"
        "  kubectl -n kube-system exec fairlead-master1 -- fairlead status\n"
        "\n"
        "Asks the agent on this host, as root; works without the API. docs/status.md explains each key.");
    const auto format = std::make_shared<std::string>("table");
    command->add_option("-o,--output", *format, "table or json")
        ->check(CLI::IsMember({"table", "json"}))
        ->capture_default_str();
    const auto watch = std::make_shared<bool>(false);
    command->add_flag("-w,--watch", *watch, "Show it anew every second, until interrupted");
    const auto virtualRouterId = addVirtualRouterId(*command);
    command->callback([&commands, format, watch, virtualRouterId] {
        commands.chosen = [&commands, format, watch, virtualRouterId] {
            const auto id = static_cast<std::uint8_t>(*virtualRouterId);
            if (*watch && *format == "table") return watchStatus(commands, id);
            const control::Answer answer = control::ask(id, "status");
            if (!answer.ok) return fail(commands, answer.text);
            if (*format == "json") {
                commands.streams.out << answer.text;
                return kDone;
            }
            const Json status = Json::parse(answer.text, nullptr, false);
            if (!status.is_object())
                return fail(commands, "the agent's answer can't be understood; is it of another version?\n");
            commands.streams.out << statusText(status, nullptr, {.colour = isatty(STDOUT_FILENO) != 0});
            return kDone;
        };
    });
}

}  // namespace fairlead::cli
