#pragma once
// UTF-8 as RFC 3629 has it: no overlong form, no surrogate, nothing above U+10FFFF. Pure.

#include <cstddef>
#include <string_view>

namespace fairlead::logging {

struct CodePoint {
    std::size_t length = 0;  ///< of its sequence in bytes; 0: the text doesn't start with one
    char32_t value = 0;
};

/// The code point that `text` starts with; `text` isn't empty.
CodePoint codePointAt(std::string_view text);

/// What a terminal or a reader of lines may take for more than text: C0 and C1 controls, line and paragraph
/// separators.
bool isControl(char32_t value);

}  // namespace fairlead::logging
