#pragma once
// The services of an haproxy.cfg, and which of them leads to API servers. Pure.

#include <vector>

#include "agent/import/haproxy_parser.h"

namespace fairlead::importing {

/// Pointers into the file.
struct HaproxyService {
    const HaproxySection* front = nullptr;  ///< `frontend` or `listen`
    const HaproxySection* back = nullptr;  ///< where it leads: a `backend`, or the same `listen`; may be null
    int rank = 0;                          ///< higher: more likely that of the API servers
};

/// The most likely one first: TCP, and servers at 6443 or a name that says so.
std::vector<HaproxyService> haproxyServices(const HaproxyFile& file);

/// The `defaults` that apply to a section; null if there are none.
const HaproxySection* defaultsOf(const HaproxyFile& file, const HaproxySection& section);

}  // namespace fairlead::importing
