#include "agent/vrrp/replay_state.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace fairlead::vrrp {
namespace {

constexpr std::string_view kFirstLine = "fairlead replay state 1";
constexpr std::string_view kLastLine = "end";  // a file cut short is no file
constexpr std::size_t kDigits = 16;

std::string hex(Sequence sequence) {
    std::array<char, kDigits> digits{};
    digits.fill('0');
    std::array<char, kDigits> number{};
    const auto end = std::to_chars(number.begin(), number.end(), sequence.value, 16).ptr;
    std::copy_backward(number.begin(), end, digits.end());
    return {digits.begin(), digits.end()};
}

std::optional<Sequence> parseHex(std::string_view text) {
    Sequence sequence;
    const char* const begin = text.data();
    const char* const end = begin + text.size();
    const auto [at, error] = std::from_chars(begin, end, sequence.value, 16);
    if (text.size() != kDigits || error != std::errc{} || at != end) return std::nullopt;
    return sequence;
}

/// Takes the next line off the text; none if there is no whole one left.
std::optional<std::string_view> nextLine(std::string_view& text) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    return line;
}

std::optional<ReplayMark> parseMark(std::string_view text) {
    const std::size_t blank = text.find(' ');
    if (blank == std::string_view::npos) return std::nullopt;
    const auto sequence = parseHex(text.substr(blank + 1));
    // An address with a scope would have the interfaces looked at.
    if (!sequence || text.substr(0, blank).find('%') != std::string_view::npos) return std::nullopt;
    boost::system::error_code error;
    const auto source = boost::asio::ip::make_address(std::string(text.substr(0, blank)), error);
    if (error || source.to_string() != text.substr(0, blank)) return std::nullopt;
    return ReplayMark{.source = source, .newest = *sequence};
}

/// One line between the first and the last; what is wrong with it, if anything.
const char* readLine(ReplayState& state, std::string_view line) {
    constexpr std::string_view kSent = "sent ";
    constexpr std::string_view kHeard = "heard ";
    if (line.starts_with(kSent)) {
        if (state.sent) return "a second number sent";
        state.sent = parseHex(line.substr(kSent.size()));
        return state.sent ? nullptr : "not a number of 16 hexadecimal digits";
    }
    if (line.starts_with(kHeard)) {
        const auto mark = parseMark(line.substr(kHeard.size()));
        if (!mark) return "not an address and a number of 16 hexadecimal digits";
        if (std::ranges::find(state.heard, mark->source, &ReplayMark::source) != state.heard.end())
            return "an address that was there before";
        if (state.heard.size() == state.heard.capacity()) return "too many addresses";
        state.heard.push_back(*mark);
        return nullptr;
    }
    return "neither 'sent' nor 'heard'";
}

}  // namespace

std::string render(const ReplayState& state) {
    std::string text = std::string(kFirstLine) + '\n';
    if (state.sent) text += "sent " + hex(*state.sent) + '\n';
    for (const ReplayMark& mark : state.heard)
        text += "heard " + mark.source.to_string() + ' ' + hex(mark.newest) + '\n';
    return text + std::string(kLastLine) + '\n';
}

std::expected<ReplayState, std::string> parseReplayState(std::string_view text) {
    if (text.size() > kReplayStateMaxSize) return std::unexpected("1: the file is too long");
    std::size_t number = 1;
    const auto wrong = [&](const char* what) {
        return std::unexpected(std::to_string(number) + ": " + what);
    };
    if (nextLine(text) != kFirstLine) return wrong("not a replay state of this version");
    ReplayState state;
    while (true) {
        ++number;
        const auto line = nextLine(text);
        if (!line) return wrong("the end is missing");
        if (*line == kLastLine) break;
        if (const char* what = readLine(state, *line)) return wrong(what);
    }
    ++number;
    if (!text.empty()) return wrong("something follows the end");
    return state;
}

std::chrono::milliseconds replayStep(std::chrono::seconds window) {
    return std::chrono::milliseconds(window) / 2;
}

bool saveDue(const ReplayState& saved, const SendSequence& sender, const ReplayMarks& heard,
             std::chrono::milliseconds step) {
    // A quarter of a step before the reservation runs out; or the clock was set back and it lies too far
    // ahead.
    const auto least = sender.reservation(step / 4);
    const auto most = sender.reservation(step);
    if (least && most && (!saved.sent || least->after(*saved.sent) || saved.sent->after(*most))) return true;

    return std::ranges::any_of(heard, [&](const ReplayMark& mark) {
        const auto before = std::ranges::find(saved.heard, mark.source, &ReplayMark::source);
        return before == saved.heard.end() || mark.newest.after(before->newest.later(step)) ||
               before->newest.after(mark.newest);
    });
}

ReplayState toSave(const ReplayState& saved, const SendSequence& sender, const ReplayMarks& heard,
                   std::chrono::milliseconds step) {
    const auto reservation = sender.reservation(step);
    return {.sent = reservation ? reservation : saved.sent, .heard = heard};
}

std::chrono::seconds clockBehind(const ReplayState& state, WallTime now) {
    const Sequence clock = Sequence::at(now);
    std::chrono::seconds most{0};
    if (state.sent) most = std::max(most, state.sent->secondsAfter(clock));
    for (const ReplayMark& mark : state.heard)
        most = std::max(most, mark.newest.secondsAfter(clock));
    return most;
}

}  // namespace fairlead::vrrp
