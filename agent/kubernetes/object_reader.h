#pragma once
// Reads the JSON of Nodes or EndpointSlices, lists of them, watch events and Statuses as a stream of tokens
// and keeps only what fairlead uses, so that neither size nor nesting of the rest costs memory. Pure; only
// watch_decoder.cpp uses it. Unknown members are skipped; a member of the wrong type counts as absent.

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/kubernetes/object.h"
#include "agent/kubernetes/source.h"

namespace fairlead::kubernetes {

/// Any API object as far as it concerns us: a Node, an EndpointSlice, a Status, or the frame of a list.
struct ApiObject {
    std::string kind;
    bool hasMetadata = false;
    Object object;
    std::string continueToken;
    bool initialEventsEnd = false;  ///< annotation k8s.io/initial-events-end: "true"
    int code = 0;                   ///< of a Status
    std::string reason, message;    ///< of a Status, cut to a bounded length
};

class ObjectReader final : public nlohmann::json_sax<nlohmann::json> {
  public:
    /// What the text is expected to hold.
    enum class Document : std::uint8_t { Event, List };

    /// Of which kind its objects are decides what is read of them.
    ObjectReader(Document document, Source source) : document_(document), source_(source) {}

    /// False if the text is not a document; then error() says why.
    bool read(std::string_view text);

    [[nodiscard]] const std::string& error() const { return error_; }
    [[nodiscard]] const std::string& type() const { return type_; }  ///< of an event
    [[nodiscard]] bool hasObject() const { return hasObject_; }      ///< of an event
    [[nodiscard]] ApiObject& object() { return object_; }            ///< of an event, or the list itself
    [[nodiscard]] std::vector<ApiObject>& items() { return items_; }

  private:
    /// Where in the document the next token stands.
    enum class Place : std::uint8_t {
        Event,
        Object,
        Metadata,
        Annotations,
        Status,
        Addresses,
        Address,
        Items,
        Endpoints,
        Endpoint,
        EndpointAddresses,
        Conditions,
        Ports,
        Port
    };

    // nlohmann's names
    // NOLINTBEGIN(readability-identifier-naming)
    bool null() override;
    bool boolean(bool value) override;
    bool number_integer(number_integer_t value) override;
    bool number_unsigned(number_unsigned_t value) override;
    bool number_float(number_float_t value, const string_t& text) override;
    bool string(string_t& value) override;
    bool binary(binary_t& value) override;
    bool start_object(std::size_t elements) override;
    bool key(string_t& value) override;
    bool end_object() override;
    bool start_array(std::size_t elements) override;
    bool end_array() override;
    bool parse_error(std::size_t position, const std::string& token,
                     const nlohmann::detail::exception& exception) override;
    // NOLINTEND(readability-identifier-naming)

    bool fail(std::string why);
    /// Anything but a string, an object or an array.
    bool otherScalar();
    void number(std::int64_t value);
    void enter(Place place) { places_.push_back(place); }
    [[nodiscard]] bool skipping() const { return skipped_ > 0; }
    /// Inside the list's items, whose frame may have more to say after them.
    [[nodiscard]] bool inItems() const { return places_.size() > 1 && places_[1] == Place::Items; }
    /// The object that the tokens belong to.
    [[nodiscard]] ApiObject& current() { return inItems() ? items_.back() : object_; }
    /// What an object and its members may hold that is worth to be entered: nothing if it is skipped.
    [[nodiscard]] std::optional<Place> objectWithin(Place place) const;
    [[nodiscard]] std::optional<Place> arrayWithin(Place place) const;
    /// Begins an endpoint or a port; false if there are too many.
    bool beginPart(Place place);
    /// Keeps what has been read of an address, an endpoint or a port.
    void endPart(Place place);
    /// Keeps `value` unless it is longer than any real one.
    bool keep(std::string& target, string_t& value, std::size_t longest);

    const Document document_;
    const Source source_;
    std::string error_;
    std::string type_;
    bool hasObject_ = false;
    ApiObject object_;
    std::vector<ApiObject> items_;

    std::vector<Place> places_;  ///< from the root; never deeper than the enum
    std::size_t skipped_ = 0;    ///< depth inside something that doesn't concern us
    std::string key_;
    std::string addressType_, address_;
    SliceEndpoint endpoint_;
    bool hasAddress_ = false;  ///< endpoint_ has one
    SlicePort port_;
};

}  // namespace fairlead::kubernetes
