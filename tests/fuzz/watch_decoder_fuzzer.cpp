// Whatever an API server sends: events, a list or an error; and the same events however the bytes are cut.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/kubernetes/member_store.h"
#include "agent/kubernetes/watch_decoder.h"

namespace kubernetes = fairlead::kubernetes;

namespace {

/// The events of one stream, whole and in pieces, and what comes of them.
void watch(std::string_view text, std::size_t piece, kubernetes::Source source) {
    kubernetes::WatchDecoder whole(source);
    const auto events = whole.feed(text);
    kubernetes::WatchDecoder cut(source);
    std::size_t count = 0;
    bool failed = false;
    for (std::size_t at = 0; at < text.size() && !failed; at += piece) {
        const auto some = cut.feed(text.substr(at, piece));
        failed = !some;
        if (some) count += some->size();
    }
    if (events.has_value() == failed || (events && events->size() != count)) std::abort();
    if (!events) return;
    kubernetes::MemberStore store({.source = source, .ipv6 = false, .port = 6443, .vips = {}});
    for (const kubernetes::WatchEvent& event : *events)
        store.apply(event);
    if (store.backends().backends.size() > store.hosts()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    static_cast<void>(kubernetes::statusMessage(text));
    static_cast<void>(kubernetes::decodeVersion(text));
    const std::size_t piece = size > 0 ? data[0] % 16 + 1 : 1;
    for (const auto source : {kubernetes::Source::Nodes, kubernetes::Source::EndpointSlices}) {
        static_cast<void>(kubernetes::decodeList(text, source));
        watch(text, piece, source);
    }
    return 0;
}
