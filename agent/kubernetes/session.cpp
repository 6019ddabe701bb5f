#include "agent/kubernetes/session.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "agent/kubernetes/tls.h"
#include "agent/kubernetes/watch_decoder.h"

namespace fairlead::kubernetes {
namespace {

using std::chrono::seconds;
using Clock = std::chrono::steady_clock;
using Kind = Outcome::Kind;

/// A list that changes under our pages is begun again so often before it counts as a failure.
constexpr int kListRestarts = 3;
/// Far above what mostObjects() in pages can need.
constexpr int kMostPages = 1000;
/// A watch that ends sooner is not followed by the next one at once.
constexpr seconds kShortWatch{1};
/// A watch that was open for so long had worked: the back-off begins anew after it.
constexpr seconds kGoodWatch{10};

/// From here on kube-apiserver has WatchList on by default.
constexpr ServerVersion kWatchListByDefault{.majorNumber = 1, .minorNumber = 34};

/// The error of a decoder, in `failed`.
Outcome garbage(const char* where, const std::string& error) {
    return {.kind = Kind::Unreachable, .cause = std::string(where) + " sent " + error};
}

}  // namespace

Outcome Session::run() {
    if (auto unreachable = askVersion()) return std::move(*unreachable);
    for (;;) {
        std::optional<Outcome> outcome = round();
        if (listener_.stopping()) return {.kind = Kind::Stopped};
        if (outcome) {
            outcome->lasted = lasted_;
            return std::move(*outcome);
        }
    }
}

std::optional<Outcome> Session::askVersion() {
    const auto answer = client_.get("/version");
    if (!answer) {
        return Outcome{
            .kind = Kind::Unreachable, .cause = answer.error().text, .untrusted = answer.error().untrusted};
    }
    listener_.onContact();
    // Older servers don't know the parameter, and would begin a watch that never says that the list is
    // complete.
    const auto version = answer->status == 200 ? decodeVersion(answer->body) : std::nullopt;
    watchList_ = version && *version >= kWatchListByDefault;
    return std::nullopt;
}

std::optional<Outcome> Session::round() {
    if (watchList_) {
        std::string resourceVersion;
        Stream stream = readStream(resourceVersion, true);
        if (stream.complete) return watch(std::move(resourceVersion), std::move(stream));
        // Whatever the reason: a gate that is off, an etcd that is too old. LIST will tell if there is
        // another.
        watchList_ = false;
        if (listener_.stopping()) return Outcome{.kind = Kind::Stopped};
    }
    ObjectList list;
    if (auto failed = readList(list)) return failed;
    listener_.onList(list.objects);
    return watch(std::move(list.resourceVersion));
}

std::optional<Outcome> Session::readList(ObjectList& list) {
    int restarts = 0;
    for (int page = 0; page < kMostPages; ++page) {
        const auto answer = client_.get(listPath(collection_, list.continueToken));
        if (!answer) {
            return Outcome{.kind = Kind::Unreachable,
                           .cause = answer.error().text,
                           .untrusted = answer.error().untrusted};
        }
        listener_.onContact();
        if (answer->status == 410 && !list.continueToken.empty() && restarts++ < kListRestarts) {
            list = {};  // the snapshot behind the pages is gone; a mix of two would miss some
            continue;
        }
        if (answer->status == 404) {
            if (auto older = olderThan(collection_)) {
                collection_ = std::move(*older);
                continue;
            }
        }
        if (answer->status != 200) return refused("LIST", *answer);
        auto part = decodeList(answer->body, source_);
        if (!part) return garbage("LIST", part.error());
        if (list.objects.size() + part->objects.size() > mostObjects(source_)) return tooMany("LIST");
        std::move(part->objects.begin(), part->objects.end(), std::back_inserter(list.objects));
        list.resourceVersion = part->resourceVersion;
        list.continueToken = part->continueToken;
        if (list.continueToken.empty()) return std::nullopt;
    }
    return garbage("LIST", "pages without end");
}

std::optional<Outcome> Session::watch(std::string resourceVersion, std::optional<Stream> first) {
    std::string silence;  // how the watch before fell silent, if it did
    for (;;) {
        Stream stream = first ? std::move(*first) : readStream(resourceVersion, false);
        first.reset();
        const auto took = Clock::now() - stream.begun;
        lasted_ = lasted_ || took >= kGoodWatch;
        if (listener_.stopping()) return Outcome{.kind = Kind::Stopped};
        if (stream.failed && !(stream.silent && !spoken_)) {
            if (!silence.empty() && stream.unanswered) {
                stream.failed->kind = Kind::Unreachable;
                stream.failed->cause = silence + ", and then " + stream.failed->cause;
            }
            return stream.failed;
        }
        silence = stream.silent && stream.failed ? stream.failed->cause : "";
        if (stream.expired) {
            listener_.onRelist("the watch's resourceVersion is too old");
            // Once is everyday, again and again is a server that is out of its mind.
            if (took >= kShortWatch) {
                relistPause_.reset();
            } else {
                listener_.pause(relistPause_.next(0));
            }
            return std::nullopt;
        }
        // The server ended the watch in good order, as it does every few minutes, or has never had anything
        // to say: the moment to try for better.
        if (took < kShortWatch) listener_.pause(kShortWatch);
        if (listener_.stopping()) return Outcome{.kind = Kind::Stopped};
        if (listener_.betterIdentityMayWork()) {
            return Outcome{.kind = Kind::Renewed,
                           .cause = "one before this in the list may have its rights by now"};
        }
    }
}

Session::Stream Session::readStream(std::string& resourceVersion, bool initialEvents) {
    const int limit = std::uniform_int_distribution<int>(300, 600)(random_);
    WatchDecoder decoder(source_);
    Stream stream{.begun = Clock::now(), .complete = !initialEvents};
    std::vector<Object> objects;
    const auto onBytes = [&](std::string_view bytes) {
        listener_.onContact();
        spoken_ = true;
        auto events = decoder.feed(bytes);
        if (!events) {
            stream.failed = garbage("WATCH", events.error());
            return false;
        }
        if (!stream.complete) {
            if (!takeInitial(*events, objects, stream)) return false;
            if (stream.complete) {
                listener_.onList(objects);
                objects = {};
                listener_.onWatching();
            }
        }
        return take(std::move(*events), resourceVersion, stream);
    };
    const auto answer = client_.stream(
        initialEvents ? watchListPath(collection_, limit) : watchPath(collection_, resourceVersion, limit),
        {.onOpen =
             [&] {
                 stream.opened = true;
                 if (stream.complete) listener_.onWatching();
             },
         .onBytes = onBytes,
         .waiting = [&stream] { return !stream.complete; }});
    if (stream.failed || stream.expired) return stream;
    if (!answer) {
        stream.failed = Outcome{.kind = Kind::Interrupted,
                                .cause = "watch: " + answer.error().text,
                                .untrusted = answer.error().untrusted};
        stream.silent = stream.opened && answer.error().silent;
        stream.unanswered = !stream.opened;
    } else if (answer->status == 410) {
        stream.expired = true;
    } else if (answer->status != 200) {
        stream.failed = refused("WATCH", *answer);
    }
    return stream;
}

bool Session::takeInitial(std::vector<WatchEvent>& events, std::vector<Object>& objects, Stream& stream) {
    auto event = events.begin();
    for (; event != events.end() && !stream.complete; ++event) {
        if (event->type == EventType::Bookmark) {
            stream.complete = event->initialEventsEnd;
            if (stream.complete) break;  // it stays, for its resourceVersion
        } else if (event->type != EventType::Added) {
            stream.failed = Outcome{.cause = std::string("WATCH sent ") + toString(event->type) +
                                             " among the initial events" +
                                             (event->message.empty() ? "" : ": " + event->message)};
            return false;
        } else if (objects.size() >= mostObjects(source_)) {
            stream.failed = tooMany("WATCH");
            return false;
        } else {
            objects.push_back(std::move(event->object));
        }
    }
    events.erase(events.begin(), event);
    return true;
}

bool Session::take(std::vector<WatchEvent> events, std::string& resourceVersion, Stream& stream) {
    if (!stream.complete) return !listener_.stopping();
    // Nothing that follows an error is of use.
    const auto error = std::find_if(events.begin(), events.end(),
                                    [](const WatchEvent& event) { return event.type == EventType::Error; });
    const bool failed = error != events.end();
    if (failed) events.erase(error + 1, events.end());
    if (!events.empty()) listener_.onEvents(events);
    for (const WatchEvent& event : events) {
        if (!event.object.resourceVersion.empty()) resourceVersion = event.object.resourceVersion;
    }
    if (failed) {
        const WatchEvent& last = events.back();
        stream.expired = last.code == 410;
        if (!stream.expired) {
            stream.failed = Outcome{
                .kind = Kind::Interrupted,
                .cause = "the watch ended with the error " + std::to_string(last.code) + " " + last.message};
        }
        return false;
    }
    return !listener_.stopping();
}

Outcome Session::tooMany(const char* verb) const {
    return garbage(verb, "more than " + std::to_string(mostObjects(source_)) + " " + plural(source_));
}

Outcome Session::refused(const char* verb, const Answer& answer) const {
    const std::string message = statusMessage(answer.body);
    if (answer.status == 401 || answer.status == 403) {
        return {.kind = Kind::Denied,
                .cause = describeDenial(answer.status, message, identity_,
                                        validityProblem(identity_.clientCertificatePem), source_)};
    }
    std::string cause = std::string(verb) + " of " + plural(source_) + " answered " +
                        std::to_string(answer.status) + (message.empty() ? "" : " " + message);
    if (answer.status == 404 && source_ == Source::EndpointSlices)
        cause += " (this API server doesn't serve discovery.k8s.io; set backends.kubernetes.source: nodes)";
    // 429 is a server at work that asks for patience, which others may be short of as well; anything else is
    // one that can't serve, as with its etcd gone.
    return {.kind = answer.status == 429 ? Kind::Interrupted : Kind::Unreachable,
            .cause = std::move(cause),
            .retryAfter = answer.retryAfter};
}

}  // namespace fairlead::kubernetes
