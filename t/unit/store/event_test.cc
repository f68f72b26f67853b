#include "upstream_502/store/event.h"

#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

TEST(TextOf, IsTheEventsOwnEachInItsPlace) {
  const Event event = {.id = 1,
                       .failure = {},
                       .upstream = "upstream",
                       .target = "target",
                       .peer = "peer",
                       .method = "method",
                       .host = "host",
                       .uri = "uri",
                       .request_id = "request_id",
                       .message = "message",
                       .evidence = {}};
  const FailureText text = TextOf(event);
  EXPECT_EQ(text.upstream, "upstream");
  EXPECT_EQ(text.target, "target");
  EXPECT_EQ(text.peer, "peer");
  EXPECT_EQ(text.method, "method");
  EXPECT_EQ(text.host, "host");
  EXPECT_EQ(text.uri, "uri");
  EXPECT_EQ(text.request_id, "request_id");
  EXPECT_EQ(text.message, "message");
  EXPECT_EQ(text.message.data(), event.message.data());
}

}  // namespace
}  // namespace upstream_502
