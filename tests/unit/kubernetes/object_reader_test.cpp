// JSON that is no list of Nodes, and values of other types than the API has: each is refused with its reason
// or passed over, and nothing of it is taken.

#include "agent/kubernetes/object_reader.h"

#include <gtest/gtest.h>

namespace fairlead::kubernetes {
namespace {

std::string refusal(ObjectReader::Document document, const std::string& text) {
    ObjectReader reader(document, Source::Nodes);
    return reader.read(text) ? "read" : reader.error();
}

TEST(ObjectReader, SaysWhyAListIsNone) {
    using Document = ObjectReader::Document;
    for (const char* item : {"[]", "\"text\"", "7", "-7", "1.5", "true", "null"}) {
        EXPECT_EQ(refusal(Document::List, std::string(R"({"items":[)") + item + "]}"),
                  "an item that is not an object")
            << item;
    }
    EXPECT_EQ(refusal(Document::List, R"({"items":{}})"), "items that are not a list");
    EXPECT_EQ(refusal(Document::List, R"({"items":[{}],"items":[]})"), "two lists of items");
    for (const char* text : {"7", "-7", "1.5", "true", "null", "\"a\"", "[]"})
        EXPECT_EQ(refusal(Document::List, text), "JSON that is not an object") << text;
    EXPECT_EQ(refusal(Document::List, R"({"items":[)"), "malformed JSON at byte 11");
}

TEST(ObjectReader, PassesOverValuesOfOtherTypes) {
    for (const char* value : {"7", "-7", "1.5", "true", "null", "[{}]", "{\"a\":{}}"}) {
        ObjectReader reader(ObjectReader::Document::List, Source::Nodes);
        ASSERT_TRUE(reader.read(std::string(R"({"code":-1,"metadata":{"resourceVersion":"9","continue":)") +
                                value + R"(},"items":[{"metadata":{"name":"n","labels":)" + value +
                                R"(},"status":{"phase":)" + value + R"(,"addresses":[)" + value +
                                R"(,{"type":"InternalIP","address":)" + value +
                                R"(},{"type":"InternalIP","address":"10.0.0.1"}]}}]})"))
            << value << ": " << reader.error();
        ASSERT_EQ(reader.items().size(), 1U) << value;
        EXPECT_EQ(reader.items()[0].object.name, "n");
        ASSERT_EQ(reader.items()[0].object.internalAddresses.size(), 1U) << value;
        EXPECT_EQ(reader.items()[0].object.internalAddresses[0].to_string(), "10.0.0.1");
    }
}

}  // namespace
}  // namespace fairlead::kubernetes
