#include "system/process.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "gtest/gtest.h"

namespace upstream_502 {
namespace {

TEST(Process, IsThereWhileItRuns) {
  EXPECT_FALSE(IsProcessGone(IdentifyProcess(getpid())));
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  ASSERT_GT(child, 0);  // kill() takes -1 for everybody
  const uint64_t process = IdentifyProcess(child);
  EXPECT_FALSE(IsProcessGone(process));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(IsProcessGone(process));
}

TEST(Process, IsNoneThatHasItsNumberNow) {
  const uint64_t process = IdentifyProcess(getpid());
  const uint64_t earlier = process - (uint64_t{1} << 22);
  EXPECT_TRUE(IsProcessGone(earlier));
}

}  // namespace
}  // namespace upstream_502
