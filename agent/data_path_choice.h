#pragma once
// loadBalancer.dataPath: auto: the best way that this host and this configuration allow, and why. Pure, but
// for readKernelFacts().

#include <string>

#include "agent/config/configuration.h"

namespace fairlead {

struct KernelFacts {
    bool netAdmin = false;  ///< CAP_NET_ADMIN
    bool netRaw = false;    ///< CAP_NET_RAW
    std::string rules;      ///< why the kernel refuses the rules; empty: it takes them
    bool forwards4 = false;
    bool forwards6 = false;
};

struct DataPathChoice {
    config::DataPath dataPath = config::DataPath::Proxy;
    std::string why;
    std::string fix;  ///< what would make a better one possible; empty: nothing
};

/// nat where it works and nothing is asked for that only proxy can do, else proxy. dsr is never chosen: it
/// needs all hosts of the control plane to have it, on one LAN, which no host can see for itself.
DataPathChoice chooseDataPath(const config::Configuration& configuration, const KernelFacts& facts);

/// Has the kernel check the rules, which changes nothing.
KernelFacts readKernelFacts(const config::Configuration& configuration);

}  // namespace fairlead
