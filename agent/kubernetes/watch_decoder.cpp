#include "agent/kubernetes/watch_decoder.h"

#include <nlohmann/json.hpp>

#include <charconv>
#include <utility>

#include "agent/kubernetes/object_reader.h"

namespace fairlead::kubernetes {
namespace {

constexpr std::size_t kMostVersionBytes = 16U << 10U;

std::expected<Object, std::string> objectOf(ApiObject& object) {
    if (!object.hasMetadata) return std::unexpected("an object without metadata");
    if (object.object.name.empty()) return std::unexpected("an object without a name");
    return std::move(object.object);
}

std::string describeStatus(const ApiObject& status) {
    if (status.reason.empty()) return status.message;
    return status.message.empty() ? status.reason : status.reason + ": " + status.message;
}

std::expected<WatchEvent, std::string> decodeEvent(std::string_view line, Source source) {
    ObjectReader reader(ObjectReader::Document::Event, source);
    if (!reader.read(line)) return std::unexpected(reader.error());
    if (!reader.hasObject()) return std::unexpected("an event without an object");
    ApiObject& object = reader.object();
    WatchEvent event;
    if (reader.type() == "ERROR") {
        event.type = EventType::Error;
        event.code = object.code;
        event.message = describeStatus(object);
        return event;
    }
    if (reader.type() == "BOOKMARK") {
        event.type = EventType::Bookmark;
        event.object.resourceVersion = std::move(object.object.resourceVersion);
        if (event.object.resourceVersion.empty())
            return std::unexpected("a bookmark without resourceVersion");
        event.initialEventsEnd = object.initialEventsEnd;
        return event;
    }
    if (reader.type() == "ADDED") {
        event.type = EventType::Added;
    } else if (reader.type() == "MODIFIED") {
        event.type = EventType::Modified;
    } else if (reader.type() == "DELETED") {
        event.type = EventType::Deleted;
    } else {
        return std::unexpected("an event of an unknown type");
    }
    auto named = objectOf(object);
    if (!named) return std::unexpected(named.error());
    event.object = std::move(*named);
    return event;
}

}  // namespace

const char* toString(EventType type) {
    switch (type) {
        case EventType::Added:
            return "ADDED";
        case EventType::Modified:
            return "MODIFIED";
        case EventType::Deleted:
            return "DELETED";
        case EventType::Bookmark:
            return "BOOKMARK";
        case EventType::Error:
            return "ERROR";
    }
    return "?";
}

std::expected<std::vector<WatchEvent>, std::string> WatchDecoder::feed(std::string_view bytes) {
    std::vector<WatchEvent> events;
    while (!bytes.empty()) {
        const std::size_t end = bytes.find('\n');
        const std::string_view piece = bytes.substr(0, end);
        if (line_.size() + piece.size() > kMaxEventSize) return std::unexpected("a line longer than 4 MiB");
        line_ += piece;
        if (end == std::string_view::npos) break;
        bytes.remove_prefix(end + 1);
        if (line_.find_first_not_of(" \t\r") != std::string::npos) {
            auto event = decodeEvent(line_, source_);
            if (!event) return std::unexpected(std::move(event.error()));
            events.push_back(std::move(*event));
        }
        line_.clear();
    }
    return events;
}

std::expected<ObjectList, std::string> decodeList(std::string_view body, Source source) {
    const std::string kind = source == Source::Nodes ? "NodeList" : "EndpointSliceList";
    ObjectReader reader(ObjectReader::Document::List, source);
    if (!reader.read(body)) return std::unexpected(reader.error());
    ApiObject& frame = reader.object();
    if (!frame.hasMetadata || frame.kind != kind) return std::unexpected("an answer that is no " + kind);
    if (frame.object.resourceVersion.empty()) return std::unexpected(kind + " without resourceVersion");
    ObjectList list{.objects = {},
                    .resourceVersion = std::move(frame.object.resourceVersion),
                    .continueToken = std::move(frame.continueToken)};
    list.objects.reserve(reader.items().size());
    for (ApiObject& item : reader.items()) {
        auto object = objectOf(item);
        if (!object) return std::unexpected(kind + " with " + object.error());
        list.objects.push_back(std::move(*object));
    }
    return list;
}

std::optional<ServerVersion> decodeVersion(std::string_view body) {
    if (body.size() > kMostVersionBytes) return std::nullopt;
    const auto json = nlohmann::json::parse(body, nullptr, false);
    if (!json.is_object()) return std::nullopt;
    const auto number = [&json](const char* name) -> std::optional<int> {
        const auto found = json.find(name);
        if (found == json.end() || !found->is_string()) return std::nullopt;
        // "34+" of some distributions.
        const std::string& text = found->get_ref<const std::string&>();
        int value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc{} || value < 0) return std::nullopt;
        return value;
    };
    const auto major = number("major");
    const auto minor = number("minor");
    if (!major || !minor) return std::nullopt;
    return ServerVersion{.majorNumber = *major, .minorNumber = *minor};
}

std::string statusMessage(std::string_view body) {
    ObjectReader reader(ObjectReader::Document::List, Source::Nodes);
    return reader.read(body) && reader.object().kind == "Status" ? describeStatus(reader.object()) : "";
}

}  // namespace fairlead::kubernetes
