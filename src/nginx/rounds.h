// A worker among those that count: see store/writers.h.

#ifndef UPSTREAM_502_SRC_NGINX_ROUNDS_H_
#define UPSTREAM_502_SRC_NGINX_ROUNDS_H_

#include "ngx_cxx.h"

#include "conf.h"

namespace upstream_502 {

// In a worker, before it counts: says that it does and, whenever one tells that
// rows were taken out of use, that it has come back to its event loop. Looks
// for room then, and gives configured upstreams the rows that they lack.
void StartRounds(ngx_cycle_t* cycle, MainConf* conf);

// Gives the upstreams of a new configuration their rows, as one that counts: it
// may be stopped with them in its hands.
void RegisterInMaster(MainConf* conf);

// Tells the others where rows were taken out of use.
void TellOfRound(Zone* zone);

// When it ends.
void StopRounds(MainConf* conf);

}  // namespace upstream_502

#endif  // UPSTREAM_502_SRC_NGINX_ROUNDS_H_
