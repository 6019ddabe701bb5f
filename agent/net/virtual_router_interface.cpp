// A virtual router follows its interface: the sockets that are bound to it, and why it can't be used.

#include <stdexcept>
#include <utility>

#include "agent/net/virtual_router.h"

namespace fairlead::net {

void VirtualRouter::refreshInterface() {
    auto read = readInterface(around_.netlink, around_.interface, options_, around_.vips);
    if (!read) {
        reporter_.warning("interface", read.error(), clock());
        retryAt_ = clock() + kRetry;
        return;
    }
    const LinkRecord before = std::exchange(interface_, std::move(*read)).link;
    conditionChanged_ = true;
    if (interface_.link.index != before.index) {
        // Deleted and made again, or renamed: the sockets are bound to what is gone.
        socket_.reset();
        addressFault_.clear();
        // Where there is none any more the router says what follows: FAULT, without the VIPs.
        if (keeper_.installed() && interface_.link.index != 0) {
            restoreAt_ = clock();
            restorePort_ = 0;
            restoreCause_ = "the interface was made anew";
        }
    }
    if (!socket_ && interface_.link.index != 0) openSockets();
    if (interface_.link.mac != before.mac && keeper_.installed()) announcements_.start(clock());
    unicastPeers_.choose(options_, interface_);
}

void VirtualRouter::openSockets() {
    socketFault_.clear();
    conditionChanged_ = true;
    // Closing takes them out of the epoll set as well.
    socket_.reset();
    peerSocket_.reset();
    claimWatch_.reset();
    try {
        socket_.emplace(around_.interface, interface_.link.index, options_);
        around_.watch(socket_->fd());
        openClaimWatch();
        lastEmpty_ = clock();
    } catch (const std::runtime_error& error) {
        socket_.reset();
        claimWatch_.reset();
        socketFault_ = error.what();
        retryAt_ = clock() + kRetry;
        return;
    }
    if (options_.peerPort == 0) return;
    try {
        peerSocket_.emplace(around_.interface, interface_.link.index, options_);
        around_.watch(peerSocket_->fd());
    } catch (const std::runtime_error& error) {
        // The election works without; hand-over then costs the skew time.
        peerSocket_.reset();
        reporter_.warning("peerSocket",
                          std::string(error.what()) +
                              ": fairlead's peers won't know of this host "
                              "before it holds the VIP (vrrp.peerPort)",
                          clock());
    }
}

void VirtualRouter::openClaimWatch() {
    claimWatch_.emplace(around_.interface, interface_.link.index, options_.addresses);
    around_.watch(claimWatch_->fd());
}

std::string VirtualRouter::ownFault() const {
    std::string fault = interface_.fault(around_.interface, options_);
    if (fault.empty()) fault = socketFault_;
    if (fault.empty()) fault = addressFault_;
    if (fault.empty()) fault = unicastPeers_.fault(options_);
    return fault;
}

}  // namespace fairlead::net
