#include "agent/kubernetes/response_body.h"

#include <gtest/gtest.h>

#include <thread>

namespace fairlead::kubernetes {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ResponseBodyTest : public testing::Test {
  protected:
    pplx::task<std::size_t> write(const std::string& text) {
        return body_->putn_nocopy(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
    }
    std::string read() {
        const auto bytes = body_->read(seconds(10));
        return !bytes ? "late" : *bytes ? **bytes : "error: " + bytes->error();
    }
    std::shared_ptr<ResponseBody> body_ = std::make_shared<ResponseBody>();
};

TEST_F(ResponseBodyTest, GivesTheBytesThenTheEnd) {
    write("one").wait();
    write("two").wait();
    EXPECT_EQ(read(), "onetwo");
    body_->end();
    EXPECT_EQ(read(), "");
    EXPECT_FALSE(body_->abandon()) << "nothing more can come";
}

TEST_F(ResponseBodyTest, GivesTheBytesThatCameBeforeAnError) {
    write("one").wait();
    body_->fail("cut");
    body_->fail("and again");
    EXPECT_EQ(read(), "one");
    EXPECT_EQ(read(), "error: cut");
    EXPECT_TRUE(body_->abandon());
}

TEST_F(ResponseBodyTest, GivesUpWhenTheTimeIsOver) {
    EXPECT_FALSE(body_->awaitHead(milliseconds(1)));
    EXPECT_FALSE(body_->read(milliseconds(1)));
    body_->begin();
    EXPECT_TRUE(body_->awaitHead(milliseconds(1)));
}

TEST_F(ResponseBodyTest, HoldsTheWriterUpUntilItIsRead) {
    const std::string much(1U << 20U, 'x');
    const auto held = write(much);
    EXPECT_FALSE(held.is_done());
    EXPECT_EQ(read().size(), much.size());
    EXPECT_EQ(held.get(), much.size());

    const auto dropped = write(much);
    EXPECT_FALSE(dropped.is_done());
    body_->abandon();
    EXPECT_EQ(dropped.get(), much.size()) << "the library must not wait for a reader that has gone";
    EXPECT_TRUE(write(much).is_done());
}

TEST_F(ResponseBodyTest, WakesAReaderThatWaits) {
    std::thread other([this] { body_->fail("cancelled"); });
    const auto head = body_->awaitHead(seconds(30));
    other.join();
    ASSERT_TRUE(head);
    ASSERT_FALSE(*head);
    EXPECT_EQ(head->error(), "cancelled");
}

}  // namespace
}  // namespace fairlead::kubernetes
