#include "agent/kubernetes/object_reader.h"

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

bool ObjectReader::read(std::string_view text) {
    const bool complete = nlohmann::json::sax_parse(text.begin(), text.end(),
                                                    static_cast<nlohmann::json_sax<nlohmann::json>*>(this));
    if (!complete && error_.empty()) error_ = "malformed JSON";
    return complete && error_.empty();
}

bool ObjectReader::fail(std::string why) {
    if (error_.empty()) error_ = std::move(why);
    return false;
}

bool ObjectReader::keep(std::string& target, string_t& value, std::size_t longest) {
    if (value.size() > longest) return fail("a " + key_ + " of " + std::to_string(value.size()) + " bytes");
    target = std::move(value);
    return true;
}

std::optional<ObjectReader::Place> ObjectReader::objectWithin(Place place) const {
    switch (place) {
        case Place::Event:
            if (key_ == "object") return Place::Object;
            break;
        case Place::Object:
            if (key_ == "metadata") return Place::Metadata;
            if (key_ == "status" && source_ == Source::Nodes) return Place::Status;
            break;
        case Place::Metadata:
            if (key_ == "annotations") return Place::Annotations;
            break;
        case Place::Endpoint:
            if (key_ == "conditions") return Place::Conditions;
            break;
        case Place::Items:
            return Place::Object;
        case Place::Addresses:
            return Place::Address;
        case Place::Endpoints:
            return Place::Endpoint;
        case Place::Ports:
            return Place::Port;
        case Place::Annotations:
        case Place::Status:
        case Place::Address:
        case Place::EndpointAddresses:
        case Place::Conditions:
        case Place::Port:
            break;
    }
    return std::nullopt;
}

std::optional<ObjectReader::Place> ObjectReader::arrayWithin(Place place) const {
    switch (place) {
        case Place::Object:
            if (key_ == "items" && document_ == Document::List && !inItems()) return Place::Items;
            if (key_ == "endpoints" && source_ == Source::EndpointSlices) return Place::Endpoints;
            if (key_ == "ports" && source_ == Source::EndpointSlices) return Place::Ports;
            break;
        case Place::Status:
            if (key_ == "addresses") return Place::Addresses;
            break;
        case Place::Endpoint:
            if (key_ == "addresses") return Place::EndpointAddresses;
            break;
        case Place::Event:
        case Place::Metadata:
        case Place::Annotations:
        case Place::Addresses:
        case Place::Address:
        case Place::Items:
        case Place::Endpoints:
        case Place::EndpointAddresses:
        case Place::Conditions:
        case Place::Ports:
        case Place::Port:
            break;
    }
    return std::nullopt;
}

bool ObjectReader::beginPart(Place place) {
    if (place == Place::Address) {
        addressType_.clear();
        address_.clear();
    } else if (place == Place::Endpoint) {
        if (current().object.endpoints.size() >= kMostEndpoints)
            return fail("more than " + std::to_string(kMostEndpoints) + " endpoints in one slice");
        endpoint_ = {};
        hasAddress_ = false;
    } else if (place == Place::Port) {
        if (current().object.ports.size() >= kMostPorts)
            return fail("more than " + std::to_string(kMostPorts) + " ports in one slice");
        port_ = {};
    }
    return true;
}

void ObjectReader::endPart(Place place) {
    if (place == Place::Address && addressType_ == "InternalIP") {
        auto& addresses = current().object.internalAddresses;
        boost::system::error_code error;
        const auto address = boost::asio::ip::make_address(address_, error);
        if (!error && addresses.size() < kMostAddresses) addresses.push_back(address);
    } else if (place == Place::Endpoint && hasAddress_) {
        current().object.endpoints.push_back(std::move(endpoint_));
    } else if (place == Place::Port) {
        current().object.ports.push_back(std::move(port_));
    }
}

bool ObjectReader::start_object(std::size_t /*elements*/) {
    if (skipping()) {
        ++skipped_;
        return true;
    }
    if (places_.empty()) {
        enter(document_ == Document::Event ? Place::Event : Place::Object);
        return true;
    }
    const Place place = places_.back();
    if (place == Place::Object && key_ == "items" && document_ == Document::List && !inItems())
        return fail("items that are not a list");
    const auto within = objectWithin(place);
    if (!within) {
        skipped_ = 1;
        return true;
    }
    if (place == Place::Event) hasObject_ = true;
    if (place == Place::Items) {
        if (items_.size() >= mostObjects(source_))
            return fail("more than " + std::to_string(mostObjects(source_)) + " items");
        items_.emplace_back();
    }
    if (within == Place::Metadata) current().hasMetadata = true;
    enter(*within);
    return beginPart(*within);
}

bool ObjectReader::end_object() {
    if (skipping()) {
        --skipped_;
        return true;
    }
    endPart(places_.back());
    places_.pop_back();
    return true;
}

bool ObjectReader::start_array(std::size_t /*elements*/) {
    if (skipping()) {
        ++skipped_;
        return true;
    }
    if (places_.empty()) return fail("JSON that is not an object");
    if (places_.back() == Place::Items) return fail("an item that is not an object");
    const auto within = arrayWithin(places_.back());
    if (!within) {
        skipped_ = 1;
        return true;
    }
    if (within == Place::Items && !items_.empty()) return fail("two lists of items");
    enter(*within);
    return true;
}

bool ObjectReader::end_array() {
    if (skipping()) {
        --skipped_;
    } else {
        places_.pop_back();
    }
    return true;
}

bool ObjectReader::key(string_t& value) {
    if (!skipping()) key_ = std::move(value);
    return true;
}

bool ObjectReader::string(string_t& value) {
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
            if (key_ == "name") return keep(current().object.name, value, kLongestName);
            if (key_ == "resourceVersion")
                return keep(current().object.resourceVersion, value, kLongestVersion);
            if (key_ == "continue") return keep(current().continueToken, value, kLongestToken);
            if (key_ == "deletionTimestamp") current().object.deleting = true;
            return true;
        case Place::Annotations:
            if (key_ == kDrainAnnotation) current().object.draining = value == "true";
            if (key_ == kInitialEventsEnd) current().initialEventsEnd = value == "true";
            return true;
        case Place::Address:
            if (key_ == "type") return keep(addressType_, value, kLongestKind);
            // A host name can be longer than any address; it is none of ours.
            if (key_ == "address" && value.size() <= kLongestAddress) address_ = std::move(value);
            return true;
        case Place::Items:
            return fail("an item that is not an object");
        case Place::Endpoint:
            return key_ != "nodeName" || keep(endpoint_.node, value, kLongestName);
        case Place::EndpointAddresses:
            if (!hasAddress_ && value.size() <= kLongestAddress) {
                boost::system::error_code error;
                endpoint_.address = boost::asio::ip::make_address(value, error);
                hasAddress_ = !error;
            }
            return true;
        case Place::Port:
            return key_ != "name" || keep(port_.name, value, kLongestKind);
        case Place::Status:
        case Place::Addresses:
        case Place::Endpoints:
        case Place::Conditions:
        case Place::Ports:
            return true;
    }
    return true;
}

void ObjectReader::number(std::int64_t value) {
    if (skipping() || places_.empty() || value < 0) return;
    if (places_.back() == Place::Object && key_ == "code" && value <= std::numeric_limits<int>::max())
        current().code = static_cast<int>(value);
    if (places_.back() == Place::Port && key_ == "port" && value <= std::numeric_limits<std::uint16_t>::max())
        port_.number = static_cast<std::uint16_t>(value);
}

bool ObjectReader::otherScalar() {
    if (skipping()) return true;
    if (places_.empty()) return fail("JSON that is not an object");
    if (places_.back() == Place::Items) return fail("an item that is not an object");
    return true;
}

bool ObjectReader::null() {
    return otherScalar();
}

bool ObjectReader::boolean(bool value) {
    if (!skipping() && !places_.empty() && places_.back() == Place::Conditions) {
        // Absent means ready, and not terminating.
        if (key_ == "ready" || key_ == "terminating")
            endpoint_.draining = endpoint_.draining || value == (key_ == "terminating");
    }
    return otherScalar();
}

bool ObjectReader::number_integer(number_integer_t value) {
    number(value);
    return otherScalar();
}

bool ObjectReader::number_unsigned(number_unsigned_t value) {
    if (std::in_range<std::int64_t>(value)) number(static_cast<std::int64_t>(value));
    return otherScalar();
}

bool ObjectReader::number_float(number_float_t /*value*/, const string_t& /*text*/) {
    return otherScalar();
}

bool ObjectReader::binary(binary_t& /*value*/) {
    return otherScalar();
}

bool ObjectReader::parse_error(std::size_t position, const std::string& /*token*/,
                               const nlohmann::detail::exception& /*exception*/) {
    // Without what was read: it may be anything.
    return fail("malformed JSON at byte " + std::to_string(position));
}

}  // namespace fairlead::kubernetes
