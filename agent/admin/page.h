#pragma once
// The page at `/`: agent/admin/page/index.html, one file that needs nothing else, put into the program at
// build time. Pure.

#include <string>
#include <string_view>

#include "agent/admin/http_server.h"

namespace fairlead::admin {

/// As it lies in the source.
std::string_view pageText();

/// With the headers that go with it. Its Content-Security-Policy (CSP Level 3) allows the page's own script
/// and style, by their hashes, and requests to this server; nothing else, not even what somebody managed to
/// put into a text.
Response page();

}  // namespace fairlead::admin
