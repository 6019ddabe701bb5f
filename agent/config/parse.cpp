#include "agent/config/parse.h"

#include <boost/algorithm/string/join.hpp>

#include <algorithm>
#include <map>
#include <utility>

#include "agent/config/cross_checks.h"
#include "agent/config/suggest.h"
#include "agent/config/yaml_tree.h"

namespace fairlead::config {
namespace {

constexpr std::size_t kMostErrors = 50;

/// A key of the file as it may stand in an error: no control characters, no endless line.
std::string shown(const std::string& name) {
    const std::string text = quoted(name);
    return text.substr(1, text.size() - 2);
}

/// The words that may stand right under `prefix` ("" or "vip.") in a table of keys.
template <typename Target>
std::vector<std::string> namesUnder(const std::vector<BasicKey<Target>>& table, const std::string& prefix) {
    std::vector<std::string> names;
    for (const auto& key : table) {
        if (!key.path.starts_with(prefix)) continue;
        const std::string name(
            key.path.substr(prefix.size(), key.path.find('.', prefix.size()) - prefix.size()));
        if (std::ranges::find(names, name) == names.end()) names.push_back(name);
    }
    return names;
}

class Parser {
  public:
    explicit Parser(std::string file) : file_(std::move(file)) { result_.configuration = defaults(); }

    void read(std::string_view text) {
        const auto root = readYaml(text);
        if (!root) {
            const int line = root.error().line;
            return fail(line > 0 ? at(line) : file_, root.error().what);
        }
        if (root->kind != YamlNode::Kind::Map)
            return fail(at(root->line), "is not a mapping of keys to values");
        readMap(keys(), result_.configuration, *root, "", "");
        for (const std::string_view required : {"apiVersion", "kind"}) {
            const auto& key = *std::ranges::find(keys(), required, &Key::path);
            if (!given(std::string(required))) {
                fail(file_, std::string(required) + " is missing; begin with " + std::string(required) +
                                ": " + std::string(key.type));
            }
        }
    }

    void apply(const std::vector<Flag>& flags) {
        for (const Flag& flag : flags) {
            const auto key = std::ranges::find(keys(), std::string_view(flag.name), &Key::flag);
            const std::string where = "flag " + flag.name;
            if (flag.name.empty() || key == keys().end()) {
                fail(where, "unknown flag");
                continue;
            }
            const std::string path(key->path);
            setOrigin(path, where);
            if (key->list()) {
                key->clear(result_.configuration);
                if (flag.values == Texts{""}) continue;
            }
            for (const std::string& value : flag.values)
                set(*key, result_.configuration, path, where, value);
        }
    }

    ParseResult finish() {
        Configuration& c = result_.configuration;
        if (!given("checks") && !c.vip.addresses.empty() && !c.loadBalancer.bind.empty())
            c.checks = {defaultCheck(c.loadBalancer.bind.front().port)};
        if (c.vrrp.version == 2 && !given("vrrp.advertInterval"))
            c.vrrp.advertInterval = std::chrono::seconds(1);
        if (!given("vrrp.authentication.type") && !c.vrrp.password.empty())
            c.vrrp.authentication = vrrp::Authentication::Pass;
        if (!given("vrrp.authentication.type") && !c.keyFile.empty())
            c.vrrp.authentication = vrrp::Authentication::Hmac;
        // What is wrong between keys says nothing while single ones are wrong.
        if (result_.errors.empty()) crossCheck(c, result_.errors, result_.warnings);
        if (unreported_ > 0)
            result_.errors.push_back(file_ + ": and " + std::to_string(unreported_) + " more mistakes");
        return std::move(result_);
    }

  private:
    [[nodiscard]] std::string at(int line) const { return file_ + ":" + std::to_string(line); }
    [[nodiscard]] bool given(const std::string& path) const {
        return !result_.configuration.origins.of(path).empty();
    }
    void setOrigin(const std::string& path, const std::string& where) {
        result_.configuration.origins.set(path, where);
    }
    void fail(const std::string& where, const std::string& what) {
        if (result_.errors.size() < kMostErrors) {
            result_.errors.push_back(where + ": " + what);
        } else {
            ++unreported_;
        }
    }

    /// `inside` is the path within the table ("https."), `shownPrefix` the whole one ("checks[0].https.").
    template <typename Target>
    void readMap(const std::vector<BasicKey<Target>>& table, Target& target, const YamlNode& map,
                 const std::string& inside, const std::string& shownPrefix) {
        constexpr bool kRoot = std::is_same_v<Target, Configuration>;
        std::vector<std::string> known = namesUnder(table, inside);
        if (kRoot && inside.empty()) known.emplace_back("checks");
        std::map<std::string, int> lines;
        for (const auto& [name, value] : map.entries) {
            if (name.kind != YamlNode::Kind::Scalar) {
                // "vip." → "vip: ", and nothing at the root.
                const std::string section = shownPrefix.substr(0, shownPrefix.rfind('.'));
                fail(at(name.line), section + (section.empty() ? "" : ": ") + "a key must be a word");
                continue;
            }
            const std::string path = shownPrefix + name.text;
            const auto [first, isNew] = lines.emplace(name.text, name.line);
            if (std::ranges::find(known, name.text) == known.end()) {
                fail(at(name.line),
                     shownPrefix + shown(name.text) + ": unknown key; " + advice(table, name.text, known));
                continue;
            }
            if (!isNew) {
                fail(at(name.line), path + ": given twice, first in line " + std::to_string(first->second));
                continue;
            }
            if constexpr (kRoot) {
                if (path == "checks") {
                    readChecks(name.line, value);
                    continue;
                }
            }
            const auto key = std::ranges::find(table, inside + name.text, &BasicKey<Target>::path);
            if (key != table.end()) {
                readValue(*key, target, path, name.line, value);
            } else if (value.kind == YamlNode::Kind::Map) {
                readMap(table, target, value, inside + name.text + ".", path + ".");
            } else if (value.kind != YamlNode::Kind::Null) {  // a section of which all is commented out
                fail(at(name.line),
                     path + ": must hold keys of its own (" +
                         boost::algorithm::join(namesUnder(table, inside + name.text + "."), ", ") + ")");
            }
        }
    }

    /// What to write instead of a key that isn't known here.
    template <typename Target>
    static std::string advice(const std::vector<BasicKey<Target>>& table, const std::string& name,
                              const std::vector<std::string>& known) {
        if (const auto close = nearest(name, known)) return "did you mean " + *close + "?";
        for (const auto& key : table) {
            if (key.path.ends_with("." + name)) return "did you mean " + std::string(key.path) + "?";
        }
        return "there are " + boost::algorithm::join(known, ", ");
    }

    template <typename Target>
    void readValue(const BasicKey<Target>& key, Target& target, const std::string& path, int line,
                   const YamlNode& value) {
        setOrigin(path, at(line));
        if (key.list()) {
            if (value.kind != YamlNode::Kind::Sequence) {
                if (key.orWord.empty())
                    return fail(at(line), path + ": must be a list, as in [A, B], or [] for none");
                if (value.kind != YamlNode::Kind::Scalar || value.text != key.orWord) {
                    return fail(at(line),
                                path + ": must be " + std::string(key.orWord) + " or a list, as in [A, B]");
                }
                key.clear(target);
                return set(key, target, path, at(line), value.text);
            }
            key.clear(target);
            for (std::size_t i = 0; i < value.items.size(); ++i) {
                const YamlNode& item = value.items[i];
                const std::string itemPath = path + "[" + std::to_string(i) + "]";
                setOrigin(itemPath, at(item.line));
                if (item.kind != YamlNode::Kind::Scalar) {
                    fail(at(item.line), itemPath + ": must be one value");
                } else {
                    set(key, target, itemPath, at(item.line), item.text);
                }
            }
        } else if (value.kind == YamlNode::Kind::Null) {
            fail(at(line), path + ": has no value; leave the key out to get the default");
        } else if (value.kind != YamlNode::Kind::Scalar) {
            fail(at(line), path + ": must be one value (" + std::string(key.type) + ")");
        } else {
            set(key, target, path, at(line), value.text);
        }
    }

    template <typename Target>
    void set(const BasicKey<Target>& key, Target& target, const std::string& path, const std::string& where,
             const std::string& text) {
        // Escaped in quotes, YAML can spell them; no value has a use for one.
        if (std::ranges::any_of(text,
                                [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }))
            return fail(where, path + ": holds a control character");
        const auto done = key.set(target, text);
        if (!done) fail(where, path + ": " + done.error());
    }

    void readChecks(int line, const YamlNode& list) {
        setOrigin("checks", at(line));
        if (list.kind != YamlNode::Kind::Sequence)
            return fail(at(line), "checks: must be a list of checks, or [] for none");
        for (std::size_t i = 0; i < list.items.size(); ++i) {
            const YamlNode& item = list.items[i];
            const std::string path = "checks[" + std::to_string(i) + "]";
            setOrigin(path, at(item.line));
            if (item.kind != YamlNode::Kind::Map) {
                fail(at(item.line), path + ": must hold keys (" +
                                        boost::algorithm::join(namesUnder(checkKeys(), ""), ", ") + ")");
                continue;
            }
            CheckDraft draft;
            const std::size_t before = result_.errors.size();
            readMap(checkKeys(), draft, item, "", path + ".");
            if (result_.errors.size() > before) continue;
            auto check = draft.finish();
            if (!check) {
                fail(at(item.line), path + ": " + check.error());
                continue;
            }
            result_.configuration.checks.push_back(std::move(*check));
        }
    }

    std::string file_;
    ParseResult result_;
    std::size_t unreported_ = 0;
};

}  // namespace

ParseResult parse(std::string_view text, const std::string& file, const std::vector<Flag>& flags) {
    Parser parser(file);
    if (!file.empty()) parser.read(text);
    parser.apply(flags);
    return parser.finish();
}

}  // namespace fairlead::config
