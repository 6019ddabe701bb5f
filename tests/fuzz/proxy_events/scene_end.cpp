// The end of a scene: everybody reads what there is and says goodbye, or the workers are stopped; and nothing
// may be left.

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "tests/fuzz/proxy_events/scene.h"

namespace fairlead::fuzz {
namespace {

constexpr int kQuickRounds = 100;

/// Of TCP, and not listening.
bool isConnection(int fd) {
    int value = 0;
    socklen_t length = sizeof value;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &length) != 0 || value != SOCK_STREAM) return false;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &length) != 0 || value != AF_INET) return false;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &length) == 0 && value == 0;
}

void requireNoConnections() {
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
        require(!isConnection(std::stoi(entry.path().filename())), "a socket was left open");
}

}  // namespace

std::size_t openDescriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

/// One round of what everybody has left to do; whether there was anything.
bool Scene::carryOn() {
    bool any = false;
    for (std::size_t i = 0; i < kBackends; ++i) {
        const std::size_t before = served_.size();
        accept(i, false);
        any = any || served_.size() > before;
    }
    const auto attend = [&](Peer& peer) {
        any = peer.receive(SIZE_MAX) || any;
        any = any || (peer.socket && !peer.finSent && peer.error == 0);
        peer.finish();
    };
    for (const auto& client : clients_)
        attend(client->peer);
    for (const auto& served : served_)
        attend(served->peer);
    step();
    return any;
}

bool Scene::anythingOpen() const {
    return std::ranges::any_of(instances_, [](const auto& instance) { return instance->shared.open > 0; });
}

bool Scene::settled() const {
    const auto over = [](const auto& each) { return each->peer.over(); };
    return std::ranges::all_of(clients_, over) && std::ranges::all_of(served_, over) && !anythingOpen();
}

void Scene::settle() {
    for (int idle = 0; !settled();) {
        if (carryOn()) {
            idle = 0;
            continue;
        }
        require(++idle < kIdleRounds, "somebody hangs");
        if (!advanceToDue() || idle > kQuickRounds) usleep(kPause);
    }
}

/// With nothing left to do nobody has turn after turn.
void Scene::rest() {
    for (int turns = 0; turns < kQuickRounds; ++turns) {
        if (std::ranges::all_of(instances_, [&](const auto& each) { return each->worker->wakeAt() > now_; }))
            return;
        step();
    }
    violated("a worker spins");
}

void Scene::finish(bool gracefully) {
    if (gracefully) {
        settle();
        rest();
        // At its limit a worker accepts only then whoever waited, and has left in the meantime.
        for (std::size_t waited = 0; anythingOpen() && waited < kMostClients; ++waited) {
            settle();
            rest();
        }
        require(!anythingOpen(), "a connection counts as open");
    }
    while (!instances_.empty())
        stopOldest();
    settle();
    for (const auto& client : clients_)
        client->peer.socket.close();
    for (const auto& served : served_)
        served->peer.socket.close();
    requireNoConnections();
    for (Backend& backend : backends_)
        backend.listener.close();
    require(openDescriptors() == descriptorsBefore_, "a descriptor was left open");
    checkAll();
}

}  // namespace fairlead::fuzz
