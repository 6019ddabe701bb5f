#pragma once
// The nearest known word to a mistyped one. Pure.

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace fairlead::config {

/// The candidate that `word` most likely stands for: equal but for case, or a few slips of the finger away
/// (insertion, deletion, replacement, swap of neighbours). Nothing if none is near.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace fairlead::config
