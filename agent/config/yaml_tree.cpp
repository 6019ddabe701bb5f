#include "agent/config/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <optional>
#include <sstream>
#include <utility>

#include "agent/log/utf8.h"

namespace fairlead::config {
namespace {

/// Ends the parsing from within an event.
struct Refused {
    YamlError error;
};

[[noreturn]] void refuse(const YAML::Mark& mark, std::string what) {
    throw Refused{{.line = mark.line + 1, .what = std::move(what)}};
}

class Builder : public YAML::EventHandler {
  public:
    void OnDocumentStart(const YAML::Mark& mark) override {
        if (root_) refuse(mark, "a second document starts here; a configuration is one");
    }
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        check(mark, "", anchor);
        place({.line = mark.line + 1});
    }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
        refuse(mark, "aliases (*name) are not accepted; write the value out");
    }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        check(mark, tag, anchor);
        place({.kind = YamlNode::Kind::Scalar, .line = mark.line + 1, .text = value});
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        check(mark, tag, anchor);
        open_.push_back({.node = {.kind = YamlNode::Kind::Sequence, .line = mark.line + 1}});
    }
    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        check(mark, tag, anchor);
        open_.push_back({.node = {.kind = YamlNode::Kind::Map, .line = mark.line + 1}});
    }
    void OnSequenceEnd() override { close(); }
    void OnMapEnd() override { close(); }

    std::optional<YamlNode> take() { return std::move(root_); }

  private:
    /// A sequence or map whose end has not come yet.
    struct Open {
        YamlNode node;
        std::optional<YamlNode> key;  ///< Map: read, its value not yet
    };

    void check(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
        if (anchor != 0) refuse(mark, "anchors (&name) are not accepted");
        // "?" and "!" are yaml-cpp's words for plain and quoted.
        if (!tag.empty() && tag != "?" && tag != "!") refuse(mark, "tags (!name) are not accepted");
        if (++values_ > kMostValues) refuse(mark, "more than " + std::to_string(kMostValues) + " values");
    }

    void place(YamlNode node) {
        if (open_.empty()) {
            root_ = std::move(node);
            return;
        }
        Open& parent = open_.back();
        if (parent.node.kind == YamlNode::Kind::Sequence) {
            parent.node.items.push_back(std::move(node));
        } else if (!parent.key) {
            parent.key = std::move(node);
        } else {
            parent.node.entries.push_back({.key = std::move(*parent.key), .value = std::move(node)});
            parent.key.reset();
        }
    }

    void close() {
        YamlNode done = std::move(open_.back().node);
        open_.pop_back();
        place(std::move(done));
    }

    std::vector<Open> open_;
    std::optional<YamlNode> root_;
    std::size_t values_ = 0;
};

/// Text and nothing else: UTF-8 without control characters but for tab and line ends.
std::optional<YamlError> checkText(std::string_view text) {
    int line = 1;
    while (!text.empty()) {
        const logging::CodePoint point = logging::codePointAt(text);
        if (point.length == 0) return YamlError{.line = line, .what = "not UTF-8 text"};
        if (point.value == '\n') {
            ++line;
        } else if (point.value != '\t' && point.value != '\r' && logging::isControl(point.value)) {
            return YamlError{.line = line, .what = "a control character, which is not text"};
        }
        text.remove_prefix(point.length);
    }
    return std::nullopt;
}

}  // namespace

std::expected<YamlNode, YamlError> readYaml(std::string_view text) {
    if (text.size() > kLargestInput)
        return std::unexpected(YamlError{.what = "larger than 1 MiB, which no configuration is"});
    if (auto error = checkText(text)) return std::unexpected(std::move(*error));

    std::istringstream stream{std::string(text)};
    Builder builder;
    try {
        YAML::Parser parser(stream);
        while (parser.HandleNextDocument(builder)) {
        }
    } catch (const Refused& refused) {
        return std::unexpected(refused.error);
    } catch (const YAML::Exception& error) {
        return std::unexpected(
            YamlError{.line = error.mark.line + 1, .what = "not valid YAML: " + error.msg});
    }
    auto root = builder.take();
    if (!root || root->kind == YamlNode::Kind::Null) return std::unexpected(YamlError{.what = "is empty"});
    return std::move(*root);
}

}  // namespace fairlead::config
