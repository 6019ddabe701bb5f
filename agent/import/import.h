#pragma once
// keepalived.conf and haproxy.cfg to one FairleadConfiguration. Pure but for the includes that are handed in.

#include <string>
#include <vector>

#include "agent/import/source.h"

namespace fairlead::importing {

struct Imported {
    std::string configuration;        ///< YAML with comments; worth printing even with errors
    std::vector<std::string> errors;  ///< why it can't be used as it is, one line each
};

Imported importPair(const SourceFile& keepalived, const SourceFile& haproxy, const Includes& includes);

/// The steps of moving from this pair to fairlead without an outage, as text.
std::string cutoverPlan(const SourceFile& keepalived, const SourceFile& haproxy, const Includes& includes);

}  // namespace fairlead::importing
