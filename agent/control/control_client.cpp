#include "agent/control/control_client.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <chrono>

namespace fairlead::control {

Answer ask(std::uint8_t virtualRouterId, const std::string& command) {
    constexpr std::chrono::seconds kPatience{5};
    constexpr std::size_t kMostBytes = 1U << 20U;
    boost::asio::io_context context;
    boost::asio::local::stream_protocol::socket socket(context);
    boost::system::error_code error;
    if (socket.connect(endpointFor(virtualRouterId), error)) {
        return {.ok = false,
                .text = "no agent of virtual router ID " + std::to_string(virtualRouterId) +
                        " answers on this host (" + error.message() + "); see --vrid\n"};
    }
    if (!trusted(socket.native_handle()))
        return {.ok = false, .text = "the socket belongs to another user, not to the agent\n"};
    boost::asio::write(socket, boost::asio::buffer(command + "\n"), error);
    std::string bytes;
    bool complete = false;
    boost::asio::async_read(socket, boost::asio::dynamic_buffer(bytes, kMostBytes),
                            [&complete](const boost::system::error_code&, std::size_t) { complete = true; });
    context.run_for(kPatience);
    if (!complete) return {.ok = false, .text = "the agent does not answer; its log may say why\n"};
    if (bytes.empty()) {
        return {.ok = false,
                .text = "the agent closed the connection without an answer: is this command run as root?\n"};
    }
    return decode(bytes);
}

}  // namespace fairlead::control
