// Whether a security module of the kernel holds this process to rules of its
// own, beyond users and modes.

#ifndef UPSTREAM_502_SYSTEM_CONFINED_H_
#define UPSTREAM_502_SYSTEM_CONFINED_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "upstream_502/verdict/evidence.h"

namespace upstream_502 {

// From what /sys/fs/selinux/enforce ("1", "" where it cannot be read) and
// /proc/self/attr/current hold. kNone where rules are only logged, or there
// are none for this process; kNotAsked where SELinux has a context for it, and
// nobody says whether it is enforced.
Confinement ConfinementOf(absl::string_view enforce, absl::string_view context);

// Asked once: neither changes while a worker lives.
class Confined {
 public:
  Confinement Kind();
  // AppArmor's profile and mode, SELinux's context; "" where there is none.
  absl::string_view context() const { return {context_, size_}; }

 private:
  Confinement kind_ = Confinement::kNotAsked;
  char context_[256];
  size_t size_ = 0;
};

}  // namespace upstream_502

#endif  // UPSTREAM_502_SYSTEM_CONFINED_H_
