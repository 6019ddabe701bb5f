#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <system_error>

#include "agent/cli/cli.h"
#include "agent/config/keys.h"

namespace fairlead::cli {
namespace {

/// At most one byte more than a configuration may have, so that parse() sees that it is too large.
std::string readFile(const std::string& name) {
    if (std::filesystem::is_directory(name)) throw std::runtime_error(name + ": is a directory, not a configuration file");
    std::ifstream file(name, std::ios::binary);
    if (!file) throw std::runtime_error(name + ": " + std::generic_category().message(errno));
    std::string text(config::kMaxConfigurationSize + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (file.bad()) throw std::runtime_error(name + ": cannot be read");
    text.resize(static_cast<std::size_t>(file.gcount()));
    return text;
}

}  // namespace

ConfigurationFlags::ConfigurationFlags(CLI::App& command) {
    command.add_option("--config", file_, "A FairleadConfiguration file; flags override it")->type_name("FILE");
    for (const config::Key& key : config::keys()) {
        if (!key.flag) continue;
        auto values = std::make_shared<std::vector<std::string>>();
        CLI::Option* option = command.add_option(key.flag, *values, key.help);
        option->group("Configuration")->type_name("(" + std::string(key.type) + ")");
        // A flag takes one value; a list is made by repeating it.
        option->expected(1)->allow_extra_args(false);
        if (key.list) {
            option->take_all();
        } else {
            option->multi_option_policy(CLI::MultiOptionPolicy::Throw);
        }
        flags_.emplace_back(key.flag, std::move(values));
        options_.push_back(option);
    }
}

std::vector<config::Flag> ConfigurationFlags::given() const {
    std::vector<config::Flag> result;
    for (std::size_t i = 0; i < flags_.size(); ++i) {
        if (options_[i]->count() > 0) result.push_back({.name = flags_[i].first, .values = *flags_[i].second});
    }
    return result;
}

std::vector<std::string> ConfigurationFlags::asArguments() const {
    std::vector<std::string> arguments;
    for (const config::Flag& flag : given()) {
        for (const std::string& value : flag.values) arguments.push_back(flag.name + "=" + value);
    }
    return arguments;
}

std::optional<config::Configuration> ConfigurationFlags::load(std::ostream& err) const {
    const std::string text = file_.empty() ? "" : readFile(file_);
    config::ParseResult result = config::parse(text, file_, given());
    for (const std::string& warning : result.warnings) err << "warning: " << warning << '\n';
    for (const std::string& error : result.errors) err << error << '\n';
    if (!result.errors.empty()) return std::nullopt;
    return std::move(result.configuration);
}

}  // namespace fairlead::cli
