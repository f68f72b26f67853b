// Names in a hosts file.

#include "system/hosts.h"

#include <fcntl.h>

#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "sockets.h"

namespace upstream_502 {
namespace {

TEST(Hosts, FindsNames) {
  const absl::string_view hosts =
      "# comment\n"
      "127.0.0.1\tlocalhost\n"
      "192.0.2.1 app.example App2 # old.example\r\n"
      "\n"
      "   ::1 ip6-localhost\n"
      "192.0.2.2 app.example\n"
      "lonely";
  EXPECT_EQ(FindHost(hosts, "localhost"), "127.0.0.1");
  EXPECT_EQ(FindHost(hosts, "APP.example."), "192.0.2.1");
  EXPECT_EQ(FindHost(hosts, "app2"), "192.0.2.1");
  EXPECT_EQ(FindHost(hosts, "ip6-localhost"), "::1");
  for (const char* name : {"", ".", "old.example", "app", "lonely", "127.0.0.1",
                           "comment", "example"}) {
    EXPECT_EQ(FindHost(hosts, name), "") << name;
  }
}

void Write(const std::string& path, const std::string& text) {
  const Fd fd(open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0644));
  ASSERT_EQ(write(fd.get(), text.data(), text.size()),
            static_cast<ssize_t>(text.size()));
}

TEST(Hosts, FileIsReadAnewWhenItChanges) {
  const Folder folder;
  const std::string path = folder / "hosts";
  const auto hosts = std::make_unique<HostsFile>(path.c_str());
  EXPECT_FALSE(hosts->Load());
  Write(path, "192.0.2.1 a\n");
  ASSERT_TRUE(hosts->Load());
  EXPECT_EQ(hosts->Find("a"), "192.0.2.1");
  EXPECT_EQ(hosts->Find("b"), "");
  Write(path, "192.0.2.1 a\n192.0.2.2 b\n");
  ASSERT_TRUE(hosts->Load());
  EXPECT_EQ(hosts->Find("b"), "192.0.2.2");
  Write(path, std::string(70000, '#'));
  EXPECT_FALSE(hosts->Load());
  ASSERT_EQ(unlink(path.c_str()), 0);
  EXPECT_FALSE(hosts->Load());
}

}  // namespace
}  // namespace upstream_502
