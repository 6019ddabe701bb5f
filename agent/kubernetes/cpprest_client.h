#pragma once
// cpprestsdk's HTTP client, made fit for clang in C++23: its json.h destroys a unique_ptr to a class that is
// only declared there, and since unique_ptr is constexpr the class must be complete by then. A deleter of our
// own, defined where the class is, does what the standard's does. To be included in place of
// <cpprest/http_client.h>.

#include <memory>
#include <utility>  // boost/asio/awaitable.hpp, included below, forgets it

// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): cpprestsdk's name
namespace web::json::details {
class _Value;
}

template <>
struct std::default_delete<web::json::details::_Value> {
    constexpr default_delete() noexcept = default;
    template <typename Derived>
    constexpr default_delete(const default_delete<Derived>& /*other*/) noexcept {}
    inline void operator()(web::json::details::_Value* value) const;
};

#include <cpprest/http_client.h>
#include <pplx/threadpool.h>

void std::default_delete<web::json::details::_Value>::operator()(web::json::details::_Value* value) const {
    delete value;
}
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
