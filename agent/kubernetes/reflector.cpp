#include "agent/kubernetes/reflector.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <utility>

#include "agent/kubernetes/backoff.h"
#include "agent/kubernetes/client.h"
#include "agent/kubernetes/kubeconfig.h"
#include "agent/kubernetes/node_store.h"
#include "agent/kubernetes/watch_decoder.h"
#include "agent/log/log.h"

namespace fairlead::kubernetes {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr const char* kComponent = "kubernetes";
constexpr int kPageSize = 500;
/// A list that changes under our pages is begun again so often before it counts as a failure.
constexpr int kListRestarts = 3;
/// A watch that ends sooner is not followed by the next one at once.
constexpr seconds kShortWatch{1};

/// How an attempt with one identity at one server ended.
struct Outcome {
    enum class Kind : std::uint8_t {
        Stopped,      ///< we are to stop
        Denied,       ///< 401 or 403: another identity may do
        Unreachable,  ///< nothing that could be asked: another server may do
        Interrupted,  ///< it had worked, or the server asks for patience: begin again after a while
    };
    Kind kind = Kind::Interrupted;
    std::string cause;
    bool worked = false;  ///< at least the list was read
    std::optional<seconds> retryAfter;
};

std::string percentEncoded(std::string_view text) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string result;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
            c == '-' || c == '.' || c == '_' || c == '~') {
            result += c;
        } else {
            result += {'%', kDigits[byte >> 4U], kDigits[byte & 15U]};
        }
    }
    return result;
}

/// "https://HOST:PORT/…" → "HOST", without brackets.
std::string hostOf(const std::string& url) {
    constexpr std::string_view kScheme = "https://";
    std::string rest = url.substr(url.starts_with(kScheme) ? kScheme.size() : 0);
    rest.resize(std::min(rest.find('/'), rest.size()));
    if (rest.starts_with('[')) return rest.substr(1, rest.find(']') - 1);
    return rest.substr(0, rest.find(':'));
}

/// The account that a 403 names, e.g. of: nodes is forbidden: User "kubernetes-admin" cannot list resource …
std::string deniedUser(const std::string& message, const std::string& fallback) {
    constexpr std::string_view kMark = "User \"";
    const std::size_t begin = message.find(kMark);
    if (begin == std::string::npos) return fallback;
    const std::size_t end = message.find('"', begin + kMark.size());
    return end == std::string::npos ? fallback
                                    : message.substr(begin + kMark.size(), end - begin - kMark.size());
}

std::string denial(unsigned status, const std::string& message, const Identity& identity) {
    const std::string said =
        identity.file + ": " + std::to_string(status) + (message.empty() ? "" : " " + message);
    if (status == 401)
        return said +
               " (the API server doesn't know this identity: is its certificate expired, or the token?)";
    return said +
           " (it may not list and watch nodes; grant it: kubectl create clusterrole fairlead "
           "--verb=get,list,watch --resource=nodes && "
           "kubectl create clusterrolebinding fairlead --clusterrole=fairlead --user=" +
           deniedUser(message, identity.user) + ")";
}

}  // namespace

struct Reflector::Impl {
    Impl(ReflectorOptions o, OnMembers members, OtherServers others)
        : options(std::move(o)),
          onMembers(std::move(members)),
          otherServers(std::move(others)),
          store({.ipv6 = options.ipv6, .port = options.port, .vips = options.vips}) {}

    // ---- the thread

    void run() {
        pthread_setname_np(pthread_self(), "kubernetes");
        Backoff backoff;
        while (!stopping()) {
            const Outcome outcome = attempt();
            if (outcome.kind == Outcome::Kind::Stopped) return;
            if (outcome.worked) backoff.reset();
            report(outcome.cause);
            pause(backoff.next(chance(random), outcome.retryAfter));
        }
    }

    /// Every identity at every server until one works, and then for as long as it does.
    Outcome attempt() {
        std::string causes;
        for (const std::string& file : options.kubeconfigs) {
            const auto identity = loadIdentity(file);
            if (!identity) {
                causes += (causes.empty() ? "" : "; ") + identity.error();
                continue;
            }
            Outcome outcome = attemptWith(*identity);
            if (outcome.kind != Outcome::Kind::Denied) return outcome;
            causes += (causes.empty() ? "" : "; ") + outcome.cause;
        }
        return {.kind = Outcome::Kind::Interrupted, .cause = "no usable identity: " + causes};
    }

    Outcome attemptWith(const Identity& identity) {
        std::string causes;
        for (const ServerAddress& server : servers(identity)) {
            if (stopping()) return {.kind = Outcome::Kind::Stopped};
            {
                const std::lock_guard lock(mutex);
                status.server = server.url;
                status.kubeconfig = identity.file;
            }
            Outcome outcome = follow(server, identity);
            {
                const std::lock_guard lock(mutex);
                status.watchUp = false;
            }
            if (stopping()) return {.kind = Outcome::Kind::Stopped};
            if (outcome.kind != Outcome::Kind::Unreachable) return outcome;
            causes += (causes.empty() ? "" : "; ") + server.url + ": " + outcome.cause;
        }
        return {.kind = Outcome::Kind::Interrupted, .cause = "no API server can be asked: " + causes};
    }

    [[nodiscard]] std::vector<ServerAddress> servers(const Identity& identity) const {
        if (!options.server.empty()) {
            return {{.url = options.server,
                     .verifyName =
                         identity.tlsServerName.empty() ? hostOf(options.server) : identity.tlsServerName}};
        }
        const std::string name = identity.tlsServerName.empty() ? "kubernetes" : identity.tlsServerName;
        const boost::asio::ip::address local =
            options.ipv6 ? boost::asio::ip::address(boost::asio::ip::address_v6::loopback())
                         : boost::asio::ip::address(boost::asio::ip::address_v4::loopback());
        std::vector<lb::Endpoint> endpoints{{.address = local, .port = options.port}};
        for (const lb::Endpoint& other : otherServers()) {
            if (std::find(options.vips.begin(), options.vips.end(), other.address) == options.vips.end())
                endpoints.push_back(other);
        }
        std::vector<ServerAddress> result;
        result.reserve(endpoints.size());
        for (const lb::Endpoint& endpoint : endpoints)
            result.push_back({.url = "https://" + lb::toString(endpoint), .verifyName = name});
        return result;
    }

    /// LIST, then WATCH after WATCH, at one server with one identity.
    Outcome follow(const ServerAddress& server, const Identity& identity) {
        std::optional<Client> own;
        try {
            own.emplace(server, identity, ClientTimeouts{.idle = options.watchdog});
        } catch (const std::exception& error) {
            return {.kind = Outcome::Kind::Unreachable, .cause = error.what()};
        }
        const ClientGuard guard(*this, *own);
        bool worked = false;
        for (;;) {
            NodeList list;
            if (auto failed = readList(*own, identity, list)) {
                failed->worked = worked;
                if (worked && failed->kind == Outcome::Kind::Unreachable)
                    failed->kind = Outcome::Kind::Interrupted;
                return *failed;
            }
            worked = true;
            store.replace(list.nodes);
            published(server, identity);
            if (auto ended = watch(*own, identity, list.resourceVersion)) {
                ended->worked = true;
                return *ended;
            }
            const std::lock_guard lock(mutex);  // 410: what we know is too old, so it is read anew
            ++status.relists;
        }
    }

    std::string path(const std::string& more) const {
        return "/api/v1/nodes?" +
               (options.nodeSelector.empty()
                    ? ""
                    : "labelSelector=" + percentEncoded(options.nodeSelector) + "&") +
               more;
    }

    /// Nothing if `list` is complete.
    std::optional<Outcome> readList(Client& client, const Identity& identity, NodeList& list) {
        for (int restarts = 0; restarts <= kListRestarts;) {
            const std::string page =
                path("limit=" + std::to_string(kPageSize) +
                     (list.continueToken.empty() ? "" : "&continue=" + percentEncoded(list.continueToken)));
            const auto answer = client.get(page);
            if (!answer) return Outcome{.kind = Outcome::Kind::Unreachable, .cause = answer.error()};
            touched();
            if (answer->status == 410) {
                list = {};
                ++restarts;
                continue;
            }
            if (answer->status != 200) return refused("LIST", *answer, identity);
            auto part = decodeNodeList(answer->body);
            if (!part) return Outcome{.kind = Outcome::Kind::Unreachable, .cause = part.error()};
            std::move(part->nodes.begin(), part->nodes.end(), std::back_inserter(list.nodes));
            list.resourceVersion = part->resourceVersion;
            list.continueToken = part->continueToken;
            if (list.continueToken.empty()) return std::nullopt;
        }
        return Outcome{.kind = Outcome::Kind::Interrupted,
                       .cause = "the list of Nodes expired while it was read, again and again"};
    }

    static Outcome refused(const char* verb, const Answer& answer, const Identity& identity) {
        const std::string message = statusMessage(answer.body);
        if (answer.status == 401 || answer.status == 403) {
            return {.kind = Outcome::Kind::Denied, .cause = denial(answer.status, message, identity)};
        }
        return {.kind = Outcome::Kind::Interrupted,
                .cause = std::string(verb) + " of Nodes answered " + std::to_string(answer.status) +
                         (message.empty() ? "" : " " + message),
                .retryAfter = answer.retryAfter};
    }

    /// Nothing if the list is too old to go on from.
    std::optional<Outcome> watch(Client& client, const Identity& identity, std::string resourceVersion) {
        for (;;) {
            const auto begun = Clock::now();
            const int limit = std::uniform_int_distribution<int>(300, 600)(random);
            WatchDecoder decoder;
            bool expired = false;
            std::string broken;
            const auto answer = client.stream(
                path("watch=true&allowWatchBookmarks=true&timeoutSeconds=" + std::to_string(limit) +
                     "&resourceVersion=" + percentEncoded(resourceVersion)),
                [&](std::string_view bytes) {
                    touched();
                    const auto events = decoder.feed(bytes);
                    if (!events) {
                        broken = "the watch sent " + events.error();
                        return false;
                    }
                    for (const WatchEvent& event : *events) {
                        count(event.type);
                        if (event.type == EventType::Error) {
                            expired = event.code == 410;
                            broken =
                                "the watch ended with " + std::to_string(event.code) + " " + event.message;
                            return false;
                        }
                        if (!event.node.resourceVersion.empty()) resourceVersion = event.node.resourceVersion;
                        store.apply(event);
                    }
                    if (!events->empty()) publish();
                    return !stopping();
                });
            if (stopping()) return Outcome{.kind = Outcome::Kind::Stopped};
            if (expired || (answer && answer->status == 410)) {
                logging::info(kComponent, "relisting", {{"cause", "the watch's resourceVersion is too old"}});
                // The connection was cancelled with the stream: the next session makes another.
                return expired ? std::optional(Outcome{.cause = "relisting", .retryAfter = std::nullopt})
                               : std::nullopt;
            }
            if (!broken.empty()) return Outcome{.cause = broken};
            if (!answer) return Outcome{.cause = "watch: " + answer.error()};
            if (answer->status != 200) return refused("WATCH", *answer, identity);
            if (Clock::now() - begun < kShortWatch) pause(kShortWatch);
        }
    }

    // ---- what others see

    void published(const ServerAddress& server, const Identity& identity) {
        {
            const std::lock_guard lock(mutex);
            status.watchUp = true;
            status.lastError.clear();
        }
        const std::string source = server.url + " " + identity.file;
        if (source != lastSource || !lastReport.empty()) {
            logging::info(kComponent, "watching Nodes",
                          {{"server", server.url}, {"kubeconfig", identity.file}, {"nodes", store.size()}});
        }
        lastSource = source;
        lastReport.clear();
        publish();
    }

    /// Hands the members over if they changed. An empty list is a mistake somewhere (a selector, rights, a
    /// label lost in an upgrade) far more often than a cluster without control plane.
    void publish() {
        {
            const std::lock_guard lock(mutex);
            status.nodes = store.size();
        }
        std::vector<std::string> skipped = store.skipped();
        if (skipped != lastSkipped) {
            for (const std::string& reason : skipped) {
                if (std::find(lastSkipped.begin(), lastSkipped.end(), reason) == lastSkipped.end()) {
                    logging::warning(kComponent, "Node makes no backend", {{"cause", reason}});
                }
            }
            lastSkipped = std::move(skipped);
        }
        std::vector<lb::Backend> members = store.members();
        if (members.empty()) {
            if (!std::exchange(saidEmpty, true)) {
                logging::warning(kComponent, "no Node matches; keeping the backends known so far",
                                 {{"selector", options.nodeSelector}});
            }
            return;
        }
        saidEmpty = false;
        if (members == lastMembers) return;
        lastMembers = members;
        onMembers(std::move(members));
    }

    /// Once per change of cause.
    void report(const std::string& cause) {
        {
            const std::lock_guard lock(mutex);
            status.lastError = cause;
        }
        if (cause == lastReport) return;
        lastReport = cause;
        logging::warning(kComponent, "cannot watch Nodes; keeping the backends known so far",
                         {{"cause", cause}});
    }

    void touched() {
        const std::lock_guard lock(mutex);
        status.lastContact = Clock::now();
    }

    void count(EventType type) {
        const std::lock_guard lock(mutex);
        ++status.events[toString(type)];
    }

    // ---- stopping

    /// Makes the client under way known to stop().
    struct ClientGuard {
        ClientGuard(Impl& i, Client& client) : impl(i) {
            const std::lock_guard lock(impl.mutex);
            impl.current = &client;
            if (impl.stop) client.cancel();
        }
        ~ClientGuard() {
            const std::lock_guard lock(impl.mutex);
            impl.current = nullptr;
        }
        ClientGuard(const ClientGuard&) = delete;
        ClientGuard& operator=(const ClientGuard&) = delete;
        Impl& impl;
    };

    bool stopping() {
        const std::lock_guard lock(mutex);
        return stop;
    }

    void pause(milliseconds duration) {
        std::unique_lock lock(mutex);
        wake.wait_for(lock, duration, [this] { return stop; });
    }

    const ReflectorOptions options;
    const OnMembers onMembers;
    const OtherServers otherServers;

    // The reflector's thread only.
    NodeStore store;
    std::vector<lb::Backend> lastMembers;
    std::vector<std::string> lastSkipped;
    std::string lastSource;
    std::string lastReport;
    bool saidEmpty = false;
    std::mt19937 random{std::random_device{}()};
    std::uniform_real_distribution<double> chance{0.0, 1.0};

    std::thread thread;
    std::mutex mutex;
    std::condition_variable wake;
    ReflectorStatus status;
    Client* current = nullptr;
    bool stop = false;
};

Reflector::Reflector(ReflectorOptions options, OnMembers onMembers, OtherServers otherServers)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(onMembers), std::move(otherServers))) {}

Reflector::~Reflector() {
    stop();
}

void Reflector::start() {
    impl_->thread = std::thread([this] { impl_->run(); });
}

ReflectorStatus Reflector::status() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->status;
}

void Reflector::stop() {
    {
        const std::lock_guard lock(impl_->mutex);
        impl_->stop = true;
        if (impl_->current) impl_->current->cancel();
    }
    impl_->wake.notify_all();
    if (impl_->thread.joinable()) impl_->thread.join();
}

}  // namespace fairlead::kubernetes
