#pragma once
// One seed from beginning to end.

#include <cstdint>
#include <optional>
#include <string>

#include "tests/simulation/invariants.h"
#include "tests/simulation/subject.h"

namespace fairlead::simulation {

struct Outcome {
    std::optional<Violation> violation;
    std::string routers;  ///< what they were told, if something was violated
    std::string trace;    ///< the last events, if something was violated
    std::uint64_t events = 0;
};

/// The same arguments give the same outcome, on every machine.
Outcome simulate(std::uint64_t seed, Instant duration, Mutation mutation = Mutation::None,
                 bool trace = false);

}  // namespace fairlead::simulation
