#pragma once
// One API server asked with one identity: LIST, then WATCH from its resourceVersion, for as long as that
// works. Blocks its caller, the reflector's thread; what it learns goes to a SessionListener, how it ended is
// returned. Rules: Kubernetes API concepts, "Efficient detection of changes" and "410 Gone responses".

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "agent/kubernetes/backoff.h"
#include "agent/kubernetes/client.h"
#include "agent/kubernetes/node.h"

namespace fairlead::kubernetes {

/// How a session ended, and so what is tried next.
struct Outcome {
    enum class Kind : std::uint8_t {
        Stopped,      ///< we are to stop
        Denied,       ///< 401, 403 or an unusable identity: another identity may do
        Unreachable,  ///< nothing sensible came back: another server may do
        Interrupted,  ///< it had worked, or the server asks for patience: begin again after a while
        Renewed,      ///< the kubeconfigs have changed: begin again at once
    };
    Kind kind = Kind::Interrupted;
    std::string cause;
    bool untrusted = false;  ///< Unreachable because the server's certificate was refused
    std::optional<std::chrono::seconds> retryAfter;
    bool lasted = false;  ///< a watch was open long enough to call it working
};

class SessionListener {
  public:
    SessionListener() = default;
    SessionListener(const SessionListener&) = delete;
    SessionListener& operator=(const SessionListener&) = delete;
    virtual ~SessionListener() = default;

    virtual void onContact() = 0;                               ///< the server has sent something
    virtual void onList(const std::vector<Node>& nodes) = 0;    ///< replaces all that was known
    virtual void onRelist(const std::string& cause) = 0;        ///< what is known is too old to go on from
    virtual void onWatching() = 0;                              ///< the stream of changes is open
    virtual void onEvents(const std::vector<WatchEvent>&) = 0;  ///< in order
    virtual bool identitiesChanged() = 0;  ///< the kubeconfigs say something else than at the start
    virtual bool stopping() = 0;
    virtual void pause(std::chrono::milliseconds duration) = 0;  ///< shorter if we are to stop
};

class Session {
  public:
    Session(Client& client, const Identity& identity, std::string selector, SessionListener& listener)
        : client_(client), identity_(identity), selector_(std::move(selector)), listener_(listener) {}

    Outcome run();

  private:
    /// Nothing if `list` is complete.
    std::optional<Outcome> readList(NodeList& list);
    /// Watch after watch; nothing if the list must be read anew.
    std::optional<Outcome> watch(std::string resourceVersion);
    /// How one stream of events ended.
    struct Stream {
        bool expired = false;           ///< 410, as a status or as an event
        bool ended = false;             ///< by the server, in good order
        std::optional<Outcome> failed;  ///< otherwise
    };
    Stream readStream(std::string& resourceVersion);
    [[nodiscard]] Outcome refused(const char* verb, const Answer& answer) const;

    Client& client_;
    const Identity& identity_;
    const std::string selector_;
    SessionListener& listener_;
    std::mt19937 random_{std::random_device{}()};
    Backoff relistPause_;
    bool lasted_ = false;
};

}  // namespace fairlead::kubernetes
