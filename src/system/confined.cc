// SELinux and AppArmor.

#include "system/confined.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "system/proc_file.h"

namespace upstream_502 {
namespace {

// Without the zero byte or the line's end behind it.
absl::string_view Trimmed(absl::string_view text) {
  return absl::StripAsciiWhitespace(text.substr(0, text.find('\0')));
}

}  // namespace

Confinement ConfinementOf(absl::string_view enforce,
                          absl::string_view context) {
  if (absl::EndsWith(context, "(enforce)")) {
    return Confinement::kAppArmor;
  }
  // user:role:type:level
  if (!absl::StrContains(context, ":") || absl::EndsWith(context, ")") ||
      absl::StrContains(context, ":unconfined_t")) {
    return Confinement::kNone;
  }
  const absl::string_view enforced = Trimmed(enforce);
  return enforced == "1"    ? Confinement::kSelinux
         : enforced.empty() ? Confinement::kNotAsked
                            : Confinement::kNone;
}

Confinement Confined::Kind() {
  if (kind_ != Confinement::kNotAsked) {
    return kind_;
  }
  char enforce[8];
  const absl::string_view context =
      Trimmed(ReadFile("/proc/self/attr/current", context_, sizeof(context_)));
  char stat[8];
  if (context.empty() &&
      ReadFile("/proc/self/stat", stat, sizeof(stat)).empty()) {
    return kind_;  // nobody can say: there is no /proc
  }
  kind_ = ConfinementOf(
      ReadFile("/sys/fs/selinux/enforce", enforce, sizeof(enforce)), context);
  size_ = kind_ > Confinement::kNone ? context.size() : 0;
  return kind_;
}

}  // namespace upstream_502
