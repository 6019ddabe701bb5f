#include "agent/kubernetes/reflector.h"

#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <expected>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <utility>

#include "agent/kubernetes/backoff.h"
#include "agent/kubernetes/change_log.h"
#include "agent/kubernetes/client.h"
#include "agent/kubernetes/file_watch.h"
#include "agent/kubernetes/kubeconfig.h"
#include "agent/kubernetes/member_store.h"
#include "agent/kubernetes/membership.h"
#include "agent/kubernetes/requests.h"
#include "agent/kubernetes/session.h"
#include "agent/kubernetes/tls.h"
#include "agent/log/log.h"

namespace fairlead::kubernetes {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;
using Kind = Outcome::Kind;

constexpr const char* kComponent = "kubernetes";

void append(std::string& causes, const std::string& cause) {
    // Two identities that fail alike are said once.
    if (causes.find(cause) != std::string::npos) return;
    causes += (causes.empty() ? "" : "; ") + cause;
}

}  // namespace

struct Reflector::Impl : SessionListener {
    Impl(ReflectorOptions o, OnMembers members, OtherServers others)
        : options(std::move(o)),
          onMembers(std::move(members)),
          otherServers(std::move(others)),
          store({.source = options.source, .ipv6 = options.ipv6, .port = options.port, .vips = options.vips}),
          membership(options.source, options.nodeSelector),
          files([this] { return lookAtFiles(); }, options.lookInterval) {
        status.source = options.source;
    }

    // ---- the thread: identities, servers, patience

    void run() {
        pthread_setname_np(pthread_self(), "kubernetes");
        Backoff backoff;
        while (!stopping()) {
            const Outcome outcome = attempt();
            if (outcome.kind == Kind::Stopped) return;
            if (outcome.lasted) backoff.reset();
            if (outcome.kind == Kind::Renewed) {
                logging::info(kComponent, "trying the kubeconfigs in order again",
                              {{"cause", outcome.cause}});
                backoff.reset();
                continue;
            }
            report(outcome.cause);
            pause(backoff.next(chance(random), outcome.retryAfter));
        }
    }

    /// As the kubeconfigs are now, in order; renewed certificates are so picked up.
    [[nodiscard]] std::vector<std::expected<Identity, std::string>> readIdentities() const {
        std::vector<std::expected<Identity, std::string>> result;
        result.reserve(options.kubeconfigs.size());
        for (const std::string& file : options.kubeconfigs)
            result.push_back(loadIdentity(file));
        return result;
    }

    using Identities = std::vector<std::expected<Identity, std::string>>;

    /// On the thread of `files`.
    std::vector<std::string> lookAtFiles() {
        const Identities now = readIdentities();
        std::vector<std::string> watched = options.kubeconfigs;
        for (const auto& identity : now) {
            if (identity) watched.insert(watched.end(), identity->files.begin(), identity->files.end());
        }
        const std::lock_guard lock(mutex);
        if (begun && now != identities) {
            renewed = true;
            if (current) current->cancel();
            wake.notify_all();
        }
        return watched;
    }

    /// The kubeconfigs have changed since this attempt began.
    bool hasRenewed() {
        const std::lock_guard lock(mutex);
        return renewed;
    }

    static Outcome renewal() { return {.kind = Kind::Renewed, .cause = "the kubeconfigs have changed"}; }

    /// Every identity at every server until one works, and then for as long as it does.
    Outcome attempt() {
        const Identities identitiesNow = readIdentities();
        {
            const std::lock_guard lock(mutex);
            identities = identitiesNow;
            begun = true;
            renewed = false;
        }
        betterDenied = false;
        std::string causes;
        std::optional<seconds> retryAfter;
        for (const auto& identity : identitiesNow) {
            if (!identity) {
                append(causes, identity.error());
                continue;
            }
            Outcome outcome = attemptWith(*identity);
            betterDenied = true;
            // Only where another identity could help: its CA may know the servers that this one's doesn't.
            if (outcome.kind != Kind::Denied && !outcome.untrusted) return outcome;
            append(causes, outcome.cause);
            retryAfter = std::max(retryAfter, outcome.retryAfter);
        }
        return {.kind = Kind::Interrupted,
                .cause = "no kubeconfig is of use: " + causes,
                .retryAfter = retryAfter};
    }

    Outcome attemptWith(const Identity& identity) {
        Outcome all{.kind = Kind::Interrupted};
        for (const ServerAddress& server : servers(identity)) {
            if (stopping()) return {.kind = Kind::Stopped};
            if (hasRenewed()) return renewal();
            Outcome outcome = follow(server, identity);
            {
                const std::lock_guard lock(mutex);
                status.watchUp = false;
            }
            if (stopping()) return {.kind = Kind::Stopped};
            if (hasRenewed()) return renewal();
            if (outcome.kind != Kind::Unreachable) return outcome;
            append(all.cause, server.url + ": " + outcome.cause);
            all.untrusted = all.untrusted || outcome.untrusted;
            all.lasted = all.lasted || outcome.lasted;
            all.retryAfter = std::max(all.retryAfter, outcome.retryAfter);
        }
        return all;
    }

    /// The local one first, unless another is known to work; never a VIP, which is what depends on us.
    [[nodiscard]] std::vector<ServerAddress> servers(const Identity& identity) const {
        const auto verifyName = [&](const std::string& otherwise) {
            return identity.tlsServerName.empty() ? otherwise : identity.tlsServerName;
        };
        if (!options.server.empty())
            return {{.url = options.server, .verifyName = verifyName(hostOf(options.server))}};

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
        for (const lb::Endpoint& endpoint : endpoints) {
            result.push_back(
                {.url = "https://" + lb::toString(endpoint), .verifyName = verifyName("kubernetes")});
        }
        const auto good = std::find_if(result.begin(), result.end(), [this](const ServerAddress& server) {
            return server.url == lastGoodServer;
        });
        if (good != result.end()) std::rotate(result.begin(), good, good + 1);
        return result;
    }

    Outcome follow(const ServerAddress& server, const Identity& identity) {
        {
            const std::lock_guard lock(mutex);
            status.server = server.url;
            status.kubeconfig = identity.file;
        }
        trying = {.server = server, .identity = identity};
        try {
            Client client(server, identity, {.answer = options.patience, .idle = options.watchdog});
            lookAtValidity(identity);
            const ClientGuard guard(*this, client);
            return Session(client, identity, options.source, options.nodeSelector, *this).run();
        } catch (const std::exception& error) {
            return {.kind = Kind::Denied, .cause = error.what()};
        }
    }

    /// Says once that the identity's certificate is about to expire.
    void lookAtValidity(const Identity& identity) {
        const auto expiry = expiryWarning(identity.clientCertificatePem);
        std::string notice =
            expiry ? identity.file + ": its client certificate " + *expiry + "; renew it" : "";
        {
            const std::lock_guard lock(mutex);
            status.notice = notice;
        }
        if (!notice.empty() && notice != lastNotice)
            logging::warning(kComponent, "an identity is about to expire", {{"cause", notice}});
        lastNotice = std::move(notice);
    }

    // ---- what a session tells

    void onContact() override {
        const std::lock_guard lock(mutex);
        status.lastContact = Clock::now();
    }

    void onList(const std::vector<Object>& objects) override {
        store.replace(objects);
        publish();
    }

    void onRelist(const std::string& cause) override {
        logging::info(kComponent, "reading the whole list of " + things + " again", {{"cause", cause}});
        const std::lock_guard lock(mutex);
        ++status.relists;
    }

    void onWatching() override {
        std::string server;
        std::string kubeconfig;
        {
            const std::lock_guard lock(mutex);
            status.watchUp = true;
            status.lastError.clear();
            working = trying;
            server = status.server;
            kubeconfig = status.kubeconfig;
        }
        lastGoodServer = server;
        if (changes.up(server + " " + kubeconfig)) {
            logging::info(
                kComponent, "watching " + things,
                {{"server", server}, {"kubeconfig", kubeconfig}, {"nodes", std::uint64_t(store.hosts())}});
        }
    }

    void onEvents(const std::vector<WatchEvent>& events) override {
        bool changed = false;
        for (const WatchEvent& event : events) {
            changed = store.apply(event) || changed;
            const std::lock_guard lock(mutex);
            ++status.events[toString(event.type)];
        }
        if (changed) publish();
    }

    /// One that comes before in the list may have been given its rights in the meantime.
    bool betterIdentityMayWork() override { return betterDenied; }

    /// Once per change of cause.
    void report(const std::string& cause) {
        {
            const std::lock_guard lock(mutex);
            status.lastError = cause;
        }
        if (changes.down(cause, Clock::now())) {
            logging::warning(kComponent, "cannot watch " + things + "; keeping the backends known so far",
                             {{"cause", cause}});
        }
    }

    void publish() {
        {
            const std::lock_guard lock(mutex);
            status.nodes = store.hosts();
        }
        if (auto members = membership.changed(store)) onMembers(std::move(*members));
    }

    // ---- stopping

    /// Makes the client under way known to stop().
    struct ClientGuard {
        ClientGuard(Impl& i, Client& client) : impl(i) {
            const std::lock_guard lock(impl.mutex);
            impl.current = &client;
            if (impl.stop || impl.renewed) client.cancel();
        }
        ~ClientGuard() {
            const std::lock_guard lock(impl.mutex);
            impl.current = nullptr;
        }
        ClientGuard(const ClientGuard&) = delete;
        ClientGuard& operator=(const ClientGuard&) = delete;
        Impl& impl;
    };

    bool stopping() override {
        const std::lock_guard lock(mutex);
        return stop;
    }

    void pause(milliseconds duration) override {
        std::unique_lock lock(mutex);
        wake.wait_for(lock, duration, [this] { return stop || renewed; });
    }

    const ReflectorOptions options;
    const OnMembers onMembers;
    const OtherServers otherServers;
    const std::string things = plural(options.source);

    // The reflector's thread only.
    MemberStore store;
    Membership membership;
    WorkingServer trying;
    bool betterDenied = false;  ///< an identity before the one in use was refused
    std::string lastNotice;
    std::string lastGoodServer;
    ChangeLog changes;
    std::mt19937 random{std::random_device{}()};
    std::uniform_real_distribution<double> chance{0.0, 1.0};

    std::thread thread;
    std::mutex mutex;
    std::condition_variable wake;
    ReflectorStatus status;
    Client* current = nullptr;
    bool stop = false;
    std::optional<WorkingServer> working;
    Identities identities;  ///< as this attempt began with them
    bool begun = false;     ///< there has been an attempt
    bool renewed = false;   ///< the files say something else since then

    FileWatch files;  ///< last, since its thread uses all the rest
};

Reflector::Reflector(ReflectorOptions options, OnMembers onMembers, OtherServers otherServers)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(onMembers), std::move(otherServers))) {}

Reflector::~Reflector() {
    stop();
}

void Reflector::start() {
    impl_->thread = std::thread([this] { impl_->run(); });
    impl_->files.start();
}

ReflectorStatus Reflector::status() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->status;
}

std::optional<WorkingServer> Reflector::working() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->working;
}

void Reflector::stop() {
    {
        const std::lock_guard lock(impl_->mutex);
        impl_->stop = true;
        if (impl_->current) impl_->current->cancel();
    }
    impl_->wake.notify_all();
    impl_->files.stop();
    if (impl_->thread.joinable()) impl_->thread.join();
}

}  // namespace fairlead::kubernetes
