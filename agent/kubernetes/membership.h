#pragma once
// Which backends the objects of the source come to: whether that is another list than the last one and one to
// be believed, and a line in the log about what isn't. Reflector's thread.

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/kubernetes/member_store.h"
#include "agent/kubernetes/source.h"
#include "lb/backend.h"

namespace fairlead::kubernetes {

class Membership {
  public:
    /// `nodeSelector`: for the log.
    Membership(Source source, std::string nodeSelector);

    /// The new list, if it changed. An empty list is a mistake somewhere (a selector, rights, a label lost in
    /// an upgrade) far more often than a cluster without control plane, and so is one of thousands: the last
    /// one stays.
    std::optional<std::vector<lb::Backend>> changed(const MemberStore& store);

  private:
    void tellSkipped(const std::vector<std::string>& skipped);

    const Source source_;
    const std::string nodeSelector_;
    std::vector<lb::Backend> last_;
    std::set<std::string> lastSkipped_;
    std::string lastOddity_;
};

}  // namespace fairlead::kubernetes
