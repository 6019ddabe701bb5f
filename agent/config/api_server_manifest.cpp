#include "agent/config/api_server_manifest.h"

#include <algorithm>
#include <utility>

#include "agent/config/values.h"
#include "agent/config/yaml_tree.h"

namespace fairlead::config {
namespace {

constexpr std::string_view kContainer = "kube-apiserver";

/// The last entry of that name; nothing if the node is no map or has none.
const YamlNode* member(const YamlNode* node, std::string_view name) {
    if (!node || node->kind != YamlNode::Kind::Map) return nullptr;
    const YamlNode* found = nullptr;
    for (const YamlEntry& entry : node->entries) {
        if (entry.key.kind == YamlNode::Kind::Scalar && entry.key.text == name) found = &entry.value;
    }
    return found;
}

std::string_view scalar(const YamlNode* node) {
    return node && node->kind == YamlNode::Kind::Scalar ? std::string_view(node->text) : std::string_view();
}

class Reader {
  public:
    explicit Reader(std::string file) { manifest_.file = std::move(file); }

    ApiServerManifest read(std::string_view text) {
        const auto root = readYaml(text);
        if (!root) {
            problem(root.error().line, root.error().what);
            return std::move(manifest_);
        }
        const YamlNode* containers = member(member(&*root, "spec"), "containers");
        const YamlNode* container = nullptr;
        if (containers && containers->kind == YamlNode::Kind::Sequence) {
            const auto found = std::ranges::find_if(containers->items, [](const YamlNode& item) {
                return scalar(member(&item, "name")) == kContainer;
            });
            if (found != containers->items.end()) container = &*found;
        }
        if (!container) {
            problem(0, "there is no container named kube-apiserver in spec.containers");
            return std::move(manifest_);
        }
        words(member(container, "command"));
        words(member(container, "args"));
        if (manifest_.kubeletClientCertificate.empty() || manifest_.kubeletClientKey.empty()) {
            manifest_.kubeletClientCertificate.clear();
            manifest_.kubeletClientKey.clear();
        }
        return std::move(manifest_);
    }

  private:
    void problem(int line, const std::string& what) {
        manifest_.problems.push_back(manifest_.file + (line > 0 ? ":" + std::to_string(line) : "") + ": " +
                                     what);
    }

    void words(const YamlNode* list) {
        if (!list || list->kind != YamlNode::Kind::Sequence) return;
        for (std::size_t i = 0; i < list->items.size(); ++i) {
            const YamlNode& item = list->items[i];
            std::string_view word = scalar(&item);
            if (!word.starts_with("--")) continue;
            word.remove_prefix(2);
            const std::size_t equals = word.find('=');
            if (equals != std::string_view::npos) {
                flag(word.substr(0, equals), word.substr(equals + 1), item.line);
            } else if (i + 1 < list->items.size() && !scalar(&list->items[i + 1]).starts_with("--") &&
                       word != "anonymous-auth") {
                flag(word, scalar(&list->items[++i]), item.line);
            } else {
                flag(word, "true", item.line);  // as the program reads a boolean flag without a value
            }
        }
    }

    void flag(std::string_view name, std::string_view value, int line) {
        const auto wrong = [&](const std::string& why) {
            problem(line, "--" + std::string(name) + ": " + why + "; not taken over");
        };
        if (name == "secure-port") {
            if (auto port = parseInteger(value, 1, 65535)) {
                manifest_.securePort = static_cast<std::uint16_t>(*port);
            } else {
                wrong(port.error());
            }
        } else if (name == "advertise-address") {
            boost::system::error_code error;
            const auto address = boost::asio::ip::make_address(std::string(value), error);
            if (error) return wrong(quoted(value) + " is not an address");
            manifest_.advertiseAddress = address;
        } else if (name == "anonymous-auth") {
            if (value == "true" || value == "false") {
                manifest_.anonymousAuth = value == "true";
            } else {
                wrong(quoted(value) + " is neither true nor false");
            }
        } else if (name == "client-ca-file") {
            file(manifest_.clientCaFile, value, wrong);
        } else if (name == "kubelet-client-certificate") {
            file(manifest_.kubeletClientCertificate, value, wrong);
        } else if (name == "kubelet-client-key") {
            file(manifest_.kubeletClientKey, value, wrong);
        }
    }

    static void file(std::string& target, std::string_view value, const auto& wrong) {
        if (!value.starts_with('/')) return wrong(quoted(value) + " is not an absolute path");
        target = std::string(value);
    }

    ApiServerManifest manifest_;
};

}  // namespace

ApiServerManifest parseApiServerManifest(std::string_view text, const std::string& file) {
    return Reader(file).read(text);
}

}  // namespace fairlead::config
