#pragma once
// One API server asked with one identity: LIST, then WATCH from its resourceVersion, or where the server
// offers it both in one (sendInitialEvents), for as long as that works. Blocks its caller, the reflector's
// thread; what it learns goes to a SessionListener, how it ended is returned. Rules: Kubernetes API concepts,
// "Efficient detection of changes" and "410 Gone responses".
//
// A watch without a byte for too long is given up. If the server has never sent one in any watch, that may be
// its nature (Kubernetes 1.20 sends no bookmark before the first change): the next watch goes on where that
// one stood, and only if the server doesn't answer is it a failure, and another server's turn. One that has
// sent bookmarks and falls silent is in trouble.

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "agent/kubernetes/backoff.h"
#include "agent/kubernetes/client.h"
#include "agent/kubernetes/object.h"
#include "agent/kubernetes/requests.h"
#include "agent/kubernetes/source.h"

namespace fairlead::kubernetes {

/// How a session ended, and so what is tried next.
struct Outcome {
    enum class Kind : std::uint8_t {
        Stopped,      ///< we are to stop
        Denied,       ///< 401, 403 or an unusable identity: another identity may do
        Unreachable,  ///< nothing sensible came back: another server may do
        Interrupted,  ///< it had worked, or the server asks for patience: begin again after a while
        Renewed,      ///< another identity may do better by now: begin again at once
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
    virtual void onList(const std::vector<Object>&) = 0;        ///< replaces all that was known
    virtual void onRelist(const std::string& cause) = 0;        ///< what is known is too old to go on from
    virtual void onWatching() = 0;                              ///< the stream of changes is open
    virtual void onEvents(const std::vector<WatchEvent>&) = 0;  ///< in order
    virtual bool betterIdentityMayWork() = 0;  ///< one is preferred to this session's, and was refused
    virtual bool stopping() = 0;
    virtual void pause(std::chrono::milliseconds duration) = 0;  ///< shorter if we are to stop
};

class Session {
  public:
    /// `nodeSelector` counts where the source is Nodes.
    Session(Client& client, const Identity& identity, Source source, const std::string& nodeSelector,
            SessionListener& listener)
        : client_(client),
          identity_(identity),
          source_(source),
          listener_(listener),
          collection_(collection(source, nodeSelector)) {}

    Outcome run();

  private:
    using TimePoint = std::chrono::steady_clock::time_point;
    /// How one stream of events ended.
    struct Stream {
        TimePoint begun;
        bool opened = false;            ///< the server has answered that it watches
        bool complete = false;          ///< of a watch with initial events: all of them have come
        bool expired = false;           ///< 410, as a status or as an event
        bool silent = false;            ///< given up, for nothing came any more; `failed` says so
        bool unanswered = false;        ///< not even begun; `failed` says why
        std::optional<Outcome> failed;  ///< otherwise
    };

    /// Sets watchList_; an outcome if the server doesn't answer at all.
    std::optional<Outcome> askVersion();
    /// A list and the watches after it; nothing if the list must be read anew.
    std::optional<Outcome> round();
    /// Nothing if `list` is complete.
    std::optional<Outcome> readList(ObjectList& list);
    /// Watch after watch, the first of which may have ended already; nothing if the list must be read anew.
    std::optional<Outcome> watch(std::string resourceVersion, std::optional<Stream> first = std::nullopt);
    /// Updates `resourceVersion`. `initialEvents`: it begins with the whole list.
    Stream readStream(std::string& resourceVersion, bool initialEvents);
    /// A watch's events, in order; false if the stream is of no more use.
    bool take(std::vector<WatchEvent> events, std::string& resourceVersion, Stream& stream);
    /// The initial events among them go to `objects`, up to the bookmark that ends them; false as with
    /// take().
    bool takeInitial(std::vector<WatchEvent>& events, std::vector<Object>& objects, Stream& stream);
    [[nodiscard]] Outcome tooMany(const char* verb) const;
    [[nodiscard]] Outcome refused(const char* verb, const Answer& answer) const;

    Client& client_;
    const Identity& identity_;
    const Source source_;
    SessionListener& listener_;
    std::mt19937 random_{std::random_device{}()};
    Backoff relistPause_;
    Collection collection_;
    bool lasted_ = false;
    bool spoken_ = false;     ///< something has come in a watch
    bool watchList_ = false;  ///< the server offers initial events, as far as is known
};

}  // namespace fairlead::kubernetes
