#include "agent/config/parse.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <stdexcept>

#include "agent/config/cross_checks.h"

namespace fairlead::config {
namespace {

/// Looks at the text's structure before anything is built from it: an alias can stand for a billion nodes,
/// and deep nesting for a deep recursion.
class StructureCheck : public YAML::EventHandler {
  public:
    void OnDocumentStart(const YAML::Mark& mark) override {
        if (++documents_ > 1) throw YAML::ParserException(mark, "more than one document");
    }
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { refuse(mark, anchor); }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse(mark, 1); }
    void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  const std::string&) override {
        refuse(mark, anchor);
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        enter(mark, anchor);
    }
    void OnSequenceEnd() override { --depth_; }
    void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        enter(mark, anchor);
    }
    void OnMapEnd() override { --depth_; }
    void OnAnchor(const YAML::Mark& mark, const std::string&) override { refuse(mark, 1); }

  private:
    static constexpr int kDeepest = 16;

    void enter(const YAML::Mark& mark, YAML::anchor_t anchor) {
        refuse(mark, anchor);
        if (++depth_ > kDeepest) throw YAML::ParserException(mark, "nested too deeply");
    }
    static void refuse(const YAML::Mark& mark, YAML::anchor_t anchor) {
        if (anchor != 0) throw YAML::ParserException(mark, "anchors and aliases are not supported");
    }

    int documents_ = 0;
    int depth_ = 0;
};

class Parser {
  public:
    explicit Parser(std::string file) : file_(std::move(file)) { result_.configuration = defaults(); }

    void read(std::string_view text) {
        if (text.size() > kMaxConfigurationSize)
            return fail(file_ + ": larger than 1 MiB: not a configuration");
        if (text.find('\0') != std::string_view::npos)
            return fail(file_ + ": holds NUL bytes: not a text file");
        try {
            std::istringstream structure{std::string(text)};
            YAML::Parser parser(structure);
            StructureCheck check;
            while (parser.HandleNextDocument(check)) {
            }
            const YAML::Node root = YAML::Load(std::string(text));
            if (root.IsNull()) return fail(file_ + ": is empty (see `fairlead manifest config`)");
            if (!root.IsMap()) return fail(at(root) + "is not a mapping of keys to values");
            header(root);
            section(root, "");
        } catch (const YAML::Exception& error) {
            fail(file_ + ":" + std::to_string(error.mark.line + 1) + ": " + error.msg);
        } catch (const std::logic_error& error) {
            // yaml-cpp's scanner lets these out on some garbage.
            fail(file_ + ": not YAML: " + error.what());
        }
    }

    void apply(const std::vector<Flag>& flags) {
        for (const Flag& flag : flags) {
            const auto found = std::find_if(keys().begin(), keys().end(), [&](const Key& key) {
                return key.flag && flag.name == key.flag;
            });
            if (found == keys().end()) {
                fail(flag.name + ": unknown flag");
            } else {
                set(*found, flag.values, "flag " + flag.name);
            }
        }
    }

    ParseResult finish() {
        Configuration& configuration = result_.configuration;
        if (!checksGiven_ && !configuration.loadBalancer.bind.empty()) {
            configuration.checks = {defaultCheck(configuration.loadBalancer.bind.front().port)};
        }
        configuration.vrrp.addresses.clear();
        for (const auto& address : configuration.vip.addresses) {
            if (address.is_v4()) configuration.vrrp.addresses.push_back(address.to_v4());
        }
        // What is wrong between keys says nothing while single ones are wrong.
        if (result_.errors.empty()) crossCheck(configuration, result_.errors, result_.warnings);
        return std::move(result_);
    }

  private:
    [[nodiscard]] std::string origin(const YAML::Node& node) const {
        return file_ + ":" + std::to_string(node.Mark().line + 1);
    }
    [[nodiscard]] std::string at(const YAML::Node& node) const { return origin(node) + ": "; }
    void fail(std::string error) { result_.errors.push_back(std::move(error)); }

    void header(const YAML::Node& root) {
        const std::pair<const char*, const char*> expected[] = {{"apiVersion", "fairlead.dev/v1alpha1"},
                                                                {"kind", "FairleadConfiguration"}};
        for (const auto& [name, value] : expected) {
            const YAML::Node node = root[name];
            if (!node) {
                fail(at(root) + name + ": is missing (write " + name + ": " + value + ")");
            } else if (!node.IsScalar() || node.Scalar() != value) {
                fail(at(node) + name + ": must be " + value);
            }
        }
    }

    /// The names that may stand right under `prefix` ("" or "vip.").
    static std::vector<std::string> namesUnder(const std::string& prefix) {
        std::vector<std::string> names;
        const auto add = [&](std::string_view path) {
            if (!path.starts_with(prefix)) return;
            const std::string name(path.substr(prefix.size(), path.find('.', prefix.size()) - prefix.size()));
            if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
        };
        if (prefix.empty()) names = {"apiVersion", "kind", "checks"};
        for (const Key& key : keys())
            add(key.path);
        return names;
    }

    void unknown(const YAML::Node& name, const std::string& prefix, const std::vector<std::string>& known) {
        const std::string close = nearest(name.Scalar(), known);
        std::string error = at(name) + prefix + name.Scalar() + ": unknown key";
        if (!close.empty()) {
            error += "; did you mean " + close + "?";
        } else {
            error += " (there are:";
            for (const std::string& candidate : known)
                error += " " + candidate;
            error += ")";
        }
        fail(error);
    }

    /// Calls `visit(name, value)` for each entry whose key is a word that wasn't there before.
    template <typename Visit>
    void eachEntry(const YAML::Node& map, const std::string& prefix, Visit visit) {
        std::set<std::string> seen;
        for (const auto& entry : map) {
            if (!entry.first.IsScalar()) {
                fail(at(entry.first) + prefix + ": a key must be a word");
            } else if (!seen.insert(entry.first.Scalar()).second) {
                fail(at(entry.first) + prefix + entry.first.Scalar() + ": stands there twice");
            } else {
                visit(entry.first, entry.second);
            }
        }
    }

    void section(const YAML::Node& map, const std::string& prefix) {
        const std::vector<std::string> known = namesUnder(prefix);
        eachEntry(map, prefix, [&](const YAML::Node& name, const YAML::Node& value) {
            const std::string path = prefix + name.Scalar();
            if (prefix.empty() && (path == "apiVersion" || path == "kind")) return;
            if (std::find(known.begin(), known.end(), name.Scalar()) == known.end())
                return unknown(name, prefix, known);
            result_.configuration.origins.set(path, origin(name));
            if (path == "checks") return checkList(value);
            const auto leaf =
                std::find_if(keys().begin(), keys().end(), [&](const Key& key) { return path == key.path; });
            if (leaf != keys().end()) return leafValue(*leaf, name, value);
            if (!value.IsMap())
                return fail(at(name) + path + ": must hold keys of its own, one per line below it");
            section(value, path + ".");
        });
    }

    void leafValue(const Key& key, const YAML::Node& name, const YAML::Node& value) {
        Texts texts;
        if (key.list) {
            if (!value.IsSequence()) return fail(at(name) + key.path + ": must be a list, e.g. [A, B]");
            for (const YAML::Node& item : value) {
                if (!item.IsScalar()) return fail(at(item) + key.path + ": each entry must be a " + key.type);
                texts.push_back(item.Scalar());
            }
        } else {
            if (value.IsNull()) return fail(at(name) + key.path + ": has no value");
            if (!value.IsScalar())
                return fail(at(name) + key.path + ": must be one value (" + key.type + ")");
            texts.push_back(value.Scalar());
        }
        set(key, texts, origin(name));
    }

    void set(const Key& key, const Texts& texts, const std::string& where) {
        result_.configuration.origins.set(key.path, where);
        const auto done = key.set(result_.configuration, texts);
        if (!done) fail(where + ": " + key.path + ": " + (key.secret ? "is not usable" : done.error()));
    }

    void checkList(const YAML::Node& list) {
        checksGiven_ = true;
        if (!list.IsSequence()) return fail(at(list) + "checks: must be a list");
        for (const YAML::Node& entry : list) {
            const std::string path = "checks[" + std::to_string(result_.configuration.checks.size()) + "]";
            result_.configuration.origins.set(path, origin(entry));
            if (!entry.IsMap()) return fail(at(entry) + path + ": must hold keys");
            check(entry, path);
        }
    }

    void check(const YAML::Node& map, const std::string& path) {
        checks::CheckOptions options;
        std::vector<std::string> kinds;
        const auto visit = [&](const YAML::Node& name, const YAML::Node& value, const std::string& prefix) {
            std::vector<std::string> known;
            for (const CheckKey& key : checkKeys()) {
                const std::string_view full(key.path);
                if (!full.starts_with(prefix)) continue;
                const std::string word(
                    full.substr(prefix.size(), full.find('.', prefix.size()) - prefix.size()));
                if (std::find(known.begin(), known.end(), word) == known.end()) known.push_back(word);
            }
            const std::string own = prefix + name.Scalar();
            const auto found = std::find_if(checkKeys().begin(), checkKeys().end(),
                                            [&](const CheckKey& key) { return own == key.path; });
            if (found == checkKeys().end()) return unknown(name, path + "." + prefix, known);
            result_.configuration.origins.set(path + "." + own, origin(name));
            if (!value.IsScalar())
                return fail(at(name) + path + "." + own + ": must be one value (" + found->type + ")");
            if (own == "port" || own == "connect") kinds.push_back(own);
            if (kinds.size() > 1) return;
            const auto done = found->set(options, value.Scalar());
            if (!done) fail(at(name) + path + "." + own + ": " + done.error());
        };
        eachEntry(map, path + ".", [&](const YAML::Node& name, const YAML::Node& value) {
            if (name.Scalar() != "https") return visit(name, value, "");
            kinds.emplace_back("https");
            if (kinds.size() > 1) return;
            if (!value.IsMap())
                return fail(at(name) + path + ".https: must hold keys of its own (url, caFile, serverName)");
            eachEntry(value, path + ".https.",
                      [&](const YAML::Node& inner, const YAML::Node& text) { visit(inner, text, "https."); });
            if (!value["url"]) fail(at(name) + path + ".https.url: is missing");
        });
        if (kinds.size() != 1) fail(at(map) + path + ": needs exactly one of port, connect and https");
        if (options.name.empty() && !map["name"]) fail(at(map) + path + ".name: is missing");
        result_.configuration.checks.push_back(std::move(options));
    }

    std::string file_;
    ParseResult result_;
    bool checksGiven_ = false;
};

}  // namespace

ParseResult parse(std::string_view text, const std::string& file, const std::vector<Flag>& flags) {
    Parser parser(file);
    if (!file.empty()) parser.read(text);
    parser.apply(flags);
    return parser.finish();
}

}  // namespace fairlead::config
