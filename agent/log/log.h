#pragma once
// The log: one line per event, klog-like, on stderr. Safe on every thread; the election thread doesn't call
// it (its events are logged by the control thread).
//
//   I1123 20:33:14.123456 vrrp] became MASTER vrid=51 priority=111 cause="no advertisement for 3.6 s"
//
// Header: severity letter (D I W E), month and day, local time with microseconds, component. Then the message
// and key=value fields; a value with anything but letters, digits and ._:/@+-[]% is quoted, control
// characters are escaped, so that no input can forge a line. With Format::Json: one object per line, keys
// time (RFC 3339), level, component, message, and the fields.

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace fairlead::logging {

enum class Level : std::uint8_t { Debug, Info, Warning, Error };
enum class Format : std::uint8_t { Text, Json };

/// One key=value of a line.
struct Field {
    std::string key;
    std::string value;

    Field(std::string_view k, std::string_view v) : key(k), value(v) {}
    Field(std::string_view k, const char* v) : key(k), value(v) {}
    Field(std::string_view k, const std::string& v) : key(k), value(v) {}
    Field(std::string_view k, bool v) : key(k), value(v ? "true" : "false") {}
    template <typename T>
        requires(std::integral<T> || std::floating_point<T>)
    Field(std::string_view k, T v) : key(k), value(std::to_string(v)) {}
};

/// Call once before the first line; the default is text at Info.
void configure(Format format, Level level);

/// The line without its newline, as it would be written; what log() uses, and pure but for `when` given as
/// microseconds since the epoch.
std::string formatLine(Format format, std::int64_t whenMicroseconds, Level level, std::string_view component,
                       std::string_view message, std::span<const Field> fields);

void log(Level level, std::string_view component, std::string_view message, std::span<const Field> fields);

inline void debug(std::string_view component, std::string_view message,
                  std::initializer_list<Field> fields = {}) {
    log(Level::Debug, component, message, {fields.begin(), fields.size()});
}
inline void info(std::string_view component, std::string_view message,
                 std::initializer_list<Field> fields = {}) {
    log(Level::Info, component, message, {fields.begin(), fields.size()});
}
inline void warning(std::string_view component, std::string_view message,
                    std::initializer_list<Field> fields = {}) {
    log(Level::Warning, component, message, {fields.begin(), fields.size()});
}
inline void error(std::string_view component, std::string_view message,
                  std::initializer_list<Field> fields = {}) {
    log(Level::Error, component, message, {fields.begin(), fields.size()});
}

}  // namespace fairlead::logging
