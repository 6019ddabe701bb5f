#pragma once
// From the bytes of the Kubernetes API to objects and events. Pure; whatever arrives, nothing here throws or
// grows beyond a small multiple of kMaxEventSize: the JSON is read as a stream (object_reader.h), nothing is
// kept of it but the few fields of object.h. Format: one JSON object per line, {"type": …, "object": …} (API
// concepts, "Efficient detection of changes").

#include <compare>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/kubernetes/object.h"
#include "agent/kubernetes/source.h"

namespace fairlead::kubernetes {

/// A Node of a busy cluster has some 20 KB; beyond this a line is no event.
inline constexpr std::size_t kMaxEventSize = 4U << 20U;

/// A stream's lines, however its bytes are cut up.
class WatchDecoder {
  public:
    explicit WatchDecoder(Source source) : source_(source) {}

    /// The events that `bytes` complete, in order; after an error the stream is of no more use.
    std::expected<std::vector<WatchEvent>, std::string> feed(std::string_view bytes);

  private:
    const Source source_;
    std::string line_;
};

/// A page of a NodeList or an EndpointSliceList, of at most mostObjects().
std::expected<ObjectList, std::string> decodeList(std::string_view body, Source source);

/// What GET /version tells.
struct ServerVersion {
    int majorNumber = 0;
    int minorNumber = 0;

    friend auto operator<=>(const ServerVersion&, const ServerVersion&) = default;
};

/// Nothing if `body` isn't that answer.
std::optional<ServerVersion> decodeVersion(std::string_view body);

/// What a Status object says, in one phrase; empty if `body` is none.
std::string statusMessage(std::string_view body);

}  // namespace fairlead::kubernetes
