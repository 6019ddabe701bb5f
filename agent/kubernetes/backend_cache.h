#pragma once
// The last known backends on disk, for a start while no API server answers. An edge; never the control
// thread, since a disk can hang.
//
// Format: {"version": 1, "savedAt": "2026-11-23T20:33:14Z", "backends": [{"endpoint": "10.10.1.83:6443",
// "name": "master1"}, …]}, at most 1 MiB and 1000 backends.

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "lb/backend.h"

namespace fairlead::kubernetes {

/// The members in the cache's text (pure), or why it isn't one.
std::expected<std::vector<lb::Backend>, std::string> parseBackendCache(std::string_view text);

/// A file that isn't there gives an empty list; one that is damaged or too large an error that names it.
std::expected<std::vector<lb::Backend>, std::string> loadBackendCache(const std::string& file);

/// Replaces the file as a whole (written beside it, synced, renamed), readable for its owner only; makes its
/// folder.
std::expected<void, std::string> saveBackendCache(const std::string& file,
                                                  const std::vector<lb::Backend>& members);

}  // namespace fairlead::kubernetes
