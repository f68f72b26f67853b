// The table of errnos.

#include "upstream_502/words/errno.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <iterator>

namespace upstream_502 {
namespace {

constexpr absl::string_view kErrnoClasses[] = {
    "",          "refused",     "reset",     "broken_pipe",
    "timed_out", "unreachable", "not_found", "permission",
    "backlog",   "exhausted",   "other"};
static_assert(std::size(kErrnoClasses) == kErrnoClassCount);
static_assert(static_cast<size_t>(ErrnoClass::kOther) + 1 == kErrnoClassCount);

struct ErrnoInfo {
  int number;
  absl::string_view name;
  ErrnoClass errno_class = ErrnoClass::kOther;
};

// What the socket and file calls of nginx can end with.
constexpr ErrnoInfo kErrnos[] = {
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
    {EADDRINUSE, "EADDRINUSE"},
    {EAFNOSUPPORT, "EAFNOSUPPORT"},
    {EBADF, "EBADF"},
    {ECONNABORTED, "ECONNABORTED"},
    {EEXIST, "EEXIST"},
    {EINVAL, "EINVAL"},
    {EIO, "EIO"},
    {ELOOP, "ELOOP"},
    {EMSGSIZE, "EMSGSIZE"},
    {ENAMETOOLONG, "ENAMETOOLONG"},
    {ENOSPC, "ENOSPC"},
    {ENOTCONN, "ENOTCONN"},
    {ENOTSOCK, "ENOTSOCK"},
    {EOPNOTSUPP, "EOPNOTSUPP"},
    {EPROTO, "EPROTO"},
    {EPROTONOSUPPORT, "EPROTONOSUPPORT"},
    {EPROTOTYPE, "EPROTOTYPE"},
    {EROFS, "EROFS"},
    {ESHUTDOWN, "ESHUTDOWN"},
};

// The classes by number.
constexpr auto kClasses = [] {
  std::array<ErrnoClass, 256> classes{};
  classes.fill(ErrnoClass::kOther);
  classes[0] = ErrnoClass::kNone;
  for (const ErrnoInfo& info : kErrnos) {
    classes[static_cast<size_t>(info.number)] = info.errno_class;
  }
  return classes;
}();

const ErrnoInfo* FindErrno(int number) {
  for (const ErrnoInfo& info : kErrnos) {
    if (info.number == number) {
      return &info;
    }
  }
  return nullptr;
}

}  // namespace

absl::string_view ErrnoClassName(ErrnoClass errno_class) {
  const auto i = static_cast<size_t>(errno_class);
  return i < kErrnoClassCount ? kErrnoClasses[i] : absl::string_view();
}

absl::string_view ErrnoName(int number) {
  const ErrnoInfo* info = FindErrno(number);
  return info == nullptr ? absl::string_view() : info->name;
}

ErrnoClass ClassifyErrno(int number) {
  const auto i = static_cast<size_t>(number);
  return i < kClasses.size() ? kClasses[i] : ErrnoClass::kOther;
}

absl::string_view ErrnoText(int number) {
#ifdef __GLIBC__
  const char* text = strerrordesc_np(number);
#else
  const char* text = std::strerror(number);
#endif
  return text == nullptr ? "" : text;
}

}  // namespace upstream_502
