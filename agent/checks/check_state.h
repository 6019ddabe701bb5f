#pragma once
// Counts the results of one check: keepalived's rise and fall (keepalived.conf(5), vrrp_script). Pure.
//
// The first result decides alone, so that a start or a restart takes one run of the checks, not `rise` of
// them. From then on `fall` failures in a row make a succeeding check fail, and `rise` successes in a row a
// failing one succeed.

#include <string>

namespace fairlead::checks {

class CheckState {
  public:
    /// `rise`, `fall` >= 1.
    CheckState(unsigned rise, unsigned fall) : rise_(rise), fall_(fall) {}

    /// From the next result on.
    void setThresholds(unsigned rise, unsigned fall) {
        rise_ = rise;
        fall_ = fall;
    }

    /// Takes one result; true if the check changed by it, or was decided for the first time.
    bool report(bool ok);

    [[nodiscard]] bool up() const { return up_; }
    [[nodiscard]] bool decided() const { return decided_; }

    /// How the last change came about: "first result", "2 of 2 failures".
    [[nodiscard]] std::string reason() const;

  private:
    unsigned rise_;
    unsigned fall_;
    bool decided_ = false;
    bool up_ = false;
    bool byFirstResult_ = false;
    unsigned streak_ = 0;  ///< results in a row that contradict up_
};

}  // namespace fairlead::checks
