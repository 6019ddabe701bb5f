#include "lb/proxy/closed_window.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace fairlead::lb {

bool mindClosedWindow(Side& side, std::chrono::milliseconds peerTimeout) {
    int queued = 0;
    if (ioctl(side.socket.get(), SIOCOUTQ, &queued) != 0) return false;
    if (queued == 0 && !side.unlimited) return false;
    // Bytes wait, yet none is on its way: the peer has acknowledged all that it has room for. A peer that is
    // gone leaves bytes unacknowledged, and keeps its limit.
    tcp_info info{};
    socklen_t length = sizeof info;
    if (getsockopt(side.socket.get(), IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return false;
    const bool closed = queued > 0 && info.tcpi_unacked == 0;
    if (closed != side.unlimited) {
        limitSilence(side.socket.get(), closed ? std::chrono::milliseconds(0) : peerTimeout);
        side.unlimited = closed;
    }
    return queued > 0;
}

}  // namespace fairlead::lb
