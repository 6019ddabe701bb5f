#pragma once
// Carries out a will: takes the VIPs off the interface and sends the prepared messages. Opens what it needs
// at that moment and waits for nobody: it is the guardian's last act. rtnetlink(7), ip(7), ipv6(7), RFC 9568
// §5.1.

#include <string>

#include "agent/guard/testament.h"

namespace fairlead::guard {

struct Outcome {
    std::string removed;    ///< the VIPs that were there, "10.10.1.108,10.10.1.109"
    std::string interface;  ///< "eth0"
    int sent = 0;           ///< datagrams
    std::string failures;   ///< what didn't work, "; " between; what was gone already is no failure
};

Outcome execute(const PlainWill& will);

}  // namespace fairlead::guard
