#include <stdexcept>

#include "lb/kernel/kernel_path.h"
#include "lb/kernel/nat_rules.h"
#include "lb/kernel/rules_text.h"
#include "lb/kernel/trial.h"

namespace fairlead::lb {
namespace {

class NatRuleset final : public Ruleset {
  public:
    explicit NatRuleset(const KernelOptions& options)
        : options_(options), families_(rules::familiesOf(options)) {}

    void choose(Algorithm algorithm) override { options_.algorithm = algorithm; }

    [[nodiscard]] std::vector<std::string> families() const override {
        std::vector<std::string> words;
        words.reserve(families_.size());
        for (const Family family : families_)
            words.emplace_back(rules::word(family));
        return words;
    }

    [[nodiscard]] std::vector<Family> forwarded() const override { return families_; }

    [[nodiscard]] std::string rules() const override {
        std::string text;
        for (const Family family : families_)
            text += natRules(options_, family);
        return text;
    }

    [[nodiscard]] std::string contents(const Snapshot& snapshot, const Counters& counters) const override {
        std::string text;
        for (const Family family : families_) {
            const auto existing = counters.find(rules::word(family));
            text += natBackends(options_, family, snapshot,
                                existing == counters.end() ? std::vector<std::string>() : existing->second);
        }
        return text;
    }

  private:
    KernelOptions options_;
    std::vector<Family> families_;
};

}  // namespace

std::unique_ptr<KernelPath> makeNat(KernelOptions options, EventSink sink) {
    if (options.algorithm == Algorithm::LeastConnections)
        throw std::invalid_argument("leastConnections is for the data path proxy");
    auto ruleset = std::make_unique<NatRuleset>(options);
    return std::make_unique<KernelPath>(std::move(options), std::move(ruleset), std::move(sink));
}

std::string natProblem(KernelOptions options) {
    options.table += "_trial";
    const NatRuleset ruleset(options);
    return refusal(ruleset.rules() + ruleset.contents(trialSnapshot(), {}), natParts(options));
}

}  // namespace fairlead::lb
