#pragma once
// The listeners of one worker and the gate in front of them. When the connection limit or the descriptors
// have run out, the listeners rest for a moment and new clients wait in the kernel's queue: nothing spins,
// and the connections there are go on. Used on the worker's thread; not thread-safe.
//
// One descriptor is held in reserve. Accepting a client can take the last one there is, and the connection to
// its backend then uses the reserve, so that a client once accepted isn't turned away for want of it.

#include <optional>
#include <vector>

#include "lb/backend.h"
#include "lb/proxy/shared.h"
#include "lb/proxy/socket.h"

namespace fairlead::lb {

struct Listener : EventSource {
    explicit Listener(Descriptor s) : EventSource(Kind::Listener), socket(std::move(s)) {}
    Descriptor socket;
    int appetite = 1;  ///< how many clients to ask for in one turn
};

/// Out of descriptors or memory: nothing that another backend, or another try at once, would mend.
bool exhausted(int error);

class Acceptor {
  public:
    /// Registers the listeners with `epoll`, level-triggered. Throws std::system_error.
    Acceptor(ProxyShared& shared, int epoll, std::vector<Descriptor> listeners);

    struct Client {
        Descriptor socket;
        Endpoint endpoint;
    };
    /// The next client, or nothing: none is waiting, or accepting is paused now. The limit is over all
    /// workers and may be passed by one connection for each other worker that accepts at this very moment.
    std::optional<Client> accept(Listener& listener, TimePoint now);

    /// `cause` as people read it.
    void pause(TimePoint now, const char* cause);
    void pauseExhausted(TimePoint now) { pause(now, "out of file descriptors or memory"); }

    /// Frees the reserved descriptor, if it's still there, and pauses until there is another.
    bool lendReserve(TimePoint now);

    /// What is due: taking up accepting again, and saying so once it has lasted.
    void tick(TimePoint now);
    /// When to call tick(); TimePoint::max(): nothing is due.
    [[nodiscard]] TimePoint wakeAt() const;

    /// Closes the listeners; the kernel resets who is waiting, unless another process has the same sockets.
    void close();

  private:
    void arm(std::uint32_t events);
    void takeReserve();

    ProxyShared& shared_;
    int epoll_;
    std::vector<Listener> listeners_;
    Descriptor reserve_;
    bool paused_ = false;
    bool reported_ = false;  ///< the pause was, and that it's over wasn't
    TimePoint resumeAt_;
    TimePoint calmAt_;
};

}  // namespace fairlead::lb
