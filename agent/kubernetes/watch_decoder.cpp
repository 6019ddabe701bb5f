#include "agent/kubernetes/watch_decoder.h"

#include <nlohmann/json.hpp>

namespace fairlead::kubernetes {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kLongestMessage = 500;
constexpr std::size_t kMostAddresses = 64;

/// Without what makes Nodes large and doesn't concern us.
Json parseJson(std::string_view text) {
    return Json::parse(
        text,
        [](int, Json::parse_event_t event, Json& value) {
            return event != Json::parse_event_t::key || (value != "managedFields" && value != "images");
        },
        false);
}

const Json* member(const Json& object, const char* key) {
    if (!object.is_object()) return nullptr;
    const auto found = object.find(key);
    return found != object.end() ? &*found : nullptr;
}

std::string textAt(const Json& object, const char* key) {
    const Json* value = member(object, key);
    const auto* text = value ? value->get_ptr<const std::string*>() : nullptr;
    return text ? *text : "";
}

/// Nothing if it isn't a Node that has a name.
std::expected<Node, std::string> decodeNode(const Json& object) {
    const Json* metadata = member(object, "metadata");
    if (!metadata) return std::unexpected("an object without metadata");
    Node node{.name = textAt(*metadata, "name"), .resourceVersion = textAt(*metadata, "resourceVersion")};
    if (node.name.empty()) return std::unexpected("an object without a name");
    const Json* deletion = member(*metadata, "deletionTimestamp");
    node.deleting = deletion && !deletion->is_null();
    const Json* status = member(object, "status");
    const Json* addresses = status ? member(*status, "addresses") : nullptr;
    if (addresses && addresses->is_array()) {
        for (const Json& entry : *addresses) {
            if (textAt(entry, "type") != "InternalIP" || node.internalAddresses.size() >= kMostAddresses)
                continue;
            boost::system::error_code error;
            const auto address = boost::asio::ip::make_address(textAt(entry, "address"), error);
            if (!error) node.internalAddresses.push_back(address);
        }
    }
    return node;
}

std::string describeStatus(const Json& status) {
    std::string text = textAt(status, "reason");
    const std::string message = textAt(status, "message");
    if (!message.empty()) text += (text.empty() ? "" : ": ") + message;
    if (text.size() > kLongestMessage) text.resize(kLongestMessage);
    return text;
}

std::expected<WatchEvent, std::string> decodeEvent(std::string_view line) {
    const Json root = parseJson(line);
    if (!root.is_object()) return std::unexpected("a line that is not a JSON object");
    const std::string type = textAt(root, "type");
    const Json* object = member(root, "object");
    if (!object || !object->is_object()) return std::unexpected("an event without an object");
    WatchEvent event;
    if (type == "ERROR") {
        event.type = EventType::Error;
        const Json* code = member(*object, "code");
        event.code = code && code->is_number_integer() ? code->get<int>() : 0;
        event.message = describeStatus(*object);
        return event;
    }
    if (type == "BOOKMARK") {
        event.type = EventType::Bookmark;
        const Json* metadata = member(*object, "metadata");
        event.node.resourceVersion = metadata ? textAt(*metadata, "resourceVersion") : "";
        if (event.node.resourceVersion.empty()) return std::unexpected("a bookmark without resourceVersion");
        return event;
    }
    if (type == "ADDED") {
        event.type = EventType::Added;
    } else if (type == "MODIFIED") {
        event.type = EventType::Modified;
    } else if (type == "DELETED") {
        event.type = EventType::Deleted;
    } else {
        return std::unexpected("an event of an unknown type");
    }
    auto node = decodeNode(*object);
    if (!node) return std::unexpected(node.error());
    event.node = std::move(*node);
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
            auto event = decodeEvent(line_);
            if (!event) return std::unexpected(std::move(event.error()));
            events.push_back(std::move(*event));
        }
        line_.clear();
    }
    return events;
}

std::expected<NodeList, std::string> decodeNodeList(std::string_view body) {
    const Json root = parseJson(body);
    const Json* metadata = member(root, "metadata");
    const Json* items = member(root, "items");
    if (!metadata || textAt(root, "kind") != "NodeList")
        return std::unexpected("the answer is not a NodeList");
    NodeList list{.nodes = {},
                  .resourceVersion = textAt(*metadata, "resourceVersion"),
                  .continueToken = textAt(*metadata, "continue")};
    if (list.resourceVersion.empty()) return std::unexpected("the NodeList has no resourceVersion");
    if (!items || items->is_null()) return list;  // Go writes an empty list as null
    if (!items->is_array()) return std::unexpected("the NodeList's items are not a list");
    for (const Json& item : *items) {
        auto node = decodeNode(item);
        if (!node) return std::unexpected("the NodeList holds " + node.error());
        list.nodes.push_back(std::move(*node));
    }
    return list;
}

std::string statusMessage(std::string_view body) {
    const Json root = parseJson(body);
    return textAt(root, "kind") == "Status" ? describeStatus(root) : "";
}

}  // namespace fairlead::kubernetes
