#pragma once
// What guards against replays, as a file: so that neither what we accepted before a restart is accepted
// again, nor a number we have used is used again although the clock was set back. Pure; the file itself is
// read and written by agent/authentication/authentication_files.h.
//
// So that it is written rarely, the numbers we send by are reserved ahead, and what we accepted is written
// when it has moved on by a step.

#include <chrono>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "agent/vrrp/replay_window.h"
#include "agent/vrrp/sequence.h"

namespace fairlead::vrrp {

/// Of one virtual router.
struct ReplayState {
    std::optional<Sequence> sent;  ///< nothing after it has been sent
    ReplayMarks heard;             ///< at least this has been accepted

    bool operator==(const ReplayState&) const = default;
};

/// Longer than any file that render() makes.
inline constexpr std::size_t kReplayStateMaxSize = 4096;

/// The lines of the file.
std::string render(const ReplayState& state);

/// Strict: anything but what render() makes is an error, "LINE: what is wrong". Bounded and without
/// exceptions whatever the text.
std::expected<ReplayState, std::string> parseReplayState(std::string_view text);

/// How far ahead numbers are reserved, and how far what was accepted may be ahead of the file: half the
/// window. So a number at the end of the reservation is still accepted where the clocks agree to within the
/// other half.
std::chrono::milliseconds replayStep(std::chrono::seconds window);

/// Whether the file, which holds `saved`, is to be written again. To be asked several times in a quarter of a
/// step.
bool saveDue(const ReplayState& saved, const SendSequence& sender, const ReplayMarks& heard,
             std::chrono::milliseconds step);

/// What the file is to hold then, with numbers reserved ahead; with a step of 0 at an orderly end.
ReplayState toSave(const ReplayState& saved, const SendSequence& sender, const ReplayMarks& heard,
                   std::chrono::milliseconds step);

/// By how much the clock is behind what an earlier run has sent or accepted; 0 if it isn't. More than the
/// window at the start: either the clock was wrong then or it is wrong now, and replays of that time are
/// accepted until it comes again.
std::chrono::seconds clockBehind(const ReplayState& state, WallTime now);

}  // namespace fairlead::vrrp
