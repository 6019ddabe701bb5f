#include "agent/log/log.h"

#include <nlohmann/json.hpp>
#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>
#include <mutex>

#include "agent/log/utf8.h"

namespace fairlead::logging {
namespace {

constexpr std::size_t kQueuedLines = 2048;

/// Lines are written by a thread of their own from a bounded queue, the oldest lost first: a reader of stderr
/// that hangs (a stuck container runtime) must never hang the agent.
struct Sink {
    std::shared_ptr<spdlog::details::thread_pool> writer =
        std::make_shared<spdlog::details::thread_pool>(kQueuedLines, 1);
    std::shared_ptr<spdlog::async_logger> logger =
        std::make_shared<spdlog::async_logger>("fairlead", std::make_shared<spdlog::sinks::stderr_sink_mt>(),
                                               writer, spdlog::async_overflow_policy::overrun_oldest);
    std::atomic<Format> format = Format::Text;
    std::atomic<Level> level = Level::Info;

    Sink(const Sink&) = delete;
    Sink& operator=(const Sink&) = delete;
    ~Sink() { writer.reset(); }  // first of all: it writes what is queued and joins its thread

    Sink() {
        logger->set_pattern("%v");
        logger->set_level(spdlog::level::trace);
    }
};

Sink& sink() {
    static Sink instance;
    return instance;
}

char letter(Level level) {
    return "DIWE"[static_cast<std::size_t>(level)];
}

const char* word(Level level) {
    constexpr std::array<const char*, 4> kWords{"debug", "info", "warning", "error"};
    return kWords[static_cast<std::size_t>(level)];
}

/// `strftime` of the second, then the microseconds as six digits.
std::string timeText(std::int64_t microseconds, const char* pattern, bool utc) {
    const auto seconds = static_cast<std::time_t>(microseconds / 1'000'000);
    std::tm parts{};
    if (utc) {
        gmtime_r(&seconds, &parts);
    } else {
        localtime_r(&seconds, &parts);
    }
    std::array<char, 64> text{};
    const std::size_t length = std::strftime(text.data(), text.size(), pattern, &parts);
    std::array<char, 16> fraction{};
    std::snprintf(fraction.data(), fraction.size(), ".%06d", static_cast<int>(microseconds % 1'000'000));
    return std::string(text.data(), length) + fraction.data();
}

bool bare(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("._:/@+-[]%").find(c) != std::string_view::npos;
}

std::string hexByte(unsigned char byte) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    return {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 0xF]};
}

/// Appends `text` with everything escaped that could end the line or the quotes, or isn't UTF-8.
void appendEscaped(std::string& line, std::string_view text) {
    while (!text.empty()) {
        const CodePoint point = codePointAt(text);
        const std::size_t length = point.length == 0 ? 1 : point.length;
        if (point.value == '\n') {
            line += "\\n";
        } else if (point.length == 0 || isControl(point.value)) {
            for (const char c : text.substr(0, length)) {
                line += hexByte(static_cast<unsigned char>(c));
            }
        } else {
            if (point.value == '"' || point.value == '\\') line += '\\';
            line += text.substr(0, length);
        }
        text.remove_prefix(length);
    }
}

std::string textLine(std::int64_t when, Level level, std::string_view component, std::string_view message,
                     std::span<const Field> fields) {
    std::string line(1, letter(level));
    line += timeText(when, "%m%d %H:%M:%S", false);
    line += ' ';
    line += component;
    line += "] ";
    appendEscaped(line, message);
    for (const Field& field : fields) {
        line += ' ';
        line += field.key;
        line += '=';
        if (!field.value.empty() && std::all_of(field.value.begin(), field.value.end(), bare)) {
            line += field.value;
        } else {
            line += '"';
            appendEscaped(line, field.value);
            line += '"';
        }
    }
    return line;
}

std::string jsonLine(std::int64_t when, Level level, std::string_view component, std::string_view message,
                     std::span<const Field> fields) {
    nlohmann::ordered_json object;
    object["time"] = timeText(when, "%Y-%m-%dT%H:%M:%S", true) + "Z";
    object["level"] = word(level);
    object["component"] = component;
    object["message"] = message;
    for (const Field& field : fields)
        object[field.key] = field.value;
    return object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace

void configure(Format format, Level level) {
    sink().format = format;
    sink().level = level;
}

std::string formatLine(Format format, std::int64_t whenMicroseconds, Level level, std::string_view component,
                       std::string_view message, std::span<const Field> fields) {
    return format == Format::Json ? jsonLine(whenMicroseconds, level, component, message, fields)
                                  : textLine(whenMicroseconds, level, component, message, fields);
}

void log(Level level, std::string_view component, std::string_view message, std::span<const Field> fields) {
    const Sink& out = sink();
    if (level < out.level) return;
    const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::system_clock::now().time_since_epoch());
    out.logger->info(formatLine(out.format, now.count(), level, component, message, fields));
}

}  // namespace fairlead::logging
