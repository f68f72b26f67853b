// Servers that have never answered: nginx may be unable to talk to them.

#ifndef UPSTREAM_502_SRC_CORE_ADVICE_SILENCE_H_
#define UPSTREAM_502_SRC_CORE_ADVICE_SILENCE_H_

#include "upstream_502/advice/situation.h"

namespace upstream_502 {

// Whether nothing has come of the servers that fail, since counting began,
// neither for this upstream nor for another one that has the same address.
bool HasNeverAnswered(const Situation& e);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_CORE_ADVICE_SILENCE_H_
