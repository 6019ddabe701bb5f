#include "agent/takeover/predecessor.h"

#include <poll.h>

#include <cerrno>
#include <system_error>

#include "agent/control/control_socket.h"

namespace fairlead::takeover {
namespace {

std::expected<Message, std::string> awaitMessage(const lb::Descriptor& socket) {
    pollfd waiting{.fd = socket.get(), .events = POLLIN, .revents = 0};
    const int ready =
        poll(&waiting, 1,
             static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(kStepPatience).count()));
    if (ready == 0) return std::unexpected("the other agent does not answer");
    return receiveMessage(socket.get());
}

std::unexpected<std::string> failed(const std::string& error) {
    return std::unexpected("cannot take over from the agent that runs: " + error);
}

}  // namespace

std::expected<std::optional<Predecessor>, std::string> Predecessor::find(std::uint8_t virtualRouterId) {
    lb::Descriptor socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!socket) return failed(std::generic_category().message(errno));
    const Name name = nameFor(virtualRouterId);
    if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&name.storage), name.length) != 0) {
        if (errno == ECONNREFUSED) return std::nullopt;
        return failed(std::generic_category().message(errno));
    }
    if (!control::trusted(socket.get())) return failed("its socket belongs to another user");
    if (const auto sent = sendMessage(socket.get(), kTake); !sent) return failed(sent.error());
    std::vector<lb::ListeningSocket> listeners;
    for (;;) {
        auto message = awaitMessage(socket);
        if (!message) return failed(message.error());
        if (message->text == kComplete) break;
        auto some = readListeners(std::move(*message));
        if (!some) return failed(some.error());
        for (lb::ListeningSocket& listener : *some)
            listeners.push_back(std::move(listener));
    }
    return Predecessor(std::move(socket), std::move(listeners));
}

std::expected<Estate, std::string> Predecessor::release() {
    if (const auto sent = sendMessage(socket_.get(), kRelease); !sent) return failed(sent.error());
    const auto message = awaitMessage(socket_);
    if (!message) return failed(message.error());
    auto estate = readEstate(message->text);
    if (!estate) return failed(estate.error());
    return estate;
}

}  // namespace fairlead::takeover
