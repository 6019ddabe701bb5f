#include "agent/config/render.h"

#include <algorithm>
#include <cctype>
#include <sstream>

#include "agent/config/changes.h"
#include "agent/config/keys.h"

namespace fairlead::config {
namespace {

constexpr std::size_t kCommentWidth = 100;

/// Plain where no reader of YAML could take it for anything but this text, else in double quotes.
std::string yamlText(const std::string& text, bool isString) {
    const bool safe = !text.empty() && text.front() != '-' && std::ranges::all_of(text, [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '.' || c == '/' || c == '-' || c == '_';
    });
    constexpr std::string_view kWords[] = {"true", "false", "yes", "no", "on", "off", "y", "n", "null"};
    std::string lower = text;
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
    const bool looksLikeAnother =
        isString && (std::ranges::find(kWords, lower) != std::end(kWords) ||
                     (!text.empty() &&
                      (std::isdigit(static_cast<unsigned char>(text.front())) != 0 || text.front() == '.') &&
                      std::ranges::count(text, '.') < 2));
    const bool negative = !isString && text.size() > 1 && text.front() == '-';
    if ((safe && !looksLikeAnother) || negative) return text;
    return yamlQuoted(text);
}

/// Whether a key's values are texts of any kind, which might look like numbers or booleans.
bool isString(std::string_view type) {
    return type == "text" || type == "file" || type == "list of files" || type == "label selector";
}

template <typename Target>
std::string valueText(const BasicKey<Target>& key, const Texts& values) {
    if (!key.list()) return yamlText(values.front(), isString(key.type));
    if (!key.orWord.empty() && values == Texts{std::string(key.orWord)}) return values.front();
    std::string result = "[";
    for (const std::string& value : values)
        result += (result.size() > 1 ? ", " : "") + yamlText(value, isString(key.type));
    return result + "]";
}

Texts partsOf(std::string_view path) {
    Texts parts;
    for (std::size_t dot = path.find('.'); dot != std::string_view::npos; dot = path.find('.')) {
        parts.emplace_back(path.substr(0, dot));
        path.remove_prefix(dot + 1);
    }
    parts.emplace_back(path);
    return parts;
}

/// Lines of keys in sections: writes the head of a section when its first key comes.
class Writer {
  public:
    Writer(std::string& out, std::string firstIndent, const std::string& indent)
        : out_(out), next_(std::move(firstIndent)), indent_(indent) {}

    /// `comment` may be empty; `active` false: the line is commented out.
    void write(std::string_view path, const std::string& comment, const std::string& value, bool active) {
        const Texts parts = partsOf(path);
        std::size_t shared = 0;
        while (shared < section_.size() && shared + 1 < parts.size() && section_[shared] == parts[shared])
            ++shared;
        section_.assign(parts.begin(), parts.end() - 1);
        for (; shared < section_.size(); ++shared)
            line(shared, section_[shared] + ":");
        std::istringstream lines(comment);
        for (std::string text; std::getline(lines, text);)
            line(section_.size(), "# " + text);
        line(section_.size(), (active ? "" : "# ") + parts.back() + ": " + value);
    }

  private:
    void line(std::size_t depth, const std::string& text) {
        out_ += next_ + std::string(depth * 2, ' ') + text + "\n";
        next_ = indent_;
    }

    std::string& out_;
    std::string next_;
    std::string indent_;
    Texts section_;
};

std::string wrapped(const std::string& text) {
    std::istringstream words(text);
    std::string result;
    std::size_t column = 0;
    for (std::string word; words >> word;) {
        if (column > 0 && column + word.size() >= kCommentWidth) {
            result += "\n";
            column = 0;
        }
        result += (column > 0 ? " " : "") + word;
        column += word.size() + 1;
    }
    return result;
}

template <typename Target>
std::string explanation(const BasicKey<Target>& key) {
    std::string text(key.help);
    text += " (" + std::string(key.type) + ")";
    if (!key.whenAbsent.empty()) text += " Default: " + std::string(key.whenAbsent) + ".";
    return wrapped(text);
}

enum class Style : std::uint8_t { Effective, Template };

std::string checksText(const Configuration& configuration, Style style) {
    const bool given = !configuration.origins.of("checks").empty();
    std::string out;
    for (const checks::CheckOptions& check : configuration.checks) {
        const CheckDraft draft(check);
        Writer writer(out, "  - ", "    ");
        for (const CheckKey& key : checkKeys()) {
            const Texts values = key.get(draft);
            if (!values.empty()) writer.write(key.path, "", valueText(key, values), true);
        }
    }
    out = out.empty() ? "checks: []\n" : "checks:\n" + out;
    if (style == Style::Effective) return out;
    const std::string comment =
        "# What this host's priority depends on; see docs/configuration.md for every kind of check.\n";
    if (given) return comment + out;
    std::istringstream lines(out);
    std::string commented = comment;
    for (std::string line; std::getline(lines, line);)
        commented += "# " + line + "\n";
    return commented;
}

std::string render(const Configuration& configuration, Style style) {
    std::string out;
    bool checksWritten = false;
    Writer writer(out, "", "");
    for (const Key& key : keys()) {
        if (!checksWritten && key.path.starts_with("loadBalancer.")) {
            out += checksText(configuration, style);
            checksWritten = true;
        }
        const Texts values = key.get(configuration);
        std::string value = valueText(key, values);
        if (style == Style::Effective) {
            if (key.secret && !values.front().empty()) value = "REDACTED";
            writer.write(key.path, "", value, true);
        } else {
            const bool head = key.path.find('.') == std::string_view::npos && key.path != "nodeName";
            const bool given = !configuration.origins.of(std::string(key.path)).empty();
            writer.write(key.path, head ? "" : explanation(key), value, head || given);
        }
    }
    return out;
}

std::string tableText(std::string_view text) {
    std::string result;
    for (const char c : text) {
        if (c == '|') result += '\\';
        result += c;
    }
    return result;
}

std::string code(std::string_view text) {
    return "`" + tableText(text) + "`";
}

template <typename Target>
std::string defaultText(const BasicKey<Target>& key, const Target& fallback) {
    if (!key.whenAbsent.empty()) return tableText(key.whenAbsent);
    const Texts values = key.get(fallback);
    if (values.empty() && !key.list()) return "";
    return code(valueText(key, values));
}

constexpr const char* kIntroduction = R"(# Configuration

Everything has a default but `vip.addresses`, so this is enough:

```sh
fairlead run --vip 10.10.1.108
```

What the flags can say, and checks besides, stands in a YAML file that is given with `--config FILE`. Flags override it.
The smallest file is

```yaml
apiVersion: fairlead.dev/v1alpha1
kind: FairleadConfiguration
vip:
  addresses: [10.10.1.108]
```

- `fairlead manifest config --vip 10.10.1.108` prints a file with every key and what it means
  ([manifests/config.yaml](../manifests/config.yaml)).
- `fairlead validate --config FILE` checks a file; each mistake is one line, `FILE:LINE: key: what is wrong`.
- `fairlead validate --config FILE --effective` prints all that holds on this host: file, flags, defaults, and what is
  derived from the host.
- [manifests/classic.yaml](../manifests/classic.yaml) does what the usual keepalived.conf and haproxy.cfg do.

The file is read strictly: an unknown key, a key given twice, a value out of range, an anchor, a tag or a second
document is an error. A **duration** is a number and a unit: `200ms`, `1.5s`, `5m`, `1h`. The agent reads the file at its
start, and again when it changes: see [below](#changing-a-running-agent).

## Keys and flags

)";

constexpr const char* kChecks = R"(
## `checks`

A list of checks that raise or lower this host's priority; what they do to it stands in [concepts.md](concepts.md).
A file only:

```yaml
checks:
  - name: lb
    port: 16443
    weight: 11
  - name: apiserver
    https: {url: "https://127.0.0.1:6443/livez"}
    weight: 5
```

Without the key there is one check, `lb`: port of the first `loadBalancer.bind`, weight 11. `checks: []` means none.
Each check has exactly one of `port`, `connect` and `https.url`.

)";

constexpr const char* kReload = R"(
## Changing a running agent

The agent reads its file again when the file changes, and on SIGHUP (which makes it read HMAC's keys again as well).
Flags still override it. What is wrong changes nothing: the agent runs on as before, logs `FILE:LINE: key: what is wrong`, and
`fairlead status` shows it. What is right is compared key by key, and each change is a line of the log, either
`configuration applied` or, where it takes effect at the next start, `configuration takes effect at the next start`, of which
`fairlead status` warns as well.

Applied at once, without losing the VIP or a connection:

)";

constexpr const char* kReloadDetails = R"(
- **The election.** The holder goes on holding, advertises a change of its interval or its VIPs at once, removes VIPs that are no
  longer named and announces new ones. A priority that falls below a peer's hands over, as when a check fails. Change intervals and
  VIPs on all hosts, one after the other, and VIPs so that the old list and the new one have one in common (add first, remove
  later): hosts that protect nothing in common are two clusters. In version 2 a router discards what differs from its own
  interval, VIPs or password, so until all hosts agree again two of them hold the VIP.
- **Checks** keep what they know unless they ask for something else now. A new one counts from its first result.
- **Balancing.** New timeouts count for connections from then on. `maxConnections` below what is open closes nothing.
  `slowStart` and `rebalance` count for a backend that is just coming back, too.
- **Backends.** Other ways to ask the API begin with a new LIST; until it has answered, the backends stay as they are.
- **Together.** While `vip.interface`, `vrrp.version`, `vrrp.virtualRouterID`, `vrrp.transport`, `vrrp.authentication.type` or
  whether there are IPv4 and IPv6 VIPs waits for the next start, so does the rest of `vip` and `vrrp`; with `loadBalancer.bind` the checks.
  With `dataPath` nat or dsr, `vip.addresses` and `backends.port` always wait: the kernel's rules are made of them.
)";

}  // namespace

std::string renderEffective(const Configuration& configuration) {
    return render(configuration, Style::Effective);
}

std::string renderTemplate(const Configuration& configuration) {
    return "# A configuration of fairlead. Lines that are commented out show the defaults.\n" +
           render(configuration, Style::Template);
}

std::string renderReference() {
    const Configuration fallback = defaults();
    std::string out = kIntroduction;
    out += "| key | flag | value | default | meaning |\n|---|---|---|---|---|\n";
    for (const Key& key : keys()) {
        out += "| " + code(key.path) + " | " + (key.flag.empty() ? "" : code(key.flag)) + " | " +
               tableText(key.type) + " | " + defaultText(key, fallback) + " | " + tableText(key.help) +
               " |\n";
    }
    out +=
        "\nFlags for lists are given once per entry; an empty entry empties the list: `--kubeconfig ''` "
        "means "
        "that the API is\nnever asked. `--no-preempt` sets `vrrp.preempt` to false.\n";
    out += kChecks;
    out += "| key | value | default | meaning |\n|---|---|---|---|\n";
    const CheckDraft draft;
    for (const CheckKey& key : checkKeys()) {
        out += "| " + code(key.path) + " | " + tableText(key.type) + " | " + defaultText(key, draft) + " | " +
               tableText(key.help) + " |\n";
    }
    out += kReload;
    for (const std::string_view path : liveKeys())
        out += "- " + code(path) + "\n";
    out += "- `checks`, all of it\n";
    out += kReloadDetails;
    return out;
}

}  // namespace fairlead::config
