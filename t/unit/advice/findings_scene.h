// What the tests of findings share: a failure with its evidence, and what is
// found in it.

#ifndef UPSTREAM_502_T_UNIT_ADVICE_FINDINGS_SCENE_H_
#define UPSTREAM_502_T_UNIT_ADVICE_FINDINGS_SCENE_H_

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "upstream_502/advice/findings.h"

namespace upstream_502 {

// The same evidence with a text; `more` items did not fit.
inline Evidence Naming(Named named, absl::string_view text,
                       Evidence evidence = {}, int more = 0) {
  evidence.named = named;
  evidence.text_size = static_cast<uint8_t>(text.size());
  text.copy(evidence.text.data(), text.size());
  evidence.named_count = static_cast<uint16_t>(
      1 + std::count(text.begin(), text.end(), ',') + more);
  return evidence;
}

struct FindingScene {
  Failure failure;
  FailureText text = {};
  Evidence evidence = {};
};

inline std::vector<Found> Find(const FindingScene& scene) {
  return Findings(scene.failure, scene.text, &scene.evidence);
}

// The sentence of that finding; "" where it is not found.
inline std::string Says(const FindingScene& scene, Finding finding) {
  for (const Found& found : Find(scene)) {
    if (found.finding == finding) {
      return found.text;
    }
  }
  return "";
}

inline std::string NamesOf(const FindingScene& scene) {
  std::string names;
  for (const Found& found : Find(scene)) {
    absl::StrAppend(&names, names.empty() ? "" : " ",
                    FindingName(found.finding));
  }
  return names;
}

}  // namespace upstream_502

#endif  // UPSTREAM_502_T_UNIT_ADVICE_FINDINGS_SCENE_H_
