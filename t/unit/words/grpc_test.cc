// The statuses of gRPC: their names, and what a server may send as one.

#include "upstream_502/words/grpc.h"

#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

TEST(GrpcTest, StatusesHaveTheNamesOfTheProtocol) {
  EXPECT_EQ(GrpcStatusName(1), "CANCELLED");
  EXPECT_EQ(GrpcStatusName(14), "UNAVAILABLE");
  EXPECT_EQ(GrpcStatusName(16), "UNAUTHENTICATED");
  EXPECT_EQ(GrpcStatusName(0), "");
  EXPECT_EQ(GrpcStatusName(17), "");
}

TEST(GrpcTest, OnlyAFailuresNumberIsAStatus) {
  EXPECT_EQ(ParseGrpcStatus("1"), 1);
  EXPECT_EQ(ParseGrpcStatus("14"), 14);
  EXPECT_EQ(ParseGrpcStatus("16"), 16);
  for (const char* value :
       {"", "0", "00", "17", "99", "014", "1x", "-1", " 1", "300"}) {
    EXPECT_EQ(ParseGrpcStatus(value), 0) << value;
  }
}

}  // namespace
}  // namespace upstream_502
