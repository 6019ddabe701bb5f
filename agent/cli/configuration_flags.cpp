#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ostream>
#include <stdexcept>
#include <system_error>

#include "agent/cli/cli.h"
#include "agent/config/keys.h"
#include "agent/config/yaml_tree.h"

namespace fairlead::cli {
namespace {

bool isBoolean(const config::Key& key) {
    return key.type == "true or false";
}

/// At most one byte more than a configuration may have, so that parse() sees that it is too large.
std::string readFile(const std::string& name) {
    const auto failed = [&] {
        return std::runtime_error(name + ": " + std::generic_category().message(errno));
    };
    const int descriptor = open(name.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) throw failed();
    std::string text(config::kLargestInput + 1, '\0');
    std::size_t length = 0;
    ssize_t got = 0;
    do {
        got = read(descriptor, text.data() + length, text.size() - length);
        if (got > 0) length += static_cast<std::size_t>(got);
    } while (got > 0 || (got < 0 && errno == EINTR));
    const auto error = failed();
    close(descriptor);
    if (got < 0) throw error;
    text.resize(length);
    return text;
}

}  // namespace

ConfigurationFlags::ConfigurationFlags(CLI::App& command) {
    command.add_option("--config", file_, "A configuration file; flags override it")->type_name("FILE");
    for (const config::Key& key : config::keys()) {
        if (key.flag.empty()) continue;
        const std::string names(key.flag);
        CLI::Option* option = nullptr;
        if (isBoolean(key)) {
            option = command.add_flag(names + ",!--no-" + names.substr(2));
        } else {
            option = command.add_option(names);
            option->type_name("(" + std::string(key.type) + ")")->expected(1)->allow_extra_args(false);
        }
        option->description(std::string(key.help))->group("Configuration");
        // A list is made by repeating its flag.
        option->multi_option_policy(key.list() ? CLI::MultiOptionPolicy::TakeAll
                                               : CLI::MultiOptionPolicy::Throw);
        options_.emplace_back(&key, option);
    }
}

std::vector<config::Flag> ConfigurationFlags::given() const {
    std::vector<config::Flag> flags;
    for (const auto& [key, option] : options_) {
        if (option->count() > 0)
            flags.push_back({.name = std::string(key->flag), .values = option->results()});
    }
    flags.insert(flags.end(), added_.begin(), added_.end());
    return flags;
}

void ConfigurationFlags::addUnlessGiven(const std::string& flag, const std::string& value) {
    const auto is = [&](const config::Flag& other) { return other.name == flag; };
    if (file_.empty() && std::ranges::none_of(given(), is))
        added_.push_back({.name = flag, .values = {value}});
}

std::vector<std::string> ConfigurationFlags::asArguments() const {
    std::vector<std::string> arguments;
    for (const config::Flag& flag : given()) {
        for (const std::string& value : flag.values)
            arguments.push_back(flag.name + "=" + value);
    }
    return arguments;
}

std::optional<config::Configuration> ConfigurationFlags::load(std::ostream& err) const {
    const std::string text = file_.empty() ? "" : readFile(file_);
    config::ParseResult result = config::parse(text, file_, given());
    for (const std::string& warning : result.warnings)
        err << "warning: " << warning << '\n';
    for (const std::string& error : result.errors)
        err << error << '\n';
    if (!result.errors.empty()) return std::nullopt;
    return std::move(result.configuration);
}

}  // namespace fairlead::cli
