// The proxy's worker under any order of events: the first bytes are its options, the others what happens, one
// after the other, to clients, backends, the backend list, the VIP, the clock, descriptors and the process.
// What must hold in the end, whatever the order: proxy_events/scene_checks.cpp. Needs root, for a network
// namespace of its own.
//
// PROXY_EVENTS_TRACE=1 tells each event as it comes.

#include <pthread.h>
#include <signal.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <span>
#include <string_view>

#include "tests/fuzz/proxy_events/scene.h"

namespace {

using namespace fairlead;
using namespace std::chrono_literals;
using fuzz::Peer;
using fuzz::Scene;
using std::chrono::milliseconds;

constexpr std::size_t kMostEvents = 300;

class Script {
  public:
    Script(const std::uint8_t* data, std::size_t size) : bytes_(data, size) {}
    [[nodiscard]] bool over() const { return bytes_.empty(); }
    /// 0 behind the end.
    unsigned next() {
        if (bytes_.empty()) return 0;
        const unsigned byte = bytes_.front();
        bytes_ = bytes_.subspan(1);
        return byte;
    }
    template <typename T, std::size_t N>
    T oneOf(const std::array<T, N>& choices) {
        return choices[next() % N];
    }

  private:
    std::span<const std::uint8_t> bytes_;
};

std::ostream& trace() {
    static std::ostream nowhere(nullptr);
    static const bool wanted = std::getenv("PROXY_EVENTS_TRACE") != nullptr;
    return wanted ? std::cerr : nowhere;
}

/// Around what a read, a splice, a turn and a window hold.
constexpr std::array<std::size_t, 8> kSizes{1, 100, 1448, 10'000, 65'536, 65'537, 200'000, 600'000};
constexpr std::array<milliseconds, 8> kTimes{1ms, 10ms, 100ms, 250ms, 1s, 5s, 10s, 60s};

lb::ProxyOptions optionsFrom(Script& script) {
    const unsigned flags = script.next();
    lb::ProxyOptions options{.workers = 1};
    // The table of sourceHash is large, and by far the dearest of a scene.
    options.algorithm = (flags & 7U) == 7   ? lb::Algorithm::SourceHash
                        : (flags & 1U) != 0 ? lb::Algorithm::LeastConnections
                                            : lb::Algorithm::RoundRobin;
    options.preferLocal = (flags & 0x10U) != 0;
    options.proxyProtocol = (flags & 0x20U) != 0;
    options.slowStart = (flags & 0x40U) != 0 ? 30s : 0s;
    options.idleTimeout = script.oneOf<milliseconds, 4>({0ms, 0ms, 100ms, 30s});
    options.maxConnections = script.oneOf<std::uint32_t, 4>({1000, 1000, 1, 3});
    options.connectTimeout = script.oneOf<milliseconds, 4>({5s, 5s, 200ms, 1s});
    options.rebalance = {.rate = script.oneOf<std::uint32_t, 3>({0, 1, 1000}), .idle = 1s};
    return options;
}

void peerEvent(Script& script, Scene& scene, bool ofBackend, unsigned what) {
    const std::size_t index = script.next();
    Peer* peer = ofBackend ? scene.served(index % 32) : scene.client(index % fuzz::kMostClients);
    if (!peer) return;
    trace() << "  " << (ofBackend ? "backend's " : "client ") << peer->number;
    switch (what) {
        case 0:
            peer->send(script.oneOf(kSizes));
            trace() << " sends, by now " << peer->sent << '\n';
            break;
        case 1:
            peer->receive(script.oneOf(kSizes));
            trace() << " reads, by now " << peer->received << (peer->sawEnd ? ", the end" : "") << " error "
                    << peer->error << '\n';
            break;
        case 2:
            trace() << " finishes\n";
            peer->finish();
            break;
        case 3:
            trace() << " resets\n";
            ofBackend ? scene.resetServed(index % 32) : scene.resetClient(index % fuzz::kMostClients);
            break;
        default:
            trace() << " closes\n";
            ofBackend ? scene.closeServed(index % 32) : peer->close();
            break;
    }
}

void backendEvent(Script& script, Scene& scene) {
    const unsigned choice = script.next();
    const std::size_t backend = choice % fuzz::kBackends;
    switch (choice / fuzz::kBackends % 8) {
        case 0:
            trace() << "  backend " << backend << " listens\n";
            return scene.listen(backend);
        case 1:
            trace() << "  backend " << backend << " refuses\n";
            return scene.refuse(backend);
        case 2:
        case 3:
            trace() << "  backend " << backend << " is silent\n";
            return scene.silence(backend);
        case 4:
            trace() << "  backend " << backend << " answers\n";
            return scene.answer(backend);
        case 5:
            trace() << "  backend " << backend << " fails its probe\n";
            return scene.report(backend, {.ok = false, .detail = "down"});
        case 6:
            trace() << "  backend " << backend << " passes its probe\n";
            return scene.report(backend, {.ok = true, .detail = "up"});
        default:
            trace() << "  backend " << backend << " drains or no longer\n";
            return scene.drainBackend(backend, (choice & 0x80U) == 0);
    }
}

void ownersEvent(Script& script, Scene& scene) {
    const unsigned choice = script.next();
    switch (choice % 8) {
        case 0:
        case 1:
            trace() << "  members " << (choice / 8) % 16 << '\n';
            return scene.setMembers(choice / 8);
        case 2:
            trace() << "  the VIP is lost\n";
            return scene.loseVip();
        case 3:
            trace() << "  drain\n";
            return scene.drain();
        case 4:
            trace() << "  hand-over\n";
            return scene.handOver();
        case 5:
            trace() << "  the oldest is stopped\n";
            return scene.stopOldest();
        case 6:
            trace() << "  a turn with " << choice / 8 % 8 << " descriptors\n";
            return scene.stepStarved(choice / 8 % 8);
        default:
            trace() << "  other options\n";
            return scene.reconfigure(optionsFrom(script));
    }
}

/// The upper bit says whether the worker has its turn before the next event.
void event(Script& script, Scene& scene) {
    const unsigned kind = script.next();
    switch (kind % 16) {
        case 0:
            trace() << "  a client connects\n";
            scene.connect((kind & 0x10U) != 0, (kind & 0x30U) == 0x30U, (kind & 0x40U) != 0);
            break;
        case 1:
        case 2:
        case 3:
        case 4:
        case 5:
            peerEvent(script, scene, false, kind % 16 - 1);
            break;
        case 6:
        case 7:
        case 8:
        case 9:
        case 10:
            peerEvent(script, scene, true, kind % 16 - 6);
            break;
        case 11: {
            const unsigned backend = script.next() % fuzz::kBackends;
            trace() << "  backend " << backend << " accepts\n";
            scene.accept(backend, (kind & 0x40U) != 0);
            break;
        }
        case 12:
            backendEvent(script, scene);
            break;
        case 13:
            ownersEvent(script, scene);
            break;
        case 14: {
            const milliseconds by = kTimes[kind / 16 % kTimes.size()];
            trace() << "  " << by.count() << " ms pass\n";
            scene.advance(by);
            break;
        }
        default:
            trace() << "  until something is due\n";
            scene.advanceToDue();
            break;
    }
    if ((kind & 0x80U) == 0) scene.step();
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
    try {
        fuzz::enterOwnNetwork();
    } catch (const std::exception& error) {
        std::cerr << error.what() << std::endl;
        std::exit(1);
    }
    signal(SIGPIPE, SIG_IGN);  // see lb/proxy/pump.h
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static fuzz::LateSyns syns(fuzz::kFirstPort, fuzz::kLastPort);
    Script script(data, size);
    const bool gracefully = script.next() % 4 != 0;
    Scene scene(optionsFrom(script), syns);
    for (std::size_t i = 0; i < kMostEvents && !script.over(); ++i)
        event(script, scene);
    trace() << (gracefully ? "  all say goodbye\n" : "  all are stopped\n");
    scene.finish(gracefully);
    return 0;
}
