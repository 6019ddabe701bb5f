#pragma once
// Tables as kubectl prints them. Pure.

#include <string>
#include <string_view>
#include <vector>

namespace fairlead::cli {

using Row = std::vector<std::string>;

/// Columns two blanks wider than their widest cell, the last one unpadded; one line a row. Control
/// characters, which may come from the network, are shown as '?'; rows may be shorter than the first one.
std::string columns(const std::vector<Row>& rows);

/// "12s", "3m20s", "5h2m", "12d4h", as kubectl's AGE; "-" for what is negative.
std::string ageText(double seconds);

}  // namespace fairlead::cli
