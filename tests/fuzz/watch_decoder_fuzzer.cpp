// Whatever an API server sends: events, a list or an error; and the same events however the bytes are cut.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/kubernetes/node_store.h"
#include "agent/kubernetes/watch_decoder.h"

namespace kubernetes = fairlead::kubernetes;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    static_cast<void>(kubernetes::decodeNodeList(text));
    static_cast<void>(kubernetes::statusMessage(text));
    static_cast<void>(kubernetes::decodeVersion(text));

    kubernetes::WatchDecoder whole;
    const auto events = whole.feed(text);
    kubernetes::WatchDecoder cut;
    std::size_t count = 0;
    bool failed = false;
    const std::size_t piece = size > 0 ? data[0] % 16 + 1 : 1;
    for (std::size_t at = 0; at < size && !failed; at += piece) {
        const auto some = cut.feed(text.substr(at, piece));
        failed = !some;
        if (some) count += some->size();
    }
    if (events.has_value() == failed || (events && events->size() != count)) std::abort();
    if (!events) return 0;
    kubernetes::NodeStore store({.ipv6 = false, .port = 6443, .vips = {}});
    for (const kubernetes::WatchEvent& event : *events)
        store.apply(event);
    static_cast<void>(store.members());
    return 0;
}
