#include "agent/guard/testament.h"

#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <new>
#include <stdexcept>
#include <type_traits>

#include "agent/net/system_error.h"

namespace fairlead::guard {
namespace {

constexpr std::size_t kWords = (sizeof(PlainWill) + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t);
constexpr int kReadAttempts = 1000;

static_assert(std::is_trivially_copyable_v<PlainWill>);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);  // a lock could die with its owner

/// Words are atomic so that a reader beside the writer is no data race; `version` tells it that it has mixed
/// two wills. Odd: being written.
struct Slot {
    std::atomic<std::uint64_t> version = 0;
    std::array<std::atomic<std::uint64_t>, kWords> words{};
};

struct Router {
    std::atomic<std::uint32_t> valid = 0;  ///< which slot
    std::array<Slot, 2> slots;
};

PlainAddress plain(const boost::asio::ip::address& address) {
    PlainAddress result;
    if (address.is_v4()) {
        result.family = AF_INET;
        std::ranges::copy(address.to_v4().to_bytes(), result.bytes.begin());
    } else {
        result.family = AF_INET6;
        std::ranges::copy(address.to_v6().to_bytes(), result.bytes.begin());
    }
    return result;
}

/// False: something didn't fit.
bool fill(PlainMessage& to, const Message& from) {
    to.protocol = from.protocol;
    to.repeat = std::min(from.repeat, kMaxRepeat);
    to.source = plain(from.source);
    to.size = static_cast<std::uint16_t>(from.bytes.size());
    std::ranges::copy(from.bytes, to.bytes.begin());
    to.destinationCount = 0;
    bool complete = to.repeat == from.repeat;
    for (const Destination& destination : from.destinations) {
        const PlainAddress address = plain(destination.address);
        if (to.destinationCount == kMaxDestinations || address.family != to.source.family) {
            complete = false;
            continue;
        }
        to.destinations[to.destinationCount++] = {.address = address, .port = destination.port};
    }
    return complete;
}

bool fill(PlainWill& to, const Will& from) {
    bool complete = true;
    to.interfaceIndex = from.interfaceIndex;
    to.vipCount = to.messageCount = 0;
    for (const boost::asio::ip::address& vip : from.vips) {
        if (to.vipCount == kMaxVips) {
            complete = false;
            break;
        }
        to.vips[to.vipCount++] = plain(vip);
    }
    for (const Message& message : from.messages) {
        if (to.messageCount == kMaxMessages || message.bytes.size() > kMaxMessageSize) {
            complete = false;
            continue;
        }
        complete &= fill(to.messages[to.messageCount++], message);
    }
    return complete;
}

bool family(const PlainAddress& address) {
    return address.family == AF_INET || address.family == AF_INET6;
}

/// An agent that dies of a stray write may have written here as well.
bool plausible(const PlainWill& will) {
    if (will.interfaceIndex <= 0 || will.vipCount > kMaxVips || will.messageCount > kMaxMessages)
        return false;
    return std::all_of(will.vips.begin(), will.vips.begin() + will.vipCount, family) &&
           std::all_of(will.messages.begin(), will.messages.begin() + will.messageCount,
                       [](const PlainMessage& message) {
                           return message.destinationCount <= kMaxDestinations &&
                                  message.size <= kMaxMessageSize && message.repeat <= kMaxRepeat &&
                                  family(message.source) &&
                                  std::all_of(message.destinations.begin(),
                                              message.destinations.begin() + message.destinationCount,
                                              [&](const PlainDestination& destination) {
                                                  return destination.address.family == message.source.family;
                                              });
                       });
}

}  // namespace

struct Testament::Shared {
    std::array<Router, kRouters> routers;
};

Testament::Testament() {
    // Populated, so that no write ever waits for a page.
    void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
        throw std::runtime_error("memory shared with the guardian: " + net::errnoText(errno));
    shared_ = new (memory) Shared;
}

Testament::~Testament() {
    munmap(shared_, sizeof(Shared));
}

bool Testament::write(std::size_t router, const Will& will) {
    const bool complete = fill(draft_, will);
    publish(router);
    return complete;
}

void Testament::clear(std::size_t router) {
    draft_.interfaceIndex = 0;
    publish(router);
}

void Testament::publish(std::size_t router) {
    Router& to = shared_->routers.at(router);
    const std::uint32_t next = 1 - to.valid.load(std::memory_order_relaxed);
    Slot& slot = to.slots.at(next);
    const std::uint64_t version = slot.version.load(std::memory_order_relaxed);
    slot.version.store(version + 1, std::memory_order_relaxed);
    const auto* bytes = reinterpret_cast<const std::byte*>(&draft_);
    for (std::size_t i = 0; i < kWords; ++i) {
        std::uint64_t word = 0;
        const std::size_t at = i * sizeof word;
        std::memcpy(&word, bytes + at, std::min(sizeof word, sizeof draft_ - at));
        // Each behind the odd version: who sees a new word sees that as well.
        slot.words[i].store(word, std::memory_order_release);
    }
    slot.version.store(version + 2, std::memory_order_release);
    to.valid.store(next, std::memory_order_release);
}

std::optional<PlainWill> Testament::read(std::size_t router) const {
    const Router& from = shared_->routers.at(router);
    for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
        const Slot& slot = from.slots[from.valid.load(std::memory_order_acquire) & 1];
        const std::uint64_t version = slot.version.load(std::memory_order_acquire);
        PlainWill will;
        auto* bytes = reinterpret_cast<std::byte*>(&will);
        for (std::size_t i = 0; i < kWords; ++i) {
            const std::uint64_t word = slot.words[i].load(std::memory_order_acquire);
            const std::size_t at = i * sizeof word;
            std::memcpy(bytes + at, &word, std::min(sizeof word, sizeof will - at));
        }
        if (version % 2 == 1 || slot.version.load(std::memory_order_relaxed) != version) continue;
        if (!plausible(will)) return std::nullopt;
        return will;
    }
    return std::nullopt;
}

}  // namespace fairlead::guard
