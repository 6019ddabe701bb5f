#pragma once
// One response on its way from cpprestsdk's threads to the reflector's: the library writes into it, the
// reader waits for what has come. Only client.cpp includes this.
//
// cpprestsdk's own buffer takes whatever the server sends, however far behind the reader is; this one makes
// the library wait once kMostBuffered bytes lie unread, so that a server can't fill our memory. Nor by what
// the library gathers before it hands anything over, a head or a chunk without end: kMostGathered.

#include <cpprest/astreambuf.h>

#include <chrono>
#include <condition_variable>
#include <expected>
#include <mutex>
#include <optional>
#include <string>

namespace fairlead::kubernetes {

class ResponseBody final : public concurrency::streams::details::streambuf_state_manager<std::uint8_t> {
  public:
    using Error = std::string;  ///< one phrase

    ResponseBody() : streambuf_state_manager(std::ios_base::out) {}
    ~ResponseBody() override = default;
    ResponseBody(const ResponseBody&) = delete;
    ResponseBody& operator=(const ResponseBody&) = delete;

    // ---- the library's side, any thread

    /// Status line and headers have been read.
    void begin();
    /// The body is complete.
    void end();
    /// The first error counts; the reader gets it after the bytes that came before.
    void fail(const std::string& error);
    /// So many bytes more came over the connection.
    void arrived(std::size_t bytes);

    // ---- the reader's side

    /// Waits for begin(); nothing if the time is up.
    std::optional<std::expected<void, Error>> awaitHead(std::chrono::milliseconds limit);
    /// The bytes that have come, at least one; empty at the end; nothing if the time is up.
    std::optional<std::expected<std::string, Error>> read(std::chrono::milliseconds limit);
    /// Nobody reads any more: what still comes is dropped, the library no longer waits. True if something may
    /// still come.
    bool abandon();

  private:
    static constexpr std::size_t kMostBuffered = 256U << 10U;
    /// An API server may send a page of a list in one chunk: 500 Nodes of some 20 KiB.
    static constexpr std::size_t kMostGathered = 32U << 20U;

    pplx::task<std::size_t> _putn(const char_type* bytes, std::size_t count) override;
    pplx::task<int_type> _putc(char_type byte) override;
    pplx::task<bool> _sync() override { return pplx::task_from_result(true); }

    // What a stream that is only written to doesn't have.
    [[nodiscard]] bool can_seek() const override { return false; }
    [[nodiscard]] bool has_size() const override { return false; }
    [[nodiscard]] std::size_t buffer_size(std::ios_base::openmode /*mode*/) const override { return 0; }
    void set_buffer_size(std::size_t /*size*/, std::ios_base::openmode /*mode*/) override {}
    [[nodiscard]] std::size_t in_avail() const override { return 0; }
    [[nodiscard]] pos_type getpos(std::ios_base::openmode /*mode*/) const override { return traits::eof(); }
    pos_type seekpos(pos_type /*to*/, std::ios_base::openmode /*mode*/) override { return traits::eof(); }
    pos_type seekoff(off_type /*by*/, std::ios_base::seekdir /*from*/,
                     std::ios_base::openmode /*mode*/) override {
        return traits::eof();
    }
    bool acquire(char_type*& bytes, std::size_t& count) override {
        bytes = nullptr;
        count = 0;
        return false;
    }
    void release(char_type* /*bytes*/, std::size_t /*count*/) override {}
    pplx::task<int_type> _bumpc() override { return pplx::task_from_result(traits::eof()); }
    int_type _sbumpc() override { return traits::eof(); }
    pplx::task<int_type> _getc() override { return pplx::task_from_result(traits::eof()); }
    int_type _sgetc() override { return traits::eof(); }
    pplx::task<int_type> _nextc() override { return pplx::task_from_result(traits::eof()); }
    pplx::task<int_type> _ungetc() override { return pplx::task_from_result(traits::eof()); }
    pplx::task<std::size_t> _getn(char_type* /*bytes*/, std::size_t /*count*/) override {
        return pplx::task_from_result<std::size_t>(0);
    }
    std::size_t _scopy(char_type* /*bytes*/, std::size_t /*count*/) override { return 0; }
    char_type* _alloc(std::size_t /*count*/) override { return nullptr; }
    void _commit(std::size_t /*count*/) override {}

    /// A write that waits for the reader.
    struct Waiting {
        pplx::task_completion_event<std::size_t> done;
        std::size_t count = 0;
    };
    /// Lets the waiting write go on.
    void resume(std::optional<Waiting> waiting);

    std::mutex mutex_;
    std::condition_variable changed_;
    std::string bytes_;
    std::size_t gathered_ = 0;  ///< arrived since something was handed over
    std::optional<Waiting> waiting_;
    std::optional<Error> error_;
    bool begun_ = false;
    bool ended_ = false;
    bool abandoned_ = false;
};

}  // namespace fairlead::kubernetes
