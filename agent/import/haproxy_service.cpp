#include "agent/import/haproxy_service.h"

#include <algorithm>
#include <functional>

namespace fairlead::importing {
namespace {

const HaproxySection* named(const HaproxyFile& file, const std::string& kind, const std::string& name) {
    for (const HaproxySection& section : file.sections) {
        if (section.kind == kind && section.name == name) return &section;
    }
    return nullptr;
}

/// The value of the last line that begins with `word`; empty if there is none.
std::string last(const HaproxySection* section, const std::string& word) {
    std::string value;
    if (!section) return value;
    for (const HaproxyLine& line : section->lines) {
        if (line.words.front() == word && line.words.size() > 1) value = line.words[1];
    }
    return value;
}

bool speaksTcp(const HaproxyFile& file, const HaproxySection& section) {
    std::string mode = last(&section, "mode");
    if (mode.empty()) mode = last(defaultsOf(file, section), "mode");
    return mode.empty() || mode == "tcp";
}

int rankOf(const HaproxyFile& file, const HaproxyService& service) {
    int rank = speaksTcp(file, *service.front) ? 4 : 0;
    if (!service.back) return rank - 8;
    for (const HaproxyLine& line : service.back->lines) {
        if (line.words.front() == "server" && line.words.size() > 2 && line.words[2].ends_with(":6443"))
            rank |= 2;
    }
    for (const std::string& name : {service.front->name, service.back->name}) {
        if (name.find("api") != std::string::npos || name.find("k8s") != std::string::npos ||
            name.find("kube") != std::string::npos)
            rank |= 1;
    }
    return rank;
}

}  // namespace

const HaproxySection* defaultsOf(const HaproxyFile& file, const HaproxySection& section) {
    if (!section.from.empty()) return named(file, "defaults", section.from);
    const HaproxySection* found = nullptr;
    for (const HaproxySection& each : file.sections) {
        if (&each == &section) return found;
        if (each.kind == "defaults") found = &each;
    }
    return found;
}

std::vector<HaproxyService> haproxyServices(const HaproxyFile& file) {
    std::vector<HaproxyService> found;
    for (const HaproxySection& section : file.sections) {
        if (section.kind != "frontend" && section.kind != "listen") continue;
        HaproxyService service{.front = &section, .back = &section, .rank = 0};
        if (section.kind == "frontend") {
            std::string name = last(&section, "default_backend");
            if (name.empty()) name = last(&section, "use_backend");
            if (name.empty()) name = last(defaultsOf(file, section), "default_backend");
            service.back = named(file, "backend", name);
        }
        service.rank = rankOf(file, service);
        found.push_back(service);
    }
    std::ranges::stable_sort(found, std::ranges::greater{}, &HaproxyService::rank);
    return found;
}

}  // namespace fairlead::importing
