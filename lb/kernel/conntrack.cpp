#include "lb/kernel/conntrack.h"

#include <arpa/inet.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_tcp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <system_error>

namespace fairlead::lb {
namespace {

boost::asio::ip::address addressAt(const nf_conntrack* entry, bool ipv6, nf_conntrack_attr ipv4Attribute,
                                   nf_conntrack_attr ipv6Attribute) {
    if (!ipv6) return boost::asio::ip::address_v4(ntohl(nfct_get_attr_u32(entry, ipv4Attribute)));
    boost::asio::ip::address_v6::bytes_type bytes{};
    const void* raw = nfct_get_attr(entry, ipv6Attribute);
    if (raw) std::memcpy(bytes.data(), raw, bytes.size());
    return boost::asio::ip::address_v6(bytes);
}

std::uint16_t portAt(const nf_conntrack* entry, nf_conntrack_attr attribute) {
    return ntohs(nfct_get_attr_u16(entry, attribute));
}

bool isOpen(std::uint8_t state) {
    return state == TCP_CONNTRACK_ESTABLISHED || state == TCP_CONNTRACK_FIN_WAIT ||
           state == TCP_CONNTRACK_CLOSE_WAIT;
}

std::optional<Flow> flowOf(const nf_conntrack* entry) {
    if (nfct_get_attr_u8(entry, ATTR_ORIG_L4PROTO) != IPPROTO_TCP) return std::nullopt;
    const bool ipv6 = nfct_get_attr_u8(entry, ATTR_ORIG_L3PROTO) == AF_INET6;
    return Flow{.client = {.address = addressAt(entry, ipv6, ATTR_ORIG_IPV4_SRC, ATTR_ORIG_IPV6_SRC),
                           .port = portAt(entry, ATTR_ORIG_PORT_SRC)},
                .service = {.address = addressAt(entry, ipv6, ATTR_ORIG_IPV4_DST, ATTR_ORIG_IPV6_DST),
                            .port = portAt(entry, ATTR_ORIG_PORT_DST)},
                .backend = {.address = addressAt(entry, ipv6, ATTR_REPL_IPV4_SRC, ATTR_REPL_IPV6_SRC),
                            .port = portAt(entry, ATTR_REPL_PORT_SRC)},
                .masquerade = {.address = addressAt(entry, ipv6, ATTR_REPL_IPV4_DST, ATTR_REPL_IPV6_DST),
                               .port = portAt(entry, ATTR_REPL_PORT_DST)},
                .open = isOpen(nfct_get_attr_u8(entry, ATTR_TCP_STATE))};
}

using Entry = std::unique_ptr<nf_conntrack, decltype(&nfct_destroy)>;

struct Found {
    Flow flow;
    Entry entry;
};

struct Search {
    const std::vector<Endpoint>& services;
    std::vector<Found> found;
    bool keepEntries;
    bool served = true;  ///< those that were given to a backend, or else the others
};

int collect(nf_conntrack_msg_type /*type*/, nf_conntrack* entry, void* data) {
    auto& search = *static_cast<Search*>(data);
    const auto flow = flowOf(entry);
    if (flow && (flow->backend != flow->service) == search.served &&
        std::ranges::find(search.services, flow->service) != search.services.end()) {
        search.found.push_back({.flow = *flow, .entry = Entry(nullptr, &nfct_destroy)});
        if (search.keepEntries) {
            search.found.back().entry.reset(entry);
            return NFCT_CB_STOLEN;
        }
    }
    return NFCT_CB_CONTINUE;
}

void search(nfct_handle* handle, Search& search) {
    const std::unique_ptr<nfct_filter_dump, decltype(&nfct_filter_dump_destroy)> filter(
        nfct_filter_dump_create(), &nfct_filter_dump_destroy);
    if (!filter) throw std::bad_alloc();
    // Kernels that know the filter (5.15) send only what was given to somebody.
    const nfct_filter_dump_mark translated{.val = IPS_DST_NAT, .mask = IPS_DST_NAT};
    if (search.served) nfct_filter_dump_set_attr(filter.get(), NFCT_FILTER_DUMP_STATUS, &translated);
    nfct_filter_dump_set_attr_u8(filter.get(), NFCT_FILTER_DUMP_L3NUM, AF_UNSPEC);
    nfct_callback_register(handle, NFCT_T_ALL, collect, &search);
    const int done = nfct_query(handle, NFCT_Q_DUMP_FILTER, filter.get());
    const int error = errno;
    nfct_callback_unregister(handle);
    if (done != 0) throw std::system_error(error, std::generic_category(), "conntrack");
}

}  // namespace

Conntrack::Conntrack() : handle_(nfct_open(CONNTRACK, 0)) {
    if (!handle_) throw std::system_error(errno, std::generic_category(), "conntrack");
}

Conntrack::~Conntrack() {
    nfct_close(handle_);
}

std::vector<Flow> Conntrack::flows(const std::vector<Endpoint>& services) {
    Search found{.services = services, .found = {}, .keepEntries = false};
    search(handle_, found);
    std::vector<Flow> flows;
    flows.reserve(found.found.size());
    for (const Found& each : found.found)
        flows.push_back(each.flow);
    return flows;
}

std::string conntrackProblem() {
    try {
        Conntrack().flows({});
        return "";
    } catch (const std::exception& error) {
        return error.what();
    }
}

void Conntrack::forgetUnserved(const std::vector<Endpoint>& services) {
    Search left{.services = services, .found = {}, .keepEntries = true, .served = false};
    search(handle_, left);
    for (const Found& each : left.found) {
        if (nfct_query(handle_, NFCT_Q_DESTROY, each.entry.get()) != 0 && errno != ENOENT)
            throw std::system_error(errno, std::generic_category(), "conntrack");
    }
}

std::vector<Flow> Conntrack::remove(const std::vector<Endpoint>& services,
                                    const std::function<bool(const Flow&)>& chosen) {
    Search found{.services = services, .found = {}, .keepEntries = true};
    search(handle_, found);
    std::vector<Flow> removed;
    for (const Found& each : found.found) {
        if (!chosen(each.flow)) continue;
        // ENOENT: it has ended by itself meanwhile.
        if (nfct_query(handle_, NFCT_Q_DESTROY, each.entry.get()) != 0 && errno != ENOENT)
            throw std::system_error(errno, std::generic_category(), "conntrack");
        removed.push_back(each.flow);
    }
    return removed;
}

}  // namespace fairlead::lb
