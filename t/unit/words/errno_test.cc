#include "upstream_502/words/errno.h"

#include <cerrno>
#include <climits>
#include <iterator>

#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

TEST(ErrnoTest, NamesClasses) {
  const absl::string_view classes[] = {
      "",          "refused",     "reset",     "broken_pipe",
      "timed_out", "unreachable", "not_found", "permission",
      "backlog",   "exhausted",   "other"};
  ASSERT_EQ(std::size(classes), kErrnoClassCount);
  for (size_t i = 0; i < kErrnoClassCount; ++i) {
    EXPECT_EQ(ErrnoClassName(static_cast<ErrnoClass>(i)), classes[i]);
  }
  EXPECT_EQ(ErrnoClassName(static_cast<ErrnoClass>(kErrnoClassCount)), "");
  EXPECT_EQ(ErrnoClassName(static_cast<ErrnoClass>(255)), "");
}

TEST(ErrnoTest, CountsEndWithTheLastClass) {
  EXPECT_EQ(static_cast<size_t>(ErrnoClass::kOther), kErrnoClassCount - 1);
  EXPECT_EQ(ErrnoClassName(ErrnoClass::kOther), "other");
}

TEST(ErrnoTest, NamesAndClassifiesErrnos) {
  const struct {
    int number;
    absl::string_view name;
    ErrnoClass errno_class;
  } kCases[] = {
      {0, "", ErrnoClass::kNone},
      {ECONNREFUSED, "ECONNREFUSED", ErrnoClass::kRefused},
      {ECONNRESET, "ECONNRESET", ErrnoClass::kReset},
      {EPIPE, "EPIPE", ErrnoClass::kBrokenPipe},
      {ETIMEDOUT, "ETIMEDOUT", ErrnoClass::kTimedOut},
      {EHOSTUNREACH, "EHOSTUNREACH", ErrnoClass::kUnreachable},
      {EHOSTDOWN, "EHOSTDOWN", ErrnoClass::kUnreachable},
      {ENETUNREACH, "ENETUNREACH", ErrnoClass::kUnreachable},
      {ENETDOWN, "ENETDOWN", ErrnoClass::kUnreachable},
      {ENOENT, "ENOENT", ErrnoClass::kNotFound},
      {ENOTDIR, "ENOTDIR", ErrnoClass::kNotFound},
      {EACCES, "EACCES", ErrnoClass::kPermission},
      {EPERM, "EPERM", ErrnoClass::kPermission},
      {EAGAIN, "EAGAIN", ErrnoClass::kBacklog},
      {EADDRNOTAVAIL, "EADDRNOTAVAIL", ErrnoClass::kExhausted},
      {EMFILE, "EMFILE", ErrnoClass::kExhausted},
      {ENFILE, "ENFILE", ErrnoClass::kExhausted},
      {ENOBUFS, "ENOBUFS", ErrnoClass::kExhausted},
      {ENOMEM, "ENOMEM", ErrnoClass::kExhausted},
      {EPROTOTYPE, "EPROTOTYPE", ErrnoClass::kOther},
      {EINVAL, "EINVAL", ErrnoClass::kOther},
      {99999, "", ErrnoClass::kOther},
      {-1, "", ErrnoClass::kOther},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(ErrnoName(c.number), c.name) << c.number;
    EXPECT_EQ(ClassifyErrno(c.number), c.errno_class) << c.number;
  }
}

TEST(ErrnoTest, TakesAnyNumber) {
  for (const int number : {INT_MIN, -1, 255, 256, 32767, INT_MAX}) {
    EXPECT_EQ(ClassifyErrno(number), ErrnoClass::kOther) << number;
    EXPECT_EQ(ErrnoName(number), "") << number;
  }
}

// A name without a class of its own is still no unknown number.
TEST(ErrnoTest, WhatHasAClassHasAName) {
  for (int number = 1; number < 256; ++number) {
    if (ClassifyErrno(number) != ErrnoClass::kOther) {
      EXPECT_NE(ErrnoName(number), "") << number;
    }
  }
}

TEST(ErrnoTest, SaysThemAsNginxDoes) {
  EXPECT_EQ(ErrnoText(ECONNREFUSED), "Connection refused");
  EXPECT_EQ(ErrnoText(ETIMEDOUT), "Connection timed out");
  EXPECT_EQ(ErrnoText(EPIPE), "Broken pipe");
  EXPECT_EQ(ErrnoText(EHOSTUNREACH), "No route to host");
}

}  // namespace
}  // namespace upstream_502
