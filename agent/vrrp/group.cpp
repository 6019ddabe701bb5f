#include "agent/vrrp/group.h"

namespace fairlead::vrrp {

std::optional<GroupOrder> followGroup(std::span<const GroupMember> members) {
    std::optional<GroupOrder> order;
    for (std::size_t i = 0; i < members.size(); ++i) {
        const auto [before, now] = members[i];
        if (before == State::Master && now != State::Master)
            return GroupOrder{.what = GroupOrder::What::Yield, .because = i};
        if (before != State::Master && now == State::Master && !order)
            order = GroupOrder{.what = GroupOrder::What::TakeOver, .because = i};
    }
    return order;
}

}  // namespace fairlead::vrrp
