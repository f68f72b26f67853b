// What is wrong with a path.

#include "system/path.h"

#include <grp.h>
#include <sys/xattr.h>

#include <string>

#include "gtest/gtest.h"
#include "sockets.h"

namespace upstream_502 {
namespace {

std::string Part(const std::string& path) {
  return path.substr(0, WalkPath(path).end);
}

TEST(WalkPath, MissingDirectory) {
  const Folder folder;
  const std::string path = folder / "a/b/app.sock";
  EXPECT_EQ(WalkPath(path).fault, PathFault::kDirectoryMissing);
  EXPECT_EQ(Part(path), folder / "a");
  mkdir((folder / "a").c_str(), 0755);
  EXPECT_EQ(Part(path), folder / "a/b");
  mkdir((folder / "a/b").c_str(), 0755);
  EXPECT_EQ(WalkPath(path).fault, PathFault::kAbsent);
  EXPECT_EQ(Part(path), path);
}

TEST(WalkPath, WhatItIsInstead) {
  const Folder folder;
  Fd(open((folder / "file").c_str(), O_CREAT | O_RDONLY, 0644)).Close();
  ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0644), 0);
  EXPECT_EQ(WalkPath(folder / "file").fault, PathFault::kNotASocket);
  EXPECT_EQ(WalkPath(folder / "file").kind, FileKind::kFile);
  EXPECT_EQ(WalkPath(folder / "fifo").kind, FileKind::kFifo);
  EXPECT_EQ(WalkPath(folder.path()).kind, FileKind::kDirectory);
  EXPECT_EQ(WalkPath("/dev/null").kind, FileKind::kDevice);
  // A file where a directory should be.
  EXPECT_EQ(WalkPath(folder / "file/app.sock").fault, PathFault::kNotASocket);
  EXPECT_EQ(Part(folder / "file/app.sock"), folder / "file");
}

TEST(WalkPath, Links) {
  const Folder folder;
  const Fd listener = ListenAt(UnixName(folder / "app.sock"));
  ASSERT_EQ(symlink("app.sock", (folder / "link").c_str()), 0);
  ASSERT_EQ(symlink("nowhere", (folder / "dead").c_str()), 0);
  EXPECT_EQ(WalkPath(folder / "link").fault, PathFault::kNone);
  EXPECT_EQ(WalkPath(folder / "dead").fault, PathFault::kNotASocket);
  EXPECT_EQ(WalkPath(folder / "dead").kind, FileKind::kLink);
}

TEST(WalkPath, PathsThatAreNone) {
  EXPECT_EQ(WalkPath("").fault, PathFault::kNotAsked);
  EXPECT_EQ(WalkPath("app.sock").fault, PathFault::kNotAsked);
  EXPECT_EQ(WalkPath("/" + std::string(107, 'x')).fault, PathFault::kAbsent);
  EXPECT_EQ(WalkPath("/" + std::string(108, 'x')).fault, PathFault::kNotAsked);
  EXPECT_EQ(WalkPath({"/a\0b", 4}).fault, PathFault::kNotAsked);
  EXPECT_EQ(WalkPath("/").fault, PathFault::kNotASocket);
  EXPECT_EQ(WalkPath("//tmp//").kind, FileKind::kDirectory);
}

template <typename Body>
void AsNobody(const Body& body) {
  InChild([&body] {
    const gid_t group = 4242;
    if (setgroups(1, &group) != 0 || setgid(65534) != 0 || setuid(65534) != 0) {
      _exit(kSkipped);
    }
    body();
  });
}

TEST(WalkPath, Permissions) {
  if (geteuid() != 0) {
    GTEST_SKIP() << "needs another user";
  }
  const Folder folder;
  ASSERT_EQ(mkdir((folder / "closed").c_str(), 0700), 0);
  ASSERT_EQ(mkdir((folder / "open").c_str(), 0711), 0);
  const std::string hidden = folder / "closed/app.sock";
  const std::string path = folder / "open/app.sock";
  const Fd one = ListenAt(UnixName(hidden));
  const Fd two = ListenAt(UnixName(path));
  ASSERT_EQ(chmod(path.c_str(), 0664), 0);
  AsNobody([&] {
    EXPECT_EQ(WalkPath(hidden).fault, PathFault::kNoPermission);
    EXPECT_EQ(Part(hidden), folder / "closed");
    EXPECT_EQ(WalkPath(hidden).mode, 0700U);
    EXPECT_EQ(WalkPath(path).fault, PathFault::kNoPermission);
    EXPECT_EQ(WalkPath(path).kind, FileKind::kSocket);
    EXPECT_EQ(Part(path), path);
    EXPECT_EQ(WalkPath(path).mode, 0664U);
  });
  ASSERT_EQ(chown(path.c_str(), 0, 4242), 0);
  AsNobody([&] { EXPECT_EQ(WalkPath(path).fault, PathFault::kNone); });
  // As root nothing is in the way.
  EXPECT_EQ(WalkPath(hidden).fault, PathFault::kNone);
}

// One entry for another user; the text is the kernel's form of it.
bool SetAccessList(const std::string& path) {
  const unsigned char list[] = {
      2,  0, 0, 0,                           // version
      1,  0, 7, 0, 0xff, 0xff, 0xff, 0xff,   // owner rwx
      2,  0, 7, 0, 0xfe, 0xff, 0,    0,      // user 65534 rwx
      4,  0, 0, 0, 0xff, 0xff, 0xff, 0xff,   // group ---
      16, 0, 7, 0, 0xff, 0xff, 0xff, 0xff,   // mask rwx
      32, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};  // others ---
  return setxattr(path.c_str(), "system.posix_acl_access", list, sizeof(list),
                  0) == 0;
}

TEST(WalkPath, AccessListsAreNotJudged) {
  const Folder folder;
  ASSERT_EQ(mkdir((folder / "listed").c_str(), 0700), 0);
  const std::string path = folder / "listed/app.sock";
  const Fd listener = ListenAt(UnixName(path));
  ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  if (!SetAccessList(folder / "listed")) {
    GTEST_SKIP() << "no access lists here";
  }
  AsNobody([&] {
    // The list lets us in; the socket's own modes do not.
    EXPECT_EQ(WalkPath(path).fault, PathFault::kNoPermission);
    EXPECT_EQ(Part(path), path);
  });
  ASSERT_EQ(chmod(path.c_str(), 0666), 0);
  AsNobody([&] { EXPECT_EQ(WalkPath(path).fault, PathFault::kUnclear); });
}

struct stat FileOf(mode_t mode, uid_t uid, gid_t gid) {
  struct stat file = {};
  file.st_mode = mode;
  file.st_uid = uid;
  file.st_gid = gid;
  return file;
}

TEST(ModeAllows, TheFirstThatFitsDecides) {
  User user;
  user.uid = 10;
  user.gid = 20;
  user.groups[0] = 30;
  user.group_count = 1;
  const auto allows = [&user](mode_t mode, uid_t uid, gid_t gid) {
    return ModeAllows(FileOf(mode, uid, gid), user, Need::kWrite);
  };
  EXPECT_EQ(allows(0200, 10, 1), 1);
  EXPECT_EQ(allows(0022, 10, 20), 0);  // the owner, though all others may
  EXPECT_EQ(allows(0020, 1, 20), 1);
  EXPECT_EQ(allows(0020, 1, 30), 1);
  EXPECT_EQ(allows(0002, 1, 30), 0);
  EXPECT_EQ(allows(0002, 1, 31), 1);
  EXPECT_EQ(allows(0755, 1, 31), 0);
  EXPECT_EQ(ModeAllows(FileOf(0711, 1, 1), user, Need::kSearch), 1);
  user.complete = false;
  EXPECT_EQ(allows(0020, 1, 31), -1);
  EXPECT_EQ(allows(0022, 1, 31), 1);
  user.uid = 0;
  EXPECT_EQ(allows(0000, 1, 31), 1);
}

}  // namespace
}  // namespace upstream_502
