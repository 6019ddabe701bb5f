#include "agent/takeover/takeover_socket.h"

#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <sstream>
#include <string_view>
#include <system_error>
#include <utility>

namespace fairlead::takeover {
namespace {

constexpr const char* kListeners = "listeners";
constexpr const char* kReleased = "released";
constexpr const char* kCheckUp = "\ncheck up ";
constexpr const char* kCheckDown = "\ncheck down ";
constexpr std::size_t kMaxText = 8192;

std::string errorText(int error) {
    return std::generic_category().message(error);
}

}  // namespace

Name nameFor(std::uint8_t virtualRouterId) {
    const std::string text = "fairlead.dev/" + std::to_string(virtualRouterId) + "/takeover";
    Name name;
    auto& address = reinterpret_cast<sockaddr_un&>(name.storage);
    address.sun_family = AF_UNIX;
    std::ranges::copy(text, address.sun_path + 1);  // a NUL in front: the abstract namespace
    name.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
    return name;
}

std::expected<void, std::string> sendMessage(int socket, const std::string& text,
                                             const std::vector<int>& descriptors) {
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxPerMessage * sizeof(int))> control{};
    std::string bytes = text;
    iovec part{.iov_base = bytes.data(), .iov_len = bytes.size()};
    msghdr message{.msg_iov = &part, .msg_iovlen = 1};
    if (!descriptors.empty()) {
        const std::size_t size = descriptors.size() * sizeof(int);
        message.msg_control = control.data();
        message.msg_controllen = CMSG_SPACE(size);
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(size);
        std::memcpy(CMSG_DATA(header), descriptors.data(), size);
    }
    if (sendmsg(socket, &message, MSG_NOSIGNAL) < 0) return std::unexpected(errorText(errno));
    return {};
}

std::expected<Message, std::string> receiveMessage(int socket) {
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxPerMessage * sizeof(int))> control{};
    std::string text(kMaxText, '\0');
    iovec part{.iov_base = text.data(), .iov_len = text.size()};
    msghdr message{
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.data(), .msg_controllen = control.size()};
    const ssize_t size = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (size < 0) return std::unexpected(errorText(errno));
    Message result;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        std::vector<int> descriptors((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        std::memcpy(descriptors.data(), CMSG_DATA(header), descriptors.size() * sizeof(int));
        for (const int descriptor : descriptors)
            result.descriptors.emplace_back(descriptor);
    }
    if (size == 0) return std::unexpected("the other agent closed the connection");
    if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
        return std::unexpected("a message of the other agent is too large");
    text.resize(static_cast<std::size_t>(size));
    result.text = std::move(text);
    return result;
}

std::string describeListeners(const std::vector<lb::ListeningSocket>& listeners, std::size_t first,
                              std::size_t count) {
    std::string text = kListeners;
    for (std::size_t i = first; i < first + count; ++i)
        text += "\n" + lb::toString(listeners[i].endpoint);
    return text;
}

std::expected<std::vector<lb::ListeningSocket>, std::string> readListeners(Message message) {
    std::istringstream lines(message.text);
    std::string line;
    if (!std::getline(lines, line) || line != kListeners)
        return std::unexpected("expected its listeners, not \"" + line + "\"");
    std::vector<lb::ListeningSocket> listeners;
    while (std::getline(lines, line)) {
        const auto endpoint = lb::parseEndpoint(line);
        if (!endpoint) return std::unexpected("its listeners: " + endpoint.error());
        if (listeners.size() == message.descriptors.size()) break;
        listeners.push_back(
            {.endpoint = *endpoint, .socket = std::move(message.descriptors[listeners.size()])});
    }
    if (lines || listeners.size() != message.descriptors.size())
        return std::unexpected("its listeners and their descriptors are not of one number");
    return listeners;
}

std::string describe(const Estate& estate) {
    std::string text = kReleased;
    if (estate.master4) text += "\nmaster 4";
    if (estate.master6) text += "\nmaster 6";
    for (const auto& [name, up] : estate.checks)
        text += (up ? kCheckUp : kCheckDown) + name;
    return text;
}

std::expected<Estate, std::string> readEstate(const std::string& text) {
    std::istringstream lines(text);
    std::string line;
    if (!std::getline(lines, line) || line != kReleased)
        return std::unexpected("expected that it lets go, not \"" + line + "\"");
    Estate estate;
    while (std::getline(lines, line)) {
        if (line == "master 4") estate.master4 = true;
        if (line == "master 6") estate.master6 = true;
        for (const bool up : {true, false}) {
            const std::string_view head = std::string_view(up ? kCheckUp : kCheckDown).substr(1);
            if (line.starts_with(head)) estate.checks[line.substr(head.size())] = up;
        }
    }
    return estate;
}

}  // namespace fairlead::takeover
