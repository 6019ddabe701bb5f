#include "agent/admin/process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>
#include <string>
#include <system_error>

namespace fairlead::admin {
namespace {

double seconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

std::optional<double> bootTime() {
    std::ifstream file("/proc/stat");
    std::string line;
    while (std::getline(file, line)) {
        std::istringstream words(line);
        std::string key;
        double value = 0;
        if (words >> key && key == "btime" && words >> value) return value;
    }
    return std::nullopt;
}

std::optional<double> startTime() {
    const auto boot = bootTime();
    std::ifstream file("/proc/self/stat");
    std::string line;
    std::getline(file, line);
    // Field 2 is the name in parentheses, which may hold anything; field 22 is the start in ticks after boot.
    const std::size_t name = line.rfind(')');
    if (!boot || name == std::string::npos) return std::nullopt;
    std::istringstream words(line.substr(name + 1));
    std::string skipped;
    for (int field = 3; field < 22; ++field)
        words >> skipped;
    double ticks = 0;
    if (!(words >> ticks)) return std::nullopt;
    return *boot + ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::optional<std::uint64_t> residentBytes() {
    std::ifstream file("/proc/self/statm");
    std::uint64_t total = 0;
    std::uint64_t resident = 0;
    if (!(file >> total >> resident)) return std::nullopt;
    return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::optional<std::uint64_t> openDescriptors() {
    std::error_code error;
    std::filesystem::directory_iterator entries("/proc/self/fd", error);
    std::uint64_t count = 0;
    while (!error && entries != std::filesystem::directory_iterator()) {
        ++count;
        entries.increment(error);
    }
    if (error || count == 0) return std::nullopt;
    return count - 1;  // the one that reads the directory
}

}  // namespace

ProcessFacts readProcessFacts() {
    ProcessFacts facts;
    rusage usage{};
    if (::getrusage(RUSAGE_SELF, &usage) == 0)
        facts.cpuSeconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) facts.maxDescriptors = limit.rlim_cur;
    facts.startTimeSeconds = startTime();
    facts.residentBytes = residentBytes();
    facts.openDescriptors = openDescriptors();
    return facts;
}

}  // namespace fairlead::admin
