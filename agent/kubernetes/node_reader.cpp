#include "agent/kubernetes/node_reader.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace fairlead::kubernetes {
namespace {

constexpr std::size_t kLongestKind = 64;
constexpr std::size_t kLongestName = 253;  // a DNS subdomain
constexpr std::size_t kLongestVersion = 256;
constexpr std::size_t kLongestToken = 8192;
constexpr std::size_t kLongestMessage = 500;
constexpr std::size_t kLongestAddress = 64;
constexpr std::size_t kMostAddresses = 64;
constexpr const char* kDrainAnnotation = "fairlead.dev/drain";
constexpr const char* kInitialEventsEnd = "k8s.io/initial-events-end";

}  // namespace

bool NodeReader::read(std::string_view text) {
    const bool complete = nlohmann::json::sax_parse(text.begin(), text.end(),
                                                    static_cast<nlohmann::json_sax<nlohmann::json>*>(this));
    if (!complete && error_.empty()) error_ = "malformed JSON";
    return complete && error_.empty();
}

bool NodeReader::fail(std::string why) {
    if (error_.empty()) error_ = std::move(why);
    return false;
}

bool NodeReader::keep(std::string& target, string_t& value, std::size_t longest) {
    if (value.size() > longest) return fail("a " + key_ + " of " + std::to_string(value.size()) + " bytes");
    target = std::move(value);
    return true;
}

bool NodeReader::start_object(std::size_t /*elements*/) {
    if (skipping()) {
        ++skipped_;
    } else if (places_.empty()) {
        enter(document_ == Document::Event ? Place::Event : Place::Object);
    } else {
        switch (places_.back()) {
            case Place::Event:
                if (key_ == "object") {
                    hasObject_ = true;
                    enter(Place::Object);
                    return true;
                }
                break;
            case Place::Object:
                if (key_ == "metadata") {
                    current().hasMetadata = true;
                    enter(Place::Metadata);
                    return true;
                }
                if (key_ == "status") {
                    enter(Place::Status);
                    return true;
                }
                if (key_ == "items" && document_ == Document::List && !inItems())
                    return fail("items that are not a list");
                break;
            case Place::Items:
                if (items_.size() >= kMostNodes)
                    return fail("more than " + std::to_string(kMostNodes) + " items");
                items_.emplace_back();
                enter(Place::Object);
                return true;
            case Place::Addresses:
                addressType_.clear();
                address_.clear();
                enter(Place::Address);
                return true;
            case Place::Metadata:
                if (key_ == "annotations") {
                    enter(Place::Annotations);
                    return true;
                }
                break;
            case Place::Annotations:
            case Place::Status:
            case Place::Address:
                break;
        }
        skipped_ = 1;
    }
    return true;
}

bool NodeReader::end_object() {
    if (skipping()) {
        --skipped_;
        return true;
    }
    if (places_.back() == Place::Address && addressType_ == "InternalIP") {
        auto& addresses = current().node.internalAddresses;
        boost::system::error_code error;
        const auto address = boost::asio::ip::make_address(address_, error);
        if (!error && addresses.size() < kMostAddresses) addresses.push_back(address);
    }
    places_.pop_back();
    return true;
}

bool NodeReader::start_array(std::size_t /*elements*/) {
    if (skipping()) {
        ++skipped_;
        return true;
    }
    if (places_.empty()) return fail("JSON that is not an object");
    switch (places_.back()) {
        case Place::Object:
            if (key_ == "items" && document_ == Document::List && !inItems()) {
                if (!items_.empty()) return fail("two lists of items");
                enter(Place::Items);
                return true;
            }
            break;
        case Place::Status:
            if (key_ == "addresses") {
                enter(Place::Addresses);
                return true;
            }
            break;
        case Place::Items:
            return fail("an item that is not an object");
        case Place::Event:
        case Place::Metadata:
        case Place::Annotations:
        case Place::Addresses:
        case Place::Address:
            break;
    }
    skipped_ = 1;
    return true;
}

bool NodeReader::end_array() {
    if (skipping()) {
        --skipped_;
    } else {
        places_.pop_back();
    }
    return true;
}

bool NodeReader::key(string_t& value) {
    if (!skipping()) key_ = std::move(value);
    return true;
}

bool NodeReader::string(string_t& value) {
    if (skipping()) return true;
    if (places_.empty()) return fail("JSON that is not an object");
    switch (places_.back()) {
        case Place::Event:
            return key_ != "type" || keep(type_, value, kLongestKind);
        case Place::Object:
            if (key_ == "kind") return keep(current().kind, value, kLongestKind);
            if (key_ == "reason") return keep(current().reason, value, kLongestMessage);
            if (key_ == "message") {
                value.resize(std::min(value.size(), kLongestMessage));
                current().message = std::move(value);
            }
            return true;
        case Place::Metadata:
            if (key_ == "name") return keep(current().node.name, value, kLongestName);
            if (key_ == "resourceVersion")
                return keep(current().node.resourceVersion, value, kLongestVersion);
            if (key_ == "continue") return keep(current().continueToken, value, kLongestToken);
            if (key_ == "deletionTimestamp") current().node.deleting = true;
            return true;
        case Place::Annotations:
            if (key_ == kDrainAnnotation) current().node.draining = value == "true";
            if (key_ == kInitialEventsEnd) current().initialEventsEnd = value == "true";
            return true;
        case Place::Address:
            if (key_ == "type") return keep(addressType_, value, kLongestKind);
            // A host name can be longer than any address; it is none of ours.
            if (key_ == "address" && value.size() <= kLongestAddress) address_ = std::move(value);
            return true;
        case Place::Items:
            return fail("an item that is not an object");
        case Place::Status:
        case Place::Addresses:
            return true;
    }
    return true;
}

void NodeReader::number(std::int64_t value) {
    if (!skipping() && !places_.empty() && places_.back() == Place::Object && key_ == "code" && value >= 0 &&
        value <= std::numeric_limits<int>::max())
        current().code = static_cast<int>(value);
}

bool NodeReader::otherScalar() {
    if (skipping()) return true;
    if (places_.empty()) return fail("JSON that is not an object");
    if (places_.back() == Place::Items) return fail("an item that is not an object");
    return true;
}

bool NodeReader::null() {
    return otherScalar();
}

bool NodeReader::boolean(bool /*value*/) {
    return otherScalar();
}

bool NodeReader::number_integer(number_integer_t value) {
    number(value);
    return otherScalar();
}

bool NodeReader::number_unsigned(number_unsigned_t value) {
    if (std::in_range<std::int64_t>(value)) number(static_cast<std::int64_t>(value));
    return otherScalar();
}

bool NodeReader::number_float(number_float_t /*value*/, const string_t& /*text*/) {
    return otherScalar();
}

bool NodeReader::binary(binary_t& /*value*/) {
    return otherScalar();
}

bool NodeReader::parse_error(std::size_t position, const std::string& /*token*/,
                             const nlohmann::detail::exception& /*exception*/) {
    // Without what was read: it may be anything.
    return fail("malformed JSON at byte " + std::to_string(position));
}

}  // namespace fairlead::kubernetes
