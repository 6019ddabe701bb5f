#include "agent/kubernetes/event_writer.h"

#include <nlohmann/json.hpp>
#include <pthread.h>

#include <array>
#include <condition_variable>
#include <ctime>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "agent/kubernetes/backoff.h"
#include "agent/kubernetes/watch_decoder.h"
#include "agent/log/log.h"

namespace fairlead::kubernetes {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr const char* kComponent = "kubernetes";
constexpr const char* kPath = "/api/v1/namespaces/default/events";
/// Validation of core/v1 Event.
constexpr std::size_t kLongestMessage = 1024;
constexpr std::chrono::minutes kLongestWait{10};
constexpr milliseconds kAnswer{5'000};
/// While there is no server, whether there is one by now is asked so often.
constexpr milliseconds kLook{500};

std::string timestamp(std::chrono::system_clock::time_point when) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(when);
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    std::array<char, 32> text{};
    const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
    return {text.data(), size};
}

}  // namespace

std::string eventBody(const NodeEvent& event) {
    const std::string when = timestamp(event.when);
    const nlohmann::json json{
        {"apiVersion", "v1"},
        {"kind", "Event"},
        {"metadata", {{"generateName", event.node + "."}, {"namespace", "default"}}},
        // As the kubelet does, which doesn't know its Node's UID either; `kubectl describe node` asks for
        // both.
        {"involvedObject",
         {{"apiVersion", "v1"}, {"kind", "Node"}, {"name", event.node}, {"uid", event.node}}},
        {"reason", event.reason},
        {"message", event.message.substr(0, kLongestMessage)},
        {"type", event.warning ? "Warning" : "Normal"},
        {"count", 1},
        {"firstTimestamp", when},
        {"lastTimestamp", when},
        {"source", {{"component", "fairlead"}, {"host", event.node}}},
        {"reportingComponent", "fairlead"},
        {"reportingInstance", event.node}};
    return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

struct EventWriter::Impl {
    struct Waiting {
        NodeEvent event;
        Clock::time_point since;
    };

    explicit Impl(Source s) : source(std::move(s)) {}

    void run() {
        pthread_setname_np(pthread_self(), "events");
        Backoff backoff;
        for (;;) {
            std::unique_lock lock(mutex);
            changed.wait(lock, [this] { return over() || !waiting.empty(); });
            if (over()) return;
            const Waiting next = waiting.front();
            lock.unlock();

            const bool told = Clock::now() - next.since > kLongestWait || tell(next.event);
            lock.lock();
            // While it was told, the oldest may have been dropped.
            if (told) {
                backoff.reset();
                if (!waiting.empty() && waiting.front().since == next.since) waiting.pop_front();
                if (waiting.empty()) changed.notify_all();
            } else {
                changed.wait_for(lock, connected ? backoff.next(0.5) : kLook, [this] { return over(); });
            }
        }
    }

    /// True if the event needs no further try.
    bool tell(const NodeEvent& event) {
        const std::optional<WorkingServer> target = source();
        connected = target.has_value();
        if (!target) return false;
        try {
            Client client(target->server, target->identity, {.answer = kAnswer});
            {
                const std::lock_guard lock(mutex);
                current = &client;
                if (over()) client.cancel();
            }
            const auto answer = client.post(kPath, eventBody(event));
            {
                const std::lock_guard lock(mutex);
                current = nullptr;
            }
            if (!answer) return false;  // the reflector tells of a server that is gone
            if (answer->status == 201) {
                refusal.clear();
                return true;
            }
            if (answer->status == 429 || answer->status >= 500) return false;
            refused(target->identity, *answer);
        } catch (const std::exception& error) {
            logging::warning(kComponent, "cannot write an Event", {{"cause", error.what()}});
        }
        return true;
    }

    /// Once per identity and status: without the right, nothing is missing but the Events.
    void refused(const Identity& identity, const Answer& answer) {
        const std::string cause =
            identity.file + ": " + std::to_string(answer.status) + " " + statusMessage(answer.body);
        if (std::exchange(refusal, cause) == cause) return;
        logging::info(kComponent, "Events about the VIP are not written",
                      {{"cause", cause},
                       {"hint",
                        "fairlead manifest rbac | kubectl apply -f - grants the right to create Events; "
                        "backends.kubernetes.events: false does without"}});
    }

    [[nodiscard]] bool over() const { return stopping && (waiting.empty() || Clock::now() >= end); }

    const Source source;
    bool connected = false;  // the writer's thread alone, as the next
    std::string refusal;

    std::mutex mutex;
    std::condition_variable changed;
    std::deque<Waiting> waiting;
    Client* current = nullptr;
    bool stopping = false;
    Clock::time_point end;
    std::thread thread;
};

EventWriter::EventWriter(Source source) : impl_(std::make_unique<Impl>(std::move(source))) {}

EventWriter::~EventWriter() {
    stop(milliseconds(0));
}

void EventWriter::start() {
    impl_->thread = std::thread([this] { impl_->run(); });
}

void EventWriter::write(NodeEvent event) {
    {
        const std::lock_guard lock(impl_->mutex);
        if (impl_->waiting.size() >= kMostWaiting) impl_->waiting.pop_front();
        impl_->waiting.push_back({.event = std::move(event), .since = Clock::now()});
    }
    impl_->changed.notify_all();
}

void EventWriter::stop(milliseconds grace) {
    if (!impl_->thread.joinable()) return;
    {
        std::unique_lock lock(impl_->mutex);
        impl_->stopping = true;
        impl_->end = Clock::now() + grace;
        impl_->changed.notify_all();
        impl_->changed.wait_until(lock, impl_->end, [this] { return impl_->waiting.empty(); });
        impl_->waiting.clear();
        if (impl_->current) impl_->current->cancel();
    }
    impl_->changed.notify_all();
    impl_->thread.join();
}

}  // namespace fairlead::kubernetes
