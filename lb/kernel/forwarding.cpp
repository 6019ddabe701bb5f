#include "lb/kernel/forwarding.h"

#include <algorithm>
#include <fstream>

namespace fairlead::lb {

const char* forwardingSetting(Family family) {
    return family == Family::Ipv4 ? "net.ipv4.ip_forward" : "net.ipv6.conf.all.forwarding";
}

bool forwards(Family family) {
    std::string path = forwardingSetting(family);
    std::ranges::replace(path, '.', '/');
    std::ifstream file("/proc/sys/" + path);
    int value = 0;
    return file >> value && value != 0;
}

}  // namespace fairlead::lb
