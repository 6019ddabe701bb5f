// HMAC authentication under arbitrary bytes; the first byte chooses what they are: a payload to verify, a
// payload to verify behind a trailer made right, a key file, a replay state. What is accepted must be what
// would have been made.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/vrrp/hmac.h"
#include "agent/vrrp/hmac_keys.h"
#include "agent/vrrp/replay_state.h"
#include "agent/vrrp/replay_window.h"

namespace {

using namespace fairlead::vrrp;
using boost::asio::ip::address;
using boost::asio::ip::make_address;
using Bytes = std::span<const std::uint8_t>;

void require(bool condition) {
    if (!condition) std::abort();
}

/// The keys of the captured packets in the unit test and the corpus.
const HmacAuthenticator& authenticator() {
    static const HmacAuthenticator made(
        parseHmacKeys("1:hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
                      "2:hmac-key-two-is-plain-text-of-forty-bytes\n",
                      "keys")
            .value());
    return made;
}

void verifyPayload(Bytes payload, bool ipv6) {
    static const address v4 = make_address("10.9.0.2");
    static const address v6 = make_address("fe80::ff:fe00:2");
    const address& source = ipv6 ? v6 : v4;
    const auto sealed = splitTrailer(payload, ipv6);
    if (!sealed) return;
    require(sealed->message.size() + kHmacTrailerSize == payload.size());
    const auto sequence = authenticator().verify(*sealed, source);
    if (!sequence) return;
    if (payload[sealed->message.size() + 1] == 1) {
        std::vector<std::uint8_t> again(payload.begin(), payload.end());
        require(authenticator().seal(again, sealed->message.size(), source, *sequence) == again.size());
        require(std::ranges::equal(again, payload));
    }
    // Once, whatever the number.
    const WallTime now{std::chrono::seconds(sequence->value >> 32)};
    ReplayWindow window(std::chrono::seconds(5));
    require(window.accept(source, *sequence, now).has_value());
    require(!window.accept(source, *sequence, now).has_value());
}

void sealAndVerify(Bytes input, bool ipv6) {
    if (input.size() < 16) return;
    std::vector<std::uint8_t> payload(input.begin() + 8, input.end());
    const std::size_t size = payload.size();
    payload.resize(size + kHmacTrailerSize);
    Sequence sequence;
    for (const std::uint8_t byte : input.first(8))
        sequence.value = sequence.value << 8 | byte;
    const address source = make_address(ipv6 ? "fe80::1" : "192.0.2.1");
    require(authenticator().seal(payload, size, source, sequence) == payload.size());
    const SealedMessage sealed{.message = std::span(payload).first(size),
                               .trailer = std::span(payload).subspan(size)};
    require(authenticator().verify(sealed, source) == sequence);
}

void readKeys(std::string_view text) {
    const auto keys = parseHmacKeys(text, "keys");
    if (!keys) {
        require(keys.error().starts_with("keys:"));
        return;
    }
    require(!keys->empty() && keys->front().id() != 0);
    std::array<std::uint8_t, 8 + kHmacTrailerSize> message{0x31, 51};
    require(HmacAuthenticator(*keys).seal(message, 8, make_address("192.0.2.1"), {}) == message.size());
}

void readState(std::string_view text) {
    const auto state = parseReplayState(text);
    if (!state) {
        require(!state.error().empty());
        return;
    }
    require(parseReplayState(render(*state)) == *state);
    const WallTime now{std::chrono::seconds(1'780'000'000)};
    require(clockBehind(*state, now) >= std::chrono::seconds(0));
    SendSequence sender(std::chrono::seconds(5), state->sent);
    const Sequence first = sender.next(now);
    require(sender.next(now).after(first));
    ReplayWindow window(std::chrono::seconds(5), state->heard);
    const auto step = replayStep(window.window());
    require(saveDue(*state, sender, window.marks(), step) ||
            toSave(*state, sender, window.marks(), step).heard == state->heard);
    require(!saveDue(toSave(*state, sender, window.marks(), step), sender, window.marks(), step));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const Bytes input(data + 1, size - 1);
    const std::string_view text(reinterpret_cast<const char*>(input.data()), input.size());
    switch (data[0] % 6) {
        case 0:
            verifyPayload(input, false);
            break;
        case 1:
            verifyPayload(input, true);
            break;
        case 2:
            sealAndVerify(input, false);
            break;
        case 3:
            sealAndVerify(input, true);
            break;
        case 4:
            readKeys(text);
            break;
        default:
            readState(text);
            break;
    }
    return 0;
}
